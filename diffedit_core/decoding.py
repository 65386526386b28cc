"""Trajectory + mask + new text -> latent: denoise again, outside the mask keep what was there. (DiffEdit, step 3)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .denoiser import Denoise, Noise, NoiseProcess, OnStep, step
from .inversion import Trajectory

BACKGROUNDS = ("retrace", "noised", "source")


@dataclass(frozen=True)
class Background:
    """What stands outside the mask: where decoding starts, and the latent at every level it reaches."""

    start: Tensor  # [B, C, ...] at the noisiest level
    sigmas: Sequence[float]  # [N + 1], ascending
    at: Callable[[int, Tensor], Tensor]  # (level just reached, x one level above) -> [B, C, ...]


def retrace(trajectory: Trajectory) -> Background:
    """The trajectory's latent of the level just reached, which at the end is the clean latent, bit for bit."""
    return Background(trajectory.noisiest, trajectory.sigmas, lambda level, x: trajectory.latents[level])


def noised(x0: Tensor, sigmas: Sequence[float], process: NoiseProcess, noise: Noise) -> Background:
    """The clean latent with one draw of noise at every level: plain inpainting, which needs no inversion."""
    drawn = noise(0, x0.shape[1:]).to(x0).expand_as(x0)
    return Background(
        process.add(x0, drawn, sigmas[-1]),
        sigmas,
        lambda level, x: process.add(x0, drawn, sigmas[level]),
    )


def source(trajectory: Trajectory, denoise_source: Denoise) -> Background:
    """Denoised along under the source text, as FastDiffEdit's blog does; only as true to the picture as the model."""
    sigmas = trajectory.sigmas

    def at(level: int, x: Tensor) -> Tensor:
        return step(x, denoise_source(x, sigmas[level + 1]), sigmas[level + 1], sigmas[level])

    return Background(trajectory.noisiest, sigmas, at)


def decode(
    denoise: Denoise,
    mask: Tensor,
    background: Background,
    *,
    on_step: OnStep | None = None,
) -> Tensor:
    """Down the background's levels, under the new text inside the mask and over the background outside it: [B, C, ...].

    The mask is 1 where the picture may change, [B or 1, 1 or C, ...] at the latent's size. It may be soft: in between,
    each step blends.
    """
    x, mask = _matched(background.start, mask)
    sigmas = background.sigmas
    levels = range(len(sigmas) - 1, 0, -1)
    for done, (level, (sigma, sigma_next)) in enumerate(zip(levels, pairwise(reversed(sigmas)), strict=True), start=1):
        prediction = denoise(x, sigma)
        edited = step(x, prediction, sigma, sigma_next)
        x = torch.lerp(background.at(level - 1, x), edited, mask)  # exact at mask 0 and 1
        if on_step:
            on_step(done, len(sigmas) - 1, prediction)
    if not x.isfinite().all():
        raise ValueError("decoding ended in NaN or infinity; run the model in float32 or bfloat16")
    return x


def _matched(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Both as [B, C, ...], one image or one mask serving all; sizes that do not match are an error, not a guess."""
    if mask.ndim != x.ndim or mask.shape[2:] != x.shape[2:] or mask.shape[1] not in (1, x.shape[1]):
        raise ValueError(
            f"the mask is {_size(mask)} but the latent is {_size(x)}; fit the mask to the latent, "
            "or use the mask made from this picture"
        )
    count = max(len(x), len(mask))
    if {len(x), len(mask)} - {1, count}:
        raise ValueError(f"{len(mask)} masks for {len(x)} images; give one mask for all, or one for each")
    x = x.expand(count, *x.shape[1:])
    return x, mask.to(x).expand_as(x)


def _size(x: Tensor) -> str:
    return "x".join(str(n) for n in x.shape)
