"""Ten million pictures on paper, from measured parts: ``python -m bench.scale [--seconds X] [--price X]``.

Measured: what the table costs the machine that hands out the work, how fast results are put in place, and what reading
and writing a picture of a megapixel takes. Assumed, as no GPU is here: the seconds that one takes for a picture, and
its price.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bench.memory import now
from diffedit_core.batch.jobs import OWN, Plan
from diffedit_core.batch.journal import Journal
from diffedit_core.batch.landing import Landing
from diffedit_core.batch.running import Survey
from diffedit_core.batch.tables import table
from diffedit_core.batch.work import Result
from diffedit_core.cli.files import encoded, open_picture
from diffedit_core.pictures import to_pil

PICTURES = 10_000_000
SIDE = 1024
GPUS = (1, 8, 64, 512)


@dataclass(frozen=True)
class Parts:
    rows: float  # of the table, a second: planned and known by their keys
    row_bytes: float  # of memory
    landed: float  # results a second, each with a picture of a megapixel
    picture_bytes: float
    reading: float  # seconds
    writing: float


def measured(folder: Path) -> Parts:
    torch.set_num_threads(1)
    rows, row_bytes = _planned(folder, 100_000)
    content, reading, writing = _files(folder, 10)
    return Parts(rows, row_bytes, _landed(folder, content, 200), len(content), reading, writing)


def _planned(folder: Path, count: int) -> tuple[float, float]:
    texts = {"source": "a bowl of apples on a table", "target": "a bowl of pears on a table"}
    with (folder / "t.jsonl").open("w") as file:
        file.writelines(json.dumps({"image": f"shop/2026/{i:08d}.jpg", **texts}) + "\n" for i in range(count))
    plan = Plan(table(folder / "t.jsonl"), folder / "out", {"steps": 10})
    gc.collect()
    before, began = now("cpu"), time.process_time()
    survey = Survey.of(plan)
    seconds = time.process_time() - began
    assert survey.rows == count
    return count / seconds, (now("cpu") - before) / count


def _files(folder: Path, count: int) -> tuple[bytes, float, float]:
    """Of a picture with as much in it as a photograph: smooth shapes and a little noise."""
    rng, (rows, columns) = np.random.default_rng(0), np.mgrid[0:SIDE, 0:SIDE] / 40
    smooth = np.stack([np.sin(rows), np.cos(columns), np.sin(rows * columns / 20)], -1) * 80 + 128
    Image.fromarray((smooth + rng.normal(0, 2, smooth.shape)).clip(0, 255).astype(np.uint8)).save(folder / "p.png")
    began = time.process_time()
    opened = [open_picture(folder / "p.png") for _ in range(count)]
    reading = (time.process_time() - began) / count
    began = time.process_time()
    contents = [encoded(to_pil(each.picture), "p.png") for each in opened]
    return contents[0], reading, (time.process_time() - began) / count


def _landed(folder: Path, content: bytes, count: int) -> float:
    out = folder / "landed"
    (out / OWN).mkdir(parents=True)
    journal, began = Journal(out / "results.jsonl", lambda line: True), time.perf_counter()
    with Landing(out, out / OWN, journal, lambda line: None) as landing:
        for i in range(count):
            name = f"{i % 100}/{i}.png"
            landing.put(Result(f"{i:024d}", {"written": {"picture": name}}, {name: content}))
    journal.close()
    return count / (time.perf_counter() - began)


def on_paper(parts: Parts, seconds: float, price: float) -> str:
    hours = PICTURES * seconds / 3600
    megabytes = parts.picture_bytes / 1e6
    lines = [
        f"measured: {parts.rows:,.0f} rows of a table a second, {parts.row_bytes:.0f} bytes of memory each;",
        f"{parts.landed:.0f} results a second on this disk, of {megabytes:.1f} MB each;",
        f"{parts.reading:.3f} s to read a picture of {SIDE}x{SIDE}, {parts.writing:.3f} s to make a PNG of it",
        f"assumed: {seconds:g} s a picture on one GPU, {price:g} $ an hour",
        f"{PICTURES:,} pictures: {hours:,.0f} GPU hours, {hours * price:,.0f} $, {PICTURES * megabytes / 1e6:.1f} TB; "
        f"the table takes {PICTURES * parts.row_bytes / 1e9:.1f} GB of memory, and "
        f"{2 * PICTURES / parts.rows / 60:.0f} minutes before a resumed run begins",
        "",
        "| GPUs | days | results a second | MB a second | share of one disk | CPU cores for files |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for gpus in GPUS:
        rate = gpus / seconds
        cores = rate * (parts.reading + parts.writing)
        cells = [f"{gpus}", f"{hours / gpus / 24:.1f}", f"{rate:.1f}", f"{rate * megabytes:.0f}"]
        cells += [f"{100 * rate / parts.landed:.0f} %", f"{cores:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    about = {"description": __doc__, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(prog="python -m bench.scale", **about)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one GPU for a picture [2]")
    parser.add_argument("--price", type=float, default=2.0, help="of a GPU, in $ an hour [2]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=".") as folder:  # on the disk, and not in memory as /tmp may be
        print(on_paper(measured(Path(folder)), options.seconds, options.price))


if __name__ == "__main__":
    main()
