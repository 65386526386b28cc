"""A graph described once, written in both of ComfyUI's formats: the UI's (version 0.4) and the API's.

What a node's inputs are called, which of them are widgets and what their defaults are is asked of a running ComfyUI,
so that nothing about a node is kept twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from declared import Input, inputs_of

COLUMN, GAP, LINE, WIDGET = 360, 50, 20, 25
"""Pixels: a column's pitch, the air between nodes, and the heights of a socket and of a widget."""
NOTE = "MarkdownNote"
CORE_VERSION = "0.3.64"


@dataclass
class Node:
    kind: str
    column: int
    title: str | None
    height: int  # beyond sockets and widgets: a preview, or the text of a note
    inputs: dict[str, Any]  # a Socket, or a widget's value
    models: list[dict[str, str]]
    width: int
    id: int = 0
    pos: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)

    def __getitem__(self, output: str) -> Socket:
        return Socket(self, output)


@dataclass(frozen=True)
class Socket:
    node: Node
    output: str


@dataclass
class Graph:
    name: str  # of the API file: easy to type
    title: str  # of the UI file: what the list of templates shows
    description: str
    since: str = ""  # the first ComfyUI that has all of its nodes, where the oldest that we support has not
    nodes: list[Node] = field(default_factory=list)
    groups: list[tuple[str, str, list[Node]]] = field(default_factory=list)

    def add(
        self,
        kind: str,
        column: int,
        /,
        *,
        title: str | None = None,
        height: int = 0,
        models: list[dict[str, str]] | None = None,
        width: int = COLUMN - GAP,
        **inputs: Any,
    ) -> Node:
        """Nodes of one column are stacked in the order in which they are added."""
        node = Node(kind, column, title, height, inputs, models or [], width, id=len(self.nodes) + 1)
        self.nodes.append(node)
        return node

    def note(self, column: int, text: str, *, title: str, height: int = 200, width: int = COLUMN - GAP) -> Node:
        return self.add(NOTE, column, title=title, height=height, width=width, text=text)

    def group(self, title: str, colour: str, nodes: list[Node]) -> None:
        self.groups.append((title, colour, nodes))


def to_api(graph: Graph, object_info: dict[str, Any]) -> dict[str, Any]:
    """{id: {inputs, class_type, _meta}}, with every widget's value."""
    return {
        str(node.id): {
            "inputs": _api_inputs(node, object_info),
            "class_type": node.kind,
            "_meta": {"title": node.title or object_info[node.kind]["display_name"]},
        }
        for node in graph.nodes
        if node.kind != NOTE
    }


def _api_inputs(node: Node, object_info: dict[str, Any]) -> dict[str, Any]:
    declared = inputs_of(node.kind, node.inputs, object_info)
    unknown = set(node.inputs) - {each.name for each in declared}
    if unknown:
        raise ValueError(f"{node.kind} has no input {', '.join(sorted(unknown))}")
    values = {}
    for each in declared:
        value = node.inputs.get(each.name, each.default if each.is_widget else None)
        if isinstance(value, Socket):
            values[each.name] = [str(value.node.id), _slot(value, object_info)]
        elif value is not None:
            values[each.name] = value
    return values


def to_ui(graph: Graph, object_info: dict[str, Any], version: str) -> dict[str, Any]:
    arrange(graph, object_info)
    links = _links(graph, object_info)
    versions = {"diffedit": version, "comfy-core": graph.since or CORE_VERSION}
    nodes = [_ui_node(node, order, links, object_info, versions) for order, node in enumerate(graph.nodes)]
    return {
        "last_node_id": len(graph.nodes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": [_ui_group(i, *group) for i, group in enumerate(graph.groups, start=1)],
        "config": {},
        "extra": {"ds": {"scale": 0.6, "offset": [60, 120]}, "info": {"description": graph.description}},
        "version": 0.4,
    }


def arrange(graph: Graph, object_info: dict[str, Any]) -> None:
    bottoms: dict[int, int] = {}
    for node in graph.nodes:
        y = bottoms.get(node.column, 0)
        node.pos, node.size = (node.column * COLUMN, y), (node.width, _height(node, object_info))
        bottoms[node.column] = y + node.size[1] + GAP + LINE


def _height(node: Node, object_info: dict[str, Any]) -> int:
    if node.kind == NOTE:
        return node.height
    declared = inputs_of(node.kind, node.inputs, object_info)
    widgets = sum(1 + len(each.extra) for each in declared if each.is_widget)
    sockets = sum(not each.is_widget for each in declared)
    return 15 + LINE * max(sockets, len(object_info[node.kind]["output"])) + WIDGET * widgets + node.height


def _links(graph: Graph, object_info: dict[str, Any]) -> list[list[Any]]:
    """[id, from node, from slot, to node, to slot, type]."""
    links = []
    for node in graph.nodes:
        if node.kind == NOTE:
            continue
        for slot, each in enumerate(_sockets_first(node, object_info)):
            value = node.inputs.get(each.name)
            if isinstance(value, Socket):
                from_slot = _slot(value, object_info)
                type_ = object_info[value.node.kind]["output"][from_slot]
                links.append([len(links) + 1, value.node.id, from_slot, node.id, slot, type_])
    return links


def _sockets_first(node: Node, object_info: dict[str, Any]) -> list[Input]:
    return sorted(inputs_of(node.kind, node.inputs, object_info), key=lambda each: each.is_widget)


def _slot(socket: Socket, object_info: dict[str, Any]) -> int:
    return object_info[socket.node.kind]["output_name"].index(socket.output)


def _ui_node(
    node: Node, order: int, links: list[list[Any]], object_info: dict[str, Any], versions: dict[str, str]
) -> dict[str, Any]:
    drawn = {
        "id": node.id,
        "type": node.kind,
        "pos": list(node.pos),
        "size": list(node.size),
        "flags": {},
        "order": order,
        "mode": 0,
    }
    if node.title:
        drawn["title"] = node.title
    if node.kind == NOTE:
        look = {"color": "#432", "bgcolor": "#653"}
        return drawn | {"properties": {}, "widgets_values": [node.inputs["text"]]} | look
    drawn["inputs"] = [
        _ui_input(node, slot, each, links) for slot, each in enumerate(_sockets_first(node, object_info))
    ]
    drawn["outputs"] = _ui_outputs(node, links, object_info[node.kind])
    drawn["properties"] = _properties(node, versions)
    drawn["widgets_values"] = [
        value
        for each in inputs_of(node.kind, node.inputs, object_info)
        if each.is_widget
        for value in (_widget_value(node, each), *each.extra)
    ]
    return drawn


def _ui_input(node: Node, slot: int, each: Input, links: list[list[Any]]) -> dict[str, Any]:
    link = next((link[0] for link in links if link[3:5] == [node.id, slot]), None)
    widget = {"widget": {"name": each.name}} if each.is_widget else {}
    return {"name": each.name, "type": each.type, **widget, "link": link}


def _ui_outputs(node: Node, links: list[list[Any]], info: dict[str, Any]) -> list[dict[str, Any]]:
    if info["output_node"] and not any(link[1] == node.id for link in links):
        return []  # newer versions give Save Image an output; the page adds what it finds missing
    return [
        {"name": name, "type": type_, "links": [link[0] for link in links if link[1:3] == [node.id, slot]] or None}
        for slot, (name, type_) in enumerate(zip(info["output_name"], info["output"], strict=True))
    ]


def _widget_value(node: Node, each: Input) -> Any:
    value = node.inputs.get(each.name, each.default)
    return each.default if isinstance(value, Socket) else value


def _properties(node: Node, versions: dict[str, str]) -> dict[str, Any]:
    """The page tells whoever lacks a node which version of what has it."""
    origin = "diffedit" if node.kind.startswith("DiffEdit_") else "comfy-core"
    came_with = {"cnr_id": origin, "ver": versions[origin]}
    return {"Node name for S&R": node.kind} | came_with | ({"models": node.models} if node.models else {})


def _ui_group(number: int, title: str, colour: str, nodes: list[Node]) -> dict[str, Any]:
    left, top = min(node.pos[0] for node in nodes) - 15, min(node.pos[1] for node in nodes) - 80
    right = max(node.pos[0] + node.size[0] for node in nodes) + 15
    bottom = max(node.pos[1] + node.size[1] for node in nodes) + 15
    bounding = [left, top, right - left, bottom - top]
    return {"id": number, "title": title, "bounding": bounding, "color": colour, "font_size": 24, "flags": {}}
