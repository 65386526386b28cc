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
from .meant import AREA, meant
from .outlines import CHANCE, Edges, outlines_apart, shared
from .placing import Placement, after, laid, scale_of, shrunk, size_of, stretched
from .searching import found_by_search, starts
from .shapes import grow, without_hairs
from .stepping import gone, moved, of_light, of_outlines, step
from .stopping import may_stop

FIRST = 128
SEARCHED = 512
LEVELS = 128, 256, 640
"""Pixels of the longer side at which two pictures are laid on each other, the coarse first."""

STEPS = 8
"""At each level, at most."""

ROUGHLY = 4
"""To see whether a map may be the right one: with all of the picture, and then without what changed."""

STILL = 0.01
"""Pixels of a level: a smaller step is the last."""

WINDOW = 9
"""Pixels a side, of a level, over which two pictures are compared."""

LIKELY = np.array([0.2, 0.2, 0.06, 0.04, 0.002, 0.002])
"""How far a map may be from that of a picture which was only resized: shift (of half a side), zoom, rotation, stretch
and shear."""

MULTIPLE = 16
"""Pixels: models make sides of so many, and stretch what they make by as much."""

ROUGH = 48 * 48
"""Pixels on which colours are matched on the way."""

SAME = 0.08
"""By which colours that are the same may differ."""

FAR = 0.3
"""How much more of the picture must agree for it to have moved by its whole size."""

WIDER = 3
"""Pixels: what differs over less than twice this may be an edge that does not lie right yet."""

LITTLE = 0.1
"""Share of what two pictures show: if they have less in common, colours say little of how they lie."""

MAY_BE = 2.0, 2.0, 1.0, 1.0, 0.5
"""Pixels that the outlines of one thing may be apart, from step to step."""

EDGES = 0.8
"""How much less it means that colours agree where edges do not."""

LONG = 0.4
"""Of the longer side: an outline that is longer says no more."""

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
    matrix, start = _best(original, edited, still)
    for pixels in LEVELS:
        may_stop()
        level = Level.of(original, edited, matrix, pixels)
        rest = rest_of(level, level.down(matrix), still)
        matrix = level.up(refined(level, level.down(matrix), level.down(start), rest))
        if max(original.shape[:2]) <= pixels:
            break
    return Placement(matrix)


@dataclass(frozen=True)
class Rest:
    """What does not change."""

    place: np.ndarray  # bool [h, w]
    is_little: bool = False  # only things are left, if anything, and all around them is new


def rest_of(level: Level, matrix: np.ndarray, still: np.ndarray | None) -> Rest:
    """What is known to be ``still``, or else all that does not clearly differ."""
    placement, size = Placement(matrix), size_of(level.own)
    covered = placement.covers(size, size_of(level.copy))
    if still is not None:
        return Rest(covered & (cv2.resize(still.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST) > 0))
    lain, trust = compared(level, placement, covered)
    may_stop()
    found = without_hairs(meant(level.own, lain, trust, covered, 1.0), WIDER)
    if found.mean() > AREA or explained(level.own, laid(level.copy, placement, size), lain, covered) < LITTLE:
        return Rest(covered, True)
    return Rest(covered & (grow(found, WINDOW // 2) == 0))


def _best(original: np.ndarray, edited: np.ndarray, still: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Of what the search finds, what fits best when it is refined, and what it started from."""
    shrink = min(1.0, SEARCHED / max(*original.shape[:2], *edited.shape[:2]))  # by the same, as one may be cut from it
    own, copy = shrunk(original, shrink), shrunk(edited, shrink)
    tried: list[tuple[float, np.ndarray, np.ndarray]] = []
    for found, start in found_by_search(own, copy):
        may_stop()
        level = Level.of(own, copy, found, FIRST)
        first = level.down(start)
        everything = Rest(np.ones(size_of(level.own), bool))
        matrix = refined(level, level.down(found), first, everything, ROUGHLY)
        rest = rest_of(level, matrix, still)
        matrix = refined(level, matrix, first, rest, ROUGHLY)
        tried.append((fit_of(level, matrix, rest.place) - _far(level.up(matrix), level), level.up(matrix), start))
    _, *best = max(tried, key=lambda each: each[0])
    down, up = stretched(size_of(original), size_of(own)), stretched(size_of(copy), size_of(edited))
    matrix, start = (after(up, after(each, down)) for each in best)
    return matrix, start


def _far(matrix: np.ndarray, level: Level) -> float:
    """How unlikely a map is that moves so much: what agrees so much better makes up for it."""
    middle = np.array([(level.size[1] - 1) / 2, (level.size[0] - 1) / 2, 1])
    return min(
        FAR
        * float(np.abs(matrix[:, :2] - start[:, :2]).max() + np.hypot(*((matrix - start) @ middle)) / max(level.other))
        for start in starts(level.size, level.other)
    )


def refined(level: Level, matrix: np.ndarray, start: np.ndarray, rest: Rest, steps: int = STEPS) -> np.ndarray:
    """The map [2, 3] between the pictures of a level, from one that is nearly right.

    What the pictures do not say of it is as in ``start``, the map of a picture that was only resized.
    """
    size = size_of(level.own)
    likely = LIKELY.copy()
    if level.size != level.other:
        likely[4] += MULTIPLE / 4 / min(level.other)
    edges = Edges.of(level.own) if rest.is_little else None
    for i in range(steps):
        may_stop()
        placement = Placement(matrix)
        if edges is not None:
            lain, covered = laid(level.copy, placement, size), placement.covers(size, size_of(level.copy))
            clues = of_outlines(outlines_apart(edges, lain, covered), MAY_BE[min(i, len(MAY_BE) - 1)])
        else:
            clues = of_light(level.own, *compared(level, placement, rest.place))
        move = step(clues, gone(start, matrix, size), likely, size)
        matrix = after(matrix, moved(move, size))
        if np.abs(move).max() * max(size) / 2 < STILL:
            break
    return matrix


def compared(level: Level, placement: Placement, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The edited picture, laid on and in the original's colours, and how far each pixel can be trusted.

    None is trusted outside of the ``rest``, bool [h, w].
    """
    size = size_of(level.own)
    lain = laid(level.copy, placement, size)
    covered = placement.covers(size, size_of(level.copy))
    trust = np.clip(2 * agreement(level.own, lain) - 0.8, 0, 1) * covered * rest
    colouring = match_colours(lain, level.own, np.maximum(trust, 0.02 * covered), "curve", ROUGH)
    return colouring(lain), trust


def fit_of(level: Level, matrix: np.ndarray, rest: np.ndarray) -> float:
    """How much of what the two pictures show is the same in both, and how long an outline they share."""
    placement, size = Placement(matrix), size_of(level.own)
    covered, lain = placement.covers(size, size_of(level.copy)), laid(level.copy, placement, size)
    matched, _ = compared(level, placement, rest)
    share = explained(level.own, lain, matched, covered, rest)
    both = shared(level.own, lain, matched, covered)
    share *= float(covered.mean()) ** 0.25 * (1 - EDGES + EDGES * both.edges)
    return share + min(max(both.outline - CHANCE, 0), LONG)


def explained(
    own: np.ndarray, lain: np.ndarray, matched: np.ndarray, where: np.ndarray, rest: np.ndarray | None = None
) -> float:
    """The share of what two pictures show that they have in common, from 0 to 1, by the second one in both colours.

    What lies outside of the ``rest`` is not in common.
    """
    shown = np.sqrt(np.maximum(np.maximum(spread(own, own), spread(lain, lain)), 0))
    off = np.square(cv2.GaussianBlur(matched, (0, 0), 1) - cv2.GaussianBlur(own, (0, 0), 1)).sum(-1)
    alike = np.where(shown < FAINT, 1, np.clip((agreement(own, lain) - 0.5) / 0.4, 0, 1))
    weight = (np.minimum(shown, 0.2) + 0.01) * where
    alike = alike * np.exp(-off / SAME**2) * (1 if rest is None else rest)
    return float((weight * alike).sum() / max(weight.sum(), 1e-6))


def agreement(original: np.ndarray, lain: np.ndarray) -> np.ndarray:
    """How alike the structure of two pictures is around each pixel: [H, W] of -1 to 1, and 0 where there is none."""
    own, its = spread(original, original), spread(lain, lain)
    return spread(original, lain) / (np.sqrt(np.maximum(own * its, 0)) + FAINT**2)


def spread(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The covariance of the two in a window around each pixel: [H, W]."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (WINDOW, WINDOW))

    return (mean(one * other) - mean(one) * mean(other)).sum(-1)
