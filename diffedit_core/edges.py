"""Mask -> the same mask along the picture's own edges, by several methods, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from .masks import TOO_LARGE
from .shapes import around, grow
from .stopping import may_stop

SURE = 0.9
"""GrabCut takes for granted what is hotter than this share of the mask."""

MOST = 256 * 256
"""Pixels that GrabCut is given; it takes seconds for a million. On a larger picture its outline is refined."""

ROUNDS = 5
"""Of GrabCut."""

MOST_LINES = 384 * 384
"""Pixels on which the guided filter fits its lines; it applies them at full size."""


def grabcut(mask: np.ndarray, picture: np.ndarray, radius: int, heatmap: np.ndarray | None = None) -> np.ndarray:
    """The region with the mask's colours and the picture's edges (Rother et al. 2004): [H, W] of 0 and 1.

    Of a large picture only the surroundings of the mask are looked at, made smaller where need be; the outline that is
    found there then follows the edges at full size.
    """
    if mask.size <= MOST:
        return _grabcut(mask, picture, radius, heatmap)
    whole = np.zeros_like(mask)
    part = around(mask > 0.5, radius, share=0.5)
    if part is None:
        return whole
    height, width = mask[part].shape
    shrink = max(1.0, (height * width / MOST) ** 0.5)
    size = max(1, round(width / shrink)), max(1, round(height / shrink))

    def small(plane: np.ndarray) -> np.ndarray:
        return cv2.resize(plane[part], size, interpolation=cv2.INTER_AREA)

    near = max(1, round(radius / shrink)) if radius else 0
    found = _grabcut(small(mask), small(picture), near, None if heatmap is None else small(heatmap))
    rough = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR)
    whole[part] = guided_filter(rough, picture[part], round(2 * shrink)) > 0.5 if shrink > 1 else rough
    return whole


def _grabcut(mask: np.ndarray, picture: np.ndarray, radius: int, heatmap: np.ndarray | None) -> np.ndarray:
    """Pixels further than ``radius`` outside the mask are surely out.

    Surely in is the tenth of the mask where the heatmap is strongest (more would reach into holes and notches, which
    its coarse cells do not show). Without a heatmap it is what lies further than ``radius`` inside.
    """
    inside = mask > 0.5
    if not inside.any():
        return np.zeros_like(mask)
    near = grow(inside.astype(np.float32), radius) > 0
    if heatmap is None:
        core = grow(inside.astype(np.float32), -radius) > 0
    else:
        core = inside & (heatmap >= np.quantile(heatmap[inside], SURE))
    labels = np.full(mask.shape, cv2.GC_PR_BGD, np.uint8)
    labels[inside] = cv2.GC_PR_FGD
    labels[core] = cv2.GC_FGD
    labels[~near] = cv2.GC_BGD
    if near.all() or not core.any():  # GrabCut needs to be sure of something on either side
        return inside.astype(np.float32)
    cv2.setRNGSeed(0)  # its k-means uses OpenCV's own generator; this gives the same mask every time
    pixels = cv2.convertScaleAbs(picture, alpha=255)
    colours = (np.zeros((1, 65)), np.zeros((1, 65)))  # of either side, filled
    for how in (cv2.GC_INIT_WITH_MASK, *[cv2.GC_EVAL] * (ROUNDS - 1)):
        may_stop()
        cv2.grabCut(pixels, labels, (0, 0, 0, 0), *colours, 1, how)
    region = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if region.mean() > TOO_LARGE >= inside.mean():  # it ran away: there are no edges to hold a scattered mask
        region = inside
    return region.astype(np.float32)


def guided_filter(mask: np.ndarray, picture: np.ndarray, radius: int, epsilon: float = 1e-3) -> np.ndarray:
    """The mask as a locally linear function of the picture's colours (He et al. 2010): [H, W], soft.

    The lines are fitted on a smaller picture where this one is large (He & Sun 2015), and only around the mask's rim.
    """
    result = mask.astype(np.float32)
    rim = (mask > mask.min()) & (mask < mask.max()) | (cv2.Laplacian(result, cv2.CV_32F) != 0)
    part = around(rim, 2 * radius)
    if radius == 0 or part is None:
        return result.clip(0, 1)
    plane, guide = result[part], picture[part]
    height, width = plane.shape
    step = max(1, min(radius // 2, int((plane.size / MOST_LINES) ** 0.5)))
    size = -(-width // step), -(-height // step)
    small, colours = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (plane, guide))
    lines = _lines(small, colours, max(1, round(radius / step)), epsilon)
    slope, offset = (cv2.resize(each, (width, height), interpolation=cv2.INTER_LINEAR) for each in lines)
    fitted = cv2.transform(cv2.multiply(slope, guide), np.ones((1, 3), np.float32))
    result[part] = fitted + offset
    return result.clip(0, 1)


def _lines(mask: np.ndarray, guide: np.ndarray, radius: int, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """The slopes [H, W, 3] and offsets [H, W] of the mask over the colours, each the mean of those fitted around it."""
    box = (2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, box, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_mask = mean(guide), mean(mask)
    r, g, b = (np.ascontiguousarray(guide[..., i]) for i in range(3))
    mean_r, mean_g, mean_b = (mean_guide[..., i] for i in range(3))
    rr, gg, bb = (mean(c * c) - m * m + epsilon for c, m in ((r, mean_r), (g, mean_g), (b, mean_b)))
    rg, rb, gb = mean(r * g) - mean_r * mean_g, mean(r * b) - mean_r * mean_b, mean(g * b) - mean_g * mean_b
    cross_r, cross_g, cross_b = (mean(c * mask) - m * mean_mask for c, m in ((r, mean_r), (g, mean_g), (b, mean_b)))
    # the inverse of the symmetric covariance, by its cofactors
    c_rr, c_rg, c_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    c_gg, c_gb, c_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    solved = (
        c_rr * cross_r + c_rg * cross_g + c_rb * cross_b,
        c_rg * cross_r + c_gg * cross_g + c_gb * cross_b,
        c_rb * cross_r + c_gb * cross_g + c_bb * cross_b,
    )
    slope = cv2.merge(solved) / (rr * c_rr + rg * c_rg + rb * c_rb)[..., None]
    return mean(slope), mean(mean_mask - (slope * mean_guide).sum(-1))


@dataclass(frozen=True)
class EdgeSnap:
    """``apply(mask [H, W], picture [H, W, 3] in 0..1, radius, heatmap [H, W] or None) -> mask [H, W]``"""

    apply: Callable[[np.ndarray, np.ndarray, int, np.ndarray | None], np.ndarray]
    meaning: str


EDGE_SNAPS: dict[str, EdgeSnap] = {
    "none": EdgeSnap(lambda mask, picture, radius, heatmap: mask, "leaves the mask as it is"),
    "guided": EdgeSnap(
        lambda mask, picture, radius, heatmap: guided_filter(mask, picture, radius), "soft rims along the edges"
    ),
    "grabcut": EdgeSnap(grabcut, "the region with the mask's colours, with hard edges"),
}
