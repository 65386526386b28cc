"""Corrections: what a hand adds to a mask and takes away from it, as a text short enough for a workflow.

``6x4 7 +2 4 -1`` is 6 wide and 4 high, and then, row by row: 7 cells as they were, 2 added, 4 as they were, 1 taken
away, and the rest as it was.
"""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor

from .checks import check_masks
from .masks import fit

MOST_CELLS = 256
"""A side of what is painted. It is laid over the mask, whatever the size of that."""

MOST_LETTERS = 2**16

FORM = re.compile(r"(\d{1,3})x(\d{1,3})((?: [+-]?\d{1,5})*)")
SIGNS = {"+": 1, "-": -1}


def corrected(mask: Tensor, corrections: str) -> Tensor:
    """The masks [B, H, W], white where something was added and black where something was taken away."""
    if not corrections:
        return mask
    check_masks(mask)
    painted = fit(read_corrections(corrections)[None], (mask.shape[-2], mask.shape[-1])).to(mask.device)
    added, taken = torch.ones_like(mask), torch.zeros_like(mask)
    return torch.where(painted > 0.5, added, torch.where(painted < -0.5, taken, mask))


def read_corrections(text: str) -> Tensor:
    """1 where something is added, -1 where it is taken away, else 0: [h, w] float32."""
    found = FORM.fullmatch(text) if len(text) <= MOST_LETTERS else None
    width, height, runs = (int(found[1]), int(found[2]), found[3].split()) if found else (0, 0, [])
    lengths = [int(run.lstrip("+-")) for run in runs]
    if not (0 < width <= MOST_CELLS and 0 < height <= MOST_CELLS and sum(lengths) <= width * height):
        raise ValueError("the painted corrections cannot be read; clear them on the node, and paint them again")
    cells = np.repeat(np.array([SIGNS.get(run[0], 0) for run in runs], np.float32), lengths)
    return torch.from_numpy(np.pad(cells, (0, width * height - len(cells))).reshape(height, width))
