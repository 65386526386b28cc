"""A subgraph, as ComfyUI's page stores it: what is in it, and the node that stands for it.

Widgets are shown on that node by links to the subgraph's inputs, which every version of the page understands.
"""

from __future__ import annotations

import uuid
from typing import Any

from drawing import COLUMN, GAP, Fold, Graph
from folding import Entry, type_of
from placing import LINE

HOME = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/comfyui-diffedit/ComfyUI-DiffEdit")
IO_WIDTH = 150


def number_of(graph: Graph) -> int:
    """Of the node that stands for the folded ones."""
    return max(node.id for node in graph.nodes) + 1


def uuid_of(graph: Graph, *names: str) -> str:
    """The same in every build."""
    return str(uuid.uuid5(HOME, "/".join([graph.name, *names])))


def instance(
    graph: Graph, fold: Fold, goes_in: list[Entry], links: list[list[Any]], order: int, object_info: dict[str, Any]
) -> dict[str, Any]:
    number = number_of(graph)
    inputs = [
        {
            "name": entry.name,
            "type": entry.type,
            **({"widget": {"name": entry.name}} if entry.is_widget else {}),
            "link": next((link[0] for link in links if link[3:5] == [number, slot]), None),
        }
        for slot, entry in enumerate(goes_in)
    ]
    outputs = [
        {
            "name": name,
            "type": type_of(socket, object_info),
            "links": [link[0] for link in links if link[1:3] == [number, slot]],
        }
        for slot, (name, socket) in enumerate(fold.outputs.items())
    ]
    return {
        "id": number,
        "type": uuid_of(graph),
        "pos": list(fold.pos),
        "size": list(fold.size),
        "flags": {},
        "order": order,
        "mode": 0,
        "title": fold.name,
        "inputs": inputs,
        "outputs": outputs,
        "properties": {},
        "widgets_values": [entry.value for entry in goes_in if entry.is_widget],
    }


def definition(
    graph: Graph,
    fold: Fold,
    goes_in: list[Entry],
    nodes: list[dict[str, Any]],
    links: list[list[Any]],
    groups: list[dict[str, Any]],
    object_info: dict[str, Any],
) -> dict[str, Any]:
    right = max(node["pos"][0] + node["size"][0] for node in nodes) + 2 * GAP
    types = [(name, type_of(socket, object_info)) for name, socket in fold.outputs.items()]
    named = [(entry.name, entry.type) for entry in goes_in]
    last = max(number_of(graph), *(node["id"] for node in nodes))
    return {
        "id": uuid_of(graph),
        "version": 1,
        "state": {"lastGroupId": len(groups), "lastNodeId": last, "lastLinkId": len(links), "lastRerouteId": 0},
        "revision": 0,
        "config": {},
        "name": fold.name,
        "category": "DiffEdit",
        "description": fold.description,
        "inputNode": {"id": -10, "bounding": [-COLUMN, 0, IO_WIDTH, 2 * LINE * (len(named) + 1)]},
        "outputNode": {"id": -20, "bounding": [right, 0, IO_WIDTH, 2 * LINE * (len(types) + 1)]},
        "inputs": _slots(graph, "in", named, [[x[0] for x in links if x[1:3] == [-10, i]] for i in range(len(named))]),
        "outputs": _slots(
            graph, "out", types, [[x[0] for x in links if x[3:5] == [-20, i]] for i in range(len(types))]
        ),
        "widgets": [],
        "nodes": nodes,
        "groups": groups,
        "links": [dict(zip(LINK, link, strict=True)) for link in links],
        "extra": {},
    }


LINK = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")


def _slots(graph: Graph, side: str, named: list[tuple[str, str]], links: list[list[int]]) -> list[dict[str, Any]]:
    return [
        {"id": uuid_of(graph, side, name), "name": name, "type": type_, "linkIds": ids}
        for (name, type_), ids in zip(named, links, strict=True)
    ]
