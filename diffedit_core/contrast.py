"""Two texts -> heatmap: where do the model's predictions differ? (DiffEdit, step 1)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .batches import per_image
from .checks import check_finite, check_latents
from .denoiser import Denoise, DenoisePair, NoiseProcess, OnStep, as_one
from .draws import Noise
from .masks import coarse
from .solvers import sample

FEWEST = 2
"""The draws after which a contrast may stop."""


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


@dataclass(frozen=True)
class Contrast:
    """Where two texts differ, and how surely."""

    heatmap: Tensor  # [B, ...] float32
    agreement: Tensor  # [B]: how alike the first half of the draws and the second are, at most 1


class Tally:
    """Differences [B, C, ...] summed up draw by draw, so that chunks cannot change the rounding.

    An image that is ``settled`` takes no more draws: the others of its batch cannot change what it gets.
    """

    def __init__(self, statistic: str, x0: Tensor) -> None:
        self.statistic, self.maps = STATISTICS[statistic], list[Tensor]()
        self.total, self.counts = x0.new_zeros(()).float(), x0.new_zeros(len(x0)).float()
        self.agreement, self.is_open = torch.ones_like(self.counts), torch.ones_like(self.counts, dtype=torch.bool)

    def add(self, difference: Tensor) -> None:
        drawn = self.statistic.of_draw(difference)
        self.total = self.total + torch.where(per_image(self.is_open, drawn), drawn, 0)
        self.counts += self.is_open
        self.maps.append(coarse(difference.abs().mean(1)))
        if len(self.maps) > 1:
            self.agreement = torch.where(self.is_open, halves_alike(self.maps), self.agreement)

    def settle(self, sure: float) -> bool:
        """Closes the images whose draws agree by more than ``sure``. True once none is open."""
        self.is_open &= self.agreement <= sure
        return not self.is_open.any()

    @property
    def heatmap(self) -> Tensor:
        """As far as it has come: [B, ...]."""
        return self.statistic.finish(self.total / per_image(self.counts, self.total))

    def contrast(self) -> Contrast:
        heatmap = self.heatmap
        check_finite(heatmap, "the model's predictions contain")
        return Contrast(heatmap, self.agreement)


def contrast(
    denoise_pair: DenoisePair,
    x0: Tensor,
    process: NoiseProcess,
    sigma: float,
    *,
    noise: Noise,
    draws: int = 10,
    sure: float = 1.0,
    statistic: str = "mean_abs",
    chunk: int = 1,
    on_step: OnStep | None = None,
) -> Contrast:
    """How much the two predictions differ at each place, over several noise draws at one level.

    It is in units of the noise (|eps_source - eps_target|), whatever the model predicts. Guidance with one shared
    negative would only scale it, so denoise_pair needs none. Where the first two draws agree by more than ``sure``, no
    more are taken. ``chunk`` is the number of draws that go through the model at a time; it bounds memory and changes
    nothing else.
    """
    check_latents(x0)
    tally = Tally(statistic, x0)
    first = FEWEST if sure < 1 else draws
    parts = [part for span in (range(min(first, draws)), range(first, draws)) for part in _chunks(span, chunk)]
    for part in parts:
        if part.start == first and tally.settle(sure):
            break
        noises = [noise(index, x0.shape[1:]).to(x0) for index in part]
        # draw by draw, and within a draw image by image: [k * B, C, ...]
        source, target = denoise_pair(torch.cat([process.add(x0, n, sigma) for n in noises]), sigma)
        difference = (source.float() - target.float()) / sigma
        for index, each in zip(part, difference.split(len(x0)), strict=True):
            tally.add(each)
            if on_step:
                on_step(index + 1, draws, tally.heatmap)
    return tally.contrast()


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
) -> Contrast:
    """The same, but every draw is denoised all the way down ``sigmas`` (ascending) under each text.

    What is compared are the finished latents. That costs ``2 * len(sigmas[1:])`` predictions a draw, and it needs
    guidance, which is no mere scale here.
    """
    check_latents(x0)
    count, tally = as_one(on_step, 2 * draws * (len(sigmas) - 1)), Tally(statistic, x0)
    for index in range(draws):
        x = process.add(x0, noise(index, x0.shape[1:]).to(x0), sigmas[-1])
        tally.add(sample(denoise_source, x, sigmas, count).float() - sample(denoise_target, x, sigmas, count).float())
    return tally.contrast()


def halves_alike(maps: Sequence[Tensor]) -> Tensor:
    """The correlation of the mean of the first half of the maps [B, cells] with that of the second: [B].

    Two halves without any contrast agree.
    """
    half = len(maps) // 2
    first, second = (torch.stack(list(part)).mean(0) for part in (maps[:half], maps[half:]))
    first, second = first - first.mean(1, keepdim=True), second - second.mean(1, keepdim=True)
    sizes = first.norm(dim=1), second.norm(dim=1)
    alike = (first * second).sum(1) / (sizes[0] * sizes[1]).clamp_min(torch.finfo(first.dtype).tiny)
    return torch.where(torch.maximum(*sizes) > 0, alike, 1.0).clamp(max=1)  # rounding can take it past 1


def _chunks(span: range, size: int) -> list[range]:
    return [span[start : start + size] for start in range(0, len(span), size)]
