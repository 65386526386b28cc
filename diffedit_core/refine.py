"""Mask -> better mask: clean it, follow the picture's own edges, grow, feather. Needs OpenCV, no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .masks import TOO_LARGE, fit

try:
    import cv2
except ImportError as missing:
    raise ImportError("refining masks needs OpenCV; install it with: pip install opencv-python") from missing

EDGE_SNAPS = ("none", "guided", "grabcut")
SURE = 0.9  # GrabCut takes for granted what is hotter than this share of the mask


@dataclass(frozen=True)
class Refinement:
    """What to do to a mask, in the order in which it is done. The defaults do nothing."""

    threshold: float | None = None  # keep what is above it; None leaves the mask soft
    edge_snap: str = "none"  # "guided": soft rims along the picture's edges; "grabcut": hard ones
    edge_radius: int = 8  # pixels within which an edge is looked for
    open: int = 0  # pixels: remove what is thinner than twice this
    close: int = 0  # pixels: bridge gaps narrower than twice this
    min_island: float = 0.0  # share of the picture: remove separate parts below it
    fill_holes: float = 0.0  # share of the picture: fill holes up to it
    keep_largest: int = 0  # keep this many separate parts; 0 keeps all
    grow: int = 0  # pixels; negative shrinks
    invert: bool = False
    feather: float = 0.0  # pixels: softens the rim
    snap: float = 0.0  # values within this of 0 or 1 become 0 or 1

    def __post_init__(self) -> None:
        if self.edge_snap not in EDGE_SNAPS:
            raise ValueError(f"edge_snap is {self.edge_snap!r}; it must be one of {', '.join(EDGE_SNAPS)}")
        for name in ("edge_radius", "open", "close", "min_island", "fill_holes", "keep_largest", "feather", "snap"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it cannot be negative")
        if self.snap >= 0.5:
            raise ValueError(f"snap is {self.snap}; it must be below 0.5, where 0 and 1 would meet")


def refine(
    mask: Tensor,
    how: Refinement,
    *,
    picture: Tensor | None = None,
    heatmap: Tensor | None = None,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """[B, H, W] in 0..1 -> [B, H, W] in 0..1, at ``size`` or the picture's size where one is given.

    ``picture`` [B or 1, H, W, 3] in 0..1 is needed for an edge snap. ``heatmap`` [B or 1, h, w] tells GrabCut how sure
    it may be of each place; without it the mask itself does.
    """
    mask = _checked(mask)
    if picture is not None:
        size = size or (picture.shape[1], picture.shape[2])
        picture = _for_each(fit(picture.movedim(-1, 1), size).movedim(1, -1), len(mask), "pictures")
    elif how.edge_snap != "none":
        raise ValueError(f"edge_snap {how.edge_snap!r} follows the picture's edges; give it the picture")
    size = size or (mask.shape[1], mask.shape[2])
    heatmap = None if heatmap is None else _for_each(fit(heatmap.float(), size), len(mask), "heatmaps")
    planes = [
        _refined(
            plane,
            how,
            None if picture is None else _bytes(picture[i]),
            None if heatmap is None else heatmap[i].cpu().numpy(),
        )
        for i, plane in enumerate(fit(mask, size).cpu().numpy())
    ]
    return torch.from_numpy(np.stack(planes)).to(mask.device)


def _refined(mask: np.ndarray, how: Refinement, picture: np.ndarray | None, heatmap: np.ndarray | None) -> np.ndarray:
    """One mask, [H, W] float32."""
    if how.threshold is not None:
        mask = (mask > how.threshold).astype(np.float32)
    if how.edge_snap == "grabcut" and picture is not None:
        mask = grabcut(mask, picture, how.edge_radius, heatmap)
    elif how.edge_snap == "guided" and picture is not None:
        mask = guided_filter(mask, picture, how.edge_radius)
    mask = _morph(mask, cv2.MORPH_OPEN, how.open)
    mask = _morph(mask, cv2.MORPH_CLOSE, how.close)
    mask = _keep_parts(mask, how.min_island, how.keep_largest)
    mask = _fill_holes(mask, how.fill_holes)
    mask = _morph(mask, cv2.MORPH_DILATE if how.grow > 0 else cv2.MORPH_ERODE, abs(how.grow))
    if how.invert:
        mask = 1 - mask
    if how.feather > 0:
        mask = cv2.GaussianBlur(mask, (0, 0), how.feather, borderType=cv2.BORDER_REPLICATE)
    if how.snap > 0:
        mask = np.where(mask <= how.snap, 0, np.where(mask >= 1 - how.snap, 1, mask))
    return np.clip(mask, 0, 1).astype(np.float32)


def grabcut(mask: np.ndarray, picture: np.ndarray, radius: int, heatmap: np.ndarray | None = None) -> np.ndarray:
    """The region with the mask's colours and the picture's edges (Rother et al. 2004): [H, W] of 0 and 1.

    What lies further than ``radius`` pixels outside the mask stays out. What is surely in is the tenth of the mask
    where the heatmap is strongest (more would reach into holes and notches, which its coarse cells do not show) or,
    without a heatmap, what lies further than ``radius`` inside.
    """
    inside = mask > 0.5
    if not inside.any():
        return np.zeros_like(mask)
    near = _morph(inside.astype(np.float32), cv2.MORPH_DILATE, radius) > 0
    if heatmap is None:
        core = _morph(inside.astype(np.float32), cv2.MORPH_ERODE, radius) > 0
    else:
        core = inside & (heatmap >= np.quantile(heatmap[inside], SURE))
    labels = np.full(mask.shape, cv2.GC_PR_BGD, np.uint8)
    labels[inside] = cv2.GC_PR_FGD
    labels[core] = cv2.GC_FGD
    labels[~near] = cv2.GC_BGD
    if near.all() or not core.any():  # GrabCut needs to be sure of something on either side
        return inside.astype(np.float32)
    cv2.setRNGSeed(0)  # its k-means draws from OpenCV's own generator; the same mask every time
    picture, colours = np.ascontiguousarray(picture), (np.zeros((1, 65)), np.zeros((1, 65)))  # of either side, filled
    cv2.grabCut(picture, labels, (0, 0, 0, 0), *colours, 5, cv2.GC_INIT_WITH_MASK)
    region = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))
    if region.mean() > TOO_LARGE >= inside.mean():  # it ran away: no edges hold a scattered mask
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


def _morph(mask: np.ndarray, operation: int, radius: int) -> np.ndarray:
    """Round morphology that does not eat from the picture's border."""
    if radius == 0:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = np.pad(mask, 2 * radius, mode="edge")
    return cv2.morphologyEx(padded, operation, disc)[2 * radius : -2 * radius, 2 * radius : -2 * radius]


def _keep_parts(mask: np.ndarray, min_island: float, keep_largest: int) -> np.ndarray:
    if min_island == 0 and keep_largest == 0:
        return mask
    labels, areas = _parts(mask > 0.5)
    kept = np.flatnonzero(areas >= min_island * mask.size)
    if keep_largest:
        kept = kept[np.argsort(-areas[kept], kind="stable")][:keep_largest]
    return _without(mask, labels, np.setdiff1d(np.arange(len(areas)), kept) + 1)


def _fill_holes(mask: np.ndarray, up_to: float) -> np.ndarray:
    """Fills what is enclosed; what touches the picture's border is outside, not a hole."""
    if up_to == 0:
        return mask
    labels, areas = _parts(mask <= 0.5)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    holes = np.setdiff1d(np.flatnonzero(areas <= up_to * mask.size) + 1, border)
    return 1 - _without(1 - mask, labels, holes)


def _without(mask: np.ndarray, labels: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """The mask without some of its parts and their soft rims: a place goes where the nearest part goes."""
    if len(dropped) == 0:
        return mask
    _, pixels = cv2.distanceTransformWithLabels(
        (labels == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    part_of = np.zeros(pixels.max() + 1, labels.dtype)
    part_of[pixels[labels > 0]] = labels[labels > 0]
    return np.where(np.isin(part_of[pixels], dropped), 0, mask)


def _parts(binary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels [H, W] from 1 (0 is none) and the area of each part."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(binary.astype(np.uint8), connectivity=4)
    return labels, stats[1:, cv2.CC_STAT_AREA]


def _checked(mask: Tensor) -> Tensor:
    if mask.ndim != 3:
        raise ValueError(f"a mask to refine is [batch, height, width], this one is {list(mask.shape)}")
    if not mask.isfinite().all():
        raise ValueError("the mask contains NaN or infinity")
    return mask.float().clamp(0, 1)


def _for_each(images: Tensor, count: int, what: str) -> Tensor:
    if len(images) not in (1, count):
        raise ValueError(f"{len(images)} {what} for {count} masks; give one for all, or one for each")
    return images.expand(count, *images.shape[1:])


def _bytes(picture: Tensor) -> np.ndarray:
    return (picture.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
