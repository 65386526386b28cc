"""The colours of one picture brought to those of another, by the part that both share. Pictures are [H, W, 3]."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

MOST_PIXELS = 96 * 96
"""On which the map is fitted."""

INDEPENDENT = 1000
"""A whole picture says as much as so many pixels: those beside each other err alike."""

ERROR = 0.02
"""By which colours that are the same differ, after the map."""

SCALES = 0.25, 0.15, 0.1, 0.06, 0.04
"""What differs by more than this counts little: first roughly, then strictly."""

SMOOTH = 1.5
"""Pixels of a blur: noise in a colour that hardly varies would make the map flat."""

FULL = 0.004
"""This near to black or to the brightest, a colour may have been cut off."""

Term = tuple[Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray], float]
"""What of a colour in 0..1, at x and y in -1..1, is added to it, and how much of that is likely."""

TINT: tuple[Term, ...] = ((lambda c, x, y: np.ones_like(c), 0.04), (lambda c, x, y: c, 0.08))
CURVE: tuple[Term, ...] = ((lambda c, x, y: c * (1 - c), 0.2), (lambda c, x, y: c * (1 - c) * (1 - 2 * c), 0.05))
LIGHT: tuple[Term, ...] = (
    (lambda c, x, y: c * x, 0.02),
    (lambda c, x, y: c * y, 0.02),
    (lambda c, x, y: c * x * x, 0.05),
    (lambda c, x, y: c * y * y, 0.05),
)


@dataclass(frozen=True)
class Match:
    """What the map from one picture's colours to the other's is made of."""

    terms: tuple[Term, ...]
    meaning: str


MATCHES: Mapping[str, Match] = {
    "none": Match((), "leaves its colours as they are"),
    "tint": Match(TINT, "a gain and an offset for each colour"),
    "curve": Match((*TINT, *CURVE, *LIGHT), "also a low-order curve, and light that falls off smoothly"),
}


@dataclass(frozen=True)
class Colouring:
    """A map of colours, by how much it adds of each term."""

    terms: tuple[Term, ...]
    shares: np.ndarray  # [terms, 3]

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The whole picture [H, W, 3] in 0..1."""
        y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in picture.shape[:2])
        return self.rows(picture, x[None, :, None], y[:, None, None])

    def rows(self, picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if not self.terms:
            return np.clip(picture, 0, 1)  # where it was laid on something, it may be a little beyond
        added = (term(picture, x, y) * share for (term, _), share in zip(self.terms, self.shares, strict=True))
        return np.clip(sum(added, picture), 0, 1, dtype=np.float32)


def match_colours(
    picture: np.ndarray, like: np.ndarray, trust: np.ndarray, how: str, most: int = MOST_PIXELS
) -> Colouring:
    """What brings the picture's colours to those ``like`` has, by what did not change.

    ``trust`` [H, W] says how sure it is of each pixel that it shows the same. What fits no map is left out.
    """
    terms = MATCHES[how].terms
    shrink = min(1.0, (most / trust.size) ** 0.5)
    size = max(1, round(trust.shape[1] * shrink)), max(1, round(trust.shape[0] * shrink))
    own, wanted, sure = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (picture, like, trust))
    own, wanted = (cv2.GaussianBlur(each, (0, 0), SMOOTH) for each in (own, wanted))
    sure = (sure * _legible(own) * _legible(wanted)).reshape(-1)
    if not terms or not sure.any():
        return Colouring(terms, np.zeros((len(terms), 3), np.float32))
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in size[::-1])
    parts = np.stack([term(own, x[None, :, None], y[:, None, None]) for term, _ in terms], -1)  # [h, w, 3, terms]
    parts = np.ascontiguousarray(parts.reshape(-1, 3, len(terms)).swapaxes(0, 1))  # [3, n, terms]
    goal = (wanted - own).reshape(-1, 3).T
    likely = np.diag([1 / spread**2 for _, spread in terms])
    sure *= INDEPENDENT / ERROR**2 / sure.size
    shares = np.zeros((3, len(terms), 1), np.float32)
    for scale in SCALES:
        off = goal - (parts @ shares)[..., 0]
        weighed = parts * (sure / (1 + np.square(off).sum(0) / scale**2) ** 2)[None, :, None]
        square, to = weighed.swapaxes(1, 2) @ parts + likely, weighed.swapaxes(1, 2) @ goal[..., None]
        shares = np.linalg.solve(square, to).astype(np.float32)
    return Colouring(terms, shares[..., 0].T)


def _legible(picture: np.ndarray) -> np.ndarray:
    """Where no colour is cut off, and none is at an edge: [H, W]."""
    middle = ((picture > FULL) & (picture < 1 - FULL)).all(-1)
    slope = np.abs(cv2.Sobel(picture, cv2.CV_32F, 1, 0, scale=1 / 8)) + np.abs(
        cv2.Sobel(picture, cv2.CV_32F, 0, 1, scale=1 / 8)
    )
    return (middle / (1 + (slope.max(-1) / 0.1) ** 2)).astype(np.float32)
