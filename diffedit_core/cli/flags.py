"""Settings <-> command-line flags. The names, the help, the limits and the defaults are the knobs' own."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar, get_args, get_type_hints

from ..knobs import Knob, Settings

Given = TypeVar("Given", bound=Settings)


def add_flags(
    parser: ArgumentParser, defaults: Settings, title: str, prefix: str = "", without: Container[str] = ()
) -> None:
    """A flag for each knob, and a group of them for each part. A flag that is not given leaves no trace."""
    group, hints = parser.add_argument_group(title), get_type_hints(type(defaults))
    for name, knob in defaults.knobs():
        if name in without:
            continue
        help_text = f"{knob.help} [{_shown(getattr(defaults, name))}]".replace("%", "%%")
        group.add_argument(f"--{flag_of(name, knob, prefix)}", help=help_text, default=None, **_kind(knob, hints[name]))
    for _, settings, title, prefix in _parts(defaults):
        add_flags(parser, settings, title, prefix)


def from_flags(args: Namespace, preset: Given, prefix: str = "") -> Given:
    """The preset with what was given on the command line."""
    given = {name: getattr(args, flag_of(name, knob, prefix).replace("-", "_"), None) for name, knob in preset.knobs()}
    turned: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    turned |= {name: from_flags(args, settings, prefix) for name, settings, _, prefix in _parts(preset)}
    return replace(preset, **turned)


def given_flags(args: Namespace, flags: Iterable[str]) -> list[str]:
    """Those of the flags that stand on the command line."""
    return [f"--{flag}" for flag in flags if getattr(args, flag.replace("-", "_"), None) is not None]


def flags_of(settings: type[Settings], prefix: str = "") -> list[str]:
    return [flag_of(name, knob, prefix) for name, knob in settings.knobs()]


def flag_of(name: str, knob: Knob, prefix: str) -> str:
    return f"{prefix}{knob.flag or name}".replace("_", "-")


def _parts(settings: Settings) -> Iterator[tuple[str, Settings, str, str]]:
    """(name, settings, title, prefix) of the settings within."""
    for field in fields(settings):
        if isinstance(part := getattr(settings, field.name), Settings):
            yield field.name, part, field.metadata["title"], field.metadata["prefix"]


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return "none" if default is None else str(default)


def _kind(knob: Knob, hint: Any) -> dict[str, Any]:
    types = get_args(hint) or (hint,)
    if bool in types:
        return {"action": BooleanOptionalAction}
    if knob.names:
        return {"choices": tuple(knob.names)}
    return (
        {"type": _within(knob, int), "metavar": "N"} if int in types else {"type": _within(knob, float), "metavar": "X"}
    )


def _within(knob: Knob, number: Callable[[str], float]) -> Callable[[str], float]:
    """Reads a number and holds it to the knob's limits, so that the message names the flag."""

    def read(text: str) -> float:
        try:
            value = number(text)
        except ValueError:
            raise ArgumentTypeError(f"{text!r} is not {'a whole number' if number is int else 'a number'}") from None
        if not knob.low <= value <= knob.high:
            raise ArgumentTypeError(f"{text} is not from {knob.low:g} to {knob.high:g}")
        return value

    return read
