"""The bundled model seen as a rectified flow: exact, with nothing to train. It must do what the diffusion does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from diffedit_core import edit, toybox
from diffedit_core.choosing import likeness
from diffedit_core.denoiser import Flow
from diffedit_core.draws import Draws
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import Trajectory
from diffedit_core.masks import cells, iou
from diffedit_core.pictures import from_bytes
from diffedit_core.settings import FAST_EDIT, ContrastSettings, DecodingSettings, InversionSettings
from diffedit_core.stages import climb, look, redraw


@dataclass(frozen=True)
class FlowOf(Flow):
    """x_flow = x / (1 + sigma) at t = sigma / (1 + sigma); the same strength is the same ratio of noise to picture."""

    host: Any = None

    def sigma_at(self, strength: float) -> float:
        return as_time(self.host.process.sigma_at(strength))

    def same_input(self, x: Tensor, sigma: float, sigma_next: float) -> Tensor:
        above, below = sigma_next / (1 - sigma_next), sigma / (1 - sigma)
        return self.host.process.same_input(x / (1 - sigma), below, above) * (1 - sigma_next)


@dataclass
class FlowHost:
    host: DiffusersHost

    def __post_init__(self) -> None:
        self.process, self.multiple = FlowOf(host=self.host), self.host.multiple
        self.encode, self.decode = self.host.encode, self.host.decode

    @property
    def evaluations(self) -> int:
        return self.host.evaluations

    def sigmas(self, steps: int) -> tuple[float, ...]:
        return tuple(as_time(sigma) for sigma in self.host.sigmas(steps))

    def bind(self, **texts: Any) -> FlowDenoisers:
        return FlowDenoisers(self, self.host.bind(**texts))


@dataclass
class FlowDenoisers:
    host: FlowHost
    model: Any

    def __post_init__(self) -> None:
        self.process, self.sigmas, self.chunk = self.host.process, self.host.sigmas, self.model.chunk

    def denoiser(self, role: Any, guidance: float = 1.0) -> Callable:
        return in_flow(self.model.denoiser(role, guidance))

    def denoiser_pair(self, first: Any, second: Any) -> Callable:
        return in_flow(self.model.denoiser_pair(first, second))


def as_time(sigma: float) -> float:
    return sigma / (1 + sigma)


def in_flow(denoise: Callable) -> Callable:
    return lambda x, t: denoise(x / (1 - t), t / (1 - t))


@pytest.fixture(scope="module")
def diffusion() -> DiffusersHost:
    return DiffusersHost.from_pretrained(toybox.weights())


TASK = toybox.task(toybox.HELD_OUT_SEEDS[6], "both")
PICTURE = from_bytes(TASK.image)[None]
TEXTS = {"source": TASK.source, "target": TASK.target}
MASK = cells((torch.from_numpy(TASK.region)[None] > 0.1).float(), (16, 16), soft=True)[:, None]


@pytest.mark.parametrize("how", [ContrastSettings(draws=4), ContrastSettings(draws=2, steps=4)], ids=["", "purist"])
def test_it_sees_the_same_heatmap(diffusion, how):
    """But for its scale: a flow's difference is that of velocities."""
    x0 = diffusion.encode(PICTURE)
    heat, same = (look(host.bind(**TEXTS), x0, how, Draws.of(3)) for host in (diffusion, FlowHost(diffusion)))
    assert heat.max() > 5 * heat.mean()
    torch.testing.assert_close(same / same.max(), heat / heat.max(), rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    "how",
    [
        DecodingSettings(rounds=2, tries=3),
        DecodingSettings(rounds=1, tries=3, solver="ancestral"),
        DecodingSettings(rounds=1, solver="multistep"),
        DecodingSettings(rounds=2, tries=2, background="noised"),
        DecodingSettings(rounds=1, background="source"),
    ],
    ids=["rounds", "ancestral", "multistep", "noised", "source"],
)
def test_it_draws_the_same_edit_from_the_same_trajectory(diffusion, how):
    model, x0 = diffusion.bind(**TEXTS), diffusion.encode(PICTURE)
    up = climb(model, x0, InversionSettings())
    flow = FlowHost(diffusion)
    latents = torch.stack([latent / (1 + sigma) for latent, sigma in zip(up.latents, up.sigmas, strict=True)])
    same_up = Trajectory(latents, tuple(as_time(sigma) for sigma in up.sigmas))
    edited = redraw(model, up, MASK, how, Draws.of(3))
    same = redraw(flow.bind(**TEXTS), same_up, MASK, how, Draws.of(3))
    change = (edited - x0).square().mean().sqrt()
    assert change > 0.1
    assert (same - edited).square().mean().sqrt() < 0.01 * change


def test_tries_are_weighed_in_units_of_the_noise_on_every_family(diffusion):
    """A noise level counts in a flow as it does in diffusion, so the same try is kept."""
    x0 = diffusion.encode(PICTURE)
    found = [
        likeness(host.bind(**TEXTS).denoiser_pair("source", "target"), x0, MASK, host.process, Draws.of(0).judging)
        for host in (diffusion, FlowHost(diffusion))
    ]
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-5)


def test_it_makes_the_same_edit_from_start_to_end(diffusion):
    """With plain inpainting, which inverts nothing: one explicit step of an inversion is not the same map in a flow."""
    hosts = (diffusion, FlowHost(diffusion))
    done, same = (edit(host, PICTURE, TASK.source, TASK.target, how=FAST_EDIT, seed=3) for host in hosts)
    assert float(iou(done.mask, same.mask)) > 0.99
    torch.testing.assert_close(same.picture, done.picture, rtol=0, atol=0.02)
