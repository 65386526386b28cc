"""How well every way to edit edits: success by the judge's rules, error inside and outside the true region, cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from bench.cases import Batch, errors
from bench.peers import blog_fast_diffedit, ddpm_inversion, diffusers_edit, flow_edit, lanpaint, ledits, sdedit
from diffedit_core.decoding import BACKGROUNDS
from diffedit_core.edges import EDGE_SNAPS
from diffedit_core.editing import Edit, edit, find_mask
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.knobs import Settings
from diffedit_core.masks import iou
from diffedit_core.pictures import to_bytes
from diffedit_core.refine import give_room
from diffedit_core.settings import FASTDIFFEDIT, PRESETS, EditSettings
from diffedit_core.solvers import SOLVERS
from diffedit_core.toybox.judge import judge, region_used

Way = Callable[[DiffusersHost, Batch, int], tuple[Tensor, Tensor | None]]
"""(host, batch, seed) -> pictures [B, H, W, 3], and the masks [B, H, W] where the way has any."""


@dataclass(frozen=True)
class Score:
    way: str
    kind: str
    success: bool
    same_size: bool  # and about as large as in the true picture: the judge's rule up to version 0.1
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
        negative, inversion = (batch.source if source_text_as == role else "" for role in ("negative", "inversion"))
        asked = Edit(batch.source, batch.target, negative, mask=mask)
        done = edit(host, batch.pictures, asked, inversion=inversion, how=how, seed=seed)
        return done.picture, done.mask

    return way


def diffusers(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
    results = [diffusers_edit(host, batch, i, seed) for i in range(len(batch.tasks))]
    return torch.cat([picture for picture, _ in results]), torch.cat([mask for _, mask in results])


def img2img(strength: float) -> Way:
    """With the guidance of its pipeline, and half of its steps."""
    return lambda host, batch, seed: (sdedit(host, batch, strength, guidance=7.5, steps=25, seed=seed), None)


def true_mask(batch: Batch) -> Tensor:
    """With as much room as a mask that was found gets."""
    return give_room((batch.regions > 0.1).float(), EditSettings().room)


def inner_steps(host: DiffusersHost, batch: Batch, seed: int) -> tuple[Tensor, Tensor | None]:
    """LanPaint under the mask that our default finds, with room."""
    mask, _ = find_mask(host, batch.pictures, Edit(batch.source, batch.target), seed=seed)
    return lanpaint(host, batch, seed, give_room(mask, EditSettings().room))


WAYS: dict[str, Way] = {
    **{f"DiffEdit (ours), {name}": ours(preset.settings) for name, preset in PRESETS.items()},
    "FastDiffEdit (ours)": ours(FASTDIFFEDIT),
    "FastDiffEdit, as its blog": blog_fast_diffedit,
    "diffusers' pipeline": diffusers,
    "LEDITS++": ledits,
    "DDPM inversion": ddpm_inversion,
    "FlowEdit": flow_edit,
    "LanPaint, our mask": inner_steps,
    **{f"SDEdit {strength}": img2img(strength) for strength in (0.3, 0.5, 0.7, 0.85)},
    "no mask": ours(mask_of=lambda batch: torch.ones_like(batch.regions)),
    "true mask": ours(mask_of=true_mask),
}


def scores(host: DiffusersHost, batch: Batch, seed: int, ways: dict[str, Way]) -> Iterator[Score]:
    for name, way in ways.items():
        began, before = time.perf_counter(), host.evaluations
        pictures, masks = way(host, batch, seed)
        seconds = (time.perf_counter() - began) / len(batch.tasks)
        evaluations = (host.evaluations - before) // len(batch.tasks)
        shown = [to_bytes(picture) for picture in pictures]
        used = [region_used(task, image) for task, image in zip(batch.tasks, shown, strict=True)]
        inside, outside = errors(pictures, batch.truths, torch.from_numpy(np.stack(used)))
        overlaps = [None] * len(batch.tasks) if masks is None else iou(masks, batch.regions).tolist()
        for i, (task, image) in enumerate(zip(batch.tasks, shown, strict=True)):
            verdict = judge(task, image), judge(task, image, same_size=True), overlaps[i]
            yield Score(name, task.kind, *verdict, float(inside[i]), float(outside[i]), evaluations, seconds)


def sweep() -> dict[str, Way]:
    """One setting at a time away from one try, so that choosing cannot hide what a setting does."""
    start = PRESETS["fast"].settings
    values: dict[str, Sequence] = {
        "inversion.steps": (7, 10, 25),
        "inversion.strength": (0.7, 0.8, 0.9, 1.0),
        "inversion.iterations": (0, 1),
        "decoding.guidance": (3.0, 5.0, 7.5, 10.0),
        "decoding.guided_above": (0.0, 0.6, 1.5),
        "decoding.tries": (1, 3, 8),
        "decoding.background": tuple(BACKGROUNDS),
        "decoding.greys": ("none", "blend"),
        "decoding.solver": tuple(SOLVERS),
        "mask.contrast.drafts": (1, 2, 4),
        "mask.refinement.edge_snap": tuple(EDGE_SNAPS),
        "room": (0, 3, 6, 10),
        "rim": (0.0, 1.0, 2.0),
    }
    ways = {"one try": ours(start)}
    for path, choices in values.items():
        for choice in choices:
            changed = _with(start, path.split("."), choice)
            if changed != start:
                ways[f"{path.split('.')[-1]} {choice}"] = ours(changed)
    ways["negative: the source text"] = ours(start, source_text_as="negative")
    ways["inverted with the source text"] = ours(start, source_text_as="inversion")
    return ways


def _with(settings: Settings, path: Sequence[str], value: object) -> Any:
    """The settings with one of them changed, in whatever part it is."""
    name, *within = path
    return replace(settings, **{name: _with(getattr(settings, name), within, value) if within else value})
