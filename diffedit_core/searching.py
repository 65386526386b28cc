"""About where a picture lies in another one: every zoom and rotation that is likely is tried, and all shifts at once.

What counts is which way the light changes at each pixel, and not by how much (orientation correlation, Fitch et al.
2002): a part that changed adds nothing, and neither tint nor light matters.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import cv2
import numpy as np

from .placing import Size, after, apart, scale_of, shrunk, size_of, stretched
from .stopping import may_stop

COARSE = 96
"""Pixels of the longer side on which to search."""

MOST_FOUND = 4

ZOOMS = 1.03 ** np.arange(-8, 9)
ROTATIONS = np.deg2rad((-3.2, -1.6, 0.0, 1.6, 3.2))

FAINT = 0.02
"""A slope of light, of 1 a pixel, that counts half."""


def found_by_search(original: np.ndarray, edited: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The likeliest maps [2, 3] from the original [H, W, 3] to the edited picture [h, w, 3], the best first.

    Beside each stands that of a picture which was only brought to its size; at the end stand those themselves.
    """
    size, other = size_of(original), size_of(edited)
    small = shrunk(original, min(1.0, COARSE / max(size)))
    coarse = size_of(small)
    side = cv2.getOptimalDFTSize(2 * max(coarse))
    canvas = np.zeros((side, side, 3), np.float32)
    canvas[: coarse[0], : coarse[1]] = small
    own = _spectra(canvas, np.pad(np.ones(coarse, np.uint8), ((0, side - coarse[0]), (0, side - coarse[1]))))
    tried: list[tuple[float, np.ndarray, np.ndarray]] = []
    for start in starts(size, other):
        for zoom, angle in itertools.product(ZOOMS, ROTATIONS):
            may_stop()
            matrix = after(after(start, _about_the_middle(size, zoom, angle)), stretched(coarse, size))
            score, (x, y) = _best_shift(own, edited, matrix, side)
            score *= 1 - 0.15 * abs(np.log(zoom)) - 0.1 * abs(angle)
            moved = np.array([[1, 0, x], [0, 1, y]])
            tried.append((score, after(after(matrix, moved), stretched(size, coarse)), start))
    tried.sort(key=lambda each: -each[0])
    best: list[tuple[np.ndarray, np.ndarray]] = []
    for _, matrix, start in tried:
        if len(best) < MOST_FOUND and all(apart(matrix, each, size) > 0.03 * max(other) for each, _ in best):
            best.append((matrix, start))
    return [*best, *((start, start) for start in starts(size, other))]


def starts(size: Size, other: Size) -> Iterator[np.ndarray]:
    """How a picture may have been brought to another size: stretched, with a rim around it, or cut."""
    yield stretched(size, other)
    scales = other[0] / size[0], other[1] / size[1]
    for scale in sorted({min(scales), max(scales), 1.0}):
        if max(abs(np.log(scale / each)) for each in scales) > 0.02 and 0.8 < scale / min(scales) < 1.25:
            yield _centred(size, other, scale)


def _centred(size: Size, other: Size, scale: float) -> np.ndarray:
    x, y = ((b - 1) / 2 - scale * (a - 1) / 2 for a, b in zip(size[::-1], other[::-1], strict=True))
    return np.array([[scale, 0, x], [0, scale, y]])


def _about_the_middle(size: Size, zoom: float, angle: float) -> np.ndarray:
    x, y = (size[1] - 1) / 2, (size[0] - 1) / 2
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    return np.array([[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]])


def _best_shift(
    own: list[np.ndarray], edited: np.ndarray, matrix: np.ndarray, side: int
) -> tuple[float, tuple[int, int]]:
    """How well the edited picture fits if it is moved, and by how many pixels of the small original."""
    pad = side // 4
    moved = after(matrix, np.array([[1, 0, -pad], [0, 1, -pad]]))
    whole = np.ones(edited.shape[:2], np.uint8)
    inside = cv2.warpAffine(whole, moved, (side, side), flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    spectra = _spectra(_sampled(edited, moved, side), inside)
    products = [cv2.mulSpectrums(theirs, ours, 0, conjB=True) for theirs, ours in zip(spectra, own, strict=True)]
    fit = cv2.dft(sum(products[1:], products[0]), flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)[..., 0]
    best = int(fit.argmax())  # at (y, x): moved by so much, the original lies on it
    y, x = (at - side if at > side * 3 // 4 else at for at in divmod(best, side))
    return float(fit.flat[best]), (x - pad, y - pad)


def _sampled(edited: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """The edited picture on a small canvas, without aliases: [side, side, 3]."""
    scale = scale_of(matrix)
    if scale > 1:
        small = shrunk(edited, 1 / scale)
        matrix, edited = after(stretched(size_of(edited), size_of(small)), matrix), small
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(edited, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _spectra(picture: np.ndarray, inside: np.ndarray) -> list[np.ndarray]:
    """Of each colour the spectrum of which way it rises at each pixel: [H, W, 2], as OpenCV has it."""
    right, down = (cv2.Scharr(picture, cv2.CV_32F, x, 1 - x, scale=1 / 32) for x in (1, 0))
    known = cv2.erode(inside, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    share = (known / (np.sqrt((right**2 + down**2).sum(-1)) + FAINT)).astype(np.float32)
    return [cv2.dft(cv2.merge([x * share, y * share])) for x, y in zip(cv2.split(right), cv2.split(down), strict=True)]
