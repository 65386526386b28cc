"""Boxes and points on the wire: what they say, and ComfyUI's own SAM3 nodes with them, on a small random SAM3."""

from __future__ import annotations

import json

import numpy as np
import pytest
from graphs import DESCRIBED, DRAWN, SIZE, Graph, api, drawn_on, few, picture, pictures_of, png, the, titled, with_node
from installations import Installation
from server import Server

POINTED, DETECT = "DiffEdit_BoxesAndPoints", "SAM3_Detect"


@pytest.fixture(autouse=True)
def uploaded(server: Server) -> None:
    server.upload("example.png", png(picture(*SIZE)))


def drawn() -> Graph:
    """A rectangle on black, and what the node makes of it."""
    graph: Graph = {}
    graph = with_node(graph, "ground", "SolidMask", value=0.0, width=SIZE[0], height=SIZE[1])
    graph = with_node(graph, "thing", "SolidMask", value=1.0, width=DRAWN["width"], height=DRAWN["height"])
    placed = {"x": DRAWN["x"], "y": DRAWN["y"], "operation": "or"}
    graph = with_node(graph, "mask", "MaskComposite", destination=["ground", 0], source=["thing", 0], **placed)
    how = {"margin": 2, "least": 0.1, "inside": 1, "outside": 2}
    return with_node(graph, "pointed", POINTED, mask=["mask", 0], **how)


def test_every_comfyui_is_told_the_same(server: Server) -> None:
    graph = drawn()
    for slot, name in enumerate(("boxes", "inside", "outside")):
        graph = with_node(graph, name, "PreviewAny", source=["pointed", slot])
    run = server.run_well(graph)
    boxes, inside, outside = (json.loads(run.outputs[name]["text"][0]) for name in ("boxes", "inside", "outside"))
    x, y, width, height = (DRAWN[side] for side in ("x", "y", "width", "height"))
    assert boxes == [[{"x": x - 2, "y": y - 2, "width": width + 4, "height": height + 4}]]
    ((point),) = inside
    assert abs(point["x"] - (x + width / 2)) <= 1 and abs(point["y"] - (y + height / 2)) <= 1
    assert len(outside) == 2
    for each in outside:
        assert not (x <= each["x"] < x + width and y <= each["y"] < y + height)


def test_sam3_follows_the_boxes_and_the_points(server: Server, installation: Installation) -> None:
    since = DESCRIBED["outlined"].since
    if not installation.has(since):
        pytest.skip(f"there is no SAM3 before ComfyUI {since}")
    graph = drawn_on(few(api("outlined")), SIZE)
    (outline,), detect = titled(graph, "The outline"), the(graph, DETECT)
    graph[detect]["inputs"] |= {"refine_iterations": 1}
    (boxed,) = pictures_of(server, graph, [outline, 0])
    assert boxed.shape == (*SIZE[::-1], 3) and set(np.unique(boxed)) <= {0, 255}
    graph[the(graph, POINTED)]["inputs"]["margin"] = 20
    assert (pictures_of(server, graph, [outline, 0])[0] != boxed).any()
    pointed = the(graph, POINTED)
    del graph[detect]["inputs"]["bboxes"]
    graph[detect]["inputs"] |= {"positive_coords": [pointed, 1], "negative_coords": [pointed, 2]}
    (by_points,) = pictures_of(server, graph, [outline, 0])
    assert by_points.shape == boxed.shape and (by_points != boxed).any()


def test_an_empty_mask_gives_no_outline(server: Server, installation: Installation) -> None:
    since = DESCRIBED["outlined"].since
    if not installation.has(since):
        pytest.skip(f"there is no SAM3 before ComfyUI {since}")
    graph = few(api("outlined"))
    graph = with_node(graph, "80", "SolidMask", value=0.0, width=SIZE[0], height=SIZE[1])
    pointed = the(graph, POINTED)
    graph[pointed]["inputs"] |= {"mask": ["80", 0]}
    del graph[pointed]["inputs"]["heatmap"]
    graph[the(graph, DETECT)]["inputs"] |= {"positive_coords": [pointed, 1], "negative_coords": [pointed, 2]}
    (outline,) = titled(graph, "The outline")
    (nothing,) = pictures_of(server, graph, [outline, 0])
    assert nothing.shape == (*SIZE[::-1], 3) and not nothing.any()
