"""What comes over a wire as IMAGE or MASK, from whichever node: in one shape, with something in it, and all numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from ...checks import check_finite


def pictures_of(image: Tensor, name: str) -> Tensor:
    """[B, H, W, 3], without transparency; grey in each of the three."""
    if image.ndim != 4 or image.shape[-1] == 2:
        raise ValueError(
            f"the {name} is {list(image.shape)} but pictures are [batch, height, width, 3]; "
            "look at the node that it comes from"
        )
    _check(image, name)
    return image.expand(-1, -1, -1, 3) if image.shape[-1] == 1 else image[..., :3]


def planes_of(mask: Tensor, name: str = "mask") -> Tensor:
    """[n, H, W], however many dimensions a node gave it."""
    _check(mask, name)
    return mask.reshape(-1, *mask.shape[-2:])


def _check(given: Tensor, name: str) -> None:
    if not given.numel():
        raise ValueError(
            f"the {name} is {list(given.shape)}, so there is nothing in it; look at the node that it comes from"
        )
    check_finite(torch.stack(given.aminmax()), f"the {name} contains")
