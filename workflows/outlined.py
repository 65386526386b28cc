"""A mask that two texts find, and its outline by a model that knows edges."""

from __future__ import annotations

from typing import Any

import pointers
from drawing import Graph, Node
from models import SAM3, SD15, load
from parts import Start, begin, find, refine, save
from shortened import found_in_one

from diffedit_core.settings import EditSettings


def outlined() -> Graph:
    described = "Two texts find the thing, and SAM3 outlines it to the pixel."
    graph = Graph("outlined", "Find it by two texts, outline it (SAM3)", described, since="0.20.0")
    start = begin(graph, SD15, "SD1.5, or any checkpoint made from it, and SAM3.")
    found, cut = found_whole(graph, start)
    pointed = graph.add("DiffEdit_BoxesAndPoints", 4, mask=cut["mask"], heatmap=found["heatmap"])
    sam = load(graph, 4, SAM3, title="Load SAM3")
    wires: dict[str, Any] = {"model": sam["MODEL"], "image": start.picture, "bboxes": pointed["boxes"]}
    outline = graph.add("SAM3_Detect", 4, title="Outline what is in the boxes", **wires)
    before, after = (
        graph.add("MaskToImage", 5, title=title, mask=mask)["IMAGE"]
        for title, mask in (("The mask", cut["mask"]), ("The outline", outline["masks"]))
    )
    first = graph.add("PreviewImage", 5, title="As the two texts find it", height=230, images=before)
    kept = save(graph, 6, after, height=230, title="As SAM3 outlines it")
    note = graph.note(4, pointers.OUTLINING, title="The outline", height=260)
    return found_in_one(graph, start, found, cut, [pointed, sam, outline, note, before.node, after.node, first, kept])


def found_whole(graph: Graph, start: Start) -> tuple[Node, Node]:
    """The heatmap of what is seen of a picture, and a mask of all of the picture."""
    found = find(graph, "DiffEdit_DiffEditMask", start, negative=start.negative)
    how = EditSettings().mask
    knobs = {"rule": how.cut.rule, "edge_snap": how.refinement.edge_snap, "way_back": start.seen.node["way back"]}
    cut = refine(graph, 3, found["heatmap"], start.picture, title="Cut and refine the mask", **knobs)
    return found, cut
