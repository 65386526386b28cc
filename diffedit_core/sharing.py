"""Several edits of one picture: each is drawn as if it were the only one, and each cell is taken from one of them.

Drawn in one latent they would disturb each other: a text knows nothing of what the other edits put beside its own
place, and draws there, or here, what it misses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

ROOM = 1e-3
"""What the room around a mask claims, of what the mask itself would: it gives way to any other edit's mask."""


@dataclass(frozen=True)
class Overlap:
    """``share(claims [K, ...])``: whether an edit has its part in a cell."""

    share: Callable[[Tensor], Tensor]
    meaning: str


OVERLAPS: dict[str, Overlap] = {
    "stronger": Overlap(lambda claims: claims == claims.amax(0), "the edit whose heat is stronger has the place"),
    "shared": Overlap(lambda claims: claims > 0, "both are mixed"),
}
"""What happens where masks meet, by name."""


def claims_of(mask: Tensor, roomy: Tensor, heat: Tensor | None = None) -> Tensor:
    """How strongly an edit lays claim to each cell, all [B or 1, 1, ...]: by its heat, and far less in its room."""
    strength = torch.ones_like(roomy) if heat is None else heat.to(roomy).clamp_min(torch.finfo(roomy.dtype).tiny)
    return strength * torch.maximum(mask.to(roomy), ROOM * roomy)


def joined(
    x0: Tensor, drawn: Sequence[Tensor], masks: Sequence[Tensor], claims: Sequence[Tensor], overlap: str
) -> Tensor:
    """The latents [B, C, ...] drawn for K edits as one, each in its mask [B or 1, 1, ...]; elsewhere the picture x0."""
    if len(drawn) == 1:
        return drawn[0]
    planes, laid = (torch.stack(torch.broadcast_tensors(*each)) for each in (masks, claims))
    weights = shares(planes, laid, overlap)
    mixed = _sum(torch.stack([weight.to(each) * each for weight, each in zip(weights, drawn, strict=True)]))
    return torch.where(weights.sum(0) > 0, mixed, x0)


def shares(masks: Tensor, claims: Tensor, overlap: str = "stronger") -> Tensor:
    """How much of each cell belongs to each edit, [K, B, 1, ...] like the masks: in all 1, and 0 outside all masks.

    Edits that share a cell do so by how much of it their masks hold. Equal claims are shared.
    """
    weights = masks * OVERLAPS[overlap].share(torch.where(masks > 0, claims, 0)).to(masks)
    return weights / _sum(weights).clamp_min(torch.finfo(weights.dtype).tiny)


def _sum(terms: Tensor) -> Tensor:
    """Over the first dimension: the same to the last bit in whatever order the edits come."""
    return terms.sort(0).values.sum(0)
