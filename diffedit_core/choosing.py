"""Several tries at one edit -> the one that the model itself judges closest to the target text.

A diffusion model is also a classifier: add noise to a picture, and the text under which the model predicts that noise
better is the one that describes the picture better (Li et al. 2023, Clark & Jaini 2023).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .decoding import Descent, Outside, decode, levels_visited
from .denoiser import Denoise, DenoisePair, NoiseProcess, OnStep, as_one, noise_ratio
from .draws import Draws, Noise
from .solvers import SOLVERS

STRENGTHS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""The noise levels to judge at, from where details are decided to where objects are."""


def decode_best(
    denoise: Denoise,
    denoise_pair: DenoisePair,
    mask: Tensor,
    outside: Outside,
    *,
    process: NoiseProcess,
    draws: Draws,
    rounds: int = 1,
    solver: str = "ddim",
    tries: int = 1,
    on_step: OnStep | None = None,
) -> Tensor:
    """``decode`` several times with different noise, and of each image the try closest to the target text: [B, C, ...].

    Tries differ in fresh noise alone. With one round of a solver that adds none there is one try.
    """
    tries = tries if rounds > 1 or SOLVERS[solver].is_random else 1
    judged = len(STRENGTHS) if tries > 1 else 0
    count = as_one(on_step, tries * (len(levels_visited(len(outside.sigmas) - 1, rounds)) + judged))

    def attempt(number: int) -> Tensor:
        descent = Descent(process, draws.rounds(number), draws.solver(number), rounds, solver)
        return decode(denoise, mask, outside, descent=descent, on_step=count)

    if tries == 1:
        return attempt(0)
    return best(
        tries, attempt, lambda latent: likeness(denoise_pair, latent, mask, process, draws.judging, on_step=count)
    )


def best(tries: int, attempt: Callable[[int], Tensor], score: Callable[[Tensor], Tensor]) -> Tensor:
    """Of each image [B, ...] the try with the highest score [B]; the first of equals."""
    kept = attempt(0)
    highest = score(kept)
    for number in range(1, tries):
        latent = attempt(number)
        found = score(latent)
        kept = torch.where((found > highest).view(-1, *[1] * (latent.ndim - 1)), latent, kept)
        highest = torch.maximum(found, highest)
    return kept


def likeness(
    denoise_pair: DenoisePair,
    latent: Tensor,
    mask: Tensor,
    process: NoiseProcess,
    noise: Noise,
    on_step: OnStep | None = None,
) -> Tensor:
    """How much better the target text explains what is inside the mask than the source text does: [B].

    It is the mean squared error of the noise predicted under the source text, less that under the target text.
    """
    weight = mask.to(latent).expand_as(latent)
    weight = weight / weight.flatten(1).sum(1).clamp_min(1e-6).view(-1, *[1] * (latent.ndim - 1))
    gains = []
    for draw, strength in enumerate(STRENGTHS):
        sigma = process.sigma_at(strength)
        x = process.add(latent, noise(draw, latent.shape[1:]).to(latent), sigma)
        (source, target), ratio = denoise_pair(x, sigma), noise_ratio(process, sigma)
        gain = ((source - latent) / ratio).square() - ((target - latent) / ratio).square()
        gains.append((weight * gain).flatten(1).sum(1))
        if on_step:
            on_step(draw + 1, len(STRENGTHS), target)
    return torch.stack(gains).mean(0)
