"""Quality as a number, on held-out toybox tasks: ``python -m bench.quality [masks] [edits] [costs] [sweep]`` and more.

Prints a table for each part, overall and per kind of edit, and writes them beside the raw scores and the plot. Scores
are written as they come: with ``--resume`` a run goes on where another stopped, and several runs may share one file,
each with its ``--ways``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from adjustText import adjust_text
from matplotlib.figure import Figure
from tqdm import tqdm

from bench import edit_quality, large_quality, mask_quality, several_quality
from bench.cases import CHOICE, REPORT, batches
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.toybox import KINDS, task, weights

TWOS = 6  # times as many tasks have two edits as have three
FRESH = REPORT[1000:]  # of tasks with several edits; those before were looked at when their method was chosen
RESULTS = Path(__file__).parent / "results"
LOCAL = ("colour", "shape", "both", "object")  # where an object changes
COUNTS = {"masks": 196, "edits": 700, "costs": 70, "sweep": 98, "large": 98, "several": 350}
OURS = "DiffEdit (ours), balanced"  # what the others are compared with


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
        if part == "several":
            _measure_several(host, options.count or COUNTS[part], options.ways, path)
            _write(path, several_table(pd.read_json(path, lines=True)))
            continue
        size = options.batch or (1 if part in ("costs", "large") else 7)  # a batch pays for what one of it needs
        _measure(host, part, options.count or COUNTS[part], size, options.ways, path)
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


def _write(path: Path, table: str) -> None:
    path.with_suffix(".md").write_text(table)
    print(f"\n{path.stem}\n\n{table}")


def _done(path: Path) -> set[tuple[str, str, int]]:
    if not path.exists():
        return set()
    scores = pd.read_json(path, lines=True)
    return set(zip(scores["way"], scores["kind"], scores["seed"], strict=True))


def mask_table(scores: pd.DataFrame) -> str:
    """Ways by mean IoU over the local kinds, best first."""
    local = _means(scores, LOCAL)
    columns = {"IoU (local)": local["iou"], "leak (local)": local["leak"], **_per_kind(scores, "iou")}
    return _markdown(scores, columns, ["evaluations", "seconds"], digits=3, best_first="IoU (local)")


def edit_table(scores: pd.DataFrame) -> str:
    """With standard errors, and the difference to ours on the same tasks with that of the difference."""
    overall, local = _means(scores), _means(scores, LOCAL)
    columns = {
        "tasks": scores.groupby("way", sort=False).size(),
        "success": _with_error(scores, "success"),
        "less ours": _less(scores, OURS),
        "success (local)": local["success"],
        "of the same size": overall["same_size"],
        "IoU (local)": local["iou"],
        **_per_kind(scores, "success"),
        "outside, median": scores.groupby("way", sort=False)["outside"].median(),
        "outside, median (local)": scores[scores["kind"].isin(LOCAL)].groupby("way", sort=False)["outside"].median(),
    }
    return _markdown(scores, columns, ["outside", "inside", "evaluations", "seconds"], digits=2)


def large_table(scores: pd.DataFrame) -> str:
    """By the picture's size, with the difference to the model's own size on the same scenes."""
    own, groups, means = next(iter(large_quality.CASES)), scores.groupby("way", sort=False), _means(scores)
    columns = {
        "edits": groups.size(),
        "success": _with_error(scores, "success"),
        "less the model's own": _less(scores, own),
        **_per_kind(scores, "success"),
        "IoU": means["iou"],
        "outside, median": groups["outside"].median(),
        "step at the rim": means["step"] / means["true_step"],
        "exact outside": means["exact"],
    }
    return _markdown(scores, columns, ["evaluations", "seconds"], digits=2)


def several_table(scores: pd.DataFrame) -> str:
    """By how many edits a task has. The product of the single rates is what independent edits would come to."""
    tables = []
    for count in sorted(set(scores["count"])):
        some = pd.DataFrame(scores[scores["count"] == count])
        groups = some.groupby("way", sort=False)
        columns = {
            "edits": groups["count"].first(),
            "tasks": groups.size(),
            "all succeed": _with_error(some, "success"),
            "less one after the other": _less(some, several_quality.IN_A_ROW),
            "product of the single rates": _product(some),
            "outside, median": groups["outside"].median(),
            "outside": groups["outside"].mean(),
        }
        means = pd.DataFrame(groups[["inside", "evaluations", "seconds"]].mean())
        tables.append(_in_markdown(pd.DataFrame({**columns, **means}), digits=2))
    return "\n".join(tables)


def _product(scores: pd.DataFrame) -> pd.Series:
    """Of the rates at which each kind succeeds when it is done alone, over the kinds of each task."""
    alone = scores[scores["way"] == several_quality.ALONE]
    kinds, shown = alone["kind"].str.split(" + ", regex=False).explode(), alone["each"].explode().astype(float)
    rates = shown.groupby(kinds.to_numpy()).mean().to_dict()
    of_tasks = [float(np.prod([rates.get(kind, np.nan) for kind in each.split(" + ")])) for each in scores["kind"]]
    return pd.Series(pd.DataFrame({"way": scores["way"], "rate": of_tasks}).groupby("way", sort=False)["rate"].mean())


TABLES = {"masks": mask_table, "large": large_table}


def _with_error(scores: pd.DataFrame, field: str) -> pd.Series:
    groups = scores.groupby("way", sort=False)[field]
    return groups.mean().map("{:.3f}".format) + " ± " + groups.sem().map("{:.3f}".format)


def _less(scores: pd.DataFrame, own: str) -> pd.Series:
    """Paired: on the tasks that both did."""
    wide = scores.pivot_table(index=["kind", "seed"], columns="way", values="success", aggfunc="first").astype(float)
    less = wide.sub(wide[own], axis=0) if own in wide else wide * float("nan")
    return pd.Series({way: f"{less[way].mean():+.3f} ± {less[way].sem():.3f}" for way in less})


def _means(scores: pd.DataFrame, kinds: Sequence[str] = KINDS) -> pd.DataFrame:
    chosen = pd.DataFrame(scores[scores["kind"].isin(kinds)])
    return pd.DataFrame(chosen.groupby("way", sort=False).mean(numeric_only=True))


def _per_kind(scores: pd.DataFrame, field: str) -> dict[str, pd.Series]:
    return {kind: _means(scores, [kind])[field] for kind in KINDS}


def _markdown(
    scores: pd.DataFrame, columns: dict[str, pd.Series], more: Sequence[str], digits: int, best_first: str = ""
) -> str:
    table = pd.DataFrame({**columns, **_means(scores)[list(more)]}, index=scores["way"].unique())
    return _in_markdown(table.sort_values(best_first, ascending=False) if best_first else table, digits)


def _in_markdown(table: pd.DataFrame, digits: int) -> str:
    cells = table.map(lambda value: value if isinstance(value, str) else _shown(value, digits))
    return cells.to_markdown(disable_numparse=True) + "\n"


def _shown(value: float, digits: int) -> str:
    if pd.isna(value):
        return "-"
    return f"{value:.0f}" if float(value).is_integer() or value >= 20 else f"{value:.{digits}f}"


def plot(scores: pd.DataFrame, path: Path) -> None:
    """Success against error outside the region, evaluations as size: up and to the left is better, small is cheap."""
    axes = (figure := Figure(figsize=(8, 5), layout="constrained")).subplots()
    means = _means(scores)
    ways, outside, success = means.index.tolist(), means["outside"].tolist(), means["success"].tolist()
    chain = means[means.index.str.startswith("SDEdit")]
    axes.plot(chain["outside"], chain["success"], color="lightgrey", zorder=0)
    colours = ["tab:orange" if "ours" in way else "tab:blue" for way in ways]
    axes.scatter(outside, success, s=2 * means["evaluations"], c=colours, alpha=0.7)
    axes.set(xlabel="error outside the region (RMS, levels of 255)", ylabel="edits that succeed", ylim=(0, 1.05))
    axes.margins(x=0.25)
    axes.set_xlim(left=-1)
    for size in (30, 100, 200):
        axes.scatter([], [], s=2 * size, c="lightgrey", label=f"{size} evaluations")
    axes.legend(loc="lower right", labelspacing=1.2, frameon=False)
    names = [axes.text(x, y, way, fontsize=8) for x, y, way in zip(outside, success, ways, strict=True)]
    adjust_text(names, outside, success, ax=axes)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
