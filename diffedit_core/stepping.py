"""One step towards laying a picture on another: the likeliest small move, by what is seen and by what is likely.

A move is [6]: shift right and down (of half the longer side), zoom, rotation, stretch and shear.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .outlines import Apart
from .placing import Size

ERROR = 0.04
"""By which colours that are the same differ, when the pictures lie on each other."""

INDEPENDENT = 9
"""Pixels that err alike."""

MOST_PIXELS = 20_000

WAVERS = 0.3
"""Pixels by which an outline may be off without a meaning."""

ALONG = 3
"""Pixels of an outline that err alike."""


@dataclass(frozen=True)
class Clues:
    """What speaks for a move: at each place, how much of what is seen there a move of a pixel would explain."""

    x: np.ndarray  # [n]
    y: np.ndarray
    right: np.ndarray  # [n, colours]
    down: np.ndarray
    off: np.ndarray  # [n, colours]: what is to be explained
    weight: np.ndarray  # [n]


def of_light(own: np.ndarray, lain: np.ndarray, trust: np.ndarray) -> Clues:
    """How the colours differ, where they can be trusted, [H, W], to show the same."""
    smooth, like = (cv2.GaussianBlur(each, (0, 0), 0.7) for each in (own, lain))
    right, down = (cv2.Scharr(like + smooth, cv2.CV_32F, dx, 1 - dx, scale=1 / 64) for dx in (1, 0))
    pull = trust * (right**2 + down**2).sum(-1)
    at = np.flatnonzero(pull > 1e-6)
    every = max(1, len(at) // MOST_PIXELS)
    at = at[::every]
    y, x = np.unravel_index(at, trust.shape)
    off = (smooth - like).reshape(-1, 3)[at]
    weight = trust.reshape(-1)[at] / (1 + np.square(off).sum(1) / ERROR**2) ** 2
    weight *= every / (ERROR**2 * INDEPENDENT)
    return Clues(x, y, right.reshape(-1, 3)[at], down.reshape(-1, 3)[at], off, weight)


def of_outlines(apart: Apart, may_be: float) -> Clues:
    """How far outlines are apart. One that is further than it ``may_be``, in pixels, is another one."""
    weight = 1 / (1 + (apart.by / may_be) ** 2) ** 2 / (WAVERS**2 * ALONG)
    right, down, by = (each[:, None] for each in (apart.right, apart.down, apart.by))
    return Clues(apart.x, apart.y, right, down, by, weight)


def step(clues: Clues, gone: np.ndarray, likely: np.ndarray, size: Size) -> np.ndarray:
    """The move that explains most, and is likely together with what is ``gone`` already."""
    half = max(size) / 2
    u, v = ((clues.x - (size[1] - 1) / 2) / half)[:, None], ((clues.y - (size[0] - 1) / 2) / half)[:, None]
    x, y = clues.right * half, clues.down * half
    basis = np.stack([x, y, u * x + v * y, u * y - v * x, u * x - v * y, v * x + u * y], -1).reshape(-1, 6)
    weighed = basis * np.repeat(clues.weight, clues.off.shape[1])[:, None]
    square = weighed.T @ basis + np.diag(1 / likely**2)
    return np.linalg.solve(square, weighed.T @ clues.off.reshape(-1) - gone / likely**2)


def gone(start: np.ndarray, matrix: np.ndarray, size: Size) -> np.ndarray:
    """The move that leads from one map [2, 3] to another."""
    linear = np.linalg.solve(start[:, :2], matrix[:, :2])
    middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    right, down = np.linalg.solve(start[:, :2], (matrix - start) @ [*middle, 1]) / (max(size) / 2)
    (a, b), (c, d) = linear.tolist()
    return np.array([right, down, (a + d) / 2 - 1, (c - b) / 2, (a - d) / 2, (b + c) / 2])


def moved(move: np.ndarray, size: Size) -> np.ndarray:
    """The map [2, 3] of a move, about the middle of a picture."""
    right, down, zoom, turn, stretch, shear = move
    half, middle = max(size) / 2, np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    linear = np.array([[1 + zoom + stretch, shear - turn], [shear + turn, 1 + zoom - stretch]])
    return np.column_stack([linear, np.array([right, down]) * half + middle - linear @ middle])
