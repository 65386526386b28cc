"""Quality as a number, on held-out toybox edits: ``python -m bench.quality [masks] [edits] [sweep] [--count N]``.

Prints a table for each part, overall and per kind of edit, and writes them beside the raw scores and the plot.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from tqdm import tqdm

from bench import edit_quality, mask_quality
from bench.cases import batches, held_out
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.toybox import KINDS

RESULTS = Path(__file__).parent / "results"
LOCAL = ("colour", "shape", "both", "object")  # the kinds that the targets are set for


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=["masks", "edits", "sweep", []], help="all of them by default")
    parser.add_argument("--count", type=int, default=300, help="held-out edits (default: 300)")
    parser.add_argument("--batch", type=int, default=7, help="edits that share their noise (default: 7)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", default=None, help="a pipeline's folder (default: the bundled model)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    host = DiffusersHost.from_pretrained(options.model or _bundled(), options.device)
    for part in options.parts or ["masks", "edits"]:
        scores = _measure(host, part, options.count, options.batch, options.seed)
        (options.out / f"quality_{part}.jsonl").write_text("".join(json.dumps(s) + "\n" for s in scores))
        table = mask_table(scores) if part == "masks" else edit_table(scores)
        (options.out / f"quality_{part}.md").write_text(table)
        print(f"\n{part}, {options.count} held-out edits\n\n{table}")
        if part == "edits":
            plot(scores, options.out / "quality.png")


def _measurer(part: str) -> Callable:
    if part == "masks":
        return mask_quality.scores
    ways = edit_quality.WAYS if part == "edits" else edit_quality.sweep()
    return lambda host, batch, seed: edit_quality.scores(host, batch, seed, ways)


def _measure(host: DiffusersHost, part: str, count: int, size: int, seed: int) -> list[dict]:
    """A batch draws one noise for all of its edits, and each batch another: one unlucky noise shall not decide."""
    edits, measure = held_out(count), _measurer(part)
    rows: list[dict] = []
    with tqdm(total=count, desc=part, file=sys.stderr) as bar:
        for number, batch in enumerate(batches(host, edits, size)):
            rows += [asdict(score) for score in measure(host, batch, seed + number)]
            bar.update(len(batch.edits))
    return rows


def mask_table(scores: Iterable[dict]) -> str:
    """Ways by mean IoU over the local kinds, best first."""
    head = ["way", "IoU (local)", "leak (local)", *KINDS, "evaluations", "seconds"]
    ways = _grouped(scores)
    rows = []
    for way, found in ways.items():
        local = [s for s in found if s["kind"] in LOCAL]
        per_kind = [_mean(s["iou"] for s in found if s["kind"] == kind) for kind in KINDS]
        cells = [_mean(s["iou"] for s in local), _mean(s["leak"] for s in local), *per_kind]
        rows.append(
            [way, *(f"{c:.3f}" for c in cells), str(found[0]["evaluations"]), f"{_mean_of(found, 'seconds'):.2f}"]
        )
    return _markdown(head, sorted(rows, key=lambda row: -float(row[1])))


def edit_table(scores: Iterable[dict]) -> str:
    head = ["way", "success", "success (local)", "IoU (local)", *KINDS, "inside", "outside", "evaluations", "seconds"]
    rows = []
    for way, found in _grouped(scores).items():
        local = [s for s in found if s["kind"] in LOCAL]
        overlap = [s["iou"] for s in local if s["iou"] is not None]
        per_kind = [_mean(s["success"] for s in found if s["kind"] == kind) for kind in KINDS]
        rows.append(
            [
                way,
                f"{_mean_of(found, 'success'):.2f}",
                f"{_mean_of(local, 'success'):.2f}",
                f"{fmean(overlap):.3f}" if overlap else "-",
                *(f"{share:.2f}" for share in per_kind),
                f"{_mean_of(found, 'inside'):.1f}",
                f"{_mean_of(found, 'outside'):.2f}",
                str(found[0]["evaluations"]),
                f"{_mean_of(found, 'seconds'):.2f}",
            ]
        )
    return _markdown(head, rows)


def plot(scores: Iterable[dict], path: Path) -> None:
    """Success against error outside the region: up and to the left is better."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    places = {way: (_mean_of(s, "outside"), _mean_of(s, "success")) for way, s in _grouped(scores).items()}
    chain = [place for way, place in places.items() if way.startswith("SDEdit")]
    axes.plot(*zip(*chain, strict=True), color="lightgrey", zorder=0)
    for way, (x, y) in places.items():
        axes.scatter(x, y, s=60 if "ours" in way else 30, color="tab:orange" if "ours" in way else "tab:blue")
    axes.set(xlabel="error outside the region (RMS, levels of 255)", ylabel="edits that succeed", ylim=(0, 1.05))
    axes.margins(x=0.25)
    axes.set_xlim(left=-1)
    figure.draw_without_rendering()  # only then is it known how large a text is
    _label(axes, places)
    figure.savefig(path, dpi=120)


def _label(axes: Axes, places: dict[str, tuple[float, float]]) -> None:
    """Each point's name beside it, on the first side where it covers no other name and no point."""
    taken = [
        Bbox.from_extents(*(x - 4, y - 4), *(x + 4, y + 4)) for x, y in axes.transData.transform([*places.values()])
    ]
    for name, place in places.items():
        for shift, side in (((7, -3), "left"), ((-7, -3), "right"), ((0, 7), "center"), ((0, -13), "center")):
            text = axes.annotate(name, place, xytext=shift, textcoords="offset points", fontsize=8, ha=side)
            box = text.get_window_extent()
            if box.count_overlaps(taken) == 0:
                break
            text.remove()
        else:
            text = axes.annotate(name, place, xytext=(7, 7), textcoords="offset points", fontsize=8)
        taken.append(text.get_window_extent())


def _bundled() -> Path:
    from diffedit_core.toybox.model import WEIGHTS

    return WEIGHTS


def _grouped(scores: Iterable[dict]) -> dict[str, list[dict]]:
    ways: dict[str, list[dict]] = defaultdict(list)
    for score in scores:
        ways[score["way"]].append(score)
    return ways


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return fmean(numbers) if numbers else float("nan")


def _mean_of(scores: Sequence[dict], field: str) -> float:
    return _mean(float(score[field]) for score in scores)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


if __name__ == "__main__":
    main()
