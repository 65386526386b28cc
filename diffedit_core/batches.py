"""Several images at once: how many there are, and a number for each of them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def check_batch(counts: Mapping[str, int]) -> int:
    """The size of the batch that several inputs make together: of each there is one for all, or one for each."""
    count = max(counts.values())
    if any(each not in (1, count) for each in counts.values()):
        listed = " and ".join(f"{each} {name}" for name, each in counts.items() if each > 1)
        raise ValueError(f"{listed} do not fit together; give one for all, or one for each")
    return count


def per_image(values: Tensor, like: Tensor) -> Tensor:
    """A number for each image [B], to be used on images [B, ...]: [B, 1, ...]."""
    return values.to(like.device).view(-1, *[1] * (like.ndim - 1))
