"""Values that a page sends for a node's widgets, checked by the node's own schema, as ComfyUI checks a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...correcting import MOST_LETTERS


def checked_values(inputs: Sequence[Any], values: object) -> dict[str, Any]:
    """Those values as the node would get them. Of the inputs of a V3 schema, those with a widget count."""
    widgets = {each.id: each for each in inputs if hasattr(each, "socketless")}
    if not isinstance(values, Mapping):
        raise ValueError("the settings are not an object of widget names and values")
    if unknown := [name for name in values if name not in widgets]:
        raise ValueError(f"this node has no widget {str(unknown[0])[:40]!r}")
    return {name: _checked(widgets[name], value) for name, value in values.items()}


def _checked(widget: Any, value: object) -> Any:
    kind = widget.get_io_type()
    if kind == "COMBO":
        if value not in widget.options:
            raise ValueError(f"{widget.id} must be one of {', '.join(widget.options)}")
        return value
    if kind in ("INT", "FLOAT"):
        return _number(widget, value, kind)
    wanted = {"BOOLEAN": bool, "STRING": str}[kind]
    if not isinstance(value, wanted) or len(str(value)) > MOST_LETTERS:
        raise ValueError(f"{widget.id} must be {'true or false' if wanted is bool else 'a short text'}")
    return value


def _number(widget: Any, value: object, kind: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not widget.min <= value <= widget.max:
        raise ValueError(f"{widget.id} must be a number from {widget.min:g} to {widget.max:g}")
    if kind == "FLOAT":
        return float(value)
    if value != int(value):
        raise ValueError(f"{widget.id} must be a whole number")
    return int(value)
