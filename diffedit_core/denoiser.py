"""The contract a model is seen through, and the noise it was trained against.

A model is a callable ``denoise(x, sigma) -> x0`` with texts and guidance already bound: it takes the noisy latent x
[B, C, ...] at noise level sigma and predicts the clean one. Latents are in sigma units: ``x0 + sigma * noise`` for
diffusion models (eps and v prediction alike), ``(1 - sigma) * x0 + sigma * noise`` for flow models. Everything the
method needs follows from that one prediction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
"""``(x [B, C, ...], sigma) -> x0 [B, C, ...]``"""

DenoisePair = Callable[[Tensor, float], tuple[Tensor, Tensor]]
"""``(x, sigma) -> (x0 under the source text, x0 under the target text)``: both texts at once, in one forward pass."""

Noise = Callable[[int, torch.Size], Tensor]
"""``(draw, shape) -> standard normal noise``: a pure function, so that draw 3 is draw 3 in any batch and chunk."""

OnStep = Callable[[int, int, Tensor], None]
"""``(steps done, steps in all, x0 as predicted now)``, after every step; an exception raised here ends the loop."""


MIN_ALPHA = 4.9e-8
"""Where a schedule ends in pure noise (zero terminal SNR) sigma would be infinite; this keeps it at about 4500."""


class NoiseProcess(Protocol):
    """What differs between model families besides the network."""

    def add(self, x0: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """The clean latent with noise of level sigma."""
        ...

    def sigma_at(self, strength: float) -> float:
        """The noise level at a share of the way from the picture (0) to pure noise (1)."""
        ...

    def same_input(self, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        """The latent at sigma_next that the network sees exactly as it sees x at sigma."""
        ...


@dataclass(frozen=True)
class Diffusion:
    """Diffusion models with a table of noise levels, ascending, one per training timestep: SD1.x, SD2.x, SDXL.

    The network is fed ``x / sqrt(1 + sigma^2)``, which has the variance of the data at every level.
    """

    table: tuple[float, ...]

    @classmethod
    def from_alphas(cls, alphas_cumprod: Tensor) -> Diffusion:
        """From the cumulative products of 1 - beta that schedulers keep."""
        alphas = alphas_cumprod.double().clamp_min(MIN_ALPHA)
        return cls(tuple(((1 - alphas) / alphas).sqrt().tolist()))

    def add(self, x0: Tensor, noise: Tensor, sigma: float) -> Tensor:
        return x0 + sigma * noise

    def sigma_at(self, strength: float) -> float:
        t = check_strength(strength) * (len(self.table) - 1)
        low, high = self.table[math.floor(t)], self.table[math.ceil(t)]
        return math.exp(math.log(low) + (t - math.floor(t)) * (math.log(high) - math.log(low)))

    def same_input(self, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        return x * math.sqrt((1 + sigma_next**2) / (1 + sigma**2))


@dataclass(frozen=True)
class Flow:
    """Rectified-flow models: straight lines between picture and noise, the network fed x as it is."""

    shift: float = 1.0

    def add(self, x0: Tensor, noise: Tensor, sigma: float) -> Tensor:
        return (1 - sigma) * x0 + sigma * noise

    def sigma_at(self, strength: float) -> float:
        t = check_strength(strength)
        return self.shift * t / (1 + (self.shift - 1) * t)

    def same_input(self, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        return x


def direction(x: Tensor, x0: Tensor, sigma: float) -> Tensor:
    """dx/dsigma of the probability-flow ODE: eps for eps and v models, the velocity for flow models."""
    return (x - x0) / sigma


def step(x: Tensor, x0: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """One DDIM step, which in sigma units is Euler's; at sigma_next = 0 it is x0."""
    if sigma_next == 0:
        return x0
    return x + (sigma_next - sigma) * direction(x, x0, sigma)


def renoise(process: NoiseProcess, x: Tensor, noise: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """The latent x at sigma, with as much fresh noise as brings it to the noisier level sigma_next."""
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    kept = float(process.add(one, zero, sigma_next) / process.add(one, zero, sigma))  # of the picture
    there, here = (float(process.add(zero, one, level)) for level in (sigma_next, sigma))
    return kept * x + math.sqrt(there**2 - (kept * here) ** 2) * noise


def sample(denoise: Denoise, x: Tensor, sigmas: Sequence[float], on_step: OnStep | None = None) -> Tensor:
    """DDIM sampling: from x at the last of the ascending sigmas down to the first."""
    for done, (sigma, sigma_next) in enumerate(pairwise(reversed(sigmas)), start=1):
        x0 = denoise(x, sigma)
        x = step(x, x0, sigma, sigma_next)
        if on_step:
            on_step(done, len(sigmas) - 1, x0)
    return x


def seeded_noise(seed: int) -> Noise:
    """Draws that depend on (seed, draw) and the latent's shape alone, the same on every device."""

    def draw(index: int, shape: torch.Size) -> Tensor:
        # torch's CPU generator reads 32 bits of a seed: the upper half of these products, which every bit reaches
        mixed = (seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9) % 2**64 >> 32
        return torch.randn(shape, generator=torch.Generator().manual_seed(mixed))

    return draw


def sequence(noise: Noise, number: int) -> Noise:
    """Other draws of the same noise, a million to each number; number 0 is the noise itself."""
    return lambda draw, shape: noise(draw + number * 2**20, shape)


def paired_noise(noise: Noise) -> Noise:
    """Draws in +noise / -noise pairs, whose first-order effects on a contrast cancel."""

    def draw(index: int, shape: torch.Size) -> Tensor:
        return noise(index // 2, shape) * (1 - 2 * (index % 2))

    return draw


def levels_up_to(strength: float, sigmas: Sequence[float]) -> tuple[float, ...]:
    """The lower part of a full ascending schedule: ``strength * steps`` steps up from the picture, at least one."""
    steps = len(sigmas) - 1
    count = max(1, math.floor(check_strength(strength) * steps + 1e-6))  # 0.7 * 10 is 7, not 6.99
    return tuple(float(sigma) for sigma in sigmas[: count + 1])


def check_strength(strength: float) -> float:
    if not 0 < strength <= 1:
        raise ValueError(f"strength is {strength}; it must be above 0 (the picture) and at most 1 (pure noise)")
    return strength
