"""The shapes in a mask [H, W]: moving its rim, separate parts and holes, in a time that no radius changes.

Needs OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

try:
    import cv2
except ImportError as missing:
    raise ImportError("refining masks needs OpenCV; install it with: pip install opencv-python") from missing

RAMP = 4
"""Levels at which a soft rim is moved; in between it is interpolated."""

MOST_SOFT = 2**20
"""Pixels on which a soft rim is moved; in a larger mask it is as smooth as it would be there."""

COARSE = 64
"""Pixels of radius beyond which hairs and gaps are looked for on a smaller plane."""

WIDE = 2
"""Deviations of a blur, in pixels, that a plane must leave to be made smaller for it."""


def grow(mask: np.ndarray, radius: float) -> np.ndarray:
    """The mask with its rim, hard or soft, moved outwards by some pixels; inwards where negative.

    The border of the picture is no rim: nothing is eaten from there.
    """
    if radius < 0:
        return 1 - grow(1 - mask, -radius)
    if radius == 0 or not mask.any():
        return mask
    if is_hard(mask):
        return (_distance_to(mask > 0) <= radius).astype(np.float32)
    if mask.size > MOST_SOFT:
        height, width = mask.shape
        shrink = (mask.size / MOST_SOFT) ** 0.5
        size = max(1, round(width / shrink)), max(1, round(height / shrink))
        small = grow(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), radius / shrink)
        return np.maximum(mask, cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
    levels = mask.max() * np.linspace(0, 1, RAMP + 1, dtype=np.float32)
    reached = [_distance_to(mask > 0), *(_distance_to(mask >= level) for level in levels[1:])]
    grown = mask
    for (low, high), (near, far) in zip(pairwise(levels), pairwise(reached), strict=True):
        share = np.clip((radius - near) / np.maximum(far - near, 1e-6), 0, 1)
        grown = np.maximum(grown, np.where(near <= radius, low + share * (high - low), 0))
    return grown


def without_hairs(mask: np.ndarray, radius: int) -> np.ndarray:
    """Without what is thinner than twice the radius: only what a disc fits into stays."""
    return _where_it_is(mask, lambda part: _without_hairs(part, radius), _step(radius)) if radius else mask


def without_gaps(mask: np.ndarray, radius: int) -> np.ndarray:
    return _where_it_is(mask, lambda part: 1 - _without_hairs(1 - part, radius), _step(radius)) if radius else mask


def keep_parts(mask: np.ndarray, min_island: float, keep_largest: int) -> np.ndarray:
    if min_island == 0 and keep_largest == 0:
        return mask
    return _where_it_is(mask, lambda part: _keep_parts(part, min_island * mask.size, keep_largest))


def _without_hairs(mask: np.ndarray, radius: int) -> np.ndarray:
    solid = mask > 0.5
    return _without(mask, solid, solid & ~_opened(solid, radius))


def _keep_parts(mask: np.ndarray, least: float, keep_largest: int) -> np.ndarray:
    labels, areas = _parts(mask > 0.5)
    kept = np.flatnonzero(areas >= least)
    if keep_largest:
        kept = kept[np.argsort(-areas[kept], kind="stable")][:keep_largest]
    return _without(mask, labels > 0, _chosen(labels, np.setdiff1d(np.arange(len(areas)), kept) + 1))


def parts_touching(mask: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Of the separate parts of a mask those that touch the place, all bool [H, W]."""
    labels, _ = _parts(mask)
    return mask & _chosen(labels, np.unique(labels[place]))


def boxes_of_parts(mask: np.ndarray, least: float) -> list[tuple[int, int, int, int]]:
    """(top, left, bottom, right) of the separate parts of a mask, bool, that have this share of the largest one."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    parts = stats[1:].tolist()
    most = max((area for *_, area in parts), default=0)
    return [(top, left, top + high, left + wide) for left, top, wide, high, area in parts if area >= least * most]


def separate_parts(mask: np.ndarray, least: float, most: int) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """The separate parts of a mask, bool [H, W], that have this share of the largest one, or so many of the largest:
    the rectangle that holds each, and the part in it.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.flatnonzero(areas >= least * areas.max(initial=0))
    kept = np.sort(kept[np.argsort(-areas[kept], kind="stable")][:most])
    for i in (kept + 1).tolist():
        left, top, wide, high, _ = stats[i].tolist()
        held = slice(top, top + high), slice(left, left + wide)
        yield held, labels[held] == i


def fill_holes(mask: np.ndarray, up_to: float) -> np.ndarray:
    """Fills what is enclosed. What touches the picture's border is outside and no hole."""
    return _where_it_is(mask, lambda part: _fill_holes(part, up_to * mask.size)) if up_to else mask


def _fill_holes(mask: np.ndarray, most: float) -> np.ndarray:
    labels, areas = _parts(mask <= 0.5)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    holes = np.setdiff1d(np.flatnonzero(areas <= most) + 1, border)
    return 1 - _without(1 - mask, labels > 0, _chosen(labels, holes))


def blurred(mask: np.ndarray, deviation: float) -> np.ndarray:
    """Blurred by a Gaussian. A wide one is taken on a smaller plane, which shows no less of it."""
    step = max(1, int(deviation / WIDE))
    if step == 1:
        return cv2.GaussianBlur(mask, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
    height, width = mask.shape
    small = cv2.resize(mask, (-(-width // step), -(-height // step)), interpolation=cv2.INTER_AREA)
    left = ((deviation / step) ** 2 - 1 / 4) ** 0.5  # making it small and large again blurs by the rest
    small = cv2.GaussianBlur(small, (0, 0), left, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def depth(place: np.ndarray) -> np.ndarray:
    """Pixels from within a place, bool [H, W], to what is outside of it. Outside it is 0."""
    return _distance_to(~place)


def is_hard(mask: np.ndarray) -> bool:
    """Nothing between 0 and 1."""
    return bool(((mask == 0) | (mask == 1)).all())


def _where_it_is(mask: np.ndarray, work: Callable[[np.ndarray], np.ndarray], step: int = 1) -> np.ndarray:
    """Works on the rectangle that holds the mask and some pixels around it; beyond, there is nothing to do."""
    part = around(mask > 0, 2 * step)  # as many as show on a plane that is smaller by this
    if part is None:
        return mask
    result = mask.copy()
    result[part] = work(mask[part])
    return result


def around(place: np.ndarray, pixels: int, share: float = 0.0) -> tuple[slice, slice] | None:
    """The rectangle around a place, bool [H, W], with so many pixels more on each side, and a share of its own."""
    part = []
    for axis, length in enumerate(place.shape):
        at = np.flatnonzero(place.any(1 - axis))
        if not len(at):
            return None
        more = pixels + round(share * (at[-1] + 1 - at[0]))
        part.append(slice(max(0, at[0] - more), min(length, at[-1] + 1 + more)))
    return part[0], part[1]


def _opened(solid: np.ndarray, radius: int) -> np.ndarray:
    """What discs of this radius that fit into it cover. It continues beyond the border: bool [H, W]."""
    step = _step(radius)
    height, width = solid.shape
    small = solid
    if step > 1:
        size = -(-width // step), -(-height // step)
        small = cv2.resize(solid.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    reach = radius / step
    pad = round(reach)
    centres = _distance_to(~np.pad(small, pad, mode="edge")) > reach
    covered = (_distance_to(centres) <= reach)[pad : pad + small.shape[0], pad : pad + small.shape[1]]
    if step == 1:
        return covered
    large = cv2.resize(covered.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    return _distance_to(large) <= 2 * step  # the smaller plane's outline is as rough as its pixels


def _step(radius: int) -> int:
    """How much smaller a plane is, on which hairs and gaps of this radius are looked for."""
    return max(1, radius // COARSE)


def _distance_to(place: np.ndarray) -> np.ndarray:
    """Pixels to the nearest of the place, bool [H, W]; infinity where there is none."""
    if not place.any():
        return np.full(place.shape, np.inf, np.float32)
    return cv2.distanceTransform((~place).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)


def _without(mask: np.ndarray, solid: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """The mask without some of what is solid in it and its soft rim: each pixel belongs to the nearest solid one."""
    if not lost.any():
        return mask
    if is_hard(mask):
        return np.where(lost, np.float32(0), mask)
    _, found = cv2.distanceTransformWithLabels(
        (~solid).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.asarray(found, np.int32)
    gone = np.zeros(nearest.max() + 1, bool)
    np.put(gone, nearest[solid], lost[solid])
    return np.where(gone.take(nearest), np.float32(0), mask)


def _parts(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels [H, W] from 1 (0 is none) and the area of each part."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(place.view(np.uint8), connectivity=4)
    return labels, stats[1:, cv2.CC_STAT_AREA]


def _chosen(labels: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Where the labels are among these numbers: bool [H, W]."""
    table = np.zeros(labels.max() + 1, bool)
    table[numbers] = True
    return table.take(labels)
