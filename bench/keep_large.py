"""A pair of 12 megapixels on one core: time of the processor, and the most memory: ``python -m bench.keep_large``."""

from __future__ import annotations

import time

import cv2
import torch

from bench.cases import REPORT, pictures_of
from bench.memory import now, peak
from diffedit_core.keeping import keep_rest
from diffedit_core.toybox import task
from diffedit_core.toybox.drifting import draw_drift, drifted
from diffedit_core.toybox.scenes import Frame

PIXELS, WORLD = 3472, 434
NAMES = ("shift", "zoom", "rotation", "tint", "jpeg")


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    made = task(REPORT[0], "both", Frame(PIXELS, WORLD, 128, 160))
    drift = draw_drift(REPORT[0], (PIXELS, PIXELS), NAMES)
    pair = pictures_of([made.image]), pictures_of([drifted(made.edited, drift)])
    del made
    before, began = now("cpu"), time.process_time()
    done = keep_rest(*pair)
    seconds, most = time.process_time() - began, peak("cpu")
    print(f"{PIXELS}x{PIXELS}: {seconds:.2f} s, {(most - before) / 2**20:.0f} MiB beside the two pictures and Python, ")
    print(f"{most / 2**20:.0f} MiB in all; {done.report[0]}")


if __name__ == "__main__":
    main()
