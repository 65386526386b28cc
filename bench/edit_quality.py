"""How well every way to edit edits: success by the judge's rules, error inside and outside the true region, cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from bench.cases import Batch, errors
from bench.peers import blog_fast_diffedit, diffusers_edit, sdedit
from diffedit_core import decoding
from diffedit_core.editing import EDIT_MASK, FAST_EDIT, FAST_MASK, EditSettings, MaskSettings, edit
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.masks import iou
from diffedit_core.pictures import to_pil
from diffedit_core.refine import EDGE_SNAPS, Refinement, refine
from diffedit_core.toybox.judge import judge

Settings = TypeVar("Settings", EditSettings, Refinement)
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
    finding: MaskSettings = EDIT_MASK, editing: EditSettings = EditSettings(), source_text_as: str | None = None
) -> Way:
    """`source_text_as`: the setting of the edit that takes the source text."""

    def way(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        how = replace(editing, **{source_text_as: batch.source}) if source_text_as else editing
        done = edit(host, batch.pictures, batch.source, batch.target, finding=finding, editing=how, seed=seed)
        return done.picture, done.mask

    return way


def under_mask(mask_of: Callable[[Batch], Tensor], editing: EditSettings = EditSettings()) -> Way:
    def way(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        mask = mask_of(batch)
        done = edit(host, batch.pictures, batch.source, batch.target, mask=mask, editing=editing, seed=seed)
        return done.picture, mask

    return way


def diffusers(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
    results = [diffusers_edit(host, batch, i, seed) for i in range(len(batch.edits))]
    return torch.cat([picture for picture, _ in results]), torch.cat([mask for _, mask in results])


def img2img(strength: float) -> Way:
    """With the guidance of its pipeline, and half of its steps."""
    return lambda host, batch, seed: (sdedit(host, batch, strength, guidance=7.5, steps=25, seed=seed), None)


ONE_TRY = EditSettings(tries=1)
STRAIGHT = EditSettings(rounds=1)
ROOM = Refinement(grow=EDIT_MASK.refinement.grow)
WAYS: dict[str, Way] = {
    "DiffEdit (ours)": ours(),
    "DiffEdit (ours), one try": ours(editing=ONE_TRY),
    "DiffEdit (ours), one round": ours(editing=STRAIGHT),
    "FastDiffEdit (ours)": ours(FAST_MASK, FAST_EDIT),
    "FastDiffEdit, as its blog": blog_fast_diffedit,
    "diffusers' pipeline": diffusers,
    **{f"SDEdit {strength}": img2img(strength) for strength in (0.3, 0.5, 0.7, 0.85)},
    "no mask": under_mask(lambda batch: torch.ones_like(batch.regions), STRAIGHT),
    "true mask, with as much room": under_mask(lambda batch: refine((batch.regions > 0.1).float(), ROOM)),
}


def scores(host: DiffusersHost, batch: Batch, seed: int, ways: dict[str, Way]) -> Iterator[Score]:
    for name, way in ways.items():
        began, before = time.perf_counter(), host.evaluations
        pictures, masks = way(host, batch, seed)
        seconds = (time.perf_counter() - began) / len(batch.edits)
        evaluations = (host.evaluations - before) // len(batch.edits)
        inside, outside = errors(pictures, batch.truths, batch.regions)
        overlaps = [None] * len(batch.edits) if masks is None else iou(masks, batch.regions).tolist()
        for i, one in enumerate(batch.edits):
            success = judge(one, np.asarray(to_pil(pictures[i : i + 1])))
            yield Score(name, one.kind, success, overlaps[i], float(inside[i]), float(outside[i]), evaluations, seconds)


def sweep() -> dict[str, Way]:
    """One setting at a time away from the defaults, each with a single try: choosing would hide what it does."""
    finding, editing = EDIT_MASK, ONE_TRY
    how_to_edit = {
        "steps": (10, 25, 50),
        "strength": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        "guidance": (3.0, 5.0, 7.5, 10.0, 15.0),
        "rounds": (1, 2, 3, 5),
        "tries": (1, 2, 4, 8),
        "iterations": (0, 1, 2),
        "background": decoding.BACKGROUNDS,
        "soft": (False, True),
        "feather": (0.0, 1.0, 2.0),
    }
    how_to_refine = {"edge_snap": EDGE_SNAPS, "grow": (0, 2, 4, 8)}
    ways = {"the defaults, one try": ours(editing=editing)}
    for changed in _others(editing, how_to_edit):
        ways[_difference(editing, changed)] = ours(editing=changed)
    for changed in _others(finding.refinement, how_to_refine):
        ways[_difference(finding.refinement, changed)] = ours(replace(finding, refinement=changed), editing)
    ways["negative: the source text"] = ours(editing=editing, source_text_as="negative")
    ways["inverted with the source text"] = ours(editing=editing, source_text_as="inversion_text")
    return ways


def _others(settings: Settings, values: dict[str, Sequence]) -> Iterator[Settings]:
    for name, choices in values.items():
        for choice in choices:
            changed = replace(settings, **{name: choice})
            if changed != settings:
                yield changed


def _difference(settings: object, changed: object) -> str:
    return ", ".join(f"{name} {value}" for name, value in vars(changed).items() if value != getattr(settings, name))
