"""A row of a table -> what the command line would say: its columns are flags, by the flags' own names."""

from __future__ import annotations

import argparse
import json
import math
from argparse import Action, ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from ..batch.addresses import Address, address
from ..batch.work import HopelessError
from ..hosts.diffusers import Memory
from ..keeping import KeepSettings
from .edit_flags import add_row_flags
from .flags import flags_of, given_flags

FILES = ("image", "edited", "mask")
"""Columns that name a file. What is relative is meant from the table's folder, or from the pictures' folder."""

CARRIED = ("id", "out")
"""Columns that say nothing about the edit. The id is carried into the results."""

FOR_ALL = (
    *("model", "controlnet", "control", "control_scale", "inpaint_model", "caption", "vary", "writer"),
    *("device", "dtype", "save_mask", "save_heatmap"),
    *(flag.replace("-", "_") for flag in flags_of(Memory)),
)
"""What is said once, for the whole table."""


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message.removeprefix("argument --"))


def rows_of(common: Namespace, base: Address) -> Rows:
    parser = _Parser(allow_abbrev=False, add_help=False)
    add_row_flags(parser)
    actions = [each for each in parser._actions if each.dest not in FOR_ALL]
    return Rows(parser, {each.option_strings[0].lstrip("-"): each for each in actions}, common, base)


YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class Rows:
    """``flags`` are what a row may say for itself; ``common`` is what the command line said for all of them."""

    def __init__(self, parser: ArgumentParser, flags: Mapping[str, Action], common: Namespace, base: Address) -> None:
        self.parser, self.flags, self.common, self.base = parser, flags, common, base

    def args(self, values: Mapping[str, Any]) -> Namespace:
        """As if the row had been a command. What cannot be is said in one line."""
        self._check(values)
        args = Namespace(**vars(self.common))
        own = {name for name in self.flags if name in values}
        of_all = [*self.flags, *(name.replace("_", "-") for name in FOR_ALL)]
        args.for_all = frozenset(given_flags(args, [name for name in of_all if name not in own]))
        given = {
            name: value for name, value in values.items() if name not in (*FILES, *CARRIED) and not _is_open(value)
        }
        for name in given:
            setattr(args, self.flags[name].dest, None)  # and not added to what was said for all
        argv = [word for name, value in given.items() for word in _words(name, self.flags[name], value)]
        self.parser.parse_args(argv, args)
        args.image = address(values["image"], self.base)
        args.edited = address(values["edited"], self.base) if values.get("edited") else None
        args.mask = address(values["mask"], self.base) if values.get("mask") else None
        return args

    def _check(self, values: Mapping[str, Any]) -> None:
        if unknown := [name for name in values if name not in (*FILES, *CARRIED, *self.flags)]:
            raise ValueError(unknown_columns(unknown))
        for name in FILES:
            if not isinstance(value := values.get(name, ""), str) or "\0" in value:
                raise ValueError(f"{name} is {_shown(values[name])}; it must be the name of a file")
        if not values.get("image", "").strip():
            raise ValueError("image is missing; name a picture")
        if "edited" in values:
            keeps = [*flags_of(KeepSettings), *FILES, *CARRIED]
            if useless := [name for name in values if name not in keeps and not _is_open(values[name])]:
                raise ValueError(f"{', '.join(useless)} would change nothing: the row has an edited picture")


def unknown_columns(names: list[str]) -> str:
    of_all = [name for name in names if name.replace("-", "_") in FOR_ALL]
    if of_all:
        return f"{', '.join(of_all)} cannot be a column: it is said once for the whole table, on the command line"
    return f"there is no flag for {', '.join(repr(name) for name in names)}; see diffedit batch --help for the columns"


def _is_open(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _words(name: str, action: Action, value: Any) -> list[str]:
    if isinstance(action, BooleanOptionalAction) or action.nargs == 0:
        return _switched(name, action, value)
    if action.nargs == "+":  # --edit
        edits = [[_plain(name, text) for text in _listed(name, each)] for each in _listed(name, value)]
        return [word for texts in edits for word in (f"--{name}", *texts)]
    several = isinstance(action, argparse._AppendAction)
    if isinstance(value, list) and not several:
        raise ValueError(f"{name} is {_shown(value)}; it takes one value")
    return [f"--{name}={_plain(name, each)}" for each in (value if isinstance(value, list) else [value])]


def _switched(name: str, action: Action, value: Any) -> list[str]:
    said = str(value).strip().lower()
    if said not in (*YES, *NO):
        raise ValueError(f"{name} is {_shown(value)}; it must be true or false")
    if said in YES:
        return [f"--{name}"]
    return [f"--no-{name}"] if isinstance(action, BooleanOptionalAction) else []


def _plain(name: str, value: Any) -> str:
    if isinstance(value, float) and value.is_integer():  # tables hold whole numbers so, where others are missing
        return str(int(value))
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{name} is {_shown(value)}; it must be a text or a number")
    return str(value)


def _listed(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{name} is {_shown(value)}; it must be a list of edits, each a list of texts")
    return value


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:80]


def check_columns(rows: Rows, columns: Sequence[str]) -> None:
    """Of a table in which every row has the same."""
    if unknown := [name for name in columns if name not in (*FILES, *CARRIED, *rows.flags)]:
        raise HopelessError(unknown_columns(unknown))
