"""Several edits of one picture: each is drawn as if it were the only one, and each cell is taken from one of them.

Drawn in one latent they would disturb each other: a text knows nothing of what the other edits put beside its own
place, and draws there, or here, what it misses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Drawn:
    """One of the edits, and where it belongs: all but the latent are [B or 1, 1, ...], at its size."""

    latent: Tensor  # [B, C, ...]: drawn as if it were the only edit
    mask: Tensor
    room: Tensor  # the mask with the room around it, in which it was drawn
    heat: Tensor | None = None

    @property
    def claim(self) -> Tensor:
        """How strongly the edit lays claim to each cell: by its heat, and far less in its room."""
        room = self.room
        heat = torch.ones_like(room) if self.heat is None else self.heat.to(room)
        return heat.clamp_min(torch.finfo(room.dtype).tiny) * torch.maximum(self.mask.to(room), ROOM * room)


def joined(x0: Tensor, edits: Sequence[Drawn], overlap: str) -> Tensor:
    """The latents of K edits as one [B, C, ...], each in its room; elsewhere the picture x0.

    Heats decide only where all are known.
    """
    if len(edits) == 1:
        return edits[0].latent
    if any(edit.heat is None for edit in edits):
        edits = [replace(edit, heat=None) for edit in edits]
    rooms, claims = (
        torch.stack(torch.broadcast_tensors(*each))
        for each in ([edit.room for edit in edits], [edit.claim for edit in edits])
    )
    weights = shares(rooms, claims, overlap)
    terms = [weight.to(edit.latent) * edit.latent for weight, edit in zip(weights, edits, strict=True)]
    return torch.where(weights.sum(0) > 0, _sum(torch.stack(terms)), x0)


def shares(masks: Tensor, claims: Tensor, overlap: str = "stronger") -> Tensor:
    """How much of each cell belongs to each edit, [K, B, 1, ...] like the masks: in all 1, and 0 outside all masks.

    Edits that share a cell do so by how much of it their masks hold. Equal claims are shared.
    """
    weights = masks * OVERLAPS[overlap].share(torch.where(masks > 0, claims, 0)).to(masks)
    return weights / _sum(weights).clamp_min(torch.finfo(weights.dtype).tiny)


def _sum(terms: Tensor) -> Tensor:
    """Over the first dimension: the same to the last bit in whatever order the edits come."""
    return terms.sort(0).values.sum(0)
