"""The table of model families at the end of a run: what the tests inside each ComfyUI said of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

LINE = re.compile(r"^family (\S+): (.+)$", re.MULTILINE)


def families_in(output: str) -> dict[str, str]:
    """{family: what became of it}."""
    return dict(LINE.findall(output))


def rows(said: Mapping[str, Mapping[str, str]]) -> list[str]:
    """A row for each family, a column for each ComfyUI."""
    families = list(dict.fromkeys(family for each in said.values() for family in each))
    columns = [["family", *families]]
    columns += [[where, *(each.get(family, "no word of it") for family in families)] for where, each in said.items()]
    widths = [max(map(len, column)) for column in columns]
    lines = zip(*columns, strict=True)
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
