"""Frames of a clip: what is measured of each one, smoothed over time."""

from __future__ import annotations

import numpy as np

REACH = 2
"""Frames before and after, whose middle value stands for one: a single bad frame shows nowhere."""

DEVIATION = 1.5
"""Frames over which that is smoothed."""


def steadied(values: np.ndarray) -> np.ndarray:
    """Measurements [F, ...] of each frame, smoothed over time."""
    middle = np.median(_windows(values, REACH), axis=1)
    reach = int(3 * DEVIATION)
    weights = np.exp(-np.square(np.arange(-reach, reach + 1) / DEVIATION) / 2)
    return np.einsum("fw...,w->f...", _windows(middle, reach), weights / weights.sum())


def _windows(values: np.ndarray, reach: int) -> np.ndarray:
    """Of each frame those around it, [F, 2 * reach + 1, ...]; beyond the ends, the first and last are mirrored."""
    count = len(values)
    at = np.arange(count)[:, None] + np.arange(-reach, reach + 1)
    last = max(count - 1, 1)
    at = np.abs(at) % (2 * last)
    return values[np.minimum(np.where(at > last, 2 * last - at, at), count - 1)]
