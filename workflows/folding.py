"""What goes in and out of nodes that are shown as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from declared import inputs_of
from drawing import Fold, Graph, Node, Socket, Widget, slot_of


@dataclass(frozen=True)
class Entry:
    """One input of the folded nodes."""

    name: str
    type: str
    ends: list[Widget]  # what it reaches inside
    source: Socket | None  # what is connected to it outside
    is_widget: bool = False
    value: Any = None  # of its widget


def inside(graph: Graph) -> list[Node]:
    outside = {node.id for node in graph.fold.outside} if graph.fold else set()
    return [node for node in graph.nodes if node.id not in outside]


def entries(graph: Graph, fold: Fold, object_info: dict[str, Any]) -> list[Entry]:
    """In the order in which the page lists them: sockets, then widgets."""
    nodes = inside(graph)
    turned = {(node.id, name) for ends in fold.widgets.values() for node, name in ends}
    found = [_socket(name, socket, nodes, turned, object_info) for name, socket in fold.sockets.items()]
    found += [_widget(name, ends, object_info) for name, ends in fold.widgets.items()]
    reached = {(node.id, name) for entry in found for node, name in entry.ends}
    for node, name in _crossing(nodes):
        if (node.id, name) not in reached:
            raise ValueError(f"{graph.name}: {node.kind}.{name} comes from outside of {fold.name!r}; name it there")
    return found


def _socket(
    name: str, socket: Socket, nodes: list[Node], turned: set[tuple[int, str]], object_info: dict[str, Any]
) -> Entry:
    ends = [
        (node, key) for node, key in _crossing(nodes) if node.inputs[key] == socket and (node.id, key) not in turned
    ]
    if not ends:
        raise ValueError(f"nothing inside takes {name}")
    return Entry(name, type_of(socket, object_info), ends, socket)


def _widget(name: str, ends: list[Widget], object_info: dict[str, Any]) -> Entry:
    node, key = ends[0]
    (declared,) = (each for each in inputs_of(node.kind, node.inputs, object_info) if each.name == key)
    value = node.inputs.get(key, declared.default)
    source = value if isinstance(value, Socket) else None
    return Entry(name, declared.type, ends, source, True, declared.default if source else value)


def _crossing(nodes: list[Node]) -> list[Widget]:
    own = {node.id for node in nodes}
    values = ((node, key, value) for node in nodes for key, value in node.inputs.items())
    return [(node, key) for node, key, value in values if isinstance(value, Socket) and value.node.id not in own]


def output_of(fold: Fold, socket: Socket) -> int:
    return next(i for i, each in enumerate(fold.outputs.values()) if each == socket)


def type_of(socket: Socket, object_info: dict[str, Any]) -> str:
    return object_info[socket.node.kind]["output"][slot_of(socket, object_info)]
