"""The rest kept of drifted edits: by us, by a plain difference, and by that after a colour match of the whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bench.cases import errors, pictures_of
from bench.drifts import Drifted, drifted_edit, strangers
from diffedit_core.changes import VISIBLE
from diffedit_core.compositing import paste
from diffedit_core.focus import resized
from diffedit_core.keeping import keep_rest
from diffedit_core.masks import iou
from diffedit_core.pictures import to_bytes
from diffedit_core.placing import Placement, stretched
from diffedit_core.toybox import judge

OURS, PLAIN, MATCHED = "Keep the Rest (ours)", "plain difference", "colour matched over the whole, then difference"
WAYS = (OURS, PLAIN, MATCHED)

STANDS_OUT = {PLAIN: 0.3, MATCHED: 0.3}
"""What masks made by hand take for a change of a colour: of 0.05 to 0.4 the best, on the seeds for choosing."""


@dataclass(frozen=True)
class Score:
    way: str
    kind: str
    drift: str  # its name, or that there were several
    pixels: int
    refused: bool
    misplaced: float  # pixels of the original, mean over what did not change
    tint: float  # levels that are left inside, mean of the three colours
    inside: float  # RMS error, in levels
    outside: float
    iou: float  # with the things that change
    iou_seen: float  # with those and all else that visibly changes, as their shadows
    shows: bool  # the edit, by the judge
    showed: bool  # it could still be seen: in the true picture, where the drifted one shows it
    differing: int  # pixels outside the mask that are not the original's
    seconds: float
    doubted: bool = False  # not refused, but said to need a look


@dataclass(frozen=True)
class Done:
    picture: Tensor
    mask: Tensor
    placement: Placement
    refused: bool = False
    doubted: bool = False


STRANGERS = "nothing in common"


def scores(kind: str, seed: int, ways: Sequence[str]) -> Iterator[Score]:
    """Of a drifted edit of a kind, or of two pictures with nothing in common."""
    if kind != STRANGERS:
        yield from scores_of(drifted_edit(seed, kind), ways)
    elif OURS in ways:
        first, second = strangers(seed)
        began = time.process_time()
        done = kept(pictures_of([first]), pictures_of([second]))
        nothing = float("nan")
        yield Score(
            OURS, kind, STRANGERS, len(first), done.refused, misplaced=nothing, tint=nothing, inside=nothing,
            outside=nothing, iou=nothing, iou_seen=nothing, shows=False, showed=False, differing=0,
            seconds=time.process_time() - began, doubted=done.doubted,
        )  # fmt: skip


def scores_of(made: Drifted, ways: Sequence[str]) -> Iterator[Score]:
    edit = made.task
    original, drifted, truth = (pictures_of([each]) for each in (edit.image, made.picture, edit.edited))
    covered = torch.from_numpy(made.drift.covered)[None]
    region = torch.from_numpy(edit.region)[None]
    best = torch.where(covered[..., None], truth, original)
    things = (region >= 0.5) & covered
    seen = things | ((truth - original).abs().amax(-1) > VISIBLE) & covered
    showed = judge(edit, to_bytes(best[0]))
    for way in ways:
        began = time.process_time()
        done = kept(original, drifted) if way == OURS else by_hand(original, drifted, way == MATCHED, STANDS_OUT[way])
        seconds = time.process_time() - began
        inside, outside = (float(each) for each in errors(done.picture, best, region))
        yield Score(
            way, edit.kind, made.way, edit.frame.pixels, done.refused,
            misplaced(done.placement, made), tint(done.picture, best, things), inside, outside,
            float(iou(done.mask, things.float())), float(iou(done.mask, seen.float())),
            judge(edit, to_bytes(done.picture[0])), showed,
            int((done.picture != original).any(-1)[done.mask == 0].sum()), seconds, done.doubted,
        )  # fmt: skip


def kept(original: Tensor, drifted: Tensor) -> Done:
    try:
        done = keep_rest(original, drifted)
    except ValueError:
        size = original.shape[1], original.shape[2]
        placement = Placement(stretched(size, (drifted.shape[1], drifted.shape[2])))
        return Done(original, torch.zeros_like(original[..., 0]), placement, True)
    return Done(done.picture, done.mask, done.placements[0], doubted=done.report[0].doubt is not None)


def by_hand(original: Tensor, drifted: Tensor, is_matched: bool, stands_out: float) -> Done:
    """Resized, perhaps with the mean and deviation of the original's colours, and pasted where it differs."""
    size = original.shape[1], original.shape[2]
    edited = resized(drifted, size)
    if is_matched:
        edited = _with_colours_of(original, edited)
    mask = ((edited - original).abs().amax(-1) > stands_out).float()
    return Done(paste(original, edited, mask), mask, Placement(stretched(size, (drifted.shape[1], drifted.shape[2]))))


def _with_colours_of(original: Tensor, edited: Tensor) -> Tensor:
    mean, own = (each.mean((1, 2), keepdim=True) for each in (original, edited))
    spread, own_spread = (each.std((1, 2), keepdim=True) for each in (original, edited))
    return ((edited - own) / own_spread.clamp_min(1e-6) * spread + mean).clamp(0, 1)


def misplaced(placement: Placement, made: Drifted) -> float:
    """How far, in pixels of the original, it is off on average where nothing changed."""
    still = (made.task.region == 0) & made.drift.covered
    if not still.any():
        still = made.drift.covered
    y, x = np.nonzero(still)
    matrix = made.drift.matrix
    found_x, found_y = placement.at(made.drift.size)
    back = np.linalg.inv(matrix)[:2]
    own = back @ np.stack([found_x[still], found_y[still], np.ones(len(x))])
    return float(np.hypot(own[0] - x, own[1] - y).mean())


def tint(picture: Tensor, truth: Tensor, where: Tensor) -> float:
    """The mean colour's error there, in levels: the mean over the three colours."""
    return float(255 * (picture - truth)[where].mean(0).abs().mean()) if where.any() else 0.0
