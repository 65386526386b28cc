"""Where the nodes of a graph stand."""

from __future__ import annotations

from math import ceil
from typing import Any

from declared import inputs_of
from drawing import COLUMN, GAP, NOTE, Fold, Graph, Node
from folding import inside

LINE, WIDGET = 20, 25
"""Pixels: the heights of a socket and of a widget."""


def arrange(graph: Graph, object_info: dict[str, Any]) -> None:
    """In columns. What is folded has a page of its own; of its columns none is left empty on either page."""
    fold = graph.fold
    if fold is None:
        _stack(graph.nodes, object_info, {})
        return
    nodes = inside(graph)
    first = min(node.column for node in nodes)
    _stack(nodes, object_info, {}, lambda column: column - first)
    beyond = min((node.column for node in fold.outside if node.column > fold.column), default=0)
    moved = beyond - fold.column - 1
    fold.pos, fold.size = (fold.column * COLUMN, 0), (COLUMN - GAP, _folded_height(fold))
    bottoms = {fold.column: fold.size[1] + GAP + LINE}
    _stack(fold.outside, object_info, bottoms, lambda column: column - moved if column > fold.column else column)


def _stack(nodes: list[Node], object_info: dict[str, Any], bottoms: dict[int, int], placed: Any = int) -> None:
    for node in nodes:
        column = placed(node.column)
        covered = range(column, column + ceil(node.width / COLUMN))
        y = max(bottoms.get(each, 0) for each in covered)
        node.pos, node.size = (column * COLUMN, y), (node.width, _height(node, object_info))
        bottoms |= dict.fromkeys(covered, y + node.size[1] + GAP + LINE)


def _height(node: Node, object_info: dict[str, Any]) -> int:
    if node.kind == NOTE:
        return node.height
    declared = inputs_of(node.kind, node.inputs, object_info)
    widgets = sum(1 + len(each.extra) for each in declared if each.is_widget)
    sockets = sum(not each.is_widget for each in declared)
    return 15 + LINE * max(sockets, len(object_info[node.kind]["output"])) + WIDGET * widgets + node.height


def _folded_height(fold: Fold) -> int:
    return 15 + LINE * max(len(fold.sockets), len(fold.outputs)) + WIDGET * len(fold.widgets) + fold.height


def group_box(nodes: list[Node]) -> list[int]:
    left, top = min(node.pos[0] for node in nodes) - 15, min(node.pos[1] for node in nodes) - 80
    right = max(node.pos[0] + node.size[0] for node in nodes) + 15
    bottom = max(node.pos[1] + node.size[1] for node in nodes) + 15
    return [left, top, right - left, bottom - top]
