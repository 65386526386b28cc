"""What was meant to change: where two pictures [H, W, 3] that lie on each other differ by more than noise."""

from __future__ import annotations

import cv2
import numpy as np

from .edges import guided_filter
from .shapes import around, fill_holes, grow, keep_parts, parts_touching, separate_parts, without_gaps, without_hairs

BLURS = 0.7, 1.4, 2.8
"""Pixels: the widths of detail that one of the pictures may have more of."""

STRONG, WEAK = 5.0, 2.5
"""Times what is usual where nothing changed: a change, and what belongs to one beside it."""

SEEN = 1.5
"""A difference of colours, in CIE Lab, that nobody sees."""

NOISY = 3.0
"""No more than this is noise."""

UNSURE = 0.05, 0.5
"""Pixels by which edges may be off without a meaning, at least and at most."""

HALF = 0.4
"""Of a change this share is within its rim, and less is its blur."""

REACH = 3
"""Pixels over which a rim may be blurred."""

LEAST = 6e-4
"""Share of the picture: a smaller part is noise."""

BESIDE = 0.4
"""Of the misfit that may be elsewhere: beside a change an edge that differs is its own."""

AREA = 0.4
"""Share of the picture: what is larger is no thing, and what lies beside it is the rest."""

HOLE = 0.001
"""Share of the picture that a hole may have, to be filled."""

GAP, MOST_GAP = 0.2, 0.04
"""How wide gaps in a change may be: a share of its own size, and of the picture's side."""

HINT = 0.7
"""Times what is usual: what differs by less is none of the change, even if it lies within."""


def meant(own: np.ndarray, lain: np.ndarray, trust: np.ndarray, covered: np.ndarray, sensitivity: float) -> np.ndarray:
    """Where ``lain``, on the picture ``own`` and in its colours, was meant to differ: [H, W] of 0 and 1.

    ``trust`` [H, W] says how surely a pixel shows the same in both.
    """
    like = _lab(as_sharp(own, lain, trust))
    off = cv2.GaussianBlur(_lab(lain) - like, (0, 0), 1.0)
    size = np.sqrt(np.square(off).sum(-1))
    noise, misfit = _usual(size, _slope(like), trust, covered)
    stands_out = sensitivity * size / np.hypot(noise, misfit) * covered
    found = parts_touching(stands_out > WEAK, stands_out > STRONG)
    height = cv2.dilate(size * found, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))
    found &= size > HALF * height
    found = keep_parts(without_hairs(found.astype(np.float32), 1), LEAST, 0) > 0
    beside = (grow(found.astype(np.float32), _gap(found)) > 0) & (size > HALF * height)
    beside &= sensitivity * size / np.hypot(noise, BESIDE * misfit) * covered > WEAK
    if found.mean() < AREA:
        found = parts_touching(found | beside, found)
    return keep_parts(without_hairs(_whole(found, stands_out), 1), LEAST, 0)


def _whole(found: np.ndarray, stands_out: np.ndarray) -> np.ndarray:
    """With its gaps and holes, where those are small or differ a little themselves: [H, W] of 0 and 1."""
    closed = without_gaps(found.astype(np.float32), _gap(found)) > 0
    solid = found | closed & (stands_out > HINT)
    holes = (fill_holes(solid.astype(np.float32), 1.0) > 0) & ~solid
    inner = cv2.erode(holes.view(np.uint8), np.ones((5, 5), np.uint8)) > 0
    small = holes & ~(keep_parts(holes.astype(np.float32), HOLE, 0) > 0)
    solid |= small
    for held, hole in separate_parts(holes & ~small, 0.0, holes.size):
        middle = hole & inner[held]
        if not middle.any() or np.median(stands_out[held][middle]) > HINT:
            solid[held] |= hole
    return solid.astype(np.float32)


def _gap(found: np.ndarray) -> int:
    """How many pixels apart two parts of one change may be."""
    return max(1, round(min(GAP * float(found.sum()) ** 0.5, MOST_GAP * max(found.shape))))


def as_sharp(own: np.ndarray, lain: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """The picture as blurred, or as sharp, as the other one is where both show the same."""
    parts = np.stack([cv2.GaussianBlur(own, (0, 0), blur) - own for blur in BLURS], -1).reshape(-1, len(BLURS))
    goal = (lain - own).reshape(-1)
    weight = np.repeat(trust.reshape(-1), 3) / (1 + np.square(goal) / 0.05**2) ** 2
    weighed = parts * weight[:, None]
    square = weighed.T @ parts + np.eye(len(BLURS)) * (1e-5 * trust.size + 1e-6)
    shares = np.linalg.solve(square, weighed.T @ goal)
    return own + (parts @ shares).reshape(own.shape).astype(np.float32)


def at_full_size(found: np.ndarray, original: np.ndarray, aligned: np.ndarray) -> np.ndarray:
    """What was found on a smaller picture, along the edges of the change at full size: [H, W] of 0 and 1."""
    height, width = original.shape[:2]
    shrink = height / found.shape[0]
    if shrink <= 1:
        return found
    part = around(cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST) > 0, round(4 * shrink))
    result = np.zeros((height, width), np.float32)
    if part is None:
        return result
    rough = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)[part]
    change = np.abs(aligned[part] - original[part])
    result[part] = guided_filter(rough, change, max(1, round(2 * shrink))) > 0.5
    return result


def _usual(size: np.ndarray, slope: np.ndarray, trust: np.ndarray, covered: np.ndarray) -> tuple[float, np.ndarray]:
    """The differences that mean nothing: of noise, and at edges of a slight misfit, [H, W]."""
    still = trust > 0.5
    if still.mean() < 0.02:
        still = covered
    if not still.any():
        return SEEN, np.zeros_like(size)
    noise = min(float(np.quantile(size[still], 0.4)), NOISY)
    steep = still & (slope > np.quantile(slope[still], 0.5)) & (slope > 1)
    misfit = float(np.quantile(size[steep] / slope[steep], 0.75)) if steep.any() else 0.0
    return float(np.hypot(SEEN, noise)), np.clip(misfit, *UNSURE) * slope


def _slope(planes: np.ndarray) -> np.ndarray:
    """How steep the colours of [H, W, 3] are at most around each pixel: [H, W]."""
    right, down = (cv2.Scharr(planes, cv2.CV_32F, dx, 1 - dx, scale=1 / 32) for dx in (1, 0))
    return cv2.dilate(np.sqrt((right**2 + down**2).sum(-1)), np.ones((3, 3), np.uint8))


def _lab(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture.clip(0, 1).astype(np.float32), cv2.COLOR_RGB2Lab)
