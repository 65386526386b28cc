"""Mask -> better mask: follow the picture's own edges, clean, grow, feather. Needs no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .batches import check_batch, per_image
from .checks import check_finite, check_masks, check_pictures
from .edges import EDGE_SNAPS
from .knobs import Settings, knob
from .masks import coverage, fit
from .shapes import blurred, fill_holes, grow, keep_parts, without_gaps, without_hairs
from .stopping import may_stop

MOST_PIXELS = 1024

Step = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Refinement(Settings):
    """What to do to a mask, in the order in which it is done. The defaults do nothing."""

    threshold: float | None = knob(
        None, "Keeps what is above it, which makes a soft mask hard.", low=0, high=1, advanced=True
    )
    edge_snap: str = knob("none", "Follows the picture's edges.", names=EDGE_SNAPS)
    edge_radius: int = knob(8, "Pixels within which to look for an edge.", low=0, high=MOST_PIXELS, advanced=True)
    open: int = knob(0, "Pixels: removes what is thinner than twice this.", low=0, high=MOST_PIXELS, advanced=True)
    close: int = knob(0, "Pixels: bridges gaps narrower than twice this.", low=0, high=MOST_PIXELS, advanced=True)
    min_island: float = knob(
        0.0,
        "Removes separate parts that cover less than this share of the picture.",
        low=0,
        high=1,
        step=0.001,
        advanced=True,
    )
    fill_holes: float = knob(
        0.0, "Fills holes of up to this share of the picture.", low=0, high=1, step=0.001, advanced=True
    )
    keep_largest: int = knob(0, "Keeps this many separate parts, the largest first. 0 keeps all.", low=0, high=100)
    grow: int = knob(0, "Pixels to grow by. Negative shrinks.", low=-MOST_PIXELS, high=MOST_PIXELS)
    invert: bool = knob(False, "Swaps what may change with what stays.", advanced=True)
    feather: float = knob(0.0, "Pixels over which the rim is softened, on both sides.", low=0, high=256, step=0.5)
    snap: float = knob(0.0, "Values this close to 0 or 1 become 0 or 1.", low=0, high=0.49, advanced=True)


def refine(
    mask: Tensor,
    how: Refinement,
    *,
    picture: Tensor | None = None,
    heatmap: Tensor | None = None,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """[B, H, W] in 0..1 -> [B, H, W] in 0..1, at ``size`` or the picture's size where one is given.

    An edge snap needs the ``picture`` [B, H, W, 3] in 0..1. The ``heatmap`` [B, h, w] tells GrabCut how sure it can be
    of each place; without it the mask does. One of any serves all of the others.
    """
    mask = _checked(mask)
    if heatmap is not None:
        check_masks(heatmap, "the heatmap")
    if picture is not None:
        check_pictures(picture, "the picture")
        size = size or (picture.shape[1], picture.shape[2])
        picture = fit(picture.movedim(-1, 1), size).movedim(1, -1)
    elif how.edge_snap != "none":
        raise ValueError(f"edge_snap {how.edge_snap!r} follows the picture's edges; give it the picture")
    size = size or (mask.shape[1], mask.shape[2])
    masks = list(fit(mask, size).cpu().numpy())
    pictures = [None] if picture is None else list(picture.float().cpu().numpy())
    heatmaps = [None] if heatmap is None else list(fit(heatmap.float(), size).cpu().numpy())
    count = check_batch({"masks": len(masks), "pictures": len(pictures), "heatmaps": len(heatmaps)})
    each = (items * (count // len(items)) for items in (masks, pictures, heatmaps))
    planes = [_refined(plane, how, *context) for plane, *context in zip(*each, strict=True)]
    return torch.from_numpy(np.stack(planes)).to(mask.device)


def give_room(mask: Tensor, room: int) -> Tensor:
    """The mask [B, H, W] grown by ``room`` pixels for a new thing of another shape. Most of a picture needs none."""
    if room == 0:
        return mask
    most = coverage(mask) > 0.5
    return torch.where(per_image(most, mask), mask, refine(mask, Refinement(grow=room)).to(mask))


def _refined(mask: np.ndarray, how: Refinement, picture: np.ndarray | None, heatmap: np.ndarray | None) -> np.ndarray:
    """One mask, [H, W] float32."""
    for step in _steps(how, picture, heatmap):
        may_stop()
        mask = step(mask)
    return np.clip(mask, 0, 1).astype(np.float32, copy=False)


def _steps(how: Refinement, picture: np.ndarray | None, heatmap: np.ndarray | None) -> Iterator[Step]:
    """In the order in which they are done."""
    if how.threshold is not None:
        yield lambda mask: (mask > how.threshold).astype(np.float32)
    if picture is not None:
        yield lambda mask: EDGE_SNAPS[how.edge_snap].apply(mask, picture, how.edge_radius, heatmap)
    yield lambda mask: without_hairs(mask, how.open)
    yield lambda mask: without_gaps(mask, how.close)
    yield lambda mask: keep_parts(mask, how.min_island, how.keep_largest)
    yield lambda mask: fill_holes(mask, how.fill_holes)
    yield lambda mask: grow(mask, how.grow)
    if how.invert:
        yield lambda mask: 1 - mask
    if how.feather > 0:
        yield lambda mask: blurred(mask, how.feather)
    if how.snap > 0:
        yield lambda mask: np.where(mask <= how.snap, 0, np.where(mask >= 1 - how.snap, 1, mask))


def _checked(mask: Tensor) -> Tensor:
    if mask.ndim != 3 or not mask.numel():
        raise ValueError(f"a mask to refine is [batch, height, width], this one is {list(mask.shape)}")
    check_finite(mask, "the mask contains")
    return mask.float().clamp(0, 1)
