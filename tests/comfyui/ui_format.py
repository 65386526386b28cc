"""UI format -> API format, as ComfyUI's page does it before it queues a prompt."""

from __future__ import annotations

from typing import Any

VIRTUAL = ("Note", "MarkdownNote")
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3")


def to_api(ui: dict[str, Any], object_info: dict[str, Any]) -> dict[str, Any]:
    sources = {link[0]: [str(link[1]), link[2]] for link in ui["links"]}
    return {
        str(node["id"]): {
            "inputs": _inputs(node, object_info[node["type"]], sources),
            "class_type": node["type"],
            "_meta": {"title": node.get("title") or object_info[node["type"]]["display_name"]},
        }
        for node in ui["nodes"]
        if node["type"] not in VIRTUAL
    }


def _inputs(node: dict[str, Any], info: dict[str, Any], sources: dict[int, list]) -> dict[str, Any]:
    linked = {each["name"]: sources[each["link"]] for each in node["inputs"] if each["link"] is not None}
    values = _widget_values(node["widgets_values"], info)
    return {name: linked.get(name, values.get(name)) for name in order(info) if name in linked or name in values}


def order(info: dict[str, Any]) -> list[str]:
    return [name for group in ("required", "optional") for name in info["input_order"].get(group, [])]


def _widget_values(stored: list[Any], info: dict[str, Any]) -> dict[str, Any]:
    """The stored values are positional, with an entry of their own for a seed's control and an upload button."""
    rest, values = list(stored), {}
    for name in order(info):
        kind, options = _spec(info, name)
        if kind not in WIDGETS and not isinstance(kind, list):
            continue
        values[name] = rest.pop(0)
        if options.get("control_after_generate") or (name in ("seed", "noise_seed") and kind == "INT"):
            assert rest.pop(0) in ("fixed", "increment", "decrement", "randomize"), f"no control after {name}"
        if options.get("image_upload"):
            assert rest.pop(0) == "image", f"no upload button after {name}"
    assert not rest, f"{info['name']} stores {len(rest)} values too many"
    return values


def _spec(info: dict[str, Any], name: str) -> tuple[Any, dict[str, Any]]:
    spec = info["input"].get("required", {}).get(name) or info["input"]["optional"][name]
    return spec[0], spec[1] if len(spec) > 1 else {}
