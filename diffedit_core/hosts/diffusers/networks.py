"""What the host asks of a network, and which network a pipeline has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ...denoiser import NoiseProcess
from .autoencoder import Autoencoder
from .encoders import Embedding
from .guides import Guide

Seen = Mapping[str, Tensor]
"""What a network is shown of the pictures besides their noisy latents: of each a row for every picture."""


class Network(Protocol):
    """A diffusers UNet or transformer with its scheduler's noise levels and its text encoders."""

    guides_itself: bool  # guidance is one of its inputs; there is no negative text
    needs_picture: bool  # and is to be shown it
    fills: bool  # was trained to fill a hole
    autoencoder: Autoencoder
    patch: int  # of which both sides of a latent must be multiples
    area: int  # pixels of the pictures that it was made for

    @property
    def process(self) -> NoiseProcess: ...
    @property
    def dtype(self) -> torch.dtype: ...
    def sigmas(self, steps: int) -> tuple[float, ...]: ...
    def embed(self, texts: Sequence[str], device: torch.device) -> Embedding: ...
    def look(self, picture: Tensor, mask: Tensor | None, device: torch.device) -> Seen: ...
    def predict(self, x: Tensor, sigma: float, embedding: Embedding, seen: Seen, guidance: float) -> Tensor: ...


def network_of(pipe: Any, guide: str | Tensor | Guide | None = None, guide_scale: float = 1.0) -> Network:
    """By what the pipeline holds, so that its own class does not matter."""
    from .flows import TRANSFORMERS
    from .unet import UNet

    name = type(pipe).__name__
    if missing := [part for part in ("vae", "scheduler") if getattr(pipe, part, None) is None]:
        raise ValueError(f"{name} has no {' and no '.join(missing)}, so it cannot edit a picture; use another model")
    if getattr(pipe, "unet", None) is not None:
        return UNet(pipe, guide, guide_scale)
    transformer = type(getattr(pipe, "transformer", None)).__name__
    if transformer not in TRANSFORMERS:
        raise ValueError(f"{name} is not supported; use an SD1.x, SD2.x, SDXL, SD3 or Flux model")
    if guide is not None:
        raise ValueError(f"{name} takes no guide; leave it out, or use a model with a ControlNet")
    return TRANSFORMERS[transformer](pipe)
