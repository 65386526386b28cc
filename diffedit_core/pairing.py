"""An original and an edited picture, laid on each other: alone, or as frames of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .clips import steadied
from .placing import Placement, whole, without_bars
from .registering import register
from .warping import warped


@dataclass(frozen=True)
class Pair:
    """An original [H, W, 3], the part of the edited picture that shows it, and where that lies."""

    original: np.ndarray
    edited: np.ndarray
    still: np.ndarray | None  # bool [H, W]: what is known not to change
    placement: Placement
    corner: tuple[int, int]  # x and y of that part in the edited picture

    @property
    def whole(self) -> Placement:
        return self.placement.moved(*self.corner)


def registered(original: np.ndarray, edited: np.ndarray, mask: np.ndarray | None, alignment: str) -> Pair:
    """Where the edited picture lies on the original. Nothing changed outside of the mask, where one is given."""
    rows, columns = without_bars(edited) if without_bars(original) == whole(original) else whole(edited)
    inner, still = np.ascontiguousarray(edited[rows, columns]), None if mask is None or mask.all() else ~mask
    placement = register(original, inner, still, alignment)
    if alignment == "local":
        placement = warped(original, inner, placement, still)
    return Pair(original, inner, still, placement, (columns.start, rows.start))


def steadied_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Frames of a clip, whose placements do not jump."""
    placements = [pair.placement for pair in pairs]
    matrices, bends = steadied(np.stack([each.matrix for each in placements])), steadied_bends(placements)
    return [
        replace(pair, placement=Placement(matrix, bend))
        for pair, matrix, bend in zip(pairs, matrices, bends, strict=True)
    ]


def steadied_bends(placements: Sequence[Placement]) -> Sequence[np.ndarray | None]:
    shapes = {each.bend.shape for each in placements if each.bend is not None}
    if not shapes:
        return [None] * len(placements)
    still = np.zeros(shapes.pop(), np.float32)
    bends = steadied(np.stack([still if each.bend is None else each.bend for each in placements]))
    return [*bends.astype(np.float32)]
