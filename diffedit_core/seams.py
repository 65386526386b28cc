"""No seam: an edited picture's colour and light, fitted to the original's in the ring around what is pasted.

An autoencoder's picture is often a little darker or of another tint than the original. The ring shows by how much: it
was not redrawn, so the difference there is an error, and never the edit's own colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .batches import check_batch
from .shapes import depth
from .stopping import may_stop

RING = 0.1
"""How wide the ring is: a share of the side of a square as large as the mask."""

LEAST_RING = 8
"""Pixels, of the same."""

LEAST_PIXELS = 32
"""A ring of fewer pixels says nothing."""

OUTLIERS = 3.0
"""Times the usual deviation in the ring: a difference of more is something else than light."""

MOST_PIXELS = 512 * 512
"""On which a smooth difference is spread; in a larger picture it is as smooth as it would be there."""


def fit_seam(original: Tensor, edited: Tensor, mask: Tensor, how: str) -> Tensor:
    """The edited pictures [B, H, W, 3], as they suit the originals around the masks [B, H, W]."""
    shift = SEAMS[how].shift
    if shift is None:
        return edited
    count = check_batch({"originals": len(original), "edited pictures": len(edited), "masks": len(mask)})
    off = (original.to(edited).float() - edited.float()).cpu().numpy()
    places = mask.float().expand(count, -1, -1).cpu().numpy() > 0
    shifts = np.stack([_shifted(off[min(i, len(off) - 1)], place, shift) for i, place in enumerate(places)])
    return (edited.float() + torch.from_numpy(shifts).to(edited.device)).clamp(0, 1)


def _shifted(off: np.ndarray, place: np.ndarray, shift: Shift) -> np.ndarray:
    """What to add to one picture: [H, W, 3], or the same for all of it, [1, 1, 3]."""
    may_stop()
    width = max(LEAST_RING, RING * place.sum() ** 0.5)
    away = depth(~place)
    ring = (away > 0) & (away <= width)
    may_stop()
    if ring.sum() < LEAST_PIXELS or not place.any():
        return np.zeros_like(off)
    return np.broadcast_to(shift(off, ring), off.shape)


def _colour(off: np.ndarray, ring: np.ndarray) -> np.ndarray:
    return np.median(off[ring], axis=0)[None, None]


def _light(off: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """The ring's differences, spread smoothly: what a blend of gradients adds, with nothing held at the border."""
    middle = np.median(off[ring], axis=0)
    usual = 1.4826 * np.median(np.abs(off[ring] - middle), axis=0)
    usual = np.maximum(usual, 1 / 255)
    held = np.clip(off, middle - OUTLIERS * usual, middle + OUTLIERS * usual) * ring[..., None]
    height, width = ring.shape
    shrink = max(1.0, (ring.size / MOST_PIXELS) ** 0.5)
    size = max(1, round(width / shrink)), max(1, round(height / shrink))
    total = cv2.resize(held.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    weight = cv2.resize(ring.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return cv2.resize(_spread(total, weight), (width, height), interpolation=cv2.INTER_LINEAR)


def _spread(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted values [h, w, 3] over their weights [h, w]; where those are 0, what coarser and coarser planes say."""
    sure = np.minimum(weight, 1)[..., None]
    own = total / np.maximum(weight, 1e-6)[..., None]
    if max(weight.shape) == 1:
        return own
    more = 4 * cv2.pyrDown(weight)
    coarse = _spread(4 * cv2.pyrDown(total) / np.maximum(more, 1)[..., None], np.minimum(more, 1))
    return sure * own + (1 - sure) * cv2.pyrUp(coarse, dstsize=weight.shape[::-1])


Shift = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""The original less the edited picture [H, W, 3], and the ring, bool [H, W] -> what to add: [H, W or 1, W or 1, 3]."""


@dataclass(frozen=True)
class Seam:
    shift: Shift | None
    meaning: str


SEAMS: dict[str, Seam] = {
    "none": Seam(None, "pastes what was drawn as it is"),
    "colour": Seam(_colour, "takes off the tint that the picture has around it"),
    "light": Seam(_light, "the same place by place, as a blend of gradients does"),
}
