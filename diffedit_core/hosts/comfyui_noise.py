"""ComfyUI's model_sampling as a noise process, and its schedulers as rising noise levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from comfy import model_sampling
from comfy.samplers import calculate_sigmas
from torch import Tensor

from ..denoiser import check_strength, levels_up_to

SCHEDULER = "ddim_uniform"
"""DDIM's own levels: timesteps 1, 1 + k, 1 + 2k, ..., which diffusers calls leading with an offset of 1."""

PURE_NOISE = 1 - 1e-4
"""A flow latent from here on is noise and nothing else."""


@dataclass(frozen=True)
class SamplingNoise:
    """The noise that a MODEL was trained against, by asking its model_sampling."""

    sampling: Any

    @classmethod
    def of(cls, sampling: Any) -> SamplingNoise:
        """Refuses what does not go from a picture to noise along a line in sigma."""
        known = (model_sampling.EPS, model_sampling.CONST, model_sampling.COSMOS_RFLOW)
        names = ("IMG_TO_IMG", "IMG_TO_IMG_FLOW")  # the second came after 0.3.64
        unknown = tuple(getattr(model_sampling, name) for name in names if hasattr(model_sampling, name))
        if not isinstance(sampling, known) or isinstance(sampling, unknown):
            kinds = ", ".join(base.__name__ for base in type(sampling).__bases__)
            raise ValueError(
                f"this model's noise ({kinds}) is not known here; "
                "use an eps, v-prediction or flow model, such as SD1.x, SDXL, SD3, Flux or Wan"
            )
        return cls(sampling)

    @property
    def is_flow(self) -> bool:
        return isinstance(self.sampling, model_sampling.CONST)

    @property
    def kind(self) -> str:
        """What two models must share for one to read the other's noisy latents."""
        return "flow" if self.is_flow else "diffusion"

    def add(self, x0: Tensor, noise: Tensor, sigma: float) -> Tensor:
        return self.sampling.noise_scaling(torch.tensor(sigma, device=x0.device), noise.expand_as(x0), x0)

    def sigma_at(self, strength: float) -> float:
        sigma = float(self.sampling.percent_to_sigma(1 - check_strength(strength)))
        return min(sigma, float(self.sampling.sigma_max))

    def same_input(self, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        return x * (self._input_scale(sigma) / self._input_scale(sigma_next))

    def _input_scale(self, sigma: float) -> float:
        one = torch.ones((), dtype=torch.float64)
        return float(self.sampling.calculate_input(one * sigma, one))

    def for_other_samplers(self, x: Tensor, sigma: float) -> Tensor:
        """What a sampler that adds no noise scales back to x."""
        return self.sampling.inverse_noise_scaling(torch.tensor(sigma, device=x.device), x)


def full_schedule(sampling: Any, steps: int, scheduler: str = SCHEDULER) -> tuple[float, ...]:
    """[steps + 1], ascending from the picture. Where steps do not divide the timesteps, ddim_uniform goes on above."""
    falling = calculate_sigmas(sampling, scheduler, steps)
    return tuple(falling.flip(0)[: steps + 1].tolist())


def inversion_levels(noise: SamplingNoise, steps: int, scheduler: str, strength: float) -> tuple[float, ...]:
    """The levels that an inversion climbs; the inverse of a flow model's last one would divide by 0."""
    levels = levels_up_to(strength, full_schedule(noise.sampling, steps, scheduler))
    if noise.is_flow and levels[-1] > PURE_NOISE:
        raise ValueError(
            f"strength {strength} takes this flow model to sigma {levels[-1]:.4f}, where nothing of the picture is "
            f"left to invert; use a strength below {1 - 0.5 / steps:.3g}"
        )
    return levels
