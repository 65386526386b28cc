"""Put the original pixels back. Pictures are [B, H, W, 3] in 0..1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .batches import check_batch
from .checks import check_masks, check_pictures
from .shapes import depth


def paste(original: Tensor, edited: Tensor, mask: Tensor, rim: float = 0.0) -> Tensor:
    """The edited picture inside the mask [B, H, W], the original's very pixels outside it: [B, H, W, 3].

    ``rim`` pixels along the mask's edge are blended, all of them inside the mask, so that nothing changes outside it.
    """
    for pictures, what in ((original, "original"), (edited, "edited picture")):
        check_pictures(pictures, f"the {what}")
    check_masks(mask)
    if original.shape[1:3] != edited.shape[1:3] or original.shape[1:3] != mask.shape[-2:]:
        raise ValueError(
            f"the original is {_size(original.shape[1:3])}, the edited picture {_size(edited.shape[1:3])} and "
            f"the mask {_size(mask.shape[-2:])}; all three must have one size"
        )
    count = check_batch({"originals": len(original), "edited pictures": len(edited), "masks": len(mask)})
    weight = soften_inwards(mask.to(original.device).float(), rim)[..., None].expand(count, -1, -1, 3)
    return torch.lerp(original.float().expand_as(weight), edited.to(original).float().expand_as(weight), weight)


def soften_inwards(mask: Tensor, radius: float) -> Tensor:
    """The mask [B, H, W] with its rim softened over ``radius`` pixels: 0 wherever it was 0, and nowhere else.

    What is thinner than the rim gets fainter and is not lost.
    """
    deep = np.stack([depth(plane > 0) for plane in mask.float().cpu().numpy()])
    return mask * torch.from_numpy(deep).to(mask).div(radius + 1).clamp(max=1)


def _size(shape: Sequence[int]) -> str:
    return "x".join(str(n) for n in reversed(shape))
