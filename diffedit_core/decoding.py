"""Trajectory + mask + new text -> latent: denoise again, outside the mask keep what was there. (DiffEdit, step 3)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .denoiser import Denoise, Noise, NoiseProcess, OnStep, renoise, step
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


@dataclass(frozen=True)
class Rounds:
    """Go through each of the noisier levels several times, back up with fresh noise inside the mask (RePaint).

    One pass fits the new content to the old only as far as the first, noisiest predictions happened to see it; every
    round lets it look again, at surroundings that are still the picture's.
    """

    count: int
    process: NoiseProcess
    noise: Noise


def course(levels: int, rounds: int = 1) -> tuple[int, ...]:
    """The level that each step leaves, from `levels` down to 1: those of the noisier half `rounds` times."""
    return tuple(level for level in range(levels, 0, -1) for _ in range(rounds if level > levels / 2 else 1))


def decode(
    denoise: Denoise,
    mask: Tensor,
    background: Background,
    *,
    rounds: Rounds | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """Down the background's levels, under the new text inside the mask and over the background outside it: [B, C, ...].

    The mask is 1 where the picture may change, [B or 1, 1 or C, ...] at the latent's size. It may be soft: in between,
    each step blends.
    """
    x, mask = _matched(background.start, mask)
    sigmas = background.sigmas
    levels = course(len(sigmas) - 1, rounds.count if rounds else 1)
    for done, (level, next_level) in enumerate(pairwise((*levels, 0)), start=1):
        sigma, sigma_next = sigmas[level], sigmas[level - 1]
        prediction = denoise(x, sigma)
        edited = step(x, prediction, sigma, sigma_next)
        below = torch.lerp(background.at(level - 1, x), edited, mask)  # exact at mask 0 and 1
        if rounds and next_level == level:
            fresh = rounds.noise(done, x.shape[1:]).to(x)  # draw 0 is that of the background "noised"
            x = torch.lerp(x, renoise(rounds.process, below, fresh, sigma_next, sigma), mask)
        else:
            x = below
        if on_step:
            on_step(done, len(levels), prediction)
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
