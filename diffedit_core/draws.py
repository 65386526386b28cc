"""All the noise of a run, handed out in one place: the seed and the number of a draw say everything about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Noise = Callable[[int, torch.Size], Tensor]
"""``(draw, shape) -> standard normal noise``: a pure function, so draw 3 is draw 3 in any batch and chunk."""


@dataclass(frozen=True)
class Draws:
    """Who gets which draws. The contrast and the noised background start at draw 0; tries and drafts have streams."""

    noise: Noise

    @classmethod
    def of(cls, seed: int) -> Draws:
        return cls(seeded_noise(seed))

    def contrast(self, paired: bool) -> Noise:
        return paired_noise(self.noise) if paired else self.noise

    @property
    def background(self) -> Noise:
        return self.noise

    def draft(self, number: int) -> Noise:
        """The fresh noise at each level of a draft, from draw 1."""
        return stream(self.noise, number)

    def solver(self, number: int) -> Noise:
        """The fresh noise that a solver adds within a try."""
        return stream(self.noise, number + 0.5)

    @property
    def judging(self) -> Noise:
        """The same for every try, so that only the tries differ."""
        return stream(self.noise, -1)


def seeded_noise(seed: int) -> Noise:
    """Draws that depend on (seed, draw) and the latent's shape alone, the same on every device."""

    def draw(index: int, shape: torch.Size) -> Tensor:
        # torch's CPU generator reads 32 bits of a seed: the upper half of these products, which every bit reaches
        mixed = (seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9) % 2**64 >> 32
        return torch.randn(shape, generator=torch.Generator().manual_seed(mixed))

    return draw


def stream(noise: Noise, number: float) -> Noise:
    """Other draws of the same noise, a million to each whole number. Stream 0 is the noise itself."""
    return lambda draw, shape: noise(draw + int(number * 2**20), shape)


def paired_noise(noise: Noise) -> Noise:
    """Draws in +noise / -noise pairs, whose first-order effects on a contrast cancel."""

    def draw(index: int, shape: torch.Size) -> Tensor:
        return noise(index // 2, shape) * (1 - 2 * (index % 2))

    return draw
