"""A graph in ComfyUI's UI format (version 0.4), with what is folded in it as a subgraph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from declared import Input, inputs_of
from drawing import NOTE, Fold, Graph, Node, Socket, folded, slot_of
from folding import Entry, entries, inside, output_of, type_of
from nesting import definition, instance, number_of
from placing import arrange, group_box

CORE_VERSION = "0.3.64"
Link = list[Any]
"""[id, from node, from slot, to node, to slot, type]"""

Origin = tuple[int, int, str]
"""The id of a node, the number of its output, and its type."""


def to_ui(graph: Graph, object_info: dict[str, Any], version: str) -> dict[str, Any]:
    """Nodes that are folded stand on a page of their own."""
    arrange(graph, object_info)
    fold = graph.fold
    goes_in = entries(graph, fold, object_info) if fold else []
    nodes = fold.outside if fold else graph.nodes
    links = _links(nodes, lambda node, name: _outside(graph, node.inputs[name], object_info), object_info)
    if fold:
        links += _into(graph, goes_in, len(links), object_info)
    drawn = [_ui_node(node, order, links, object_info, _versions(graph, version)) for order, node in enumerate(nodes)]
    if fold:
        drawn.append(instance(graph, fold, goes_in, links, len(drawn), object_info))
    groups = [] if fold else _groups(graph, nodes)
    whole = _workflow(graph, drawn, links, groups)
    if fold:
        whole["definitions"] = {"subgraphs": [_subgraph(graph, fold, goes_in, object_info, version)]}
    return whole


def to_blueprint(graph: Graph, object_info: dict[str, Any], version: str) -> dict[str, Any]:
    """The folded nodes alone, for ComfyUI's list of nodes."""
    fold = folded(graph)
    goes_in = entries(graph, fold, object_info)
    arrange(graph, object_info)
    number = number_of(graph)
    return {
        "revision": 0,
        "last_node_id": number,
        "last_link_id": 0,
        "nodes": [instance(graph, fold, goes_in, [], 0, object_info)],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [_subgraph(graph, fold, goes_in, object_info, version)]},
        "extra": {"BlueprintDescription": fold.description, "BlueprintSearchAliases": list(fold.aliases)},
    }


def _workflow(graph: Graph, drawn: list[dict[str, Any]], links: list[Link], groups: list[Any]) -> dict[str, Any]:
    about = {"name": graph.name, "description": graph.description}
    extra: dict[str, Any] = {"ds": {"scale": 0.6, "offset": [60, 120]}, "info": about}
    if graph.page:
        inputs = [
            [str(number_of(graph) if isinstance(node, Fold) else node.id), widget, {"description": said}]
            for node, widget, said in graph.page.inputs
        ]
        extra |= {"linearMode": True, "linearData": {"inputs": inputs, "outputs": [str(graph.page.result.id)]}}
    return {
        "last_node_id": number_of(graph) if graph.fold else number_of(graph) - 1,
        "last_link_id": len(links),
        "nodes": drawn,
        "links": links,
        "groups": groups,
        "config": {},
        "extra": extra,
        "version": 0.4,
    }


def _versions(graph: Graph, version: str) -> dict[str, str]:
    return {"diffedit": version, "comfy-core": graph.since or CORE_VERSION}


def _outside(graph: Graph, socket: Socket, object_info: dict[str, Any]) -> Origin:
    """What a node outside of the folded ones is connected to."""
    if graph.fold and socket.node.id in {node.id for node in inside(graph)}:
        return number_of(graph), output_of(graph.fold, socket), type_of(socket, object_info)
    return _plain(socket, object_info)


def _plain(socket: Socket, object_info: dict[str, Any]) -> Origin:
    return socket.node.id, slot_of(socket, object_info), type_of(socket, object_info)


def _into(graph: Graph, goes_in: list[Entry], count: int, object_info: dict[str, Any]) -> list[Link]:
    """The links to the node that stands for the folded ones."""
    connected = [(slot, entry.source) for slot, entry in enumerate(goes_in) if entry.source]
    starts = [(slot, _plain(source, object_info)) for slot, source in connected]
    return [
        [count + i, start, out, number_of(graph), slot, type_]
        for i, (slot, (start, out, type_)) in enumerate(starts, start=1)
    ]


def _subgraph(
    graph: Graph, fold: Fold, goes_in: list[Entry], object_info: dict[str, Any], version: str
) -> dict[str, Any]:
    nodes = inside(graph)
    reached = {(node.id, name): i for i, entry in enumerate(goes_in) for node, name in entry.ends}

    def origin(node: Node, name: str) -> Origin:
        slot = reached.get((node.id, name))
        return _plain(node.inputs[name], object_info) if slot is None else (-10, slot, goes_in[slot].type)

    links = _links(nodes, origin, object_info, set(reached))
    for i, socket in enumerate(fold.outputs.values()):
        links.append([len(links) + 1, *_plain(socket, object_info)[:2], -20, i, type_of(socket, object_info)])
    drawn = [_ui_node(node, order, links, object_info, _versions(graph, version)) for order, node in enumerate(nodes)]
    return definition(graph, fold, goes_in, drawn, links, _groups(graph, nodes), object_info)


def _links(
    nodes: list[Node],
    origin: Callable[[Node, str], Origin],
    object_info: dict[str, Any],
    reached: set[tuple[int, str]] | None = None,
) -> list[Link]:
    """Those that end in these nodes; ``reached`` are inputs that something reaches from outside."""
    links: list[Link] = []
    for node in (node for node in nodes if node.kind != NOTE):
        for slot, each in enumerate(_sockets_first(node, object_info)):
            if isinstance(node.inputs.get(each.name), Socket) or (node.id, each.name) in (reached or ()):
                start, out, type_ = origin(node, each.name)
                links.append([len(links) + 1, start, out, node.id, slot, type_])
    return links


def _sockets_first(node: Node, object_info: dict[str, Any]) -> list[Input]:
    return sorted(inputs_of(node.kind, node.inputs, object_info), key=lambda each: each.is_widget)


def _ui_node(
    node: Node, order: int, links: list[Link], object_info: dict[str, Any], versions: dict[str, str]
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


def _ui_input(node: Node, slot: int, each: Input, links: list[Link]) -> dict[str, Any]:
    link = next((link[0] for link in links if link[3:5] == [node.id, slot]), None)
    widget = {"widget": {"name": each.name}} if each.is_widget else {}
    return {"name": each.name, "type": each.type, **widget, "link": link}


def _ui_outputs(node: Node, links: list[Link], info: dict[str, Any]) -> list[dict[str, Any]]:
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


def _groups(graph: Graph, nodes: list[Node]) -> list[dict[str, Any]]:
    shown = {node.id for node in nodes}
    kept = [(title, colour, [each for each in group if each.id in shown]) for title, colour, group in graph.groups]
    boxes = [(title, colour, group_box(group)) for title, colour, group in kept if group]
    return [
        {"id": i, "title": title, "bounding": box, "color": colour, "font_size": 24, "flags": {}}
        for i, (title, colour, box) in enumerate(boxes, start=1)
    ]
