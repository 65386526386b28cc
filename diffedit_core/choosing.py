"""Several tries at one edit -> the one that the model itself takes most for the target text.

A diffusion model is a classifier, too: add noise to a picture, and the text under which the model predicts that noise
better is the one that describes the picture better (Li et al. 2023, Clark & Jaini 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from .decoding import Background, Rounds, course, decode
from .denoiser import Denoise, DenoisePair, Noise, NoiseProcess, OnStep, sequence

STRENGTHS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""The noise levels to judge at, from where details are decided to where objects are."""


def decode_best(
    denoise: Denoise,
    denoise_pair: DenoisePair,
    mask: Tensor,
    background: Background,
    *,
    rounds: Rounds,
    tries: int = 1,
    on_step: OnStep | None = None,
) -> Tensor:
    """``decode`` several times with other noise; of each image the try that is most like the target text: [B, C, ...].

    The tries differ in the fresh noise of the rounds, so with one round there is one try.
    """
    tries = _distinct(tries, rounds.count)
    total, done = steps_of(len(background.sigmas) - 1, rounds.count, tries), 0

    def told(_: int, __: int, prediction: Tensor) -> None:
        nonlocal done
        done += 1
        if on_step:
            on_step(done, total, prediction)

    def attempt(number: int) -> Tensor:
        drawn = replace(rounds, noise=sequence(rounds.noise, number))
        return decode(denoise, mask, background, rounds=drawn, on_step=told)

    if tries == 1:
        return attempt(0)
    noise = sequence(rounds.noise, -1)  # the same for all tries: they shall differ, not the judging of them
    return best(tries, attempt, lambda latent: likeness(denoise_pair, latent, mask, rounds.process, noise, told))


def steps_of(levels: int, rounds: int, tries: int) -> int:
    """How many steps ``decode_best`` tells of."""
    tries = _distinct(tries, rounds)
    return tries * (len(course(levels, rounds)) + (len(STRENGTHS) if tries > 1 else 0))


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

    The mean squared error of the noise predicted under the source text, less that under the target text.
    """
    weight = mask.to(latent).expand_as(latent)
    weight = weight / weight.flatten(1).sum(1).clamp_min(1e-6).view(-1, *[1] * (latent.ndim - 1))
    gains = []
    for draw, strength in enumerate(STRENGTHS):
        sigma = process.sigma_at(strength)
        x = process.add(latent, noise(draw, latent.shape[1:]).to(latent), sigma)
        source, target = denoise_pair(x, sigma)
        gain = ((source - latent) / sigma).square() - ((target - latent) / sigma).square()
        gains.append((weight * gain).flatten(1).sum(1))
        if on_step:
            on_step(draw + 1, len(STRENGTHS), target)
    return torch.stack(gains).mean(0)


def _distinct(tries: int, rounds: int) -> int:
    return tries if rounds > 1 else 1
