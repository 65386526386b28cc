"""Boxes and points as ComfyUI's nodes take them: SAM3_Detect, and packs that read points as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from torch import Tensor

from ...pointing import Point, PointSettings, point
from .wires import planes_of

Boxes = list[list[dict[str, int]]]
"""Of each picture; ComfyUI's BOUNDING_BOX."""


def point_at(mask: Tensor, heatmap: Tensor | None, how: PointSettings) -> tuple[Boxes, str, str]:
    """Boxes for each picture, and points inside and outside. They are not divided by pictures: so the first one's."""
    heat = None if heatmap is None else planes_of(heatmap, "heatmap")
    pointed = point(planes_of(mask), heat, how)
    boxes = [[asdict(box) for box in each.boxes] for each in pointed]
    return boxes, _listed(pointed[0].inside), _listed(pointed[0].outside)


def _listed(points: list[Point]) -> str:
    return json.dumps([asdict(each) for each in points])
