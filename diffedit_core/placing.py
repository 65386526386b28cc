"""Where each place of one picture is in another one. Pictures are [H, W, 3]; pixels are counted at their middle."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Size = tuple[int, int]
"""Height and width."""

EVEN = 0.04
"""A bar's colours differ by less than this."""

LEAST_BAR, MOST_BAR = 0.015, 0.45
"""Share of a side that one bar may take."""


MOST_OF_IT = 0.6
"""Share of a line that differs from the bar beside it. Along a thing that stands there it does not."""


@dataclass(frozen=True)
class Placement:
    """From the pixels of one picture to those of another: an affine map, after a smooth warp where there is one."""

    matrix: np.ndarray  # [2, 3], of (x, y, 1)
    bend: np.ndarray | None = None  # [h, w, 2]: pixels right and down to go first, on a coarse grid over the picture

    def at(self, size: Size, rows: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """The x and y in the other picture of some rows of this one, whose height and width is ``size``."""
        height, width = size
        first, last, _ = rows.indices(height)
        y, x = (each.astype(np.float32) for each in np.ogrid[first:last, :width])
        if self.bend is not None:
            right, down = cv2.split(cv2.resize(self.bend, (width, height), interpolation=cv2.INTER_CUBIC)[rows])
            x, y = x + right, y + down
        (a, b, c), (d, e, f) = self.matrix.tolist()
        return a * x + (b * y + c), d * x + (e * y + f)

    @property
    def most_bent(self) -> float:
        """Pixels that the warp moves any place, at most."""
        return 0.0 if self.bend is None else float(np.hypot(*self.bend.transpose(2, 0, 1)).max())

    def moved(self, x: float, y: float) -> Placement:
        """To somewhere else in the other picture."""
        return Placement(self.matrix + np.array([[0, 0, x], [0, 0, y]]), self.bend)

    def covers(self, size: Size, other: Size) -> np.ndarray:
        """Which pixels of a picture lie on the other one: bool [H, W]."""
        x, y = self.at(size)
        return (x > 0) & (x < other[1] - 1) & (y > 0) & (y < other[0] - 1)


def whole(picture: np.ndarray) -> tuple[slice, slice]:
    return slice(0, picture.shape[0]), slice(0, picture.shape[1])


def without_bars(picture: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns of a picture [H, W, 3] that lie between bars of one colour, where it has such bars."""
    rows, columns = (_between_bars(each) for each in (picture, picture.swapaxes(0, 1)))
    return rows, columns


def _between_bars(lines: np.ndarray) -> slice:
    first, last = (_bar(each) for each in (lines, lines[::-1]))
    return slice(first, len(lines) - last)


def _bar(lines: np.ndarray) -> int:
    """How many lines at the start are a bar: even, alike, and then all at once something else along most of it."""
    first, count = lines[0].mean(0), 0
    while count < len(lines) and _is_even(lines[count], first):
        count += 1
    if not LEAST_BAR * len(lines) <= count <= MOST_BAR * len(lines):
        return 0
    after_it = min(count + 2, len(lines) - 1)
    differs = np.abs(lines[after_it] - lines[max(count - 2, 0)].mean(0)).max(-1) > 2 * EVEN
    return count + 1 if differs.mean() > MOST_OF_IT else 0  # the next line may hold some of it


def _is_even(line: np.ndarray, like: np.ndarray) -> bool:
    return bool(line.std(0).max() < EVEN and np.abs(line.mean(0) - like).max() < EVEN)


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
