"""Where each place of one picture is in another one, by what both show. Pictures are [H, W, 3] in 0..1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Alignment:
    meaning: str


ALIGNMENTS: Mapping[str, Alignment] = {
    "none": Alignment("stretches it to the original's size, and moves nothing"),
    "whole": Alignment("shift, zoom, rotation and stretch, the same everywhere"),
    "local": Alignment("also a smooth warp, where that is not enough"),
}


@dataclass(frozen=True)
class Placement:
    """From the pixels of one picture to those of another: an affine map, after a smooth warp where there is one."""

    matrix: np.ndarray  # [2, 3], of (x, y, 1); pixels are counted at their middle
    bend: np.ndarray | None = None  # [h, w, 2]: pixels right and down to go first, on a coarse grid over the picture

    def at(self, size: tuple[int, int], rows: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """The x and y in the other picture of some rows of this one, whose height and width is ``size``."""
        height, width = size
        y, x = np.mgrid[rows, :width].astype(np.float32) if rows.stop else np.mgrid[:height, :width].astype(np.float32)
        if self.bend is not None:
            right, down = cv2.split(cv2.resize(self.bend, (width, height), interpolation=cv2.INTER_CUBIC)[rows])
            x, y = x + right, y + down
        (a, b, c), (d, e, f) = self.matrix.astype(np.float32)
        return a * x + b * y + c, d * x + e * y + f


def stretched(size: tuple[int, int], other: tuple[int, int]) -> np.ndarray:
    """The map [2, 3] from a picture of one height and width to the same picture at another."""
    down, right = (b / a for a, b in zip(size, other, strict=True))
    return np.array([[right, 0, (right - 1) / 2], [0, down, (down - 1) / 2]])


def register(original: np.ndarray, edited: np.ndarray, weight: np.ndarray | None, how: str) -> Placement:
    """From the original [H, W, 3] to the edited picture [h, w, 3], by what did not change.

    What counts for nothing has a ``weight`` [H, W] of 0.
    """
    size, other = (original.shape[0], original.shape[1]), (edited.shape[0], edited.shape[1])
    start = stretched(size, other)
    if how == "none":
        return Placement(start)
    grey, lain = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (original, laid(edited, Placement(start), size)))
    mask = None if weight is None else (weight > 0).astype(np.uint8)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-5)
    try:
        _, step = cv2.findTransformECC(lain, grey, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, stop, mask, 5)
    except cv2.error:  # it says so where the two do not converge
        return Placement(start)
    return Placement(after(start, cv2.invertAffineTransform(step)))


def after(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """One map [2, 3] after another."""
    return second @ np.vstack([first, [0, 0, 1]])


def laid(edited: np.ndarray, placement: Placement, size: tuple[int, int]) -> np.ndarray:
    """The edited picture as it lies on the original: [H, W, 3] of the original's ``size``."""
    return cv2.remap(edited, *placement.at(size), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
