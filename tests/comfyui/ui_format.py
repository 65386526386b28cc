"""UI format -> API format, as ComfyUI's page does it before it queues a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VIRTUAL = ("Note", "MarkdownNote")
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3")


Page = tuple[list[dict[str, Any]], list[list[Any]]]
"""The nodes that stand on one page, and their links."""


def pages(ui: dict[str, Any]) -> list[Page]:
    """The graph's own, and that of each of its subgraphs. Links are lists in one and dicts in the others."""
    insides = [(each["nodes"], [list(link.values()) for link in each["links"]]) for each in subgraphs(ui).values()]
    return [(ui["nodes"], ui["links"]), *insides]


def subgraphs(ui: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in ui.get("definitions", {}).get("subgraphs", [])}


def nodes_of(ui: dict[str, Any]) -> list[dict[str, Any]]:
    """All that run, and the notes: without those that only stand for a subgraph."""
    return [node for nodes, _ in pages(ui) for node in nodes if node["type"] not in subgraphs(ui)]


def to_api(ui: dict[str, Any], object_info: dict[str, Any]) -> dict[str, Any]:
    """Subgraphs are unfolded. Their nodes keep their numbers, which are not used twice here."""
    sources = {link[0]: [str(link[1]), link[2]] for link in ui["links"]}
    api = {}
    for node in ui["nodes"]:
        if node["type"] in subgraphs(ui):
            inner = subgraphs(ui)[node["type"]]
            api |= _converted(inner["nodes"], _inside(inner, _given(node, sources)), object_info)
            for slot, output in enumerate(node["outputs"]):
                (start,) = [link for link in inner["links"] if (link["target_id"], link["target_slot"]) == (-20, slot)]
                sources |= {link: [str(start["origin_id"]), start["origin_slot"]] for link in output["links"]}
    return api | _converted(ui["nodes"], sources, object_info, set(subgraphs(ui)))


def _given(node: dict[str, Any], sources: dict[int, Any]) -> list[Any]:
    """What comes in at each input of a subgraph: a link from outside, or else the value of its widget."""
    values = iter(node["widgets_values"])
    given = []
    for each in node["inputs"]:
        value = [next(values)] if "widget" in each else []
        given.append(sources[each["link"]] if each["link"] is not None else Value(value))
    return given


@dataclass(frozen=True)
class Value:
    """Of a widget, where nothing is connected; a plain socket has none."""

    own: list[Any]


def _inside(inner: dict[str, Any], given: list[Any]) -> dict[int, Any]:
    return {
        link["id"]: given[link["origin_slot"]]
        if link["origin_id"] == -10
        else [str(link["origin_id"]), link["origin_slot"]]
        for link in inner["links"]
    }


def _converted(
    nodes: list[dict[str, Any]], sources: dict[int, Any], object_info: dict[str, Any], left_out: set[str] | None = None
) -> dict[str, Any]:
    return {
        str(node["id"]): {
            "inputs": _inputs(node, object_info[node["type"]], sources),
            "class_type": node["type"],
            "_meta": {"title": node.get("title") or object_info[node["type"]]["display_name"]},
        }
        for node in nodes
        if node["type"] not in VIRTUAL and node["type"] not in (left_out or ())
    }


def _inputs(node: dict[str, Any], info: dict[str, Any], sources: dict[int, Any]) -> dict[str, Any]:
    linked = {each["name"]: sources[each["link"]] for each in node["inputs"] if each["link"] is not None}
    rest = list(node["widgets_values"])
    inputs = _read(info["input"], info["input_order"], rest, linked)
    assert not rest, f"{info['name']} stores {len(rest)} values too many"
    values = {name: given.own for name, given in inputs.items() if isinstance(given, Value)}
    plain = {name: given for name, given in inputs.items() if name not in values}
    return plain | {name: own[0] for name, own in values.items() if own}


def _read(
    groups: dict[str, Any], order: dict[str, list[str]], rest: list[Any], linked: dict[str, list], prefix: str = ""
) -> dict[str, Any]:
    """The stored values are positional, with an entry of their own for a seed's control and an upload button.

    The choice in some menus brings further inputs, which follow it.
    """
    inputs = {}
    for group in ("required", "optional"):
        for name in order.get(group, []):
            kind, options = [*groups[group][name], {}][:2]
            full = prefix + name
            if kind == "IMAGECOMPARE":
                inputs[full] = {"__value__": ["", ""]}  # as the page sends a list: it shows something there
            if (kind in WIDGETS or isinstance(kind, list)) and not options.get("forceInput"):
                inputs[full] = _value(full, kind, options, rest)
            if full in linked:
                inputs[full] = linked[full]
            if kind == "COMFY_DYNAMICCOMBO_V3":
                (brought,) = (each["inputs"] for each in options["options"] if each["key"] == inputs[full])
                inputs |= _read(brought, {key: list(each) for key, each in brought.items()}, rest, linked, f"{full}.")
    return inputs


def _value(name: str, kind: Any, options: dict[str, Any], rest: list[Any]) -> Any:
    value = rest.pop(0)
    if options.get("control_after_generate") or (name in ("seed", "noise_seed") and kind == "INT"):
        assert rest.pop(0) in ("fixed", "increment", "decrement", "randomize"), f"no control after {name}"
    if options.get("image_upload") or options.get("video_upload"):
        assert rest.pop(0) == "image", f"no upload button after {name}"
    return value
