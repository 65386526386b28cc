"""A folder of toybox edits with its table, the program run on it, and the same edits in a plain loop.

    python -m bench.many COUNT

prints the seconds of the plain loop.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from diffedit_core import Edit, edit, toybox
from diffedit_core.batch.journal import lines
from diffedit_core.hosts.diffusers import DiffusersHost, be_quiet
from diffedit_core.pictures import from_bytes
from diffedit_core.settings import PRESETS, ContrastSettings, EditSettings, InversionSettings, MaskSettings
from diffedit_core.toybox import HELD_OUT_SEEDS, KINDS

STEPS, DRAWS = 4, 2
SETTINGS = ["--preset", "fast", "--steps", str(STEPS), "--mask-draws", str(DRAWS)]
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}


class Batch:
    """A folder with a table of toybox edits, and the program run on it."""

    def __init__(self, folder: Path, count: int, side: int = 128) -> None:
        self.folder, self.count, self.out = folder, count, folder / "out"
        self.tasks = [toybox.task(HELD_OUT_SEEDS[i], KINDS[i % len(KINDS)]) for i in range(count)]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "table.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["image", "source", "target", "out"])
            for number, task in enumerate(self.tasks):
                Image.fromarray(task.image).resize((side, side)).save(folder / f"{number}.png")
                rows.writerow([f"{number}.png", task.source, task.target, f"{number}.png"])

    def command(self, *flags: object, table: str = "table.csv") -> list[str]:
        model = ["--model", "demo", "--device", "cpu", *SETTINGS, "--json"]
        run = [sys.executable, "-m", "diffedit_core.cli", "batch", self.folder / table, "--out", self.out]
        return [str(each) for each in (*run, *model, *flags)]

    def run(self, *flags: object, out: str = "out", table: str = "table.csv") -> dict[str, Any]:
        """What the program says of itself, and the seconds that it took from start to end."""
        self.out, began = self.folder / out, time.perf_counter()
        done = subprocess.run(self.command(*flags, table=table), capture_output=True, text=True, env=ONE_THREAD)
        if done.returncode not in (0, 3):
            raise RuntimeError(done.stderr)
        return {**json.loads(done.stdout), "wall": time.perf_counter() - began}

    def start(self, *flags: object) -> subprocess.Popen:
        nothing = subprocess.DEVNULL
        return subprocess.Popen(self.command(*flags), env=ONE_THREAD, stdout=nothing, stderr=nothing)

    def lines(self) -> list[dict[str, Any]]:
        return [dict(line) for line in lines(self.out / "results.jsonl")]

    def pictures(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.out.glob("*.png")}


def bare_loop(count: int) -> float:
    be_quiet()
    torch.set_num_threads(1)
    how = EditSettings(
        mask=MaskSettings(ContrastSettings(draws=DRAWS, drafts=PRESETS["fast"].settings.mask.contrast.drafts)),
        inversion=InversionSettings(steps=STEPS),
        decoding=PRESETS["fast"].settings.decoding,
    )
    tasks = [toybox.task(HELD_OUT_SEEDS[i], KINDS[i % len(KINDS)]) for i in range(count)]
    began = time.perf_counter()
    host = DiffusersHost.from_pretrained(toybox.weights())
    for task in tasks:
        edit(host, from_bytes(task.image)[None], Edit(task.source, task.target), how=how)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(bare_loop(int(sys.argv[1])))
