"""A graph described once, and written in ComfyUI's API format; ``canvas`` writes it in the UI's.

What a node's inputs are called, which of them are widgets and what their defaults are is asked of a running ComfyUI,
so that nothing about a node is kept twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from declared import inputs_of

COLUMN, GAP = 360, 50
"""Pixels: a column's pitch, and the air between nodes."""
NOTE = "MarkdownNote"


@dataclass(eq=False)
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


Widget = tuple[Node, str]


Field = tuple["Node | Fold", str, str]
"""A widget of a node, and what the page says about it."""


@dataclass(frozen=True)
class Page:
    """What an app shows of a graph: widgets, with a word on each, and the node whose pictures are the result."""

    inputs: list[Field]
    result: Node


@dataclass
class Fold:
    """A graph's nodes that are shown as one, and on a page of their own: all but those outside."""

    name: str
    description: str
    outside: list[Node]
    sockets: dict[str, Socket]  # what comes in, by the name of the input
    widgets: dict[str, list[Widget]]  # what can be turned without opening it; some turn several
    outputs: dict[str, Socket]
    aliases: tuple[str, ...] = ()  # words by which it is searched
    column: int = 1
    height: int = 120  # beyond sockets and widgets: its texts
    pos: tuple[int, int] = (0, 0)
    size: tuple[int, int] = (0, 0)


@dataclass
class Graph:
    name: str  # of the API file: easy to type
    title: str  # of the UI file: what the list of templates shows
    description: str
    since: str = ""  # the first ComfyUI that has all of its nodes, where the oldest that we support has not
    nodes: list[Node] = field(default_factory=list)
    groups: list[tuple[str, str, list[Node]]] = field(default_factory=list)
    fold: Fold | None = None
    page: Page | None = None

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


def folded(graph: Graph) -> Fold:
    if graph.fold is None:
        raise ValueError(f"nothing is folded in {graph.name}")
    return graph.fold


def numbers(version: str) -> list[int]:
    """Versions in the order of these; none comes first."""
    return [int(number) for number in re.findall(r"\d+", version)]


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
            values[each.name] = [str(value.node.id), slot_of(value, object_info)]
        elif value is not None:
            values[each.name] = value
    return values


def slot_of(socket: Socket, object_info: dict[str, Any]) -> int:
    return object_info[socket.node.kind]["output_name"].index(socket.output)
