"""Two texts -> heatmap: where do the model's predictions differ? (DiffEdit, step 1)"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import check_finite
from .denoiser import Denoise, DenoisePair, NoiseProcess, OnStep, as_one
from .draws import Noise
from .solvers import sample


@dataclass(frozen=True)
class Statistic:
    """How the differences of all draws become one heatmap: ``finish(mean over draws of of_draw(d [B, C, ...]))``."""

    of_draw: Callable[[Tensor], Tensor]
    finish: Callable[[Tensor], Tensor]
    meaning: str


STATISTICS: dict[str, Statistic] = {
    "mean_abs": Statistic(
        lambda d: d.abs().mean(1), lambda mean: mean, "averages sizes, as the paper and diffusers do"
    ),
    "signed": Statistic(lambda d: d, lambda mean: mean.norm(dim=1), "averages before taking sizes, so noise cancels"),
}


def contrast(
    denoise_pair: DenoisePair,
    x0: Tensor,
    process: NoiseProcess,
    sigma: float,
    *,
    noise: Noise,
    draws: int = 10,
    statistic: str = "mean_abs",
    chunk: int = 1,
    on_step: OnStep | None = None,
) -> Tensor:
    """How much the two predictions differ at each place, over several noise draws at one level: [B, ...] float32.

    It is in units of the noise (|eps_source - eps_target|), whatever the model predicts. Guidance with one shared
    negative would only scale it, so denoise_pair needs none. ``chunk`` is the number of draws that go through the model
    at a time; it bounds memory and changes nothing else.
    """

    def differences() -> Iterator[Tensor]:
        for indices in torch.arange(draws).split(chunk):
            noises = [noise(int(i), x0.shape[1:]).to(x0) for i in indices]
            # draw by draw, and within a draw image by image: [k * B, C, ...]
            x = torch.cat([process.add(x0, n, sigma) for n in noises])
            source, target = denoise_pair(x, sigma)
            difference = (source.float() - target.float()) / sigma
            for k, index in enumerate(indices.tolist()):
                if on_step:
                    on_step(index + 1, draws, target[k * len(x0) : (k + 1) * len(x0)])
                yield difference[k * len(x0) : (k + 1) * len(x0)]

    return summarize(differences(), statistic)


def purist_contrast(
    denoise_source: Denoise,
    denoise_target: Denoise,
    x0: Tensor,
    process: NoiseProcess,
    sigmas: Sequence[float],
    *,
    noise: Noise,
    draws: int = 10,
    statistic: str = "mean_abs",
    on_step: OnStep | None = None,
) -> Tensor:
    """The same, but every draw is denoised all the way down ``sigmas`` (ascending) under each text: [B, ...] float32.

    What is compared are the finished latents. That costs ``2 * len(sigmas[1:])`` predictions a draw, and it needs
    guidance, which is no mere scale here.
    """
    count = as_one(on_step, 2 * draws * (len(sigmas) - 1))

    def differences() -> Iterator[Tensor]:
        for index in range(draws):
            x = process.add(x0, noise(index, x0.shape[1:]).to(x0), sigmas[-1])
            yield sample(denoise_source, x, sigmas, count).float() - sample(denoise_target, x, sigmas, count).float()

    return summarize(differences(), statistic)


def summarize(differences: Iterator[Tensor], statistic: str) -> Tensor:
    """[B, C, ...] of each draw -> [B, ...]. They are summed draw by draw, so that chunks cannot change the rounding."""
    chosen = STATISTICS[statistic]
    total, count = torch.zeros(()), 0
    for difference in differences:  # [B, C, ...]
        total = total.to(difference.device) + chosen.of_draw(difference)
        count += 1
    heatmap = chosen.finish(total / count)  # [B, ...]
    check_finite(heatmap, "the model's predictions contain")
    return heatmap
