"""Two or three edits of one picture: all at once, one after the other, each alone, and by LEDITS++."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from bench.cases import errors, pictures_of
from bench.peers import ledits_several
from diffedit_core.editing import Edit, edit
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.pictures import to_bytes
from diffedit_core.settings import PRESETS, EditSettings
from diffedit_core.toybox import Several, Task, judge, judge_several, several
from diffedit_core.toybox.judge import region_used
from diffedit_core.toybox.scenes import SIZE

Run = tuple[Tensor, int, float]
"""The picture [1, H, W, 3] with the edits done, and the evaluations and seconds that it took."""

Way = Callable[[DiffusersHost, Several, int], Run]
"""(host, task, seed) -> all edits of the task"""


@dataclass(frozen=True)
class Score:
    way: str
    kind: str  # the kinds of its edits
    count: int
    success: bool  # of all of them
    each: list[bool]
    inside: float
    outside: float
    evaluations: int
    seconds: float


def together(host: DiffusersHost, task: Several, seed: int, how: EditSettings | None = None) -> Run:
    asked = [Edit(each.source, each.target) for each in task.alone]
    return _watched(host, lambda: edit(host, pictures_of([task.image]), asked, how=how, seed=seed).picture)


def one_pair(host: DiffusersHost, task: Several, seed: int) -> Run:
    """One pair of texts that says all of it."""
    return _edited(host, task.image.tobytes(), task.source, task.target, seed)


def in_a_row(host: DiffusersHost, task: Several, seed: int) -> Run:
    """Each from the picture that the one before has left, with texts that say so."""
    runs, image = [], task.image
    for each in task.in_turn:
        runs.append(_edited(host, image.tobytes(), each.source, each.target, seed))
        image = to_bytes(runs[-1][0][0])
    return runs[-1][0], sum(run[1] for run in runs), sum(run[2] for run in runs)


def ledits(host: DiffusersHost, task: Several, seed: int) -> Run:
    return _watched(host, lambda: ledits_several(host, task, seed))


ALONE, IN_A_ROW = "each alone (ours)", "one after the other (ours)"
WAYS: dict[str, Way] = {
    "together (ours)": together,
    "together, `fast` (ours)": partial(together, how=PRESETS["fast"].settings),
    IN_A_ROW: in_a_row,
    "one pair of texts for all (ours)": one_pair,
    "LEDITS++": ledits,
}


def scores(host: DiffusersHost, seed: int, count: int, ways: Sequence[str]) -> Iterator[Score]:
    """Each way by itself; "each alone" does every edit on the picture as it came."""
    task = several(seed, count)
    for way in ways:
        if way == ALONE:
            runs = [_edited(host, each.image.tobytes(), each.source, each.target, seed) for each in task.alone]
            pairs = list(zip(task.alone, runs, strict=True))
            shows = [judge(each, to_bytes(done[0])) for each, (done, _, _) in pairs]
            yield _score(way, task, shows, [_errors(each, done) for each, (done, _, _) in pairs], runs)
        else:
            run = WAYS[way](host, task, seed)
            yield _score(way, task, list(judge_several(task, to_bytes(run[0][0]))), [_errors(task, run[0])], [run])


def _score(way: str, task: Several, shows: list[bool], errors: list[tuple[float, float]], runs: Sequence[Run]) -> Score:
    """Errors are averaged over runs, costs are added."""
    inside, outside = (sum(values) / len(errors) for values in zip(*errors, strict=True))
    evaluations, seconds = sum(run[1] for run in runs), sum(run[2] for run in runs)
    kinds = [each.kind for each in task.alone]
    return Score(way, " + ".join(kinds), len(kinds), all(shows), shows, inside, outside, evaluations, seconds)


@lru_cache(maxsize=8)  # the first of two in a row is the same as that one alone
def _edited(host: DiffusersHost, pixels: bytes, source: str, target: str, seed: int) -> Run:
    picture = pictures_of([np.frombuffer(pixels, np.uint8).reshape(SIZE, SIZE, 3)])
    return _watched(host, lambda: edit(host, picture, Edit(source, target), seed=seed).picture)


def _watched(host: DiffusersHost, run: Callable[[], Tensor]) -> Run:
    began, before = time.perf_counter(), host.evaluations
    done = run()
    return done, host.evaluations - before, time.perf_counter() - began


def _errors(task: Task | Several, done: Tensor) -> tuple[float, float]:
    region = torch.from_numpy(region_used(task, to_bytes(done[0])))[None]
    inside, outside = errors(done, pictures_of([task.edited]), region)
    return float(inside), float(outside)
