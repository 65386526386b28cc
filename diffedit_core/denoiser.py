"""The contract: how the method sees a model, and the noise process that the model was trained on.

A model is a callable ``denoise(x, sigma) -> x0`` with texts and guidance already bound. It takes the noisy latent x
[B, C, ...] at noise level sigma and predicts the clean one. Latents are in sigma units: ``x0 + sigma * noise`` for
diffusion models (eps and v prediction alike), ``(1 - sigma) * x0 + sigma * noise`` for flow models. Everything the
method needs follows from that one prediction.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
"""``(x [B, C, ...], sigma) -> x0 [B, C, ...]``"""

DenoisePair = Callable[[Tensor, float], tuple[Tensor, Tensor]]
"""``(x, sigma) -> (x0 under the source text, x0 under the target text)``: both texts at once, in one forward pass."""

OnStep = Callable[[int, int, Tensor], None]
"""``(steps done, total steps, what there is to see)``, called after every step. An exception in it ends the loop.

To see there is the x0 just predicted [B, C, ...], or of a contrast the heatmap so far [B, ...].
"""

MIN_ALPHA = 4.9e-8
"""Where a schedule ends in pure noise (zero terminal SNR), sigma would be infinite. This keeps it at about 4500."""


class NoiseProcess(Protocol):
    """What differs between model families besides the network."""

    def add(self, x0: Tensor, noise: Tensor, sigma: float) -> Tensor:
        """The clean latent with noise of level sigma."""
        ...

    def scales(self, sigma: float) -> tuple[float, float]:
        """How much picture and how much noise a latent at sigma holds: ``(a, s)`` of ``a * x0 + s * noise``."""
        ...

    def at_ratio(self, ratio: float) -> float:
        """The sigma where there is ``ratio`` times as much noise as picture, or the noisiest that the model knows."""
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

    def scales(self, sigma: float) -> tuple[float, float]:
        return 1.0, sigma

    def at_ratio(self, ratio: float) -> float:
        return min(ratio, self.table[-1])

    def same_input(self, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        return x * math.sqrt((1 + sigma_next**2) / (1 + sigma**2))


@dataclass(frozen=True)
class Flow:
    """Rectified flow: straight lines from picture to noise, the network fed x. Hosts are tested against this one."""

    def add(self, x0: Tensor, noise: Tensor, sigma: float) -> Tensor:
        return (1 - sigma) * x0 + sigma * noise

    def scales(self, sigma: float) -> tuple[float, float]:
        return 1 - sigma, sigma

    def at_ratio(self, ratio: float) -> float:
        return ratio / (1 + ratio)

    def same_input(self, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        return x


def direction(x: Tensor, x0: Tensor, sigma: float) -> Tensor:
    """dx/dsigma of the probability-flow ODE: eps for eps and v models, the velocity for flow models."""
    return (x - x0) / sigma


def renoise(process: NoiseProcess, x: Tensor, noise: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """The latent x at sigma with enough fresh noise to bring it up to the noisier level sigma_next.

    With x = a * x0 + s * n: scaling x by a'/a leaves noise of s * a'/a, and variances add up to s'^2.
    """
    (a, s), (a_next, s_next) = process.scales(sigma), process.scales(sigma_next)
    kept = a_next / a
    return kept * x + math.sqrt(max(s_next**2 - (kept * s) ** 2, 0.0)) * noise  # rounding may end below 0


def as_one(on_step: OnStep | None, total: int) -> OnStep:
    """For several loops that count as one: each of their steps is one of ``total``."""
    numbers = itertools.count(1)

    def count(_: int, __: int, seen: Tensor) -> None:
        done = next(numbers)
        if on_step:
            on_step(done, total, seen)

    return count


def noise_ratio(process: NoiseProcess, sigma: float) -> float:
    """How much noise there is to how much picture: the same number is the same level on every family."""
    picture, noise = process.scales(sigma)
    return noise / picture if picture else math.inf
