"""Where in the picture a text holds: an area of a CONDITIONING must begin in the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


def check_areas(texts: Mapping[Any, Sequence[Any]], samples: Tensor) -> None:
    """Of an area beyond the latent [B, C, ...] ComfyUI cuts nothing out, and no model can read that."""
    for role, conditioning in texts.items():
        for _, options in conditioning:
            if options.get("area") and not _begins_within(options["area"], samples.shape[2:]):
                raise ValueError(
                    f"an area of the {role} text begins beyond the picture's edge; set one that lies in the picture"
                )


def _begins_within(area: Sequence[Any], sides: Sequence[int]) -> bool:
    """An area is a size and where it begins: in cells, or after a word in shares of the sides."""
    are_shares = isinstance(area[0], str)
    numbers = area[1:] if are_shares else area
    starts = numbers[len(numbers) // 2 :]
    last = list(zip(starts[::-1], sides[::-1], strict=False))
    return all((round(start * side) if are_shares else start) < side for start, side in last)
