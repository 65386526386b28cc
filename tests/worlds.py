"""Denoisers whose answers are known in closed form, and the exact paths of their flows: the truth in the tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from diffedit_core.denoiser import Diffusion, Flow

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
class AsFlow:
    """A world of diffusion as a flow model sees it: its latents at sigma are x / (1 + sigma) at sigma / (1 + sigma)."""

    world: Gaussian | TwoPeaks

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        return self.world.denoise(x / (1 - sigma), sigma / (1 - sigma))

    def at(self, x0: Tensor, sigma: float) -> Tensor:
        return self.world.at(x0, sigma / (1 - sigma)) * (1 - sigma)


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
