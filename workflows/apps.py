"""Graphs as apps: pages of a few fields, where one says what should change, presses Run, and slides between both."""

from __future__ import annotations

import pointers
from drawing import Field, Graph, Node, Page, folded, numbers
from edits import demo, diffedit
from kept import keep_the_rest
from recent import diffedit_z_image

from diffedit_core import toybox

SINCE = "0.17.0"
"""The first ComfyUI whose page shows apps; it also has the slider."""

SIDE_BY_SIDE, SLIDER, YOURS = "DiffEdit_Panels", "ImageCompare", "Your picture, of any size"
SAID = {
    "source": "What is there",
    "target": "What should be there instead",
}
BOTH = "Before and after: move the mouse"


def demo_app() -> Graph:
    """Its texts are written out, so that they can be rewritten."""
    graph = demo()
    (scene,), (truth,) = all_of(graph, "DiffEdit_DemoScene"), all_of(graph, "PreviewImage")
    seeds = toybox.HELD_OUT_SEEDS
    task = toybox.task(seeds[scene.inputs["seed"] % len(seeds)], scene.inputs["kind"])
    fold = folded(graph)
    for side, words in (("source", task.source), ("target", task.target)):
        ((node, widget),) = fold.widgets[side]
        node.inputs[widget] = words
    graph.nodes.remove(truth)
    fold.outside.remove(truth)
    return as_app(graph, texts_of(graph))


def diffedit_app() -> Graph:
    graph = diffedit()
    return as_app(graph, texts_of(graph))


def z_image_app() -> Graph:
    graph = diffedit_z_image()
    return as_app(graph, texts_of(graph))


def keep_app() -> Graph:
    return as_app(keep_the_rest(), [])


APPS = (demo_app, diffedit_app, z_image_app, keep_app)


def as_app(graph: Graph, texts: list[Field]) -> Graph:
    """With a slider in place of the panels. The page shows what is saved."""
    (slider,), (saved,) = all_of(graph, SIDE_BY_SIDE), all_of(graph, "SaveImage")
    shown = slider.inputs
    slider.kind, slider.title = SLIDER, "Before and after"
    slider.inputs = {"image_a": shown["original"], "image_b": shown["edited"]}
    graph.name, graph.title = f"app_{graph.name}", f"{graph.title}.app"
    graph.since = max(graph.since, SINCE, key=numbers)
    note = graph.note(0, pointers.APP.format(graph.since), title="An app", height=120)
    if graph.fold:
        graph.fold.outside.append(note)
    pictures = [(node, "image", node.title or YOURS) for node in all_of(graph, "LoadImage")]
    graph.page = Page([*pictures, *texts, (slider, "compare_view", BOTH)], saved)
    return graph


def texts_of(graph: Graph) -> list[Field]:
    return [(folded(graph), side, about) for side, about in SAID.items()]


def all_of(graph: Graph, kind: str) -> list[Node]:
    return [node for node in graph.nodes if node.kind == kind]
