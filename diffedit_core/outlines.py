"""Outlines that two pictures [H, W, 3] share: they tell a thing that stayed, even where all around it is new.

Only the way that the colours change across an edge counts, and not to what: so a thing that lies on another ground has
the outline that it had. What runs straight is often alike by chance, and counts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SMOOTH = 0.7
"""Pixels of a blur, against noise."""

SLIGHT, STEEP = 4, 8
"""Levels a pixel: an edge, and one that goes on from it."""

FINE = 8
"""Steps a level in which slopes are counted."""

ALIKE = 0.95
"""Cosine of the angle by which two edges may differ."""

FAR = np.linspace(-3, 3, 13, dtype=np.float32)
"""Pixels across an edge at which the other picture's is looked for."""

NEAR = 1.5
"""Pixels at which it is as likely as not."""

CHANCE = 0.07
"""Of the longer side: pictures with nothing in common share no outline that is as long."""

MOST = 16_384
"""Places that OpenCV looks at in one call."""

CLIMB = 2
"""Places that a peak may be further than where it seems to be."""

SAME = 0.1
"""By which colours that are the same differ at most."""

ROUND = 2.0
"""Pixels: what is less round is a straight line, or a speck."""


@dataclass(frozen=True)
class Edges:
    """Where a picture has edges, bool [H, W], which way its colours change across them, and how steeply."""

    place: np.ndarray
    right: np.ndarray
    down: np.ndarray
    steep: np.ndarray

    @classmethod
    def of(cls, picture: np.ndarray) -> Edges:
        levels = 255 * cv2.GaussianBlur(picture, (0, 0), SMOOTH)
        slopes = np.stack([cv2.Scharr(levels, cv2.CV_32F, dx, 1 - dx, scale=1 / 32) for dx in (1, 0)])
        steepest = np.square(slopes).sum(0).argmax(-1)[None, ..., None]  # of the three colours
        right, down = np.take_along_axis(slopes, steepest, -1)[..., 0]
        x, y = ((FINE * each).clip(-32000, 32000).astype(np.int16) for each in (right, down))
        place = cv2.Canny(x, y, FINE * SLIGHT, FINE * STEEP, L2gradient=True) > 0
        steep = np.hypot(right, down) + 1e-6
        return cls(place, right / steep, down / steep, steep)

    def across(self, x: np.ndarray, y: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
        """How steep it is at some places, each [n, k], where only what changes in the way given [n, 1] counts."""
        double = self.right**2 - self.down**2, 2 * self.right * self.down  # of twice the angle: both ways are one
        planes = cv2.merge([self.steep, *(self.steep * each for each in double)])
        parts = (slice(at, at + MOST) for at in range(0, len(x), MOST))
        seen = [cv2.remap(planes, x[part], y[part], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE) for part in parts]
        steep, cos, sin = cv2.split(np.concatenate(seen))
        return (steep + cos * (right**2 - down**2) + sin * 2 * right * down) / 2


@dataclass(frozen=True)
class Shared:
    """What edges two pictures have in the same place."""

    outline: float  # the longest, as a share of the longer side: of a line it is nothing, of a circle half its length
    edges: float  # share of all that either has; 1 where neither has any


def shared(original: np.ndarray, lain: np.ndarray, matched: np.ndarray, covered: np.ndarray) -> Shared:
    """The edges that both pictures have. On one side of an outline the colours must be the same, too, as they are in
    the second picture or as they are ``matched``.
    """
    own, other = Edges.of(original), Edges.of(lain)
    same = np.zeros_like(covered)
    for picture in (lain, matched):
        off = np.square(cv2.GaussianBlur(picture, (0, 0), 1) - cv2.GaussianBlur(original, (0, 0), 1)).sum(-1)
        same |= off < SAME**2
    beside = cv2.morphologyEx(same.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    beside = cv2.dilate(beside, np.ones((5, 5), np.uint8)) > 0
    both = own.place & _beside(own, other) & covered
    labels = _labelled(both & beside)
    either = int((own.place & covered).sum()) + int((other.place & covered).sum())
    longest = float(_roundness(own, labels).max()) / max(covered.shape)
    return Shared(longest, min(1.0, 2 * int(both.sum()) / either) if either else 1.0)


@dataclass(frozen=True)
class Apart:
    """Places on outlines of a picture, and how far from there another picture has them. Each [n]."""

    x: np.ndarray
    y: np.ndarray
    right: np.ndarray  # which way the colours change across them
    down: np.ndarray
    by: np.ndarray  # pixels that way


def outlines_apart(own: Edges, lain: np.ndarray, covered: np.ndarray) -> Apart:
    """How far the outlines of a picture are from where another one nearly has them."""
    other = Edges.of(lain)
    y, x = np.nonzero(own.place & covered)
    if not len(x):
        return Apart(*(np.zeros(0, np.float32) for _ in range(5)))
    right, down = (each[y, x][:, None] for each in (own.right, own.down))
    at = (x[:, None] + FAR * right).astype(np.float32), (y[:, None] + FAR * down).astype(np.float32)
    here, there = (edges.across(*at, right, down) for edges in (own, other))
    from_here, from_there = _peak(here), _peak(there)
    is_there = there.max(1) > STEEP
    place = np.zeros(covered.shape, bool)
    place[y[is_there], x[is_there]] = True
    labels = _labelled(place)
    is_round = (_roundness(own, labels) > ROUND)[labels[y, x]] & is_there
    each = x, y, right[:, 0], down[:, 0], from_there - from_here
    return Apart(*(values[is_round].astype(np.float32) for values in each))


def _peak(steep: np.ndarray) -> np.ndarray:
    """Where each line [n, k] has its peak, in pixels from its middle and between the places it was looked at: [n]."""
    lines, inner = np.arange(len(steep)), (1, len(FAR) - 2)
    best = (steep * np.exp(-((FAR / NEAR) ** 2))).argmax(1).clip(*inner)
    for _ in range(CLIMB):  # what is near weighs more, so the peak itself is a bit further
        best += np.stack([steep[lines, best + step] for step in (-1, 0, 1)]).argmax(0) - 1
        best = best.clip(*inner)
    before, top, after = (steep[lines, best + step] for step in (-1, 0, 1))
    bow = np.maximum(2 * top - before - after, 1e-6)
    return FAR[best] + (FAR[1] - FAR[0]) * ((after - before) / (2 * bow)).clip(-0.5, 0.5)


def _labelled(place: np.ndarray) -> np.ndarray:
    return cv2.connectedComponents(place.view(np.uint8), connectivity=8)[1]


def _roundness(edges: Edges, labels: np.ndarray) -> np.ndarray:
    """Of each labelled part how much of it runs in each of two ways at least, in pixels: [parts], with none first."""
    at = np.flatnonzero(labels)
    label, x, y = labels.flat[at], edges.right.flat[at], edges.down.flat[at]
    xx, xy, yy = (np.bincount(label, each, int(labels.max()) + 1) for each in (x * x, x * y, y * y))
    return (xx + yy - np.hypot(xx - yy, 2 * xy)) / 2  # the smaller eigenvalue


def _beside(own: Edges, other: Edges) -> np.ndarray:
    """Where the other picture has an edge that runs as the own one does, there or beside it: bool [H, W]."""
    height, width = own.place.shape
    found = np.zeros_like(own.place)
    place, right, down = (np.pad(each, 1) for each in (other.place, other.right, other.down))
    for y in range(3):
        for x in range(3):
            there = slice(y, y + height), slice(x, x + width)
            found |= place[there] & (np.abs(own.right * right[there] + own.down * down[there]) > ALIKE)
    return found
