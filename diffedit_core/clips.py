"""Frames of a clip: what is measured of each one, smoothed over time."""

from __future__ import annotations

import numpy as np

REACH = 2
"""Frames before and after, whose middle value stands for one: a single bad frame shows nowhere."""

DEVIATION = 1.5
"""Frames over which that is smoothed."""


def steadied(values: np.ndarray) -> np.ndarray:
    """Measurements [F, ...] of each frame, smoothed over time. A steady motion stays as it is, to the ends."""
    middle = np.median(_windows(values, REACH), axis=1)
    windows = _windows(middle, int(3 * DEVIATION))
    reach = windows.shape[1] // 2
    weights = np.exp(-np.square(np.arange(-reach, reach + 1) / DEVIATION) / 2)
    return np.einsum("fw...,w->f...", windows, weights / weights.sum())


def _windows(values: np.ndarray, reach: int) -> np.ndarray:
    """Of each frame those around it, [F, 2 * reach + 1, ...]; beyond the ends it goes on as it came."""
    count = len(values)
    reach = min(reach, count - 1)
    before = 2 * values[:1] - values[reach:0:-1]
    behind = 2 * values[-1:] - values[-2 : -2 - reach : -1]
    extended = np.concatenate([before, values, behind])
    return extended[np.arange(count)[:, None] + np.arange(2 * reach + 1)]
