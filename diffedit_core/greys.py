"""What grey in a mask means while the picture is denoised again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from .masks import cells, fit


def _as_it_is(mask: Tensor, _: float = 1.0) -> Tensor:
    return mask


def _up_to(mask: Tensor, depth: float) -> Tensor:
    return (mask >= depth).to(mask)


@dataclass(frozen=True)
class Greys:
    meaning: str
    cells: Callable[[Tensor, tuple[int, int]], Tensor]  # a mask [B, ..., H, W] at the latent's size
    free: Callable[[Tensor, float], Tensor] = _as_it_is  # (that mask, a level's depth in noise: 0..1) -> what changes
    pasted: Callable[[Tensor], Tensor] = _as_it_is  # the part of the picture that is replaced at the end


GREYS: dict[str, Greys] = {
    "blend": Greys("the latent is blended, as along the mask's rim", partial(cells, soft=True)),
    "strength": Greys(
        "how far a place may go back into noise; half grey keeps more of what is there",
        fit,
        free=_up_to,
        pasted=lambda mask: (mask > 0).to(mask),
    ),
    "none": Greys(
        "a cell of the latent changes or stays, which suits masks that fit tightly", partial(cells, soft=False)
    ),
}
"""By name."""
