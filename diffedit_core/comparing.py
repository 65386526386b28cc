"""Two pictures that lie on each other, compared: their colours, what was meant to change, and what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .matching import Colouring, match_colours
from .meant import meant
from .outlines import CHANCE, shared
from .placing import Placement, Size, after, laid, scale_of, shrunk, size_of, stretched
from .registering import FAINT, SAME, Level, agreement, explained, spread
from .shapes import grow
from .stopping import may_stop

WORK = 640
"""Pixels of the longer side on which changes are looked for."""

ROWS = 256
"""That are laid on at a time."""

NEAR = 0.15
"""A difference of colours that a tint may have made."""

CHANGE = 2.0
"""How much more of the picture a map of colours must explain that moves them by their whole range."""

APART = 2
"""Pixels beside a change that may still show some of it."""

LITTLE = 0.04
"""Share of the picture that shows the same: with less, two pictures may have it in common by chance."""

LEAST_COMMON = 0.01
"""Share of the picture that shows the same, of which two pictures with nothing in common have less."""

PLAIN = 0.25
"""Share of a picture that shows something: with less, there is little to recognise, and what is even must do."""

MOST_CHANGED = 0.98


@dataclass(frozen=True)
class Compared:
    """What was found of an original and an edited picture, made smaller."""

    colouring: Colouring
    found: np.ndarray  # [h, w] of 0 and 1: what was meant to change
    tint: np.ndarray  # [3]: what the edited picture has too much of, of 1
    common: float  # share of the picture that shows something, and the same in both
    shown: float  # share that shows something
    outline: float  # the longest that both have, as a share of the longer side

    @property
    def refusal(self) -> str | None:
        """Why the rest can't be kept, in one sentence."""
        changed = float(self.found.mean())
        if self.outline > CHANCE:
            return None
        if self.common < LEAST_COMMON and (self.shown > PLAIN or changed > 0.5):
            return "the two pictures have nothing in common; give an original and what was made from it"
        if changed > MOST_CHANGED:
            return "everything changed between the two pictures, so there is no rest to keep"
        return None

    @property
    def doubt(self) -> str | None:
        """Why the rest may not be the same, in one sentence."""
        if self.common < LITTLE and self.shown > PLAIN:
            return "the two pictures have little in common; look whether one lies right on the other"
        return None


def compare(
    original: np.ndarray,
    edited: np.ndarray,
    placement: Placement,
    still: np.ndarray | None,
    colour: str,
    sensitivity: float,
) -> Compared:
    """Of an original [H, W, 3] and the edited picture that was placed on it; ``still`` is known not to have changed."""
    level = Level.of(original, edited, placement.matrix, WORK)
    own, size = level.own, size_of(level.own)
    small = level.placed(placement)
    lain, covered = laid(level.copy, small, size), small.covers(size, size_of(level.copy))
    every = covered if still is None else covered & (cv2.resize(still.astype(np.uint8), size[::-1]) > 0)
    alike = np.clip(2 * agreement(own, lain) - 0.8, 0, 1) * every
    near = np.exp(-np.square(lain - own).sum(-1) / NEAR**2) * every
    colouring = _likeliest(lain, own, (alike, near, alike * near, every.astype(np.float32)), covered, colour)
    matched = colouring(lain)
    sure = alike * np.exp(-np.square(matched - own).sum(-1) / NEAR**2)
    may_stop()
    found = meant(own, matched, sure, covered, sensitivity)
    rest = np.where(grow(found, APART) > 0, 0, every).astype(np.float32)
    may_stop()
    colouring = match_colours(lain, own, rest, colour)
    matched = colouring(lain)
    found = meant(own, matched, rest, covered, sensitivity)
    may_stop()
    rest = np.where(grow(found, APART) > 0, 0, every).astype(np.float32)
    tint = (lain - own)[rest > 0].mean(0) if rest.any() else np.zeros(3)
    common, shown = _common(own, lain, matched, covered)
    return Compared(colouring, found, tint, common, shown, shared(own, lain, matched, covered).outline)


def _likeliest(
    lain: np.ndarray, own: np.ndarray, trusts: Sequence[np.ndarray], covered: np.ndarray, how: str
) -> Colouring:
    """Of the maps of colours that may be, the one that explains most and changes least."""

    def worth(colouring: Colouring) -> float:
        may_stop()
        matched = colouring(lain)
        return explained(own, lain, matched, covered) - CHANGE * float(np.abs(matched - lain)[covered].mean())

    return max((match_colours(lain, own, trust, how) for trust in trusts), key=worth)


def _common(own: np.ndarray, lain: np.ndarray, matched: np.ndarray, covered: np.ndarray) -> tuple[float, float]:
    """The share of the picture that shows the same in both, and the share that shows anything."""
    shown = covered & (np.maximum(spread(own, own), spread(lain, lain)) > (1.5 * FAINT) ** 2)
    off = np.square(cv2.GaussianBlur(matched, (0, 0), 1) - cv2.GaussianBlur(own, (0, 0), 1)).sum(-1)
    same = shown & (agreement(own, lain) > 0.8) & (off < (0.75 * SAME) ** 2)
    return float(same.mean()), float(shown.mean())


def laid_in_colour(edited: np.ndarray, placement: Placement, colouring: Colouring, size: Size) -> np.ndarray:
    """The edited picture laid onto the original and in its colours, some rows at a time."""
    small = shrunk(edited, 1 / scale_of(placement.matrix))
    own = Placement(after(stretched(size_of(edited), size_of(small)), placement.matrix), placement.bend)
    result = np.empty((*size, 3), np.float32)
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in size)
    for start in range(0, size[0], ROWS):
        may_stop()
        rows = slice(start, start + ROWS)
        lain = cv2.remap(small, *own.at(size, rows), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        result[rows] = colouring.rows(lain, x[None, :, None], y[rows, None, None])
    return result
