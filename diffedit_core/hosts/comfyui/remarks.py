"""What is likely to be a mistake in what a node was given, in words for its user."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .families import makes_stills
from .guider import Conditioning
from .latents import VaeLatent

REFERENCES = "reference_latents"
"""Where a CONDITIONING keeps the pictures that an edit model looks at."""


def remarks(
    model: Any, latent: VaeLatent, source: Conditioning | None = None, *others: Conditioning | None
) -> tuple[str, ...]:
    """On the latent, and on texts that are compared with the source text."""
    samples, said = latent["samples"], []
    if samples.ndim == 5 and samples.shape[2] > 1 and makes_stills(model):
        said.append(
            f"the VAE made one clip of {samples.shape[2]} latent frames out of your pictures and left some out; this "
            "model makes single pictures: put Rebatch Images with a batch size of 1 before VAE Encode"
        )
    if source is not None and any(not _same_references(source, other) for other in others if other is not None):
        said.append(
            "the texts come with different reference pictures, so the mask shows where these differ, and not the edit; "
            "give every text the same ones"
        )
    return tuple(said)


def _same_references(one: Conditioning, other: Conditioning) -> bool:
    pairs = _references(one), _references(other)
    if [each.shape for each in pairs[0]] != [each.shape for each in pairs[1]]:
        return False
    return all(
        torch.allclose(a.float(), b.to(a.device).float(), rtol=0.01, atol=0.01) for a, b in zip(*pairs, strict=True)
    )


def _references(text: Conditioning) -> list[Tensor]:
    return [each for _, options in text for each in options.get(REFERENCES) or ()]
