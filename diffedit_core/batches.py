"""Several images at once: how many there are, and a number for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import torch
from torch import Tensor

from .stopping import may_stop


def check_batch(counts: Mapping[str, int]) -> int:
    """The size of the batch that several inputs make together: of each there is one for all, or one for each."""
    count = max(counts.values())
    if none := [name for name, each in counts.items() if not each]:
        raise ValueError(f"there are no {none[0]}; give one for all, or one for each")
    if any(each not in (1, count) for each in counts.values()):
        listed = " and ".join(f"{each} {name}" for name, each in counts.items() if each > 1)
        raise ValueError(f"{listed} do not fit together; give one for all, or one for each")
    return count


def per_image(values: Tensor, like: Tensor) -> Tensor:
    """A number for each image [B], to be used on images [B, ...]: [B, 1, ...]."""
    return values.to(like.device).view(-1, *[1] * (like.ndim - 1))


def gathered(rows: Iterable[Tensor], count: int) -> Tensor:
    """``count`` tensors [1, ...] as one [count, ...], each copied as it comes: they are never all there twice."""
    each = iter(rows)
    first = next(each)
    together = first.new_empty(count, *first.shape[1:])
    for i, row in enumerate(chain([first], each)):
        together[i] = row[0]
        may_stop()
    return together


def in_turn(items: Sequence[Tensor]) -> Tensor:
    """K tensors [1 or B, ...] -> [B * K, ...]: of the first image one after the other, then of the next."""
    if len(items) == 1:
        return items[0]
    count = check_batch({f"images in place {i}": len(each) for i, each in enumerate(items)})
    return torch.stack([each.expand(count, *each.shape[1:]) for each in items], dim=1).flatten(0, 1)
