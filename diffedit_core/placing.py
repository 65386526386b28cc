"""Where each place of one picture is in another one. Pictures are [H, W, 3]; pixels are counted at their middle."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class Placement:
    """From the pixels of one picture to those of another: an affine map, after a smooth warp where there is one."""

    matrix: np.ndarray  # [2, 3], of (x, y, 1)
    bend: np.ndarray | None = None  # [h, w, 2]: pixels right and down to go first, on a coarse grid over the picture

    def at(self, size: Size, rows: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """The x and y in the other picture of some rows of this one, whose height and width is ``size``."""
        height, width = size
        first, last, _ = rows.indices(height)
        y, x = np.ogrid[first:last, :width]
        if self.bend is not None:
            right, down = cv2.split(cv2.resize(self.bend, (width, height), interpolation=cv2.INTER_CUBIC)[rows])
            x, y = x + right, y + down
        (a, b, c), (d, e, f) = self.matrix.tolist()
        return (a * x + (b * y + c)).astype(np.float32), (d * x + (e * y + f)).astype(np.float32)

    def covers(self, size: Size, other: Size) -> np.ndarray:
        """Which pixels of a picture lie on the other one: bool [H, W]."""
        x, y = self.at(size)
        return (x > -0.5) & (x < other[1] - 0.5) & (y > -0.5) & (y < other[0] - 0.5)


def size_of(picture: np.ndarray) -> Size:
    return picture.shape[0], picture.shape[1]


def stretched(size: Size, other: Size) -> np.ndarray:
    """The map [2, 3] from a picture of one height and width to the same picture at another."""
    down, right = (b / a for a, b in zip(size, other, strict=True))
    return np.array([[right, 0, (right - 1) / 2], [0, down, (down - 1) / 2]])


def after(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """One map [2, 3] after another."""
    return second @ np.vstack([first, [0, 0, 1]])


def scale_of(matrix: np.ndarray) -> float:
    """Pixels of the other picture to one of this."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def apart(one: np.ndarray, other: np.ndarray, size: Size) -> float:
    """How far two maps take a corner of a picture apart, at most."""
    height, width = size
    corners = np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    return float(np.hypot(*((one - other) @ corners)).max())


def shrunk(picture: np.ndarray, by: float) -> np.ndarray:
    if by >= 1:
        return picture
    height, width = (max(1, round(side * by)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def laid(edited: np.ndarray, placement: Placement, size: Size) -> np.ndarray:
    """The edited picture as it lies on the original: [H, W, 3] of the original's ``size``."""
    return cv2.remap(edited, *placement.at(size), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
