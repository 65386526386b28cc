"""Picture -> trajectory: climb the noise levels, keeping every latent on the way. (DiffEdit, step 2)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from .checks import check_finite, check_latents
from .denoiser import Denoise, NoiseProcess, OnStep, direction
from .solvers import sample

MOST_NOISE = 1e6
"""A sigma beyond which nothing of a picture is left in any number."""


@dataclass(frozen=True)
class Trajectory:
    """A picture at every noise level, the clean latent first: the way up that DDIM's step takes back down.

    A picture that is not inverted, because nothing asks for its noisy levels, has its clean latent alone.
    """

    latents: Tensor  # [N + 1, B, C, ...] in the model's units, or [1, B, C, ...]
    sigmas: tuple[float, ...]  # [N + 1], ascending
    solver: str = "ddim"  # whose step it is the inverse of

    @property
    def clean(self) -> Tensor:
        return self.latents[0]

    @property
    def noisiest(self) -> Tensor:
        if len(self.latents) != len(self.sigmas):
            raise ValueError("this picture is not inverted; invert it, or use a background that needs no inversion")
        return self.latents[-1]

    def up_to(self, level: int) -> Trajectory:
        """The part of it from the picture to this level."""
        return Trajectory(self.latents[: level + 1], self.sigmas[: level + 1], self.solver)

    def repeated(self, times: int) -> Trajectory:
        """With each picture so many times, one after the other."""
        return self if times == 1 else replace(self, latents=self.latents.repeat_interleave(times, dim=1))


def invert(
    denoise: Denoise,
    x0: Tensor,
    process: NoiseProcess,
    sigmas: Sequence[float],
    *,
    iterations: int = 0,
    on_step: OnStep | None = None,
) -> Trajectory:
    """The exact inverse of the sampling step: ``x' = x + (sigma' - sigma) d(x', sigma')``, up the ascending sigmas.

    x' stands on both sides. The first guess is the latent that the network sees as it sees x; with that alone this is
    DDIM inversion as diffusers does it. Each of the ``iterations`` puts the result in again, at the cost of one
    prediction, and makes the inverse more exact. Nothing is ever divided by sigmas[0], which may be 0.
    """
    _check(sigmas, iterations)
    check_latents(x0)
    latents = x0.new_empty(len(sigmas), *x0.shape)
    latents[0] = x0
    total = (len(sigmas) - 1) * (iterations + 1)
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x = latents[i]
        x_next = process.same_input(x, sigma, sigma_next)
        for k in range(iterations + 1):
            prediction = denoise(x_next, sigma_next)
            x_next = x + (sigma_next - sigma) * direction(x_next, prediction, sigma_next)
            if on_step:
                on_step(i * (iterations + 1) + k + 1, total, prediction)
        latents[i + 1] = x_next
    check_finite(latents[-1], "inversion ended in", "half precision (fp16) or guidance above 3")
    return Trajectory(latents, tuple(float(sigma) for sigma in sigmas))


def round_trip_error(denoise: Denoise, trajectory: Trajectory, on_step: OnStep | None = None) -> Tensor:
    """How far from the picture decoding under the inversion's own text ends: RMS over the latent's own RMS, [B]."""
    x, clean = sample(denoise, trajectory.noisiest, trajectory.sigmas, on_step), trajectory.clean
    return rms(x - clean) / rms(clean).clamp_min(torch.finfo(clean.dtype).tiny)


def rms(x: Tensor) -> Tensor:
    """Root mean square of each image: [B]."""
    return x.flatten(1).square().mean(1).sqrt()


def _check(sigmas: Sequence[float], iterations: int) -> None:
    rises = all(low < high for low, high in pairwise(sigmas))
    if len(sigmas) < 2 or sigmas[0] < 0 or not rises or sigmas[-1] > MOST_NOISE:
        raise ValueError(
            f"inversion climbs: sigmas must be two or more rising levels from 0 up to {MOST_NOISE:g}, "
            f"got {list(sigmas)[:6]}"
        )
    if iterations < 0:
        raise ValueError(f"iterations is {iterations}; 0 is plain DDIM inversion, more makes it exact")
