"""How well every way to edit edits: success by the judge's rules, error inside and outside the true region, cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from bench.cases import Batch, errors
from bench.peers import blog_fast_diffedit, diffusers_edit, sdedit
from diffedit_core.decoding import BACKGROUNDS
from diffedit_core.edges import EDGE_SNAPS
from diffedit_core.editing import edit
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.knobs import Settings
from diffedit_core.masks import iou
from diffedit_core.pictures import to_bytes
from diffedit_core.refine import Refinement, refine
from diffedit_core.settings import FAST_EDIT, EditSettings
from diffedit_core.solvers import SOLVERS
from diffedit_core.toybox.judge import judge

Way = Callable[[DiffusersHost, Batch, int], tuple[Tensor, Tensor | None]]
"""(host, batch, seed) -> pictures [B, H, W, 3], and the masks [B, H, W] where the way has any."""


@dataclass(frozen=True)
class Score:
    way: str
    kind: str
    success: bool
    iou: float | None
    inside: float
    outside: float
    evaluations: int
    seconds: float


def ours(
    how: EditSettings = EditSettings(),
    *,
    mask_of: Callable[[Batch], Tensor] | None = None,
    source_text_as: Literal["negative", "inversion"] | None = None,
) -> Way:
    """``mask_of`` gives the mask instead of the texts; ``source_text_as`` gives the source text a second role."""

    def way(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        mask = mask_of(batch) if mask_of else None
        texts: dict[str, Any] = {source_text_as: batch.source} if source_text_as else {}
        done = edit(host, batch.pictures, batch.source, batch.target, mask=mask, how=how, seed=seed, **texts)
        return done.picture, done.mask

    return way


def diffusers(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
    results = [diffusers_edit(host, batch, i, seed) for i in range(len(batch.tasks))]
    return torch.cat([picture for picture, _ in results]), torch.cat([mask for _, mask in results])


def img2img(strength: float) -> Way:
    """With the guidance of its pipeline, and half of its steps."""
    return lambda host, batch, seed: (sdedit(host, batch, strength, guidance=7.5, steps=25, seed=seed), None)


DEFAULT = EditSettings()
ONE_TRY = replace(DEFAULT, decoding=replace(DEFAULT.decoding, tries=1))
STRAIGHT = replace(DEFAULT, decoding=replace(DEFAULT.decoding, rounds=1, tries=1))
ROOM = Refinement(grow=DEFAULT.room)
WAYS: dict[str, Way] = {
    "DiffEdit (ours)": ours(),
    "DiffEdit (ours), one try": ours(ONE_TRY),
    "DiffEdit (ours), one round": ours(STRAIGHT),
    "FastDiffEdit (ours)": ours(FAST_EDIT),
    "FastDiffEdit, as its blog": blog_fast_diffedit,
    "diffusers' pipeline": diffusers,
    **{f"SDEdit {strength}": img2img(strength) for strength in (0.3, 0.5, 0.7, 0.85)},
    "no mask": ours(STRAIGHT, mask_of=lambda batch: torch.ones_like(batch.regions)),
    "true mask, with as much room": ours(mask_of=lambda batch: refine((batch.regions > 0.1).float(), ROOM)),
}


def scores(host: DiffusersHost, batch: Batch, seed: int, ways: dict[str, Way]) -> Iterator[Score]:
    for name, way in ways.items():
        began, before = time.perf_counter(), host.evaluations
        pictures, masks = way(host, batch, seed)
        seconds = (time.perf_counter() - began) / len(batch.tasks)
        evaluations = (host.evaluations - before) // len(batch.tasks)
        inside, outside = errors(pictures, batch.truths, batch.regions)
        overlaps = [None] * len(batch.tasks) if masks is None else iou(masks, batch.regions).tolist()
        for i, one in enumerate(batch.tasks):
            success = judge(one, to_bytes(pictures[i]))
            yield Score(name, one.kind, success, overlaps[i], float(inside[i]), float(outside[i]), evaluations, seconds)


def sweep() -> dict[str, Way]:
    """One setting at a time away from the defaults, each with a single try: choosing would hide what it does."""
    values: dict[str, Sequence] = {
        "inversion.steps": (10, 25, 50),
        "inversion.strength": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        "inversion.iterations": (0, 1, 2),
        "decoding.guidance": (3.0, 5.0, 7.5, 10.0, 15.0),
        "decoding.rounds": (1, 2, 3, 5),
        "decoding.tries": (1, 2, 4, 8),
        "decoding.background": tuple(BACKGROUNDS),
        "decoding.soft": (False, True),
        "decoding.solver": tuple(SOLVERS),
        "mask.refinement.edge_snap": tuple(EDGE_SNAPS),
        "room": (0, 2, 4, 6, 8),
        "rim": (0.0, 1.0, 2.0),
    }
    ways = {"the defaults, one try": ours(ONE_TRY)}
    for path, choices in values.items():
        for choice in choices:
            changed = _with(ONE_TRY, path.split("."), choice)
            if changed != ONE_TRY:
                ways[f"{path.split('.')[-1]} {choice}"] = ours(changed)
    ways["negative: the source text"] = ours(ONE_TRY, source_text_as="negative")
    ways["inverted with the source text"] = ours(ONE_TRY, source_text_as="inversion")
    return ways


def _with(settings: Settings, path: Sequence[str], value: object) -> Any:
    """The settings with one of them changed, in whatever part it is."""
    name, *within = path
    return replace(settings, **{name: _with(getattr(settings, name), within, value) if within else value})
