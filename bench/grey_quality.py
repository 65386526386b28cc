"""What grey in a mask may mean, under a soft brush that knows the place, and under the heat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from bench.cases import errors, pictures_of
from diffedit_core.editing import Edit, edit, find_mask
from diffedit_core.greys import GREYS
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.pictures import to_bytes
from diffedit_core.refine import Refinement
from diffedit_core.settings import PRESETS, CutSettings, MaskSettings
from diffedit_core.toybox import Task, judge, task

KINDS = ("colour", "shape", "both", "ground")
BRUSH = 6.0  # pixels: the spread of a soft brush
HOW = PRESETS["fast"].settings
READ = [greys for greys in GREYS if greys != "none"]
FOUND = "the mask that is found"
WAYS = [*(f"{mask}, {greys}" for mask in ("a soft brush", "the heat") for greys in READ), FOUND]


@dataclass(frozen=True)
class Score:
    way: str
    kind: str
    success: bool
    inside: float
    outside: float
    evaluations: int


def scores(host: DiffusersHost, kind: str, seed: int, ways: Sequence[str]) -> Iterator[Score]:
    done = task(seed, kind)
    for way in ways:
        before, place, greys = host.evaluations, *(way.split(", ") if way != FOUND else (way, "blend"))
        how = replace(HOW, decoding=replace(HOW.decoding, greys=greys))
        asked = Edit(done.source, done.target, mask=_mask(host, done, place, seed))
        picture = edit(host, pictures_of([done.image]), asked, how=how, seed=seed).picture
        shown = to_bytes(picture[0])
        region = torch.from_numpy(done.region)[None]
        inside, outside = (float(each) for each in errors(picture, pictures_of([done.edited]), region))
        yield Score(way, kind, judge(done, shown), inside, outside, host.evaluations - before)


def _mask(host: DiffusersHost, done: Task, place: str, seed: int) -> Tensor | None:
    """[1, H, W]; None where it is to be found."""
    if place == "a soft brush":
        blurred = cv2.GaussianBlur((done.region >= 0.5).astype(np.float32), (0, 0), BRUSH)
        return torch.from_numpy(blurred * (blurred > 0.02))[None]
    if place == "the heat":
        how = MaskSettings(HOW.mask.contrast, CutSettings("grey"), Refinement())
        return find_mask(host, pictures_of([done.image]), Edit(done.source, done.target), how=how, seed=seed)[0]
    return None
