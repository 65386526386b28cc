"""ComfyUI's model_sampling as a noise process, and its schedules as rising noise levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from comfy import model_sampling
from comfy.samplers import SCHEDULER_NAMES, calculate_sigmas
from torch import Tensor

from .families import cell_pixels

AUTO = "auto"
"""The schedule that means the same on every family: DDIM's own levels, as ratios of noise to picture."""

PURE_NOISE = 1 - 1e-4
"""Above this level a flow latent holds nothing of the picture."""


@dataclass(frozen=True)
class SamplingProcess:
    """The noise that a MODEL was trained on, as its model_sampling tells it."""

    sampling: Any
    cell: int = 8  # pixels along each side of a cell of the model's latents

    @classmethod
    def of(cls, model: Any) -> SamplingProcess:
        """Refuses a model that does not go from picture to noise along a line in sigma."""
        sampling = model.get_model_object("model_sampling")
        known = (model_sampling.EPS, model_sampling.CONST, model_sampling.COSMOS_RFLOW)
        names = ("IMG_TO_IMG", "IMG_TO_IMG_FLOW")  # the second came after 0.3.64
        unknown = tuple(getattr(model_sampling, name) for name in names if hasattr(model_sampling, name))
        if not isinstance(sampling, known) or isinstance(sampling, unknown):
            kinds = ", ".join(base.__name__ for base in type(sampling).__bases__)
            raise ValueError(
                f"this model's noise ({kinds}) is not supported; "
                "use an eps, v-prediction or flow model, such as SD1.x, SDXL, SD3, Flux or Wan"
            )
        return cls(sampling, cell_pixels(model))

    @property
    def process(self) -> SamplingProcess:
        return self

    @property
    def is_flow(self) -> bool:
        return isinstance(self.sampling, model_sampling.CONST)

    @property
    def kind(self) -> str:
        """What two models must share for one to read the other's noisy latents."""
        return "flow" if self.is_flow else "diffusion"

    def schedule(self, scheduler: str, steps: int) -> tuple[float, ...]:
        """By one of ComfyUI's: [steps + 1], ascending. ddim_uniform may return extra, noisier levels; they go."""
        return rising(calculate_sigmas(self.sampling, scheduler, steps))[: steps + 1]

    def add(self, x0: Tensor, noise: Tensor, sigma: float) -> Tensor:
        return self.sampling.noise_scaling(torch.tensor(sigma, device=x0.device), noise.expand_as(x0), x0)

    def scales(self, sigma: float) -> tuple[float, float]:
        """Found by scaling a picture of ones without noise, and noise of ones without a picture."""
        one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        return float(self.add(one, zero, sigma)), float(self.add(zero, one, sigma))

    def at_ratio(self, ratio: float) -> float:
        sigma = ratio
        if self.is_flow:
            picture, noise = self.scales(0.5)  # a flow may scale its noise
            sigma = ratio / (noise / picture + ratio)
        return min(sigma, float(self.sampling.sigma_max))

    def same_input(self, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        return x * (self._input_scale(sigma) / self._input_scale(sigma_next))

    def _input_scale(self, sigma: float) -> float:
        one = torch.ones((), dtype=torch.float64)
        return float(self.sampling.calculate_input(one * sigma, one))

    def for_other_samplers(self, x: Tensor, sigma: float) -> Tensor:
        """What a sampler that adds no noise scales back to x."""
        return self.sampling.inverse_noise_scaling(torch.tensor(sigma, device=x.device), x)

    def check_invertible(self, levels: tuple[float, ...]) -> None:
        """The inverse of a flow model's last level would divide by 0."""
        if self.is_flow and levels[-1] > PURE_NOISE:
            raise ValueError(
                f"this strength takes the flow model to sigma {levels[-1]:.4f}, where nothing of the picture is left; "
                f"use a strength of {1 - 1 / (len(levels) - 1):.3g} at most, or the scheduler {AUTO!r}"
            )


def check_scheduler(name: str) -> None:
    """Older ComfyUIs let any name through."""
    if name not in (names := [AUTO, *SCHEDULER_NAMES]):
        raise ValueError(f"scheduler is {name!r}; it must be one of {', '.join(names)}")


def rising(sigmas: Tensor) -> tuple[float, ...]:
    """SIGMAS, which fall, as levels that ascend from the picture."""
    return tuple(sorted({0.0, *sigmas.double().tolist()}))
