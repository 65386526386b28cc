"""Masks filled by an inpainting model: the purist one, FastDiffEdit's and ours, beside our own edit without one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bench.cases import errors, pictures_of
from bench.inpainting import FOLDER
from diffedit_core.editing import Edit, edit
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.masks import iou
from diffedit_core.pictures import to_bytes
from diffedit_core.refine import Refinement
from diffedit_core.settings import (
    FASTDIFFEDIT,
    ContrastSettings,
    CutSettings,
    EditSettings,
    InversionSettings,
    MaskSettings,
)
from diffedit_core.toybox import judge, task, weights

KINDS = ("colour", "shape", "both", "object")  # in place of a thing there is another
PURIST = MaskSettings(
    ContrastSettings(steps=50, draws=10, kind="object", statistic="mean_abs", paired=False),
    CutSettings("zscore"),
    Refinement(),
)
"""As FastDiffEdit's blog describes the paper's: ten draws, each denoised in 25 steps under both texts."""

FILL = replace(FASTDIFFEDIT, inversion=InversionSettings(steps=20, strength=1.0))
FILLED = {
    "the purist mask": replace(FILL, mask=PURIST),
    "Fast Mask": FILL,
    "the default mask": replace(FILL, mask=MaskSettings(), room=EditSettings().room),
}
OWN = "the default edit, without the inpainting model"
WAYS = [*(f"{mask}, filled" for mask in FILLED), OWN]


@dataclass(frozen=True)
class Score:
    way: str
    kind: str
    iou: float
    success: bool
    inside: float
    outside: float
    evaluations_of_mask: int
    evaluations: int
    seconds_of_mask: float
    seconds: float


def finder(folder: Path = FOLDER) -> DiffusersHost:
    """The bundled model, with the inpainting model to fill what it finds."""
    if not (folder / "model").exists():
        raise ValueError(f"{folder} holds no inpainting model yet; make it with: python -m bench.inpainting {folder}")
    return DiffusersHost.from_pretrained(weights(), filler=DiffusersHost.from_pretrained(folder / "model"))


def scores(host: DiffusersHost, filling: DiffusersHost, kind: str, seed: int, ways: Sequence[str]) -> Iterator[Score]:
    done = task(seed, kind)
    region = torch.from_numpy(done.region)[None]
    for way in ways:
        used, how = (host, EditSettings()) if way == OWN else (filling, FILLED[way.removesuffix(", filled")])
        began, before, found = time.perf_counter(), used.evaluations, []

        def note(stage: str, used: DiffusersHost = used, found: list[tuple[float, int]] = found):
            if stage != "mask":  # it ends where the next stage begins
                found.append((time.perf_counter(), used.evaluations))
            return lambda step, steps, x0: None

        asked = Edit(done.source, done.target)
        result = edit(used, pictures_of([done.image]), asked, how=how, seed=seed, progress=note)
        ended, shown = time.perf_counter(), to_bytes(result.picture[0])
        inside, outside = (float(each) for each in errors(result.picture, pictures_of([done.edited]), region))
        overlap = float(iou(result.masks[0], (region >= 0.5).float()))
        first = found[0]
        yield Score(
            way, kind, overlap, judge(done, shown), inside, outside,
            first[1] - before, used.evaluations - before, first[0] - began, ended - began,
        )  # fmt: skip
