"""Dataclasses of settings <-> command-line flags. The names, the defaults and the help live in the dataclass, once."""

from __future__ import annotations

import inspect
import math
import re
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Settings = TypeVar("Settings")


def add_flags(
    parser: ArgumentParser,
    defaults: Any,
    title: str,
    prefix: str = "",
    choices: Mapping[str, Sequence[str]] | None = None,
    skip: Sequence[str] = (),
) -> None:
    """One flag a field, explained by the comment behind the field. A flag that is not given leaves no trace."""
    group = parser.add_argument_group(title)
    hints, comments = get_type_hints(type(defaults)), _comments(type(defaults))
    for field in fields(defaults):
        default = getattr(defaults, field.name)
        if field.name in skip or is_dataclass(default):
            continue
        group.add_argument(
            f"--{prefix}{field.name}".replace("_", "-"),
            dest=_destination(defaults, field.name),
            default=None,
            help=f"{comments.get(field.name, field.name)} [{_shown(default)}]".replace("%", "%%"),
            **_kind(hints[field.name], (choices or {}).get(field.name)),
        )


def from_flags(args: Namespace, preset: Settings) -> Settings:
    """The preset with what was given on the command line."""
    return replace(preset, **given_flags(args, preset))  # type: ignore[type-var]


def given_flags(args: Namespace, preset: Any) -> dict[str, Any]:
    found = {f.name: getattr(args, _destination(preset, f.name), None) for f in fields(preset)}
    return {name: value for name, value in found.items() if value is not None}


def finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ArgumentTypeError(f"{text} is not a finite number")
    return number


def _destination(settings: Any, name: str) -> str:
    return f"{type(settings).__name__}.{name}"


def _comments(settings: type) -> dict[str, str]:
    """What stands behind each field: ``name: type = default  # this``."""
    return dict(re.findall(r"^    (\w+): .*?  # (.+)$", inspect.getsource(settings), re.MULTILINE))


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if default is None:
        return "none"
    return '""' if default == "" else str(default)


def _kind(hint: Any, choices: Sequence[str] | None) -> dict[str, Any]:
    types = get_args(hint) or (hint,)
    if bool in types:
        return {"action": BooleanOptionalAction}
    if any(get_origin(t) is Sequence for t in types):
        return {"action": "append", "metavar": "TEXT"}
    if choices:
        return {"choices": tuple(choices)}
    if float in types:
        return {"type": finite, "metavar": "X"}
    return {"type": int, "metavar": "N"} if int in types else {"metavar": "TEXT"}
