"""ComfyUI's IMAGE [B, H, W, 3] and MASK [B, H, W]: what VAE Encode cropped off is put back where it was.

VAE Encode silently crops a picture, about its middle, to a multiple of what the VAE needs. So a mask made from a latent
may be a few pixels smaller than the picture, and so may the edited picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ... import sheets
from ...batches import gathered
from ...focus import Size
from ...masks import threshold
from ...refine import Refinement, refine
from .clips import check_clip, left_over, row_of
from .wires import pictures_of, planes_of

MULTIPLES = (8, 16, 32)
"""What VAEs need both sides to be multiples of."""


def crop_centred(planes: Tensor, size: tuple[int, int], what: str) -> Tensor:
    """[B, H, W, ...] as VAE Encode would crop it, or an error where that would not give ``size``."""
    _check_crop(planes, size, "mask", what)
    top, left = _offsets(planes, size)
    return planes[:, top : top + size[0], left : left + size[1]]


def place_centred(inner: Tensor, outer: Tensor, name: str) -> Tensor:
    """``inner`` [B, h, w, ...] over the middle of ``outer`` [B, H, W, ...], from which VAE Encode cropped it."""
    size = (inner.shape[1], inner.shape[2])
    if size == tuple(outer.shape[1:3]):
        return inner
    _check_crop(outer, size, "picture", name)
    top, left = _offsets(outer, size)
    placed = outer.to(inner).repeat(len(inner) if len(outer) == 1 else 1, *[1] * (outer.ndim - 1))
    placed[:, top : top + size[0], left : left + size[1]] = inner
    return placed


def panels(original: Tensor, mask: Tensor, edited: Tensor, caption: str) -> Tensor:
    """The picture, its mask and the edit side by side: [B, H', W', 3]. What a clip lacks at its end was not edited."""
    original, edited = pictures_of(original, "original"), pictures_of(edited, "edited picture")
    masks = planes_of(mask)
    count = check_clip({"originals": len(original), "edited pictures": len(edited), "masks": len(masks)})

    def sheet(row: int) -> Tensor:
        one = original[row % len(original)][None]
        plane, drawn = (row_of(each, row) for each in (masks, edited))
        blank = torch.zeros_like(one[..., 0])
        plane = blank if plane is None else place_centred(plane.to(one), blank, "mask")
        drawn = one if drawn is None else place_centred(drawn.to(one), one, "edited picture")
        return sheets.panels([one, sheets.overlay(one, plane), drawn], ["original", "mask", caption or "edited"])

    return gathered(map(sheet, range(count)), count)


def refine_mask(mask: Tensor, rule: str | None, value: float | None, how: Refinement, picture: Tensor | None) -> Tensor:
    """A mask refined; or, with a rule, a heatmap first cut into a mask."""
    planes = planes_of(mask)
    pictures = [None] if picture is None else pictures_of(picture, "picture").split(1)
    count = check_clip({"pictures": len(pictures), "masks": len(planes)})
    rows = count - left_over(len(pictures), len(planes))

    def refined(row: int) -> Tensor:
        plane, shown = planes[row % len(planes)][None].float(), pictures[row % len(pictures)]
        return _refined(plane, rule, value, how, shown)

    return gathered(map(refined, range(rows)), rows)


def _refined(plane: Tensor, rule: str | None, value: float | None, how: Refinement, picture: Tensor | None) -> Tensor:
    heatmap = None
    if rule:
        heatmap, plane = plane, threshold(plane, rule, value)
    if picture is not None:
        blank = torch.zeros_like(picture[..., 0])
        plane = place_centred(_no_larger(plane, blank), blank, "mask")
        heatmap = None if heatmap is None else place_centred(_no_larger(heatmap, blank), blank, "heatmap")
    return refine(plane, how, picture=picture, heatmap=heatmap)


def _no_larger(planes: Tensor, blank: Tensor) -> Tensor:
    """A mask drawn on a photograph, for the picture that VAE Encode cropped from it."""
    size = (blank.shape[1], blank.shape[2])
    is_larger = planes.shape[1] > size[0] or planes.shape[2] > size[1]
    return crop_centred(planes, size, "picture") if is_larger else planes


def is_crop(size: Size, outer: Size) -> bool:
    """Whether VAE Encode would crop this size from the other, or leave it as it is."""
    return any((outer[0] // m * m, outer[1] // m * m) == size for m in (1, *MULTIPLES))


def _check_crop(outer: Tensor, size: Size, outer_name: str, name: str) -> None:
    height, width = outer.shape[1:3]
    if not is_crop(size, (height, width)):
        raise ValueError(
            f"the {outer_name} is {width}x{height} but the {name} is {size[1]}x{size[0]}; "
            "use the mask and the picture that belong together, or resize one of them"
        )


def _offsets(outer: Tensor, size: tuple[int, int]) -> tuple[int, int]:
    return (outer.shape[1] - size[0]) // 2, (outer.shape[2] - size[1]) // 2
