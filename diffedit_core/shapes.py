"""The shapes in a mask [H, W]: round morphology, separate parts and holes. Needs OpenCV."""

from __future__ import annotations

import numpy as np

try:
    import cv2
except ImportError as missing:
    raise ImportError("refining masks needs OpenCV; install it with: pip install opencv-python") from missing


def morph(mask: np.ndarray, operation: int, radius: int) -> np.ndarray:
    """Round morphology that does not eat into the mask from the picture's border."""
    if radius == 0:
        return mask
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = np.pad(mask, 2 * radius, mode="edge")
    return cv2.morphologyEx(padded, operation, disc)[2 * radius : -2 * radius, 2 * radius : -2 * radius]


def keep_parts(mask: np.ndarray, min_island: float, keep_largest: int) -> np.ndarray:
    if min_island == 0 and keep_largest == 0:
        return mask
    labels, areas = _parts(mask > 0.5)
    kept = np.flatnonzero(areas >= min_island * mask.size)
    if keep_largest:
        kept = kept[np.argsort(-areas[kept], kind="stable")][:keep_largest]
    return _without(mask, labels, np.setdiff1d(np.arange(len(areas)), kept) + 1)


def parts_touching(mask: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Of the separate parts of a mask those that touch the place, all bool [H, W]."""
    labels, _ = _parts(mask)
    return mask & np.isin(labels, labels[place])


def fill_holes(mask: np.ndarray, up_to: float) -> np.ndarray:
    """Fills what is enclosed. What touches the picture's border is outside and no hole."""
    if up_to == 0:
        return mask
    labels, areas = _parts(mask <= 0.5)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    holes = np.setdiff1d(np.flatnonzero(areas <= up_to * mask.size) + 1, border)
    return 1 - _without(1 - mask, labels, holes)


def _without(mask: np.ndarray, labels: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """The mask without some of its parts and their soft rims: each pixel belongs to the nearest part."""
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
