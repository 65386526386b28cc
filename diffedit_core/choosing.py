"""Several tries at one edit -> the one that the model itself judges closest to the target text.

A diffusion model is also a classifier: add noise to a picture, and the text under which the model predicts that noise
better is the one that describes the picture better (Li et al. 2023, Clark & Jaini 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .batches import per_image
from .decoding import Outside, descend, matched
from .denoiser import Denoise, DenoisePair, NoiseProcess, OnStep, as_one, noise_ratio
from .draws import Draws, Noise
from .solvers import SOLVERS, Step
from .strength import sigma_at

SETTLED = 0.6
"""The ratio of noise to picture from which down only details change. Above it, it shows which try is best.

It is that of a small picture, as the strengths are: a large one, with its ``gain``, settles under more noise.
"""

STRENGTHS = (0.5,)
"""The noise levels to judge at."""


def decode_best(
    denoise: Denoise,
    denoise_pair: DenoisePair,
    mask: Tensor,
    outside: Outside,
    *,
    process: NoiseProcess,
    draws: Draws,
    gain: float = 1.0,
    solver: str = "ancestral",
    tries: int = 1,
    greys: str = "blend",
    change: Tensor | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """``decode`` begun several times with different noise; of each image the best try is finished: [B, C, ...].

    A try is judged by the picture predicted where only details are left to come. The first starts from the picture's
    own noise; the others have fresh noise inside the mask, so that they do not share what is wrong with the first. All
    begin with the ``change`` [B, C, ...], where one is given.
    """
    first, mask = matched(outside.start, mask)
    levels = range(len(outside.sigmas) - 1, 0, -1)
    settled = _settled(outside.sigmas, process, gain) if tries > 1 else 0
    free = outside.freed(mask, greys)
    begun, shown = free(levels[0]), free(settled + 1)  # what changes on the first step, and on the last that is judged
    early, late = levels[: len(levels) - settled], levels[len(levels) - settled :]
    count = as_one(on_step, tries * (len(early) + (len(STRENGTHS) if tries > 1 else 0)) + len(late))

    def stepping(number: int, done: int = 0) -> Step:
        noise = draws.solver(number)
        return SOLVERS[solver].begin(process, lambda draw, shape: noise(done + draw, shape))

    def attempt(number: int) -> tuple[Tensor, ...]:
        start = first
        if number:
            fresh = draws.solver(number)(0, first.shape[1:]).to(first)
            start = torch.lerp(first, process.add(outside.clean, fresh, outside.sigmas[-1]), begun)
        if change is not None:
            start = start + process.scales(outside.sigmas[-1])[0] * begun * change
        return descend(denoise, start, free, outside, early, step=stepping(number), on_step=count)

    def score(attempted: tuple[Tensor, ...]) -> Tensor:
        picture = torch.lerp(outside.clean, attempted[1], shown)
        return likeness(denoise_pair, picture, shown, process, draws.judging, gain=gain, on_step=count)

    kept, _ = attempt(0) if tries == 1 else best(tries, attempt, score)
    return descend(denoise, kept, free, outside, late, step=stepping(0, len(early)), on_step=count)[0]


def best(
    tries: int, attempt: Callable[[int], tuple[Tensor, ...]], score: Callable[[tuple[Tensor, ...]], Tensor]
) -> tuple[Tensor, ...]:
    """Of each image the tensors [B, ...] of the try with the highest score [B]; the first of equals."""
    kept = attempt(0)
    highest = score(kept)
    for number in range(1, tries):
        found = attempt(number)
        points = score(found)
        is_better = points > highest
        kept = tuple(torch.where(per_image(is_better, old), new, old) for new, old in zip(found, kept, strict=True))
        highest = torch.maximum(points, highest)
    return kept


def likeness(
    denoise_pair: DenoisePair,
    latent: Tensor,
    mask: Tensor,
    process: NoiseProcess,
    noise: Noise,
    *,
    gain: float = 1.0,
    on_step: OnStep | None = None,
) -> Tensor:
    """How much better the target text explains what is inside the mask than the source text does: [B].

    It is the mean squared error of the noise predicted under the source text, less that under the target text.
    """
    weight = mask.to(latent).expand_as(latent)
    weight = weight / per_image(weight.flatten(1).sum(1).clamp_min(1e-6), weight)
    better = []
    for draw, strength in enumerate(STRENGTHS):
        sigma = sigma_at(process, strength, gain)
        x = process.add(latent, noise(draw, latent.shape[1:]).to(latent), sigma)
        (source, target), ratio = denoise_pair(x, sigma), noise_ratio(process, sigma)
        closer = ((source - latent) / ratio).square() - ((target - latent) / ratio).square()
        better.append((weight * closer).flatten(1).sum(1))
        if on_step:
            on_step(draw + 1, len(STRENGTHS), target)
    return torch.stack(better).mean(0)


def levels_of_judging(process: NoiseProcess, gain: float = 1.0) -> tuple[float, ...]:
    return tuple(sigma_at(process, strength, gain) for strength in STRENGTHS)


def _settled(sigmas: Sequence[float], process: NoiseProcess, gain: float) -> int:
    """How many of the lower levels only change details. At least one level is above them."""
    low = sum(noise_ratio(process, sigma) <= gain * SETTLED for sigma in sigmas[1:])
    return min(low, len(sigmas) - 2)
