"""A smooth warp of one picture onto another, where no affine map lays all of it on."""

from __future__ import annotations

import cv2
import numpy as np

from .placing import Placement, laid, size_of
from .registering import FAINT, Level, compared, rest_of, spread
from .stopping import may_stop

GRID = 12
"""Cells a side of the warp."""

REACH = 0.08
"""Share of the longer side over which places move alike."""

MOST = 0.02
"""Share of the longer side that a place may move."""

FIRM = 0.02
"""How much of what is around a place must be sure of a motion, for it to move all the way."""

BETTER = 0.97
"""The difference that may be left of what there was, on places that the warp was not taken from."""

BLOCK = 16
"""Pixels a side of these places."""

ROUNDS = 6
"""At most."""

LEAST = 0.15
"""Pixels: a smaller warp is none."""


WORK = 640
"""Pixels of the longer side on which motion is looked for."""


def warped(original: np.ndarray, edited: np.ndarray, placement: Placement, still: np.ndarray | None) -> Placement:
    """A placement of an edited picture on the original [H, W, 3], with a smooth warp where its map is not enough."""
    level = Level.of(original, edited, placement.matrix, WORK)
    matrix = level.down(placement.matrix)
    bend = warp(level, matrix, rest_of(level, matrix, still).place)
    return placement if bend is None else Placement(placement.matrix, bend * level.size[1] / level.own.shape[1])


def warp(level: Level, matrix: np.ndarray, rest: np.ndarray) -> np.ndarray | None:
    """Pixels right and down to go before the map, on a coarse grid over the picture: [GRID, GRID, 2], in pixels of the
    level. None where the map is enough.
    """
    bend = np.zeros((GRID, GRID, 2), np.float32)
    for _ in range(ROUNDS):
        may_stop()
        more = _more(level, Placement(matrix, bend), rest)
        if more is None:
            break
        bend = bend + more
    return bend if np.hypot(*bend.transpose(2, 0, 1)).max() > LEAST else None


def _more(level: Level, placement: Placement, rest: np.ndarray) -> np.ndarray | None:
    """How much further to go. None where a warp taken from half of the picture does not fit the other half better."""
    lain, trust = compared(level, placement, rest)
    may_stop()
    motion, sure = _motion(level.own, lain, trust)
    may_stop()
    y, x = np.indices(sure.shape) // BLOCK
    half = (x + y) % 2 == 0
    tried = _smooth(motion, sure * half)
    off, left = (_off(level, lain, bend, trust * ~half) for bend in (np.zeros_like(tried), tried))
    return _smooth(motion, sure) if left < BETTER * off else None


def _motion(own: np.ndarray, lain: np.ndarray, trust: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel went, [H, W, 2], and how sure that is, [H, W]."""
    grey, like = (
        cv2.cvtColor((255 * np.clip(each, 0, 1)).astype(np.uint8), cv2.COLOR_RGB2GRAY) for each in (own, lain)
    )
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    there, back = flow.calc(grey, like, None), flow.calc(like, grey, None)
    shown = np.clip(spread(own, own) / FAINT**2 - 1, 0, 1)
    agrees = np.square(there + back).sum(-1) < 0.5
    near = np.hypot(*there.transpose(2, 0, 1)) < MOST * max(trust.shape)
    return there, trust * shown * agrees * near


def _smooth(motion: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """On the grid, and still where nothing is sure: [GRID, GRID, 2]."""
    around = REACH * max(sure.shape)
    weight = cv2.GaussianBlur(sure.astype(np.float32), (0, 0), around)
    moved = cv2.GaussianBlur(motion * sure[..., None].astype(np.float32), (0, 0), around) / (weight + FIRM)[..., None]
    return cv2.resize(moved, (GRID, GRID), interpolation=cv2.INTER_AREA)


def _off(level: Level, lain: np.ndarray, bend: np.ndarray, weight: np.ndarray) -> float:
    """How far what is laid on differs, once it is warped."""
    size = size_of(level.own)
    bent = laid(lain, Placement(np.eye(2, 3), bend), size)
    return float((weight * np.abs(bent - level.own).sum(-1)).sum() / max(float(weight.sum()), 1e-6))
