"""Knobs: a setting's help, limits and default, said once for the command line, the nodes and the checks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Knob:
    default: Any
    help: str
    low: float = -math.inf
    high: float = math.inf
    step: float = 0.01  # of a widget
    names: Mapping[str, Any] | None = None  # the registry that a name is looked up in; each entry has a meaning
    advanced: bool = False  # folded away on a node until asked for
    flag: str | None = None  # on the command line, where it is not the field's name

    @property
    def tooltip(self) -> str:
        return " ".join([self.help, *(f"{name}: {entry.meaning}." for name, entry in (self.names or {}).items())])

    def check(self, name: str, value: Any) -> None:
        """An error for what the setting cannot be. Where the default is None, it may be left open."""
        if value is None and self.default is None:
            return
        if self.names and value not in self.names:
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(self.names)}")
        if not self.names and not (isinstance(value, (int, float)) and self.low <= value <= self.high):
            raise ValueError(f"{name} is {value!r}; it must be from {self.low:g} to {self.high:g}")
        if isinstance(self.default, int) and not isinstance(value, int):
            raise ValueError(f"{name} is {value}; it must be a whole number")


@dataclass(frozen=True)
class Settings:
    """A dataclass of knobs, or of parts that are such dataclasses. What cannot be is refused when it is made."""

    def __post_init__(self) -> None:
        for name, found in self.knobs():
            found.check(name, getattr(self, name))

    @classmethod
    def knobs(cls) -> Iterator[tuple[str, Knob]]:
        return ((each.name, each.metadata["knob"]) for each in fields(cls) if "knob" in each.metadata)


def knob(default: Any, help: str, **about: Any) -> Any:
    return field(default=default, metadata={"knob": Knob(default, help, **about)})


def part(default: Settings, title: str, prefix: str = "") -> Any:
    """Settings within settings: a group of flags under a title, each with a prefix."""
    return field(default=default, metadata={"title": title, "prefix": prefix})
