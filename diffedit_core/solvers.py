"""The way down: solvers that step from one noise level to the next, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from .denoiser import Denoise, NoiseProcess, OnStep, direction, noise_ratio, renoise
from .draws import Noise

Step = Callable[[Denoise, Tensor, float, float], tuple[Tensor, Tensor]]
"""``(denoise, x, sigma, sigma_next) -> (x at sigma_next, the x0 predicted on the way)``"""

ETA = 0.6
"""The share of the step's noise that ``ancestral`` replaces: 0 would be DDIM, 1 is DDPM."""


def ddim(denoise: Denoise, x: Tensor, sigma: float, sigma_next: float) -> tuple[Tensor, Tensor]:
    """Euler's step in sigma units, which is DDIM's (Song et al. 2021, eq. 12 with eta = 0). At sigma 0 it is x0."""
    x0 = denoise(x, sigma)
    return step(x, x0, sigma, sigma_next), x0


def step(x: Tensor, x0: Tensor, sigma: float, sigma_next: float) -> Tensor:
    if sigma_next == 0:
        return x0
    return x + (sigma_next - sigma) * direction(x, x0, sigma)


def ancestral(process: NoiseProcess, noise: Noise, eta: float = ETA) -> Step:
    """DDIM with fresh noise (Song et al. 2021, eq. 16): a step down past sigma_next, and back up with a new draw.

    In ratios r of noise to picture: r_down^2 = r'^2 (1 - eta^2 (1 - r'^2 / r^2)), the same for diffusion and flow.
    """
    drawn = 0

    def advance(denoise: Denoise, x: Tensor, sigma: float, sigma_next: float) -> tuple[Tensor, Tensor]:
        nonlocal drawn
        drawn += 1
        if sigma_next == 0:
            return ddim(denoise, x, sigma, sigma_next)
        above, ratio = noise_ratio(process, sigma), noise_ratio(process, sigma_next)
        down = process.at_ratio(ratio * math.sqrt(1 - eta**2 * (1 - (ratio / above) ** 2)))
        below, x0 = ddim(denoise, x, sigma, down)
        return renoise(process, below, noise(drawn, x.shape[1:]).to(x), down, sigma_next), x0

    return advance


def multistep(process: NoiseProcess) -> Step:
    """DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): second order with one prediction a step, by the step before."""
    before: tuple[Tensor, float] | None = None  # x0 of the last step, and that step's width in log ratio

    def advance(denoise: Denoise, x: Tensor, sigma: float, sigma_next: float) -> tuple[Tensor, Tensor]:
        nonlocal before
        x0 = denoise(x, sigma)
        if sigma_next == 0:
            return x0, x0
        (_, s), (a_next, s_next) = process.scales(sigma), process.scales(sigma_next)
        width = math.log(noise_ratio(process, sigma) / noise_ratio(process, sigma_next))
        ahead = x0 if before is None else x0 + width / (2 * before[1]) * (x0 - before[0])
        before = x0, width
        return s_next / s * x - a_next * math.expm1(-width) * ahead, x0

    return advance


@dataclass(frozen=True)
class Solver:
    """``begin(process, noise)`` gives the step of one way down, which may remember the steps before."""

    begin: Callable[[NoiseProcess, Noise], Step]
    meaning: str


SOLVERS: dict[str, Solver] = {
    "ddim": Solver(lambda process, noise: ddim, "DDIM's own step, the one that the inversion undoes"),
    "ancestral": Solver(ancestral, f"replaces {ETA:.0%} of the noise with fresh noise at every step"),
    "multistep": Solver(lambda process, noise: multistep(process), "second order: also uses the previous prediction"),
}


def sample(denoise: Denoise, x: Tensor, sigmas: Sequence[float], on_step: OnStep | None = None) -> Tensor:
    """DDIM sampling: from x at the last of the ascending sigmas down to the first."""
    for done, (sigma, sigma_next) in enumerate(pairwise(reversed(sigmas)), start=1):
        x, x0 = ddim(denoise, x, sigma, sigma_next)
        if on_step:
            on_step(done, len(sigmas) - 1, x0)
    return x
