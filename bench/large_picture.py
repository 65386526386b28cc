"""The large picture in the README, before and after, with its cut-out drawn in: ``python -m bench.large_picture``."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from bench.cases import CHOICE, pictures_of
from diffedit_core.editing import Edit, edit
from diffedit_core.focus import Canvas, Focus, resized
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.pictures import to_bytes, to_pil
from diffedit_core.settings import EditSettings
from diffedit_core.sheets import framed, panels
from diffedit_core.toybox import judge, task, weights
from diffedit_core.toybox.scenes import Frame

OUT = Path(__file__).parents[1] / "docs" / "large.jpg"
PIXELS, WORLD, SEED = 1200, 480, CHOICE[0] + 900


def main(number: str = "44", out: str = str(OUT)) -> None:
    """``number`` chooses the scene."""
    torch.set_num_threads(1)
    host = DiffusersHost.from_pretrained(weights(), "cpu")
    made = task(SEED + int(number), "both", Frame(PIXELS, WORLD, 256, 224))
    picture = pictures_of([made.image])
    done = edit(
        host, picture, Edit(made.source, made.target), how=EditSettings(focus=Focus(windows=5)), seed=int(number)
    )
    boxes = [view.corners for view in done.views[0]]
    canvas = Canvas((PIXELS, PIXELS), host.area, host.multiple)
    (near,) = canvas.of_one_size(boxes[:1])
    whole = [framed(each, boxes) for each in (picture, done.picture)]
    side = whole[0].shape[1]
    close = [resized(each[near.box], (side, side)) for each in (picture, done.picture)]
    labels = [made.source, made.target, "the cut-out before", "and after"]
    to_pil(panels([*whole, *close], labels)).save(out, quality=80)
    verdict = "as asked" if judge(made, to_bytes(done.picture[0])) else "not as asked"
    print(f"{made.source} -> {made.target}: {verdict}")


if __name__ == "__main__":
    main(*sys.argv[1:])
