"""What takes long asks whether anybody still waits for it: often enough, and only in the thread of who does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import pytest
import torch

from diffedit_core.batches import gathered
from diffedit_core.edges import ROUNDS
from diffedit_core.keeping import KeepSettings, keep_rest
from diffedit_core.pointing import PointSettings, point
from diffedit_core.refine import Refinement, refine
from diffedit_core.stopping import may_stop, stoppable

SIDE = 2048


class StoppedError(Exception):
    """Nobody waits any longer."""


def scene(side: int, seed: int = 0) -> np.ndarray:
    """[side, side, 3] with enough in it to be recognised."""
    dice, pixels = np.random.default_rng(seed), np.full((side, side, 3), 0.4, np.float32)
    for _ in range(40):
        x, y, radius = (int(each) for each in (*dice.integers(0, side, 2), dice.integers(side // 40, side // 10)))
        cv2.circle(pixels, (x, y), radius, dice.random(3).tolist(), -1)
    return np.clip(pixels + dice.normal(0, 0.02, pixels.shape), 0, 1).astype(np.float32)


@cache
def pair(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    own = scene(side)
    edited = np.roll(cv2.circle(own.copy(), (side // 2, side // 3), side // 10, (1, 1, 0), -1), 2, 1)
    return torch.from_numpy(own)[None], torch.from_numpy(edited)[None]


@cache
def specks(side: int) -> torch.Tensor:
    return torch.from_numpy((np.random.default_rng(0).random((1, side, side)) > 0.6).astype(np.float32))


EVERYTHING = {"open": 3, "close": 3, "min_island": 0.001, "fill_holes": 0.1, "keep_largest": 5, "grow": 40}
EVERY_STEP = Refinement(edge_snap="grabcut", feather=20.0, **EVERYTHING)
WORK: dict[str, Callable[[int], object]] = {
    "keep": lambda side: keep_rest(*pair(side), how=KeepSettings(seam="light", rim=8.0, grow=30)),
    "refine": lambda side: refine(specks(side), EVERY_STEP, picture=pair(side)[0]),
    "point": lambda side: point(specks(side), None, PointSettings(least=0, inside=20, outside=20)),
    "gather": lambda side: gathered(iter(torch.zeros(3, 1, side)), 3),
}


@pytest.mark.parametrize("name", WORK)
def test_it_stops_at_any_step(name: str):
    asked = []
    with stoppable(lambda: asked.append(None)):
        WORK[name](160)
    assert len(asked) > 2
    for at in (1, len(asked) // 2):
        with pytest.raises(StoppedError), stoppable(raising_at(at)):
            WORK[name](160)


def raising_at(at: int) -> Callable[[], None]:
    asked = iter(range(1, at + 1))

    def ask() -> None:
        if next(asked) == at:
            raise StoppedError

    return ask


@pytest.mark.parametrize("name", ["keep", "refine", "point"])
def test_of_a_large_picture_no_step_takes_a_second(name: str):
    pair(SIDE), specks(SIDE)  # drawing them takes a second of its own
    gaps, since = [], [time.thread_time()]

    def ask() -> None:
        gaps.append(time.thread_time() - since[0])
        since[0] = time.thread_time()

    with stoppable(ask):
        WORK[name](SIDE)
        ask()
    assert max(gaps) < 1.0


def test_only_the_thread_that_is_waited_for_asks():
    asked = []
    with stoppable(lambda: asked.append(None)):
        other = threading.Thread(target=may_stop)
        other.start()
        other.join()
        assert not asked
        may_stop()
    may_stop()
    assert len(asked) == 1


def test_grabcut_round_by_round_is_grabcut():
    pixels, labels = cv2.convertScaleAbs(scene(120), alpha=255), np.full((120, 120), cv2.GC_BGD, np.uint8)
    labels[20:100, 20:100], labels[40:80, 40:80], labels[55:60, 55:60] = cv2.GC_PR_BGD, cv2.GC_PR_FGD, cv2.GC_FGD
    found = []
    for rounds in ([ROUNDS], [1] * ROUNDS):
        cv2.setRNGSeed(0)
        own, colours = labels.copy(), (np.zeros((1, 65)), np.zeros((1, 65)))
        for i, count in enumerate(rounds):
            how = cv2.GC_EVAL if i else cv2.GC_INIT_WITH_MASK
            cv2.grabCut(pixels, own, (0, 0, 0, 0), *colours, count, how)
        found.append((own, *colours))
    for at_once, by_round in zip(*found, strict=True):
        np.testing.assert_array_equal(at_once, by_round)
