"""Edited pictures, or cut-outs of them, put back into ComfyUI's pictures [B, H, W, 3]."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...changes import worth_pasting
from ...compositing import paste
from ...focus import Size, View, resized
from ...masks import fit
from ...refine import give_room
from ...stopping import may_stop
from .clips import check_clip, left_over, row_of
from .pictures import is_crop, place_centred
from .wires import pictures_of, planes_of


@dataclass(frozen=True)
class WayBack:
    """Where each of a batch of cut-outs came from."""

    size: Size  # of the pictures
    views: tuple[View, ...]
    owners: tuple[int, ...]  # the picture that each was cut from

    @classmethod
    def of_whole(cls, size: Size, count: int) -> WayBack:
        return cls(size, (View(0, 0, *size, size),) * count, tuple(range(count)))


@dataclass(frozen=True)
class Pasted:
    picture: Tensor  # [B, H, W, 3]
    changed: Tensor  # [B, H, W]: where it may differ from the original
    left_over: int  # pictures at the end of a clip that the autoencoder left out


def paste_back(
    original: Tensor,
    edited: Tensor,
    mask: Tensor,
    *,
    rim: float = 0.0,
    room: int = 0,
    seam: str = "none",
    way_back: WayBack | None = None,
) -> Pasted:
    """The originals with the edited pictures, or cut-outs, in their masks. Those that a clip lacks at its end stay.

    With room, what really changed around a mask is pasted as well. Masks are of the cut-outs' size, or the originals'.
    """
    original, edited = pictures_of(original, "original"), pictures_of(edited, "edited picture")
    masks = planes_of(mask)
    if way_back is None:
        count = check_clip({"originals": len(original), "edited pictures": len(edited), "masks": len(masks)})
        way_back = WayBack.of_whole((original.shape[1], original.shape[2]), count)
    original = original.expand(max(len(original), way_back.owners[-1] + 1), -1, -1, -1)
    _check_way_back(way_back, original, edited)
    is_full = is_crop((masks.shape[1], masks.shape[2]), way_back.size)
    whole = {"pictures": len(original)} if is_full else {"cut-outs": len(way_back.views)}
    check_clip({**whole, "masks": len(masks)})
    result, changed = original.clone(), torch.zeros_like(original[..., 0])
    for row, (view, owner) in enumerate(zip(way_back.views, way_back.owners, strict=True)):
        drawn, own = row_of(edited, row), row_of(masks, owner if is_full else row)
        if drawn is None or own is None:
            continue
        may_stop()
        here = (owner, *view.box[1:])
        seen = view.of(original[owner : owner + 1])
        drawn, own = place_centred(drawn.to(original), seen, "edited picture"), own.to(original)
        full = place_centred(own, torch.zeros_like(original[:1, ..., 0]), "mask")[view.box] if is_full else None
        place = place_centred(own, torch.zeros_like(seen[..., 0]), "mask") if full is None else resized(full, view.size)
        may_stop()
        drawn, place = worth_pasting(seen, drawn, place, give_room(place, room), seam)
        may_stop()
        if full is None or room:
            full = view.mask_back(place)
        result[here] = paste(result[here][None], view.back(drawn), full, view.rim(rim))[0]
        changed[here] = torch.maximum(changed[here], full[0])
    return Pasted(result, changed, left_over(len(way_back.views), len(edited)))


def place_back(masks: Tensor, way_back: WayBack) -> Tensor:
    """Masks or heatmaps [N, h, w] of cut-outs, in the whole pictures: [B, H, W]."""
    masks = masks.float()
    check_clip({"cut-outs": len(way_back.views), "masks": len(masks)})
    whole = masks.new_zeros(max(way_back.owners) + 1, *way_back.size)
    for row, (view, owner) in enumerate(zip(way_back.views, way_back.owners, strict=True)):
        own = row_of(masks, row)
        if own is None:
            continue
        may_stop()
        own = place_centred(own, masks.new_zeros(1, *view.size), "mask")
        here = (owner, *view.box[1:])
        whole[here] = torch.maximum(whole[here], fit(own, (view.height, view.width))[0])
    return whole


def _check_way_back(way_back: WayBack, original: Tensor, edited: Tensor) -> None:
    height, width = original.shape[1:3]
    if way_back.size != (height, width):
        raise ValueError(
            f"the way back leads to pictures of {way_back.size[1]}x{way_back.size[0]} but the original is "
            f"{width}x{height}; connect the picture that Focus was given"
        )
    count = len(way_back.views)
    may_lack = len(set(way_back.owners)) == count  # a clip has one cut-out a picture
    if len(edited) not in (1, count) and not (may_lack and left_over(count, len(edited))):
        raise ValueError(f"{len(edited)} edited pictures for {count} cut-outs; give one for each")
