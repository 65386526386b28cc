"""What really changed between two pictures, near where it was meant to: the part that is worth pasting back."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .batches import check_batch
from .seams import fit_seam
from .shapes import fill_holes, grow, parts_touching
from .stopping import may_stop

VISIBLE = 10 / 255
"""A change that people see, as a seam, if it stops short."""

USUAL = 0.95
"""An autoencoder changes every pixel a little: by less than this, in this share of what was not redrawn."""

HOLE = 0.02
"""Share of the picture that a hole in what changed may have, to be filled."""


def worth_pasting(
    original: Tensor, edited: Tensor, mask: Tensor, room: Tensor, seam: str = "none"
) -> tuple[Tensor, Tensor]:
    """The edited pictures as they suit the originals, and where they are worth pasting: the mask with what changed in
    the ``room`` around it, which holds the mask.
    """
    edited = fit_seam(original, edited, room, seam)
    may_stop()
    return edited, mask if torch.equal(mask, room) else tighten(mask, room, original, edited)


def tighten(core: Tensor, room: Tensor, original: Tensor, edited: Tensor) -> Tensor:
    """The mask ``core`` [B, H, W], and of the ``room`` around it what visibly changed and touches it: [B, H, W].

    The pictures are [B, H, W, 3]. So the rim of the result lies where the two look alike. A soft rim of room stays.
    """
    change = (edited.float() - original.to(edited).float()).abs().amax(-1)[:, None]
    change = F.avg_pool2d(F.pad(change, (1, 1, 1, 1), mode="replicate"), 3, stride=1)[:, 0]
    count = check_batch({"masks": len(core), "pictures": len(change)})
    planes = [each.float().expand(count, -1, -1).cpu().numpy() for each in (core, room, change)]
    return torch.from_numpy(np.stack([_tightened(*each) for each in zip(*planes, strict=True)])).to(core)


def _tightened(core: np.ndarray, room: np.ndarray, change: np.ndarray) -> np.ndarray:
    inside = room > 0
    noise = np.quantile(change[~inside], USUAL) if not inside.all() else 0.0
    changed = parts_touching(inside & (change > max(VISIBLE, noise)), core > 0)
    grown = grow(fill_holes(changed.astype(np.float32), HOLE), 1)
    return np.maximum(core, grown * room)
