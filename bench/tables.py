"""Scores -> the tables and the plot that quality is reported in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from adjustText import adjust_text
from matplotlib.figure import Figure

from bench import keep_quality, large_quality, several_quality
from diffedit_core.toybox import KINDS

LOCAL = ("colour", "shape", "both", "object")  # where an object changes
OURS = "DiffEdit (ours), balanced"  # what the others are compared with


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


def grey_table(scores: pd.DataFrame) -> str:
    """By kind of edit, read as strength less blended, under the same mask of the same edit."""
    rows = []
    for kind, way in scores[["kind", "way"]].drop_duplicates().itertuples(index=False):
        some = pd.DataFrame(scores[scores["kind"] == kind])
        these, own = pd.DataFrame(some[some["way"] == way]), way.replace("strength", "blend")
        row = {"kind": kind, "mask": way, "edits": len(these)}
        for field in ("success", "inside", "outside"):
            row |= {field: these[field].mean(), f"{field}, less blended": _less(some, own, field)[way]}
        rows.append(row)
    return _in_markdown(pd.DataFrame(rows).set_index("kind"), digits=2)


def fill_table(scores: pd.DataFrame) -> str:
    """What finds the mask, what it costs, and what the whole edit comes to."""
    groups = scores.groupby("way", sort=False)
    named = {"mask: evaluations": "evaluations_of_mask", "evaluations": "evaluations"}
    named |= {"mask: seconds": "seconds_of_mask", "seconds": "seconds"}
    columns = {
        "edits": groups.size(),
        "IoU": _with_error(scores, "iou"),
        "success": _with_error(scores, "success"),
        "outside, median": groups["outside"].median(),
        **{title: groups[field].mean() for title, field in named.items()},
    }
    return _in_markdown(pd.DataFrame(columns), digits=2)


def keep_table(scores: pd.DataFrame) -> str:
    """All ways, then ours by what drifted, by kind of edit and by size, and what was refused."""
    edits = pd.DataFrame(scores[scores["kind"] != keep_quality.STRANGERS])
    strangers = scores[scores["kind"] == keep_quality.STRANGERS]
    ours = pd.DataFrame(edits[edits["way"] == keep_quality.OURS])
    tables = [_in_markdown(_kept(edits, "way"), digits=2)]
    tables += [_in_markdown(_kept(ours, by), digits=2) for by in ("drift", "kind", "pixels")]
    refused = f"Refused: {strangers['refused'].sum():.0f} of {len(strangers)} pairs with nothing in common"
    refused += f", and {strangers['doubted'].sum():.0f} in doubt"
    return "\n".join([*tables, f"{refused}; {ours['refused'].sum():.0f} of {len(ours)} edits.\n"])


def _kept(scores: pd.DataFrame, by: str) -> pd.DataFrame:
    groups, local = scores.groupby(by, sort=False), scores[scores["kind"].isin(LOCAL)].groupby(by, sort=False)
    shown = scores[scores["showed"]].astype({"shows": float}).groupby(by, sort=False)["shows"]
    columns = {"edits": groups.size()}
    for field in ("misplaced", "outside", "tint"):
        columns |= {f"{field}, median": groups[field].median(), f"{field}, 95th": groups[field].quantile(0.95)}
    columns |= {
        "IoU (local)": local["iou"].mean().map("{:.3f}".format) + " ± " + local["iou"].sem().map("{:.3f}".format),
        "with shadows": local["iou_seen"].mean(),
        "still shows": shown.mean().map("{:.3f}".format) + " ± " + shown.sem().map("{:.3f}".format),
        "pixels that differ outside": groups["differing"].sum(),
        "refused": groups["refused"].sum(),
        "seconds": groups["seconds"].mean(),
    }
    return pd.DataFrame(columns)


def _product(scores: pd.DataFrame) -> pd.Series:
    """Of the rates at which each kind succeeds when it is done alone, over the kinds of each task."""
    alone = scores[scores["way"] == several_quality.ALONE]
    kinds, shown = alone["kind"].str.split(" + ", regex=False).explode(), alone["each"].explode().astype(float)
    rates = shown.groupby(kinds.to_numpy()).mean().to_dict()
    of_tasks = [float(np.prod([rates.get(kind, np.nan) for kind in each.split(" + ")])) for each in scores["kind"]]
    return pd.Series(pd.DataFrame({"way": scores["way"], "rate": of_tasks}).groupby("way", sort=False)["rate"].mean())


TABLES = {
    "masks": mask_table,
    "large": large_table,
    "several": several_table,
    "greys": grey_table,
    "fills": fill_table,
    "keeps": keep_table,
}


def _with_error(scores: pd.DataFrame, field: str) -> pd.Series:
    groups = scores.groupby("way", sort=False)[field]
    return groups.mean().map("{:.3f}".format) + " ± " + groups.sem().map("{:.3f}".format)


def _less(scores: pd.DataFrame, own: str, field: str = "success") -> pd.Series:
    """Paired: on the tasks that both did."""
    wide = scores.pivot_table(index=["kind", "seed"], columns="way", values=field, aggfunc="first").astype(float)
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
