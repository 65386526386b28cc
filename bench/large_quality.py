"""The same scenes larger, and small things in large pictures: success, error and seam, by the size of the picture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from bench.cases import errors, pictures_of
from diffedit_core.editing import Edit, edit
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.masks import iou
from diffedit_core.pictures import to_bytes
from diffedit_core.settings import EditSettings
from diffedit_core.toybox import KINDS, task
from diffedit_core.toybox.judge import judge, region_used
from diffedit_core.toybox.scenes import Frame


@dataclass(frozen=True)
class Case:
    pixels: int
    world: int = 128  # how much there is to see: things are 128 / world of their usual width
    windows: int = 0
    kinds: tuple[str, ...] = KINDS

    def frame(self, seed: int) -> Frame:
        """The scene stands anywhere in a larger world."""
        rng = np.random.default_rng(seed)
        left, top = (int(at) // 32 * 32 for at in rng.integers(0, self.world - 128 + 1, 2))
        return Frame(self.pixels, self.world, left, top)


CASES = {
    "128 pixels, the model's own": Case(128),
    "512 pixels": Case(512),
    "1024 pixels": Case(1024),
    "1024 pixels, things of 1/12 of the width": Case(1024, 512, windows=5, kinds=("colour", "both")),
}


@dataclass(frozen=True)
class Score:
    way: str
    kind: str
    success: bool
    iou: float
    outside: float
    exact: bool  # outside the mask not a pixel differs
    step: float  # across the mask's rim
    true_step: float  # there, in the true picture
    evaluations: int
    seconds: float


def scores(host: DiffusersHost, kind: str, seed: int, cases: dict[str, Case]) -> Iterator[Score]:
    for name, case in cases.items():
        if kind not in case.kinds:
            continue
        how = EditSettings()
        how = replace(how, focus=replace(how.focus, windows=case.windows))
        made = task(seed, kind, case.frame(seed))
        picture, truth, region = pictures_of([made.image]), pictures_of([made.edited]), torch.from_numpy(made.region)
        began, before = time.perf_counter(), host.evaluations
        done = edit(host, picture, Edit(made.source, made.target), how=how, seed=seed)
        seconds = time.perf_counter() - began
        image = to_bytes(done.picture[0])
        _, outside = errors(done.picture, truth, torch.from_numpy(region_used(made, image))[None])
        yield Score(
            name,
            kind,
            judge(made, image),
            float(iou(done.mask, region[None])),
            float(outside),
            bool((done.picture == picture).all(-1)[done.mask == 0].all()),
            rim_step(done.picture[0], done.mask[0]),
            rim_step(truth[0], done.mask[0]),
            host.evaluations - before,
            seconds,
        )


def rim_step(picture: Tensor, mask: Tensor) -> float:
    """The mean difference, in levels, of neighbours of which one is in the mask."""
    inside, levels = mask > 0, 255 * picture
    across = [
        (levels[1:] - levels[:-1]).abs().mean(-1)[inside[1:] != inside[:-1]],
        (levels[:, 1:] - levels[:, :-1]).abs().mean(-1)[inside[:, 1:] != inside[:, :-1]],
    ]
    steps = torch.cat(across)
    return float(steps.mean()) if len(steps) else 0.0
