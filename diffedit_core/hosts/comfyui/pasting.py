"""Edited pictures, or cut-outs of them, put back into ComfyUI's pictures [B, H, W, 3]."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...batches import check_batch
from ...changes import worth_pasting
from ...compositing import paste
from ...focus import Size, View, resized
from ...masks import fit
from ...refine import give_room
from .pictures import is_crop, place_centred


@dataclass(frozen=True)
class WayBack:
    """Where each of a batch of cut-outs came from."""

    size: Size  # of the pictures
    views: tuple[View, ...]
    owners: tuple[int, ...]  # the picture that each was cut from

    @classmethod
    def of_whole(cls, size: Size, count: int) -> WayBack:
        return cls(size, (View(0, 0, *size, size),) * count, tuple(range(count)))


def paste_back(
    original: Tensor,
    edited: Tensor,
    mask: Tensor,
    *,
    rim: float = 0.0,
    room: int = 0,
    seam: str = "none",
    way_back: WayBack | None = None,
) -> tuple[Tensor, Tensor]:
    """The originals with the edited pictures, or cut-outs, in their masks, and where they may differ: [B, H, W].

    With room, what really changed around a mask is pasted as well. Masks are of the cut-outs' size, or the originals'.
    """
    original, masks = original[..., :3], mask.reshape(-1, *mask.shape[-2:]).to(original)
    if way_back is None:
        count = check_batch({"originals": len(original), "edited pictures": len(edited), "masks": len(masks)})
        way_back = WayBack.of_whole((original.shape[1], original.shape[2]), count)
    original = original.expand(max(len(original), way_back.owners[-1] + 1), -1, -1, -1)
    _check_way_back(way_back, original, edited)
    is_full = is_crop((masks.shape[1], masks.shape[2]), way_back.size)
    check_batch({"masks": len(masks), "pictures" if is_full else "cut-outs": len(original if is_full else edited)})
    if is_full:
        masks = place_centred(masks, torch.zeros_like(original[:1, ..., 0]), "mask")
    result, changed = original.clone(), torch.zeros_like(original[..., 0])
    for row, (view, owner) in enumerate(zip(way_back.views, way_back.owners, strict=True)):
        here = (owner, *view.box[1:])
        seen = view.of(original[owner : owner + 1])
        drawn = place_centred(edited[row % len(edited)][None, ..., :3].to(original), seen, "edited picture")
        own = masks[(owner if is_full else row) % len(masks)][None]
        full = own[view.box] if is_full else None
        place = place_centred(own, torch.zeros_like(seen[..., 0]), "mask") if full is None else resized(full, view.size)
        drawn, place = worth_pasting(seen, drawn, place, give_room(place, room), seam)
        if full is None or room:
            full = view.mask_back(place)
        result[here] = paste(result[here][None], view.back(drawn), full, view.rim(rim))[0]
        changed[here] = torch.maximum(changed[here], full[0])
    return result, changed


def place_back(masks: Tensor, way_back: WayBack) -> Tensor:
    """Masks or heatmaps [N, h, w] of cut-outs, in the whole pictures: [B, H, W]."""
    masks = masks.reshape(-1, *masks.shape[-2:]).float()
    check_batch({"masks": len(masks), "cut-outs": len(way_back.views)})
    whole = masks.new_zeros(max(way_back.owners) + 1, *way_back.size)
    for row, (view, owner) in enumerate(zip(way_back.views, way_back.owners, strict=True)):
        own = place_centred(masks[row % len(masks)][None], masks.new_zeros(1, *view.size), "mask")
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
    if len(edited) not in (1, len(way_back.views)):
        raise ValueError(f"{len(edited)} edited pictures for {len(way_back.views)} cut-outs; give one for each")
