"""The README's edit from elsewhere, and what is kept of the original: ``python -m bench.kept_picture``."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from bench.cases import CHOICE, pictures_of
from diffedit_core.keeping import keep_rest
from diffedit_core.pictures import to_pil
from diffedit_core.sheets import panels
from diffedit_core.toybox import task
from diffedit_core.toybox.drifting import Drift, drifted
from diffedit_core.toybox.scenes import SIZE, Frame

OUT = Path(__file__).parents[1] / "docs" / "keep.jpg"
PIXELS, SEED = 480, CHOICE[0] + 950
DRIFT = Drift(
    (PIXELS, PIXELS),
    shift=(14.0, -9.0),
    zoom=1.06,
    rotation=-1.5,
    gain=(1.07, 1.0, 0.86),
    gamma=(0.92, 0.95, 1.0),
    noise=2.0,
    jpeg=85,
)


def main(number: str = "1", out: str = str(OUT)) -> None:
    """``number`` chooses the scene."""
    torch.set_num_threads(1)
    made = task(SEED + int(number), "both", Frame(PIXELS, SIZE))
    original, edited = pictures_of([made.image]), pictures_of([drifted(made.edited, DRIFT, int(number))])
    kept = keep_rest(original, edited)
    labels = [made.source, "edited elsewhere: all of it moved", "only the edit, in the original"]
    to_pil(panels([original, edited, kept.picture], labels)).save(out, quality=85)
    print(f"{made.source} -> {made.target}: {kept.report[0]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
