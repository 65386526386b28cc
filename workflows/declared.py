"""The inputs of a node, as a running ComfyUI declares them (its ``/object_info``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
"""A menu whose choice brings further inputs."""
SHOWS = "IMAGECOMPARE"
"""What is no input at all: the page shows something there, and stores nothing."""
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", DYNAMIC)


@dataclass(frozen=True)
class Input:
    name: str
    type: str
    default: Any
    is_widget: bool
    extra: list[Any]  # what the UI stores right behind the widget's value


def inputs_of(kind: str, values: dict[str, Any], object_info: dict[str, Any]) -> list[Input]:
    """In the order in which its kind declares them, each with those that its choice brings."""
    return _declared(object_info[kind]["input"], values)


def _declared(groups: dict[str, Any], values: dict[str, Any], prefix: str = "") -> list[Input]:
    found = []
    for name, spec in (groups.get("required", {}) | groups.get("optional", {})).items():
        if spec[0] == SHOWS:
            continue
        found.append(_input(prefix + name, spec))
        if spec[0] == DYNAMIC:
            choice = values.get(prefix + name, found[-1].default)
            (brought,) = (option["inputs"] for option in spec[1]["options"] if option["key"] == choice)
            found += _declared(brought, values, f"{prefix}{name}.")
    return found


def _input(name: str, spec: list[Any]) -> Input:
    options = spec[1] if len(spec) > 1 else {}
    choices: list[Any] = spec[0] if isinstance(spec[0], list) else options.get("options", [])
    type_ = "COMBO" if isinstance(spec[0], list) else spec[0]
    first: Any = choices[0] if choices else ""
    none = {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False, "COMBO": first}.get(type_)
    extra: list[Any] = []
    if options.get("control_after_generate", type_ == "INT" and name in ("seed", "noise_seed")):
        extra.append("fixed")
    if options.get("image_upload") or options.get("video_upload"):
        extra.append("image")
    default = first["key"] if type_ == DYNAMIC else options.get("default", none)
    return Input(name, type_, default, type_ in WIDGETS and not options.get("forceInput"), extra)
