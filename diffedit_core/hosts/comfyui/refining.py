"""Mask Refine on ComfyUI's MASK and IMAGE: one function for the node's run and for the live mask on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ...correcting import corrected
from ...masks import advice, checked_value, coverage, is_wide
from ...refine import Refinement
from .pasting import WayBack, place_back
from .pictures import refine_mask
from .wires import pictures_of, planes_of

NONE = "none"
"""The rule of what is a mask already."""


@dataclass(frozen=True)
class Given:
    """What a Mask Refine node was given to refine."""

    mask: Tensor  # [B, ...]: a mask or a heatmap
    picture: Tensor | None = None  # [B, H, W, 3]
    way_back: WayBack | None = None

    @property
    def planes(self) -> Tensor:
        """The mask, of whole pictures: [B, h, w]."""
        mask = planes_of(self.mask)
        return mask if self.way_back is None else place_back(mask, self.way_back)

    def first(self) -> Given:
        """A copy of the first mask of a batch and its picture. Each is refined by itself, so it comes out the same."""
        picture = None if self.picture is None else pictures_of(self.picture, "picture")[:1].float().cpu().clone()
        return Given(self.planes[:1].float().cpu().clone(), picture)


def refined(given: Given, *, rule: str, value: float, threshold: float, corrections: str = "", **steps: Any) -> Tensor:
    """The masks [B, H, W], by the node's own widgets."""
    how = Refinement(threshold=threshold or None, **steps)
    if rule != NONE:
        checked_value(rule, value or None)
    masks = refine_mask(given.planes, None if rule == NONE else rule, value or None, how, given.picture)
    return corrected(masks, corrections)


def said_of(given: Given, settings: Mapping[str, Any], masks: Tensor) -> str:
    """What to change where the masks look wrong, else how much they cover."""
    is_area = settings["rule"] == "auto" and bool(is_wide(planes_of(given.mask)).any())
    return advice(masks, is_area) or share(masks)


def share(masks: Tensor) -> str:
    return f"{100 * float(coverage(masks).mean()):.1f} % of the picture"
