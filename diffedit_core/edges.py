"""Mask -> the same mask along the picture's own edges, by several methods, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .masks import TOO_LARGE
from .shapes import morph

SURE = 0.9
"""GrabCut takes for granted what is hotter than this share of the mask."""


def grabcut(mask: np.ndarray, picture: np.ndarray, radius: int, heatmap: np.ndarray | None = None) -> np.ndarray:
    """The region with the mask's colours and the picture's edges (Rother et al. 2004): [H, W] of 0 and 1.

    Pixels further than ``radius`` outside the mask are surely out. Surely in is the tenth of the mask where the heatmap
    is strongest (more would reach into holes and notches, which its coarse cells do not show). Without a heatmap it is
    what lies further than ``radius`` inside.
    """
    inside = mask > 0.5
    if not inside.any():
        return np.zeros_like(mask)
    near = morph(inside.astype(np.float32), cv2.MORPH_DILATE, radius) > 0
    if heatmap is None:
        core = morph(inside.astype(np.float32), cv2.MORPH_ERODE, radius) > 0
    else:
        core = inside & (heatmap >= np.quantile(heatmap[inside], SURE))
    labels = np.full(mask.shape, cv2.GC_PR_BGD, np.uint8)
    labels[inside] = cv2.GC_PR_FGD
    labels[core] = cv2.GC_FGD
    labels[~near] = cv2.GC_BGD
    if near.all() or not core.any():  # GrabCut needs to be sure of something on either side
        return inside.astype(np.float32)
    cv2.setRNGSeed(0)  # its k-means uses OpenCV's own generator; this gives the same mask every time
    picture, colours = np.ascontiguousarray(picture), (np.zeros((1, 65)), np.zeros((1, 65)))  # of either side, filled
    cv2.grabCut(picture, labels, (0, 0, 0, 0), *colours, 5, cv2.GC_INIT_WITH_MASK)
    region = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if region.mean() > TOO_LARGE >= inside.mean():  # it ran away: there are no edges to hold a scattered mask
        region = inside
    return region.astype(np.float32)


def guided_filter(mask: np.ndarray, picture: np.ndarray, radius: int, epsilon: float = 1e-3) -> np.ndarray:
    """The mask as a locally linear function of the picture's colours (He et al. 2010): [H, W], soft."""
    guide = picture.astype(np.float64) / 255  # [H, W, 3]
    box = (2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, box, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_mask = mean(guide), mean(mask.astype(np.float64))
    outer = guide[..., :, None] * guide[..., None, :]  # [H, W, 3, 3]
    second = mean(outer.reshape(*mask.shape, 9)).reshape(*mask.shape, 3, 3)
    covariance = second - mean_guide[..., :, None] * mean_guide[..., None, :] + epsilon * np.eye(3)
    cross = mean(guide * mask[..., None]) - mean_guide * mean_mask[..., None]
    slope = np.linalg.solve(covariance, cross[..., None])[..., 0]  # [H, W, 3]
    offset = mean_mask - (slope * mean_guide).sum(-1)
    return ((mean(slope) * guide).sum(-1) + mean(offset)).clip(0, 1).astype(np.float32)


@dataclass(frozen=True)
class EdgeSnap:
    """``apply(mask [H, W], picture [H, W, 3] in bytes, radius, heatmap [H, W] or None) -> mask [H, W]``"""

    apply: Callable[[np.ndarray, np.ndarray, int, np.ndarray | None], np.ndarray]
    meaning: str


EDGE_SNAPS: dict[str, EdgeSnap] = {
    "none": EdgeSnap(lambda mask, picture, radius, heatmap: mask, "leaves the mask as it is"),
    "guided": EdgeSnap(
        lambda mask, picture, radius, heatmap: guided_filter(mask, picture, radius), "soft rims along the edges"
    ),
    "grabcut": EdgeSnap(grabcut, "the region with the mask's colours, with hard edges"),
}
