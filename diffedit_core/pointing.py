"""Boxes and points for a model that outlines what it is shown: where a mask is, well inside it, and clearly outside."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .batches import check_batch
from .checks import check_masks
from .knobs import Settings, knob
from .masks import fit
from .shapes import Rectangle, depth, separate_parts
from .stopping import may_stop

SOLID = 0.5
"""How white a mask must be to count."""

MOST_PARTS = 100
"""That are pointed at, the largest first: a mask of specks has a million."""

MOST_PIXELS = 512 * 512
"""Of a place in which points are sought; in a larger one every second pixel is enough, or every third."""


@dataclass(frozen=True)
class PointSettings(Settings):
    """What is pointed at."""

    margin: int = knob(4, "Pixels around each part that its box leaves free.", low=0, high=256)
    least: float = knob(0.1, "Parts smaller than this share of the largest one are left out.", low=0, high=1, step=0.01)
    inside: int = knob(3, "Points in each part, well inside it and where it is hottest.", low=0, high=20)
    outside: int = knob(4, "Points in what is clearly not meant.", low=0, high=20)


@dataclass(frozen=True)
class Box:
    """In pixels of the picture, from its top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Point:
    x: int
    y: int


@dataclass(frozen=True)
class Pointed:
    """What is known of one picture. Where its mask is empty, there is nothing to point at."""

    boxes: list[Box]
    inside: list[Point]
    outside: list[Point]


def point(mask: Tensor, heatmap: Tensor | None, how: PointSettings) -> list[Pointed]:
    """For each picture of a mask [B, H, W]; a heatmap of any size says what is hottest, and what is cold."""
    for name, planes in (("mask", mask), ("heatmap", heatmap)):
        if planes is not None:
            check_masks(planes, f"the {name}")
    count = check_batch({"masks": len(mask), "heatmaps": 1 if heatmap is None else len(heatmap)})
    heats = [None] * count if heatmap is None else _planes(fit(heatmap, (mask.shape[-2], mask.shape[-1])), count)
    return [_point(each > SOLID, heat, how) for each, heat in zip(_planes(mask, count), heats, strict=True)]


def _planes(planes: Tensor, count: int) -> list[np.ndarray]:
    return [each.float().cpu().numpy() for each in planes.expand(count, *planes.shape[1:])]


def _point(place: np.ndarray, heat: np.ndarray | None, how: PointSettings) -> Pointed:
    inside, boxes = [], []
    hot = np.ones(place.shape, np.float32) if heat is None else heat
    for held, part in separate_parts(place, how.least, MOST_PARTS):
        may_stop()
        inside += [_moved(each, held) for each in _spread(part, hot[held], how.inside)]
        boxes.append(_box(held, place.shape, how.margin))
    cold = hot if heat is None else heat.max() - heat
    return Pointed(boxes, inside, _spread(~place, cold, how.outside) if boxes else [])


def _moved(point: Point, held: Rectangle) -> Point:
    """From a rectangle to the whole picture."""
    rows, columns = held
    return Point(columns.start + point.x, rows.start + point.y)


def _box(held: Rectangle, size: tuple[int, ...], margin: int) -> Box:
    """A rectangle with a margin, as far as the picture goes."""
    (top, bottom), (left, right) = (
        (max(0, part.start - margin), min(side, part.stop + margin)) for part, side in zip(held, size, strict=True)
    )
    return Box(left, top, right - left, bottom - top)


def _spread(place: np.ndarray, weight: np.ndarray, count: int) -> list[Point]:
    """Points deep in a place and far from each other, where it weighs most. The picture's border counts as its end."""
    step = max(1, math.ceil((place.size / MOST_PIXELS) ** 0.5))
    if step > 1 and place[::step, ::step].any():
        found = _spread(place[::step, ::step], weight[::step, ::step], count)
        return [Point(step * each.x, step * each.y) for each in found]
    left, points = place.copy(), []
    for _ in range(count):
        may_stop()
        score = depth(np.pad(left, 1))[1:-1, 1:-1] * weight
        y, x = np.unravel_index(int(score.argmax()), score.shape)
        if score[y, x] <= 0:
            break
        points.append(Point(int(x), int(y)))
        left[y, x] = False
    return points
