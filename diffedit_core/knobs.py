"""Knobs: a setting's help, limits and default, said once for the command line, the nodes and the checks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any, cast


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
        if wanted := self._wanted_instead_of(value):
            raise ValueError(f"{name} is {value!r:.80}; it must be {wanted}")

    def _wanted_instead_of(self, value: Any) -> str | None:
        if self.names:
            return None if isinstance(value, str) and value in self.names else f"one of {', '.join(self.names)}"
        if isinstance(self.default, bool):
            return None if isinstance(value, Integral) and value in (0, 1) else "true or false"
        if not (isinstance(value, Real) and self.low <= cast(float, value) <= self.high):
            return f"from {self.low:g} to {self.high:g}"
        return "a whole number" if isinstance(self.default, int) and not isinstance(value, Integral) else None


@dataclass(frozen=True)
class Settings:
    """A dataclass of knobs, or of parts that are such dataclasses. What cannot be is refused when it is made."""

    def __post_init__(self) -> None:
        for name, found in self.knobs():
            found.check(name, getattr(self, name))
        for each in fields(self):
            value, kind = getattr(self, each.name), type(each.default)
            if "title" in each.metadata and not isinstance(value, kind):
                raise ValueError(f"{each.name} is {value!r:.80}; it must be {kind.__name__}(...)")

    @classmethod
    def knobs(cls) -> Iterator[tuple[str, Knob]]:
        return ((each.name, each.metadata["knob"]) for each in fields(cls) if "knob" in each.metadata)


def knob(default: Any, help: str, **about: Any) -> Any:
    return field(default=default, metadata={"knob": Knob(default, help, **about)})


def part(default: Settings, title: str, prefix: str = "") -> Any:
    """Settings within settings: a group of flags under a title, each with a prefix."""
    return field(default=default, metadata={"title": title, "prefix": prefix})
