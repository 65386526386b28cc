"""Denoisers whose answers are known in closed form, and the exact paths of their flows: the truth in the tests."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from diffedit_core.denoiser import Diffusion, Flow, NoiseProcess

DIFFUSION = Diffusion.from_alphas(torch.linspace(0.9999, 0.0047, 1000, dtype=torch.float64))  # sigma from 0.01 to 14.5
FLOW = Flow()


@dataclass(frozen=True)
class Gaussian:
    """Data x0 ~ N(mean, deviation^2), each value by itself; its text says what the mean is."""

    deviation: float = 1.0
    mean: float | Tensor = 0.0

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """E[x0 | x0 + sigma * noise = x]."""
        kept = self.deviation**2 / (self.deviation**2 + sigma**2)
        return self.mean + kept * (x - self.mean)

    def at(self, x0: Tensor, sigma: float) -> Tensor:
        """Where the probability flow carries x0."""
        return self.mean + (x0 - self.mean) * math.sqrt(1 + (sigma / self.deviation) ** 2)


@dataclass(frozen=True)
class FlowGaussian:
    """The same data seen by a flow model: x = (1 - sigma) * x0 + sigma * noise."""

    deviation: float = 1.0

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        return x * (1 - sigma) * self.deviation**2 / self._variance(sigma)

    def at(self, x0: Tensor, sigma: float) -> Tensor:
        return x0 * math.sqrt(self._variance(sigma)) / self.deviation

    def _variance(self, sigma: float) -> float:
        return ((1 - sigma) * self.deviation) ** 2 + sigma**2


@dataclass(frozen=True)
class TwoPeaks:
    """Data around -1 and 1: not linear, so that iterating really has something to do."""

    deviation: float = 0.3

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        variance = self.deviation**2 + sigma**2
        return (self.deviation**2 * x + sigma**2 * torch.tanh(x / variance)) / variance

    def at(self, x0: Tensor, sigma: float) -> Tensor:
        """Where the probability flow carries x0: to where the same share of all values lies below."""
        low, high, share = x0 - 5 - 5 * sigma, x0 + 5 + 5 * sigma, self._below(x0, 0.0)
        for _ in range(80):  # halved until nothing is left of it
            middle = (low + high) / 2
            is_below = self._below(middle, sigma) < share
            low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
        return low

    def _below(self, x: Tensor, sigma: float) -> Tensor:
        spread = math.sqrt(2 * (self.deviation**2 + sigma**2))
        return 0.25 * (2 + torch.erf((x - 1) / spread) + torch.erf((x + 1) / spread))


@dataclass(frozen=True)
class Somewhere:
    """A thing in one of several places, [K, C, h, w], as likely in each, with a deviation of N(0, deviation^2)."""

    things: Tensor
    deviation: float = 0.3

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """The mean of the answers of all places, weighed by how well each explains x."""
        variance = self.deviation**2 + sigma**2
        shares = torch.stack([self._logit(x, thing) / variance for thing in self.things]).softmax(0)  # [K, B]
        thing = sum(share[:, None, None, None] * each for share, each in zip(shares, self.things, strict=True))
        return thing + self.deviation**2 / variance * (x - thing)

    def _logit(self, x: Tensor, thing: Tensor) -> Tensor:
        return (x * thing - thing.square() / 2).flatten(1).sum(1)


@dataclass(frozen=True)
class AsFlow:
    """A world of diffusion as a flow model sees it: its latents at sigma are x / (1 + sigma) at sigma / (1 + sigma)."""

    world: Gaussian | TwoPeaks | Somewhere

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        return self.world.denoise(x / (1 - sigma), sigma / (1 - sigma))

    def at(self, x0: Tensor, sigma: float) -> Tensor:
        return self.world.at(x0, sigma / (1 - sigma)) * (1 - sigma)


@dataclass(frozen=True)
class FlowOf(Flow):
    """A process of diffusion as a flow."""

    process: NoiseProcess = DIFFUSION

    def same_input(self, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        above, below = sigma_next / (1 - sigma_next), sigma / (1 - sigma)
        return self.process.same_input(x / (1 - sigma), below, above) * (1 - sigma_next)


CELL = 4
"""Pixels of a WorldHost's picture a cell of its latent."""


@dataclass
class WorldHost:
    """A host whose texts are worlds, and whose latents are pictures of one pixel a cell, in -1..1: exact both ways."""

    is_flow: bool = False
    multiple: int = CELL
    cell: int = CELL
    area: int = (16 * CELL) ** 2
    evaluations: int = 0

    @property
    def process(self) -> NoiseProcess:
        return FlowOf() if self.is_flow else DIFFUSION

    def encode(self, picture: Tensor) -> Tensor:
        return F.avg_pool2d(picture.movedim(-1, 1), CELL) * 2 - 1

    def decode(self, latent: Tensor) -> Tensor:
        pixels = latent.repeat_interleave(CELL, -2).repeat_interleave(CELL, -1)
        return (pixels.movedim(1, -1) / 2 + 0.5).clamp(0, 1).float()

    def bind(self, *edits) -> WorldModel:
        return WorldModel(self, [{role: world for role, world in texts.items() if world != ""} for texts in edits])


@dataclass
class WorldModel:
    host: WorldHost
    worlds: list[dict[str, Any]]  # of each edit, by role; without a text it is N(0, 0.3^2)
    chosen: tuple[int, ...] = (0,)
    chunk: int = 1

    def __post_init__(self) -> None:
        self.process, self.cell = self.host.process, self.host.cell

    def of(self, *edits: int) -> WorldModel:
        return replace(self, chosen=edits)

    def predict(self, role: str, x: Tensor, sigma: float) -> Tensor:
        self.host.evaluations += len(x)
        found = torch.empty_like(x)
        for row, edit in enumerate(self.chosen):
            world = self.worlds[edit].get(role, Gaussian(0.3))
            rows = slice(row, None, len(self.chosen))
            found[rows] = (AsFlow(world) if self.host.is_flow else world).denoise(x[rows].double(), sigma).to(x)
        return found

    def denoiser(self, role: str, guidance: float = 1.0):
        def denoise(x: Tensor, sigma: float) -> Tensor:
            if guidance == 1:
                return self.predict(role, x, sigma)
            return torch.lerp(self.predict("negative", x, sigma), self.predict(role, x, sigma), guidance)

        return denoise

    def denoiser_pair(self, first: str, second: str):
        return lambda x, sigma: (self.predict(first, x, sigma), self.predict(second, x, sigma))


def pair(source, target):
    """Two worlds' denoisers as one, as the contrast asks for them."""
    return lambda x, sigma: (source.denoise(x, sigma), target.denoise(x, sigma))


def standard_normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def levels(top: float, steps: int) -> tuple[float, ...]:
    """Evenly spaced noise levels from 0 to top: [steps + 1]."""
    return tuple(top * i / steps for i in range(steps + 1))


def order(errors: dict[int, float]) -> float:
    """The slope of log error over log steps, by least squares: -1 for a method of first order."""
    steps = torch.tensor([math.log(n) for n in errors], dtype=torch.float64)
    logs = torch.tensor([math.log(e) for e in errors.values()], dtype=torch.float64)
    centred = steps - steps.mean()
    return float((centred * logs).sum() / centred.square().sum())
