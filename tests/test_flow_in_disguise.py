"""The bundled model seen as a rectified flow: exact, with nothing to train. It must do what the diffusion does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from worlds import FlowOf

from diffedit_core import Edit, Edited, edit, toybox
from diffedit_core.choosing import likeness
from diffedit_core.draws import Draws
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import Trajectory
from diffedit_core.masks import cells, iou, threshold
from diffedit_core.pictures import from_bytes
from diffedit_core.settings import FASTDIFFEDIT, PRESETS, ContrastSettings, DecodingSettings, InversionSettings
from diffedit_core.stages import Look, climb, levels_of_climb, look, redraw


@dataclass
class FlowHost:
    host: DiffusersHost

    def __post_init__(self) -> None:
        self.process = FlowOf(process=self.host.process)
        self.multiple, self.area, self.cell = self.host.multiple, self.host.area, self.host.cell
        self.encode, self.decode = self.host.encode, self.host.decode

    @property
    def evaluations(self) -> int:
        return self.host.evaluations

    def bind(self, *edits: Any) -> FlowDenoisers:
        return FlowDenoisers(self, self.host.bind(*edits))


@dataclass
class FlowDenoisers:
    host: FlowHost
    model: Any

    def __post_init__(self) -> None:
        self.process, self.cell, self.chunk = self.host.process, self.host.cell, self.model.chunk

    def of(self, *edits: int) -> FlowDenoisers:
        return FlowDenoisers(self.host, self.model.of(*edits))

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
ADDING = toybox.task(toybox.HELD_OUT_SEEDS[1], "addition")


@pytest.mark.parametrize(
    "how",
    [ContrastSettings(), ContrastSettings(draws=2, strength=0.35), ContrastSettings(draws=2, steps=4)],
    ids=["", "low", "purist"],
)
def test_it_sees_the_same_heatmap(diffusion, how):
    """But for its scale: a flow's difference is that of velocities."""
    x0 = diffusion.encode(PICTURE)
    seen, same = (look(host.bind(TEXTS), x0, how, Draws.of(3)) for host in (diffusion, FlowHost(diffusion)))
    heat = seen.heatmap
    assert heat.max() > 5 * heat.mean()
    torch.testing.assert_close(same.heatmap / same.heatmap.max(), heat / heat.max(), rtol=0, atol=2e-3)
    torch.testing.assert_close(same.agreement, seen.agreement, rtol=0, atol=2e-3)
    assert same.kinds == seen.kinds == ("object",)


@pytest.mark.parametrize("kind", ["ground", "addition", "removal"])
def test_it_tells_the_same_kinds_after_the_same_draws(diffusion, kind):
    found, rows = [], []
    task, how = toybox.task(toybox.HELD_OUT_SEEDS[0], kind), ContrastSettings(drafts=0)
    x0 = diffusion.encode(from_bytes(task.image)[None])
    for host in (diffusion, FlowHost(diffusion)):
        before = host.evaluations
        found.append(look(host.bind({"source": task.source, "target": task.target}), x0, how, Draws.of(3)))
        rows.append(host.evaluations - before)
    assert found[0].kinds == found[1].kinds == ({"ground": "area", "removal": "object"}.get(kind, kind),)
    torch.testing.assert_close(found[1].agreement, found[0].agreement, rtol=0, atol=2e-3)
    assert rows[0] == rows[1] == (8 if kind == "addition" else 4)


def seen_in(done: Edited) -> Look:
    """What the texts said of the picture."""
    assert done.looks[0] is not None
    return done.looks[0]


@pytest.fixture(scope="module")
def drafted(diffusion):
    """An addition: the picture, and what both see in it."""
    x0, how = diffusion.encode(from_bytes(ADDING.image)[None]), ContrastSettings(drafts=1)
    texts = {"source": ADDING.source, "target": ADDING.target}
    models = [host.bind(texts) for host in (diffusion, FlowHost(diffusion))]
    return x0, models, [look(model, x0, how, Draws.of(3)) for model in models]


def test_it_makes_the_same_draft(drafted):
    x0, _, (seen, same) = drafted
    assert same.kinds == seen.kinds == ("addition",)
    change = (seen.draft - x0).square().mean().sqrt()
    assert change > 0.1 and (same.draft - seen.draft).square().mean().sqrt() < 0.02 * change
    heat = seen.heatmap
    torch.testing.assert_close(same.heatmap / same.heatmap.max(), heat / heat.max(), rtol=0, atol=0.02)


@pytest.mark.parametrize("how", [DecodingSettings(), DecodingSettings(tries=1, guided_above=0.9)], ids=["", "plainer"])
def test_it_goes_on_from_a_draft_in_the_same_way(drafted, how):
    """The same level to begin at, the same tries, and guidance at the same levels."""
    x0, models, (seen, _) = drafted
    mask = threshold(seen.heatmap)[:, None]
    edited, same = (
        redraw(
            model,
            Trajectory(x0[None], levels_of_climb(model, x0, InversionSettings())),
            mask,
            how,
            Draws.of(3),
            change=seen.draft - x0,
        )
        for model in models
    )
    change = (edited - x0).square().mean().sqrt()
    assert change > 0.1 and (same - edited).square().mean().sqrt() < 0.01 * change


@pytest.mark.parametrize(
    "how",
    [
        DecodingSettings(),
        DecodingSettings(guided_above=0, tries=1, solver="multistep"),
        DecodingSettings(guided_above=1.2, tries=1, solver="ddim"),
        DecodingSettings(tries=2, background="noised"),
        DecodingSettings(tries=1, background="source"),
    ],
    ids=["tries", "multistep", "guided", "noised", "source"],
)
def test_it_draws_the_same_edit_from_the_same_trajectory(diffusion, how):
    model, x0 = diffusion.bind(TEXTS), diffusion.encode(PICTURE)
    up = climb(model, x0, InversionSettings())
    flow = FlowHost(diffusion)
    latents = torch.stack([latent / (1 + sigma) for latent, sigma in zip(up.latents, up.sigmas, strict=True)])
    same_up = Trajectory(latents, tuple(as_time(sigma) for sigma in up.sigmas))
    rows, found = [], []
    for host, trajectory in ((diffusion, up), (flow, same_up)):
        before = host.evaluations
        found.append(redraw(host.bind(TEXTS), trajectory, MASK, how, Draws.of(3)))
        rows.append(host.evaluations - before)
    edited, same = found
    change = (edited - x0).square().mean().sqrt()
    assert change > 0.1
    assert (same - edited).square().mean().sqrt() < 0.01 * change
    assert rows[0] == rows[1]  # guided at the same levels, and tries judged at the same one


def test_tries_are_weighed_in_units_of_the_noise_on_every_family(diffusion):
    """A noise level counts in a flow as it does in diffusion, so the same try is kept."""
    x0 = diffusion.encode(PICTURE)
    found = [
        likeness(host.bind(TEXTS).denoiser_pair("source", "target"), x0, MASK, host.process, Draws.of(0).judging)
        for host in (diffusion, FlowHost(diffusion))
    ]
    torch.testing.assert_close(*found, rtol=5e-3, atol=1e-5)  # rounding takes the timestep above the middle or below


@pytest.mark.parametrize(
    ("task", "how"), [(TASK, FASTDIFFEDIT), (ADDING, PRESETS["fast"].settings)], ids=["change", "addition"]
)
def test_it_makes_the_same_edit_from_start_to_end(diffusion, task, how):
    """Where nothing is inverted: one explicit step of an inversion is not the same map in a flow."""
    hosts, picture = (diffusion, FlowHost(diffusion)), from_bytes(task.image)[None]
    done, same = (edit(host, picture, Edit(task.source, task.target), how=how, seed=3) for host in hosts)
    assert seen_in(same).kinds == seen_in(done).kinds
    assert float(iou(done.mask, same.mask)) > 0.99
    torch.testing.assert_close(same.picture, done.picture, rtol=0, atol=0.02)
