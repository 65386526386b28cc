"""Tables of what to do, read row by row: CSV, JSON lines or Parquet, or the pictures of a folder."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from .addresses import Address, folder_of, opened

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif")
"""What is taken from a folder."""

DEEPEST = 20
"""Lists within lists, of a value."""


@dataclass(frozen=True)
class Row:
    number: int  # from 1
    values: Mapping[str, Any]  # by column; what is left out, or None, is not said
    problem: str = ""  # why it cannot be read


@dataclass(frozen=True)
class Table:
    base: Address  # what paths in it are relative to
    rows: Callable[[], Iterator[Row]]  # as often as wanted, always the same
    columns: Sequence[str] = ()  # that every row has, where the kind of file says so


def table(place: Address, without: Path | None = None) -> Table:
    """Of a file or a folder. Of the folder, all pictures but those in the one left out."""
    if isinstance(place, Path) and place.is_dir():
        return Table(place, lambda: _of_folder(place, without))
    suffix = PurePath(str(place)).suffix.lower()
    if suffix not in READERS:
        raise ValueError(f"{place} is no table: its name must end in {', '.join(READERS)}, or be that of a folder")
    read = READERS[suffix]
    try:
        with opened(place) as file:
            columns = read(file)[0]
    except FileNotFoundError:
        raise ValueError(f"there is no file {place}") from None
    except OSError as cause:
        raise ValueError(f"{place} cannot be read: {cause.strerror or cause}") from None

    def rows() -> Iterator[Row]:
        with opened(place) as file:
            yield from (_checked(Row(number, *each)) for number, each in enumerate(read(file)[1], start=1))

    return Table(folder_of(place), rows, columns)


Read = tuple[Sequence[str], Iterator[tuple[dict[str, Any], str]]]
"""The columns, and of each row its values and its problem."""


def _csv(file: BinaryIO) -> Read:
    # what is no UTF-8 costs its own row, not the table
    lines = csv.reader(io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline=""))
    try:
        columns = [_name(each) for each in next(lines, [])]
    except csv.Error as cause:
        raise ValueError(f"the names of the table's columns cannot be read: {cause}") from None
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        raise ValueError(f"the table has two columns {twice[0]!r}; leave one of them out")

    def rows() -> Iterator[tuple[dict[str, Any], str]]:
        while True:
            try:
                cells = next(lines)
            except StopIteration:
                return
            except csv.Error as cause:
                yield {}, f"the row cannot be read: {cause}"
                continue
            if len(cells) > len(columns):
                yield (
                    {},
                    f"the row has {len(cells)} cells and the table has {len(columns)} columns; put texts in quotes",
                )
            elif cells:
                yield {name: cell for name, cell in zip(columns, cells, strict=False) if cell != ""}, ""

    return columns, rows()


def _json_lines(file: BinaryIO) -> Read:
    def rows() -> Iterator[tuple[dict[str, Any], str]]:
        for line in file:
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as cause:
                yield {}, f"the row is no JSON: {cause}"
                continue
            if isinstance(values, dict):
                yield {_name(name): value for name, value in values.items()}, ""
            else:
                yield {}, 'the row is no JSON object; write {"image": ..., "source": ..., "target": ...}'

    return (), rows()


def _parquet(file: BinaryIO) -> Read:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ValueError("to read Parquet, install pyarrow: pip install 'diffedit[parquet]'") from None
    try:
        content = ParquetFile(file)
    except ValueError as cause:  # pyarrow's own errors are
        raise ValueError(f"the table is no Parquet: {' '.join(str(cause).split())}") from None
    columns = [_name(each) for each in content.schema_arrow.names]

    def rows() -> Iterator[tuple[dict[str, Any], str]]:
        for batch in content.iter_batches(batch_size=1024):
            yield from (({_name(name): value for name, value in each.items()}, "") for each in batch.to_pylist())

    return columns, rows()


READERS: dict[str, Callable[[BinaryIO], Read]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}


def _of_folder(folder: Path, without: Path | None) -> Iterator[Row]:
    """In the order of their names. The result is named after the picture."""
    number, left_out = 0, without and os.path.realpath(without)
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(
            each for each in folders if not each.startswith(".") and os.path.realpath(Path(at, each)) != left_out
        )
        names = sorted(each for each in files if not each.startswith(".") and PurePath(each).suffix.lower() in PICTURES)
        stems = Counter(PurePath(each).stem.casefold() for each in names)
        for name in names:
            number, path = number + 1, Path(at, name).relative_to(folder)
            is_alone = stems[path.stem.casefold()] == 1  # cat.jpg and cat.png both come from somewhere
            out = path.with_suffix(".png") if is_alone else path.with_name(f"{path.name}.png")
            yield _checked(Row(number, {"image": path.as_posix(), "out": out.as_posix()}))


def _checked(row: Row) -> Row:
    if not _is_flat(row.values, DEEPEST):
        return Row(row.number, {}, f"the row holds lists within lists, more than {DEEPEST} deep")
    try:
        json.dumps(row.values, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return Row(row.number, {}, "the row is not UTF-8; save the table as UTF-8")
    return row


def _is_flat(value: Any, levels: int) -> bool:
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels >= 0 and all(_is_flat(each, levels - 1) for each in within)


def _name(column: str) -> str:
    """A flag's name as it is written in a table, with its dashes or without."""
    return column.strip().lower().removeprefix("--").replace("_", "-")
