"""Two pictures laid on each other, by what did not change. Pictures are [H, W, 3] in 0..1.

OpenCV's ECC takes no prior: where little is left of a picture it moves far off, even from the truth. So its step is
taken here with one (a robust Gauss-Newton step on all three colours), and with weights that leave out what changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from .matching import match_colours
from .placing import Placement, after, laid, scale_of, shrunk, size_of, stretched
from .searching import found_by_search, starts

FIRST = 128
SEARCHED = 512
LEVELS = 128, 256, 640
"""Pixels of the longer side at which two pictures are laid on each other, the coarse first."""

STEPS = 8
"""At each level, at most."""

STILL = 0.01
"""Pixels of a level: a smaller step is the last."""

WINDOW = 9
"""Pixels a side, of a level, over which two pictures are compared."""

LIKELY = np.array([0.03, 0.03, 0.03, 0.03, 0.02, 0.002])
"""How far a map may be from what the search found: shift (of half a side), zoom, rotation, stretch and shear."""

ERROR = 0.04
"""By which colours that are the same differ, when the pictures lie on each other."""

INDEPENDENT = 9
"""Pixels that err alike."""

MOST_PIXELS = 20_000

ROUGH = 48 * 48
"""Pixels on which colours are matched on the way."""

SAME = 0.08
"""By which colours that are the same may differ."""

FAR = 0.3
"""How much more of the picture must agree for it to have moved by its whole size."""

FAINT = 0.02
"""Deviation, of 1, in a window that shows nothing."""


@dataclass(frozen=True)
class Alignment:
    meaning: str


ALIGNMENTS: Mapping[str, Alignment] = {
    "none": Alignment("stretches it to the original's size, and moves nothing"),
    "whole": Alignment("shift, zoom, rotation and stretch, the same everywhere"),
    "local": Alignment("also a smooth warp, where that is not enough"),
}


@dataclass(frozen=True)
class Level:
    """An original and an edited picture, small and about as sharp as each other."""

    own: np.ndarray
    copy: np.ndarray
    size: tuple[int, int]  # of the original
    other: tuple[int, int]  # of the edited picture

    @classmethod
    def of(cls, original: np.ndarray, edited: np.ndarray, matrix: np.ndarray, pixels: int) -> Level:
        """At so many pixels of the longer side."""
        shrink = min(1.0, pixels / max(original.shape[:2]))
        own, copy = shrunk(original, shrink), shrunk(edited, shrink / scale_of(matrix))
        return cls(own, copy, size_of(original), size_of(edited))

    def down(self, matrix: np.ndarray) -> np.ndarray:
        """A map between the pictures themselves, as one between these."""
        return after(stretched(self.other, size_of(self.copy)), after(matrix, stretched(size_of(self.own), self.size)))

    def placed(self, placement: Placement) -> Placement:
        """A placement of the pictures themselves, as one of these."""
        shrink = size_of(self.own)[1] / self.size[1]
        return Placement(self.down(placement.matrix), None if placement.bend is None else shrink * placement.bend)

    def up(self, matrix: np.ndarray) -> np.ndarray:
        return after(stretched(size_of(self.copy), self.other), after(matrix, stretched(self.size, size_of(self.own))))


def register(original: np.ndarray, edited: np.ndarray, still: np.ndarray | None, how: str) -> Placement:
    """From the original [H, W, 3] to the edited picture [h, w, 3], by what did not change.

    Nothing changed where it is ``still``, bool [H, W], if that is known.
    """
    if how == "none":
        return Placement(stretched(size_of(original), size_of(edited)))
    matrix = _best(original, edited, still)
    for pixels in LEVELS:
        level = Level.of(original, edited, matrix, pixels)
        matrix = level.up(refined(level, level.down(matrix), still))
        if max(original.shape[:2]) <= pixels:
            break
    return Placement(matrix)


def _best(original: np.ndarray, edited: np.ndarray, still: np.ndarray | None) -> np.ndarray:
    """Of what the search finds, what fits best when it is refined."""
    shrink = min(1.0, SEARCHED / max(*original.shape[:2], *edited.shape[:2]))  # by the same, as one may be cut from it
    own, copy = shrunk(original, shrink), shrunk(edited, shrink)
    tried: list[tuple[float, np.ndarray]] = []
    for start in found_by_search(own, copy):
        level = Level.of(own, copy, start, FIRST)
        matrix = refined(level, level.down(start), still, 4)
        tried.append((fit_of(level, matrix, still) - _far(level.up(matrix), level), level.up(matrix)))
    best = max(tried, key=lambda pair: pair[0])[1]
    return after(stretched(size_of(copy), size_of(edited)), after(best, stretched(size_of(original), size_of(own))))


def _far(matrix: np.ndarray, level: Level) -> float:
    """How unlikely a map is that moves so much: what agrees so much better makes up for it."""
    middle = np.array([(level.size[1] - 1) / 2, (level.size[0] - 1) / 2, 1])
    return min(
        FAR
        * float(np.abs(matrix[:, :2] - start[:, :2]).max() + np.hypot(*((matrix - start) @ middle)) / max(level.other))
        for start in starts(level.size, level.other)
    )


def refined(level: Level, matrix: np.ndarray, still: np.ndarray | None, steps: int = STEPS) -> np.ndarray:
    """The map [2, 3] between the pictures of a level, from one that is nearly right."""
    size = size_of(level.own)
    gone = np.zeros(6)
    for _ in range(steps):
        lain, trust = compared(level, Placement(matrix), still)
        step = _step(level.own, lain, trust, gone)
        gone += step
        matrix = after(matrix, _moved(step, size))
        if np.abs(step).max() * max(size) / 2 < STILL:
            break
    return matrix


def compared(level: Level, placement: Placement, still: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The edited picture, laid on and in the original's colours, and how far each pixel can be trusted."""
    size = size_of(level.own)
    lain = laid(level.copy, placement, size)
    covered = placement.covers(size, size_of(level.copy))
    if still is None:
        trust = np.clip(2 * agreement(level.own, lain) - 0.8, 0, 1) * covered
    else:
        trust = cv2.resize(still.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA) * covered
    colouring = match_colours(lain, level.own, np.maximum(trust, 0.02 * covered), "curve", ROUGH)
    return colouring(lain), trust


def _step(own: np.ndarray, lain: np.ndarray, trust: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """By how much to move, [6]: what explains the difference best, with what is ``gone`` already no less likely."""
    smooth, like = (cv2.GaussianBlur(each, (0, 0), 0.7) for each in (own, lain))
    right, down = (cv2.Scharr(like + smooth, cv2.CV_32F, dx, 1 - dx, scale=1 / 64) for dx in (1, 0))
    pull = trust * (right**2 + down**2).sum(-1)
    at = np.flatnonzero(pull > 1e-6)
    every = max(1, len(at) // MOST_PIXELS)
    at = at[::every]
    y, x = np.unravel_index(at, trust.shape)
    half = max(trust.shape) / 2
    u, v = ((x - (trust.shape[1] - 1) / 2) / half)[:, None], ((y - (trust.shape[0] - 1) / 2) / half)[:, None]
    gx, gy = (each.reshape(-1, 3)[at] * half for each in (right, down))
    basis = np.stack([gx, gy, u * gx + v * gy, u * gy - v * gx, u * gx - v * gy, v * gx + u * gy], -1).reshape(-1, 6)
    off = (smooth - like).reshape(-1, 3)[at]
    weight = trust.reshape(-1)[at] / (1 + np.square(off).sum(1) / ERROR**2) ** 2 / (ERROR**2 * INDEPENDENT)
    weighed = basis * np.repeat(weight * every, 3)[:, None]
    square = weighed.T @ basis + np.diag(1 / LIKELY**2)
    return np.linalg.solve(square, weighed.T @ off.reshape(-1) - gone / LIKELY**2)


def _moved(step: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The map [2, 3] of a step, about the middle of a picture."""
    right, down, zoom, turn, stretch, shear = step
    half, (x, y) = max(size) / 2, ((size[1] - 1) / 2, (size[0] - 1) / 2)
    linear = np.array([[1 + zoom + stretch, shear - turn], [shear + turn, 1 + zoom - stretch]])
    shift = np.array([right, down]) * half + np.array([x, y]) - linear @ [x, y]
    return np.column_stack([linear, shift])


def fit_of(level: Level, matrix: np.ndarray, still: np.ndarray | None) -> float:
    """How much of what the two pictures show is the same in both, from 0 to 1."""
    placement, size = Placement(matrix), size_of(level.own)
    covered = placement.covers(size, size_of(level.copy))
    matched, _ = compared(level, Placement(matrix), still)
    share = explained(level.own, laid(level.copy, placement, size), matched, covered)
    return share * float(covered.mean()) ** 0.25


def explained(own: np.ndarray, lain: np.ndarray, matched: np.ndarray, where: np.ndarray) -> float:
    """The share of what two pictures show that they have in common, from 0 to 1, by the second one in both colours."""
    shown = np.sqrt(np.maximum(np.maximum(spread(own, own), spread(lain, lain)), 0))
    off = np.square(cv2.GaussianBlur(matched, (0, 0), 1) - cv2.GaussianBlur(own, (0, 0), 1)).sum(-1)
    alike = np.where(shown < FAINT, 1, np.clip((agreement(own, lain) - 0.5) / 0.4, 0, 1))
    weight = (np.minimum(shown, 0.2) + 0.01) * where
    return float((weight * alike * np.exp(-off / SAME**2)).sum() / max(weight.sum(), 1e-6))


def agreement(original: np.ndarray, lain: np.ndarray) -> np.ndarray:
    """How alike the structure of two pictures is around each pixel: [H, W] of -1 to 1, and 0 where there is none."""
    own, its = spread(original, original), spread(lain, lain)
    return spread(original, lain) / (np.sqrt(np.maximum(own * its, 0)) + FAINT**2)


def spread(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The covariance of the two in a window around each pixel: [H, W]."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (WINDOW, WINDOW))

    return (mean(one * other) - mean(one) * mean(other)).sum(-1)
