"""Quality as a number, on held-out toybox tasks: ``python -m bench.quality [masks] [edits] [sweep] [--count N]``.

Prints a table for each part, overall and per kind of edit, and writes them beside the raw scores and the plot.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
from adjustText import adjust_text
from matplotlib.figure import Figure
from tqdm import tqdm

from bench import edit_quality, mask_quality
from bench.cases import batches, held_out
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.toybox import KINDS, weights

RESULTS = Path(__file__).parent / "results"
LOCAL = ("colour", "shape", "both", "object")  # the kinds that the targets are set for


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=["masks", "edits", "sweep", []], help="all of them by default")
    parser.add_argument("--count", type=int, default=300, help="held-out tasks (default: 300)")
    parser.add_argument("--batch", type=int, default=7, help="tasks that share their noise (default: 7)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default=None, help="a pipeline's folder (default: the bundled model)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    host = DiffusersHost.from_pretrained(options.model or weights(), options.device)
    for part in options.parts or ["masks", "edits"]:
        scores = _measure(host, part, options.count, options.batch, options.seed)
        scores.to_json(options.out / f"quality_{part}.jsonl", orient="records", lines=True)
        table = mask_table(scores) if part == "masks" else edit_table(scores)
        (options.out / f"quality_{part}.md").write_text(table)
        print(f"\n{part}, {options.count} held-out tasks\n\n{table}")
        if part == "edits":
            plot(scores, options.out / "quality.png")


def _measure(host: DiffusersHost, part: str, count: int, size: int, seed: int) -> pd.DataFrame:
    """A row for each way and task. A batch shares one noise and each has another, so that no noise decides all."""
    ways = edit_quality.sweep() if part == "sweep" else edit_quality.WAYS
    measure = mask_quality.scores if part == "masks" else partial(edit_quality.scores, ways=ways)
    tasks, rows = held_out(count), []
    with tqdm(total=count, desc=part, file=sys.stderr) as bar:
        for number, batch in enumerate(batches(host, tasks, size)):
            rows += [asdict(score) for score in measure(host, batch, seed + number)]
            bar.update(len(batch.tasks))
    return pd.DataFrame(rows)


def mask_table(scores: pd.DataFrame) -> str:
    """Ways by mean IoU over the local kinds, best first."""
    local = _means(scores, LOCAL)
    columns = {"IoU (local)": local["iou"], "leak (local)": local["leak"], **_per_kind(scores, "iou")}
    return _markdown(scores, columns, ["evaluations", "seconds"], digits=3, best_first="IoU (local)")


def edit_table(scores: pd.DataFrame) -> str:
    overall, local = _means(scores), _means(scores, LOCAL)
    columns = {"success": overall["success"], "success (local)": local["success"], "IoU (local)": local["iou"]}
    columns |= _per_kind(scores, "success")
    return _markdown(scores, columns, ["inside", "outside", "evaluations", "seconds"], digits=2)


def _means(scores: pd.DataFrame, kinds: Sequence[str] = KINDS) -> pd.DataFrame:
    chosen = pd.DataFrame(scores[scores["kind"].isin(kinds)])
    return pd.DataFrame(chosen.groupby("way", sort=False).mean(numeric_only=True))


def _per_kind(scores: pd.DataFrame, field: str) -> dict[str, pd.Series]:
    return {kind: _means(scores, [kind])[field] for kind in KINDS}


def _markdown(
    scores: pd.DataFrame, columns: dict[str, pd.Series], more: Sequence[str], digits: int, best_first: str = ""
) -> str:
    table = pd.DataFrame({**columns, **_means(scores)[list(more)]}, index=scores["way"].unique())
    if best_first:
        table = table.sort_values(best_first, ascending=False)
    cells = table.map(lambda value: "-" if pd.isna(value) else f"{value:.{digits}f}")
    cells["evaluations"] = table["evaluations"].map("{:.0f}".format)
    return cells.to_markdown(disable_numparse=True) + "\n"


def plot(scores: pd.DataFrame, path: Path) -> None:
    """Success against error outside the region: up and to the left is better."""
    axes = (figure := Figure(figsize=(7, 4.5), layout="constrained")).subplots()
    means = _means(scores)
    ways, outside, success = means.index.tolist(), means["outside"].tolist(), means["success"].tolist()
    chain = means[means.index.str.startswith("SDEdit")]
    axes.plot(chain["outside"], chain["success"], color="lightgrey", zorder=0)
    axes.scatter(outside, success, s=40, c=["tab:orange" if "ours" in way else "tab:blue" for way in ways])
    axes.set(xlabel="error outside the region (RMS, levels of 255)", ylabel="edits that succeed", ylim=(0, 1.05))
    axes.margins(x=0.25)
    axes.set_xlim(left=-1)
    names = [axes.text(x, y, way, fontsize=8) for x, y, way in zip(outside, success, ways, strict=True)]
    adjust_text(names, outside, success, ax=axes)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
