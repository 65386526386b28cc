"""Trajectory + mask + new text -> latent: denoise again, and keep the picture outside the mask. (DiffEdit, step 3)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .batches import check_batch
from .checks import check_finite, check_latents
from .denoiser import Denoise, NoiseProcess, OnStep
from .draws import Draws, Noise
from .greys import GREYS
from .host import Denoisers
from .inversion import Trajectory
from .solvers import Step, ddim

Freed = Callable[[int], Tensor]
"""``(level) -> [B, C, ...]``: how much of each cell may change on the step down from this level."""


@dataclass(frozen=True)
class Outside:
    """What stands outside the mask: where decoding starts, and the latent at every level that it reaches."""

    clean: Tensor  # [B, C, ...]: the picture
    start: Tensor  # [B, C, ...] at the noisiest level
    sigmas: Sequence[float]  # [N + 1], ascending
    at: Callable[[int, Tensor], Tensor]  # (level just reached, x one level above) -> [B, C, ...]

    def freed(self, mask: Tensor, greys: str) -> Freed:
        """What a mask lets change, level by level."""
        free, top = GREYS[greys].free, len(self.sigmas) - 1
        return lambda level: free(mask, (level - 0.5) / top)


def retrace(trajectory: Trajectory) -> Outside:
    """The trajectory's latent of the level just reached. At the end that is the clean latent, bit for bit."""
    return Outside(trajectory.clean, trajectory.noisiest, trajectory.sigmas, lambda level, x: trajectory.latents[level])


def noised(x0: Tensor, sigmas: Sequence[float], process: NoiseProcess, noise: Noise) -> Outside:
    """The clean latent with one draw of noise at every level: plain inpainting, which needs no inversion."""
    drawn = noise(0, x0.shape[1:]).to(x0).expand_as(x0)
    start = process.add(x0, drawn, sigmas[-1])
    return Outside(x0, start, sigmas, lambda level, x: process.add(x0, drawn, sigmas[level]))


def source(trajectory: Trajectory, denoise_source: Denoise) -> Outside:
    """Denoised under the source text, as in FastDiffEdit's blog. It is only as true to the picture as the model is."""
    sigmas = trajectory.sigmas

    def at(level: int, x: Tensor) -> Tensor:
        return ddim(denoise_source, x, sigmas[level + 1], sigmas[level])[0]

    return Outside(trajectory.clean, trajectory.noisiest, sigmas, at)


@dataclass(frozen=True)
class Background:
    """A way to fill what is outside the mask, and what it takes."""

    outside: Callable[[Denoisers, Trajectory, Draws, float], Outside]  # (model, trajectory, draws, guidance)
    meaning: str
    needs_inversion: bool = True
    needs_source: bool = False  # the source text
    is_exact: bool = True  # outside the mask the clean latent comes back bit for bit


BACKGROUNDS: dict[str, Background] = {
    "retrace": Background(lambda model, up, draws, guidance: retrace(up), "the inverted picture, level by level"),
    "noised": Background(
        lambda model, up, draws, guidance: noised(up.clean, up.sigmas, model.process, draws.background),
        "the picture with fresh noise, as in plain inpainting",
        needs_inversion=False,
    ),
    "source": Background(
        lambda model, up, draws, guidance: source(up, model.denoiser("source", guidance)),
        "denoised under the source text, which changes it a little",
        needs_source=True,
        is_exact=False,
    ),
}


def decode(
    denoise: Denoise,
    mask: Tensor,
    outside: Outside,
    *,
    greys: str = "blend",
    step: Step = ddim,
    on_step: OnStep | None = None,
) -> Tensor:
    """Down the levels: under the new text inside the mask, over what stands outside it: [B, C, ...].

    The mask is 1 where the picture may change, [B or 1, 1 or C, ...] at the latent's size. In between it is as the
    ``greys`` say. Without another step it goes straight down with DDIM's.
    """
    x, mask = matched(outside.start, mask)
    free = outside.freed(mask, greys)
    x, _ = descend(denoise, x, free, outside, range(len(outside.sigmas) - 1, 0, -1), step=step, on_step=on_step)
    return x


def descend(
    denoise: Denoise,
    x: Tensor,
    free: Freed,
    outside: Outside,
    levels: Sequence[int],
    *,
    step: Step,
    on_step: OnStep | None = None,
) -> tuple[Tensor, Tensor]:
    """One step down from each of the falling ``levels``: the latent below the last, and the x0 predicted there."""
    x0 = x
    for done, level in enumerate(levels, start=1):
        edited, x0 = step(denoise, x, outside.sigmas[level], outside.sigmas[level - 1])
        x = torch.lerp(outside.at(level - 1, x), edited, free(level))  # exact at mask 0 and 1
        if on_step:
            on_step(done, len(levels), x0)
    check_finite(x, "decoding ended in")
    return x, x0


def matched(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Both as [B, C, ...]. One image or one mask serves all; sizes that do not match are an error."""
    check_latents(x)
    if mask.ndim != x.ndim or mask.shape[2:] != x.shape[2:] or mask.shape[1] not in (1, x.shape[1]):
        raise ValueError(
            f"the mask is {_size(mask)} but the latent is {_size(x)}; fit the mask to the latent, "
            "or use the mask made from this picture"
        )
    count = check_batch({"masks": len(mask), "images": len(x)})
    x = x.expand(count, *x.shape[1:])
    return x, mask.to(x).expand_as(x)


def _size(x: Tensor) -> str:
    return "x".join(str(n) for n in x.shape)
