"""Strength: how much of a picture is turned into noise, as one number for every family and for pictures of every size.

It is counted on the scale of Stable Diffusion 1.5, on which DiffEdit was made: a strength is a share of its training
timesteps, and so a ratio of noise to picture. Twice as wide, a picture shows the same things through twice the noise,
since each of them lies on four times as many cells (Hoogeboom et al. 2023, Esser et al. 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .denoiser import Diffusion, NoiseProcess

AREA = 512 * 512
"""Pixels of the pictures that the scale was made for. A smaller picture counts as one of these."""

SCALE = Diffusion.from_alphas((1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).square()).cumprod(0)).table
"""The ratio of noise to picture at each timestep of Stable Diffusion 1.5, ascending."""

LAST = len(SCALE) - 1


def gain_at(area: int) -> float:
    """How many times the noise hides in a picture of so many pixels what it hides in one of 512x512."""
    return math.sqrt(max(1.0, area / AREA))


def ratio_at(strength: float) -> float:
    """How much noise there is to how much picture, at a gain of 1."""
    t = check_strength(strength) * LAST
    low, high = SCALE[math.floor(t)], SCALE[math.ceil(t)]
    return math.exp(math.log(low) + (t - math.floor(t)) * (math.log(high) - math.log(low)))


def sigma_at(process: NoiseProcess, strength: float, gain: float = 1.0) -> float:
    return process.at_ratio(gain * ratio_at(strength))


def schedule(process: NoiseProcess, steps: int, gain: float = 1.0) -> tuple[float, ...]:
    """DDIM's own levels, at the timesteps 1, 1 + k, 1 + 2k, ...: [steps + 1], ascending from the picture."""
    if not 1 <= steps <= len(SCALE):
        raise ValueError(f"steps is {steps}; it must be from 1 to {len(SCALE)}")
    apart = len(SCALE) // steps
    first = min(1, LAST - apart * (steps - 1))
    levels = [process.at_ratio(gain * SCALE[first + apart * i]) for i in range(steps)]
    return 0.0, *levels


def levels_up_to(strength: float, sigmas: Sequence[float]) -> tuple[float, ...]:
    """The lower part of a full ascending schedule: ``strength * steps`` steps up from the picture, at least one."""
    steps = len(sigmas) - 1
    count = max(1, math.floor(check_strength(strength) * steps + 1e-6))  # 0.7 * 10 is 7, not 6.99
    return tuple(float(sigma) for sigma in sigmas[: count + 1])


def check_strength(strength: float) -> float:
    if not 0 < strength <= 1:
        raise ValueError(f"strength is {strength}; it must be above 0 (the picture) and at most 1 (pure noise)")
    return strength
