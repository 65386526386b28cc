"""Graphs of a few nodes: all of an edit is folded into one, with the knobs that matter."""

from __future__ import annotations

from collections.abc import Sequence

import pointers
from drawing import NOTE, Fold, Graph, Node, Socket, Widget
from parts import Start

CHANGE, FIND = "Edit one thing, keep the rest", "Mask where two texts differ"
CHANGES = (
    "Say what is there and what should be there instead. It finds the place, changes it, and keeps every other pixel. "
    "The settings inside suit most checkpoints. A distilled model or one with guidance of its own wants others: take "
    "this node out of the template for that model."
)
FINDS = (
    "Say what is there and what should be there instead: a mask of the place where a model sees a difference, and the "
    "heatmap it is cut from. Any node that takes a mask can use it."
)
EDITS = ("edit", "inpaint", "remove", "replace", "change colour", "change color", "diffedit", "image to image")
MASKS = ("mask", "segment", "text to mask", "automatic mask", "find object", "detect", "inpaint mask", "diffedit")
MASK, REFINE = "DiffEdit_DiffEditMask", "DiffEdit_MaskRefine"
INVERT, DENOISE = "DiffEdit_DDIMInvert", "DiffEdit_MaskedDenoise"
GUIDED = {
    "value": (REFINE, "value"),
    "strength": (INVERT, "strength"),
    "guidance": (DENOISE, "guidance"),
    "tries": (DENOISE, "tries"),
    "seed": (DENOISE, "seed"),
}
DISTILLED = {name: end for name, end in GUIDED.items() if name != "guidance"}
"""Without guidance, which must be 1 there."""

TELLING = {"value": (REFINE, "value"), "grow": (REFINE, "grow")}
FINDING = {**TELLING, "edge_snap": (REFINE, "edge_snap"), "draws": (MASK, "draws"), "seed": (MASK, "seed")}


def in_one(
    graph: Graph,
    start: Start,
    pasted: Node,
    shown: Sequence[Node],
    knobs: dict[str, tuple[str, str]] = GUIDED,
    widgets: dict[str, list[Widget]] | None = None,
    **outputs: Socket,
) -> Graph:
    """Folds what lies between the picture that goes in and what is ``shown`` of the one that comes out."""
    turns = turned(graph, knobs) | (widgets or {})
    outputs = {"picture": pasted["picture"], "mask": pasted["mask"]} | outputs
    return _folded(graph, start, Fold(CHANGE, CHANGES, [*shown], {}, turns, outputs, EDITS))


def found_in_one(graph: Graph, start: Start, found: Node, cut: Node, shown: Sequence[Node]) -> Graph:
    outputs = {"mask": cut["mask"], "heatmap": found["heatmap"]}
    return _folded(graph, start, Fold(FIND, FINDS, [*shown], {}, turned(graph, FINDING), outputs, MASKS))


def _folded(graph: Graph, start: Start, fold: Fold) -> Graph:
    """What is loaded, and what is said about the texts and the knobs, stays outside."""
    graph.note(1, pointers.knobs(*fold.widgets), title="The knobs", height=110 + 26 * len(fold.widgets))
    notes_beside = [node for node in graph.nodes if node.kind == NOTE and node.column == 1]
    fold.outside = [*(node for node in graph.nodes if node.column == 0), *notes_beside, *fold.outside]
    fold.sockets = {"picture": start.picture, "model": start.model, "clip": start.clip, "vae": start.vae}
    fold.widgets = {side.lower(): [_said(graph, side)] for side in ("Source", "Target")} | fold.widgets
    graph.fold = fold
    return graph


def _said(graph: Graph, side: str) -> Widget:
    """Where that text is written."""
    node = next(node for node in graph.nodes if (node.title or "").startswith(f"{side}:") and "clip" in node.inputs)
    return node, next(name for name in ("text", "prompt") if name in node.inputs)


def turned(graph: Graph, knobs: dict[str, tuple[str, str]]) -> dict[str, list[Widget]]:
    return {
        name: [(next(node for node in graph.nodes if node.kind == kind), widget)]
        for name, (kind, widget) in knobs.items()
    }
