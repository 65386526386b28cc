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
    rest = list(node["widgets_values"])
    inputs = _read(info["input"], info["input_order"], rest, linked)
    assert not rest, f"{info['name']} stores {len(rest)} values too many"
    return inputs


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
            if kind in WIDGETS or isinstance(kind, list):
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
