"""How long refining takes on large masks, one operation at a time: ``python -m bench.refining``.

Beside it stands the usual way, a kernel that grows with the radius, where it ends within a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from diffedit_core.refine import Refinement, refine

RESULTS = Path(__file__).parent / "results"
SIZES = {"2048x2048": (2048, 2048), "4000x3000": (3000, 4000)}
HOW = {
    "nothing": Refinement(),
    "threshold": Refinement(threshold=0.5),
    "open 8": Refinement(open=8),
    "open 1024": Refinement(open=1024),
    "close 8": Refinement(close=8),
    "close 1024": Refinement(close=1024),
    "min_island": Refinement(min_island=0.001),
    "fill_holes": Refinement(fill_holes=0.01),
    "keep_largest": Refinement(keep_largest=1),
    "grow 8": Refinement(grow=8),
    "grow 1024": Refinement(grow=1024),
    "grow -8": Refinement(grow=-8),
    "invert": Refinement(invert=True),
    "feather 2": Refinement(feather=2),
    "feather 256": Refinement(feather=256),
    "snap": Refinement(snap=0.1),
    "edge_snap grabcut": Refinement(edge_snap="grabcut"),
    "edge_snap guided": Refinement(edge_snap="guided"),
}


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    table = pd.DataFrame({size: _times(*_scene(*shape)) for size, shape in SIZES.items()})
    text = table.map("{:.0f} ms".format).to_markdown(disable_numparse=True) + "\n"
    (RESULTS / "refining.md").write_text(text)
    print(text)


def _times(mask: Tensor, picture: Tensor, heatmap: Tensor) -> dict[str, float]:
    context: dict[str, Tensor] = {"picture": picture, "heatmap": heatmap}
    ours = {
        name: _milliseconds(partial(refine, mask, how, **(context if how.edge_snap != "none" else {})))
        for name, how in HOW.items()
    }
    return ours | {
        f"a kernel of radius {radius}": _milliseconds(partial(_by_kernel, mask, radius)) for radius in (8, 32)
    }


def _scene(height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """A sloppy mask with a speck and a hole, the picture of a disc, and a heatmap."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / height
    inside = np.hypot(x - 0.5, y - 0.5) < 0.25
    picture = np.where(
        inside[..., None], np.array((0.8, 0.2, 0.2), np.float32), np.stack([x * 0.6, y * 0.7, 0.7 - x * 0.5], -1)
    )
    picture += np.random.default_rng(0).normal(0, 0.03, picture.shape).astype(np.float32)
    off = np.hypot(x - 0.52, y - 0.48)
    mask = (off < 0.24).astype(np.float32)
    mask[10:20, 10:20], mask[height // 2 : height // 2 + 9, height // 2 : height // 2 + 9] = 1, 0
    planes = mask, picture.clip(0, 1), np.exp(-20 * off**2).astype(np.float32)
    return tuple(torch.from_numpy(plane)[None] for plane in planes)  # pyright: ignore[reportReturnType]


def _by_kernel(mask: Tensor, radius: int) -> np.ndarray:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask[0].numpy(), disc)


def _milliseconds(run: Callable[[], object], times: int = 3) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return 1000 * min(taken)


if __name__ == "__main__":
    main()
