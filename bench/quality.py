"""Quality as a number, on held-out toybox tasks: ``python -m bench.quality [masks] [edits] [costs] [sweep]`` and more.

Prints a table for each part, overall and per kind of edit, and writes them beside the raw scores and the plot. Scores
are written as they come: with ``--resume`` a run goes on where another stopped, and several runs may share one file,
each with its ``--ways``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from bench import (
    edit_quality,
    fill_quality,
    grey_quality,
    keep_quality,
    large_quality,
    mask_quality,
    several_quality,
)
from bench.cases import CHOICE, REPORT, batches
from bench.tables import TABLES, edit_table, plot
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.toybox import KINDS, task, weights

TWOS = 6  # times as many tasks have two edits as have three
FRESH = REPORT[1000:]  # of tasks with several edits; those before were looked at when their method was chosen
RESULTS = Path(__file__).parent / "results"
COUNTS = {"masks": 196, "edits": 700, "costs": 70, "sweep": 98, "large": 98, "several": 350, "greys": 200, "fills": 80}
COUNTS |= {"keeps": 800}  # a hundred of each kind, and of pairs with nothing in common


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*COUNTS, []], help="masks, edits and costs by default")
    parser.add_argument("--count", type=int, help=f"held-out tasks {COUNTS}")
    parser.add_argument(
        "--batch", type=int, help="tasks of one kind that share their noise [7; 1 for costs and large pictures]"
    )
    parser.add_argument("--ways", nargs="+", help="only those whose names contain one of these")
    parser.add_argument("--resume", action="store_true", help="keep the scores that are there already")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default=None, help="a pipeline's folder (default: the bundled model)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # a model this small gains nothing from more
    host = DiffusersHost.from_pretrained(options.model or weights(), options.device)
    for part in options.parts or ["masks", "edits", "costs"]:
        path = options.out / f"quality_{part}.jsonl"
        if not options.resume:
            path.unlink(missing_ok=True)
        count = options.count or COUNTS[part]
        if part in APART:
            APART[part](host, count, options.ways, path)
        else:
            size = options.batch or (1 if part in ("costs", "large") else 7)  # a batch pays for what one of it needs
            _measure(host, part, count, size, options.ways, path)
        scores = pd.read_json(path, lines=True)
        _write(path, TABLES.get(part, edit_table)(scores))
        if part == "edits":
            plot(scores, options.out / "quality.png")


def _measure(host: DiffusersHost, part: str, count: int, size: int, chosen: Sequence[str] | None, path: Path) -> None:
    """A line for each way and task. Settings are swept on seeds of their own.

    A batch holds tasks of one kind and shares one noise; each batch has another, so that no noise decides all.
    """
    ways = {"sweep": edit_quality.sweep(), "large": large_quality.CASES}.get(part, edit_quality.WAYS)
    ways = {name: way for name, way in ways.items() if not chosen or any(each in name for each in chosen)}
    done, seeds = _done(path), CHOICE if part == "sweep" else REPORT
    groups = [(kind, seeds[i : i + size]) for i in range(0, count // len(KINDS), size) for kind in KINDS]
    for number, (kind, group) in enumerate(tqdm(groups, part, file=sys.stderr)):
        left: dict[str, Any] = {name: way for name, way in ways.items() if (name, kind, group[0]) not in done}
        if part == "large":
            missing = [score for seed in group for score in large_quality.scores(host, kind, seed, left)]
        else:
            (batch,) = batches(host, [task(seed, kind) for seed in group], size)
            if part == "masks":
                missing = [] if ("the default", kind, group[0]) in done else mask_quality.scores(host, batch, number)
            else:
                missing = edit_quality.scores(host, batch, number, left)
        lines = []
        for place, score in enumerate(missing):  # way by way, and within a way task by task
            lines.append(json.dumps({"seed": group[place % len(group)], **asdict(score)}) + "\n")
        with path.open("a") as file:
            file.write("".join(lines))


def _measure_several(host: DiffusersHost, count: int, chosen: Sequence[str] | None, path: Path) -> None:
    """Tasks with two edits, and after them some with three."""
    every = (several_quality.ALONE, *several_quality.WAYS)
    ways = [way for way in every if not chosen or any(each in way for each in chosen)]
    done = {(way, seed) for way, _, seed in _done(path)}
    two = count - count // (1 + TWOS)
    for place, seed in enumerate(tqdm(FRESH[:count], "several", file=sys.stderr)):
        left = [way for way in ways if (way, seed) not in done]
        for score in several_quality.scores(host, seed, 2 if place < two else 3, left):
            with path.open("a") as file:
                file.write(json.dumps({"seed": seed, **asdict(score)}) + "\n")


def _measure_greys(host: DiffusersHost, count: int, chosen: Sequence[str] | None, path: Path) -> None:
    _measure_singly(partial(grey_quality.scores, host), grey_quality.WAYS, grey_quality.KINDS, count, chosen, path)


def _measure_fills(host: DiffusersHost, count: int, chosen: Sequence[str] | None, path: Path) -> None:
    scores = partial(fill_quality.scores, host, fill_quality.finder())
    _measure_singly(scores, fill_quality.WAYS, fill_quality.KINDS, count, chosen, path)


def _measure_singly(
    scores: Callable[[str, int, Sequence[str]], Iterable[Any]],
    every: Sequence[str],
    kinds: Sequence[str],
    count: int,
    chosen: Sequence[str] | None,
    path: Path,
    seeds: Sequence[int] = FRESH,
) -> None:
    """A line for each way and task, each task with a noise of its own."""
    ways = [way for way in every if not chosen or any(each in way for each in chosen)]
    done = _done(path)
    for seed in tqdm(seeds[: count // len(kinds)], path.stem, file=sys.stderr):
        for kind in kinds:
            left = [way for way in ways if (way, kind, seed) not in done]
            for score in scores(kind, seed, left):
                with path.open("a") as file:
                    file.write(json.dumps({"seed": seed, **asdict(score)}) + "\n")


def _measure_keeps(host: DiffusersHost, count: int, chosen: Sequence[str] | None, path: Path) -> None:
    kinds = (*KINDS, keep_quality.STRANGERS)
    _measure_singly(keep_quality.scores, keep_quality.WAYS, kinds, count, chosen, path, REPORT[3000:])


APART = {"several": _measure_several, "greys": _measure_greys, "fills": _measure_fills, "keeps": _measure_keeps}
"""Parts whose edits do not come in batches of a kind."""


def _write(path: Path, table: str) -> None:
    path.with_suffix(".md").write_text(table)
    print(f"\n{path.stem}\n\n{table}")


def _done(path: Path) -> set[tuple[str, str, int]]:
    if not path.exists():
        return set()
    scores = pd.read_json(path, lines=True)
    return set(zip(scores["way"], scores["kind"], scores["seed"], strict=True))


if __name__ == "__main__":
    main()
