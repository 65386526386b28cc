"""What the pack adds to ComfyUI's list of nodes: whole graphs as single nodes."""

from __future__ import annotations

from typing import Any

from drawing import Fold, Graph
from edits import diffedit
from models import SD15
from outlined import found_whole
from parts import PICTURE, begin
from shortened import found_in_one, turned

KEEP = "Keep the rest of an edit"
KEEPS = (
    "Takes a picture and what any edit model made of it. Shift, zoom and tint are undone, and only what was meant to "
    "change comes in; everything else is the original, to the pixel. A mask is not needed."
)
KEEPING = ("edit", "align", "restore background", "composite", "paste back", "drift", "color match", "pixel shift")
KNOBS = ("sensitivity", "grow", "alignment", "colour", "refused")


def change() -> Graph:
    """The general one: templates have their own, with what their model wants."""
    graph = diffedit()
    graph.name = "blueprint_change"
    return graph


def find_mask() -> Graph:
    graph = Graph("blueprint_find", "", "")
    start = begin(graph, SD15, "any.")
    return found_in_one(graph, start, *found_whole(graph, start), [])


def keep() -> Graph:
    """A mask that is painted on the original may be connected."""
    graph = Graph("blueprint_keep", "", "")
    original, edited = (graph.add("LoadImage", 0, image=PICTURE) for _ in range(2))
    pair: dict[str, Any] = {"original": original["IMAGE"], "edited": edited["IMAGE"], "mask": original["MASK"]}
    kept = graph.add("DiffEdit_KeepTheRest", 1, refused="edited", **pair)
    outputs = {"picture": kept["picture"], "mask": kept["mask"], "aligned": kept["aligned"]}
    knobs = turned(graph, {name: (kept.kind, name) for name in KNOBS})
    graph.fold = Fold(KEEP, KEEPS, [original, edited], pair, knobs, outputs, KEEPING)
    return graph


BLUEPRINTS = (change, find_mask, keep)
