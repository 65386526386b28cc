"""Rows -> jobs: each with a key that says what is asked for, and the names of the files that come of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .tables import Row, Table

RESULTS, SHEET, THUMBNAILS, OWN = "results.jsonl", "sheet.html", "sheet", ".diffedit"
"""What a run leaves in its folder beside the pictures; the last holds drafts and the lock."""

KEY = 24
"""Digits of a key: of ten million rows, no two share one."""

LONGEST = 255
"""Bytes that file systems allow in a name."""

LONGEST_PATH = 1024
"""Bytes of all names of a path together; systems allow some times that, with the output folder."""


@dataclass(frozen=True)
class Job:
    key: str
    number: int  # of the row, from 1
    values: Mapping[str, Any]
    files: Mapping[str, str]  # what -> its name in the output folder
    problem: str = ""  # why it cannot be done


@dataclass(frozen=True)
class Plan:
    """What is to be done, and where it goes."""

    table: Table
    out: Path
    settings: Mapping[str, Any]  # for all rows, as far as they change a result
    extras: tuple[str, ...] = ()  # what is written beside the picture: "mask", "heatmap"
    suffixes: tuple[str, ...] = (".png",)  # of pictures that can be written

    def jobs(self) -> Iterator[Job]:
        """The same each time, whatever is done already."""
        seen: Counter[str] = Counter()
        places = Places(self.out)
        for row in self.table.rows():
            plain = key_of(row, self.settings)
            seen[plain] += 1
            key = plain if seen[plain] == 1 else key_of(row, self.settings, seen[plain])
            yield self._job(row, key, places)

    def _job(self, row: Row, key: str, places: Places) -> Job:
        values = {name: value for name, value in row.values.items() if name != "out" and value is not None}
        if row.problem:
            return Job(key, row.number, values, {}, row.problem)
        try:
            picture = places.checked(row.values.get("out") or _named(row, key), self.suffixes)
            files = {"picture": picture} | {what: _beside(picture, what) for what in self.extras}
            places.claim(files.values(), row.number)
        except ValueError as problem:
            return Job(key, row.number, values, {}, str(problem))
        return Job(key, row.number, values, files)


@dataclass
class Places:
    """Where results may go: inside the output folder, and each only once."""

    out: Path
    taken: dict[str, int] = field(default_factory=dict)  # by which row
    parents: set[str] = field(default_factory=set)  # the folders of those
    folders: dict[PurePosixPath, bool] = field(default_factory=dict)  # whether they are inside

    def checked(self, name: Any, suffixes: Sequence[str]) -> str:
        if not isinstance(name, str):
            raise ValueError(f"out is {name!r}; it must be the name of a file")
        path, seen_by_windows = PurePosixPath(name), PureWindowsPath(name)
        if path.is_absolute() or seen_by_windows.anchor or ".." in seen_by_windows.parts:
            raise ValueError(f"out is {name}, which leads out of the output folder; name a file inside it")
        if path.suffix.lower() not in suffixes:
            raise ValueError(f"out is {name}; its name must end in {', '.join(suffixes)}")
        if path.parts[0].casefold() in (RESULTS, SHEET, THUMBNAILS, OWN):
            raise ValueError(f"out is {name}, but the run itself uses {path.parts[0]}; choose another name")
        lengths = [len(part.encode(errors="replace")) for part in path.parts]
        if not name.isprintable() or "\\" in name or max(lengths) > LONGEST - 20 or sum(lengths) > LONGEST_PATH:
            raise ValueError(f"out is {name!r:.80}, which is too long or holds signs that no name can have")
        if not self._is_inside(path):
            raise ValueError(f"out is {name}, where a link leads out of the output folder; name a file inside it")
        return path.as_posix()

    def claim(self, names: Iterable[str], number: int) -> None:
        """A folder may be shared by any number of rows, but not with a file."""
        names = [name.casefold() for name in names]  # some file systems take Cat.png for cat.png
        folders = {str(folder) for name in names for folder in PurePosixPath(name).parents}
        if taken := [name for name in (*names, *folders) if name in self.taken]:
            raise ValueError(f"out is {names[0]}, as in row {self.taken[taken[0]]}; give each row its own")
        if taken := [name for name in names if name in self.parents]:
            raise ValueError(f"out is {taken[0]}, which is a folder of other rows; give each row its own")
        self.taken |= dict.fromkeys(names, number)
        self.parents |= folders

    def _is_inside(self, path: PurePosixPath) -> bool:
        folder = path.parent
        if folder not in self.folders:
            self.folders[folder] = Path(os.path.realpath(self.out / folder)) == Path(os.path.realpath(self.out), folder)
        return self.folders[folder] and not (self.out / path).is_symlink()


def key_of(row: Row, settings: Mapping[str, Any], occurrence: int = 1) -> str:
    """What a row asks for, under these settings. Rows that are the same are told apart by how often they came."""
    said = json.dumps([row.values, row.problem, settings, occurrence], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:KEY]


def _named(row: Row, key: str) -> str:
    image = row.values.get("image")
    stem = PureWindowsPath(image).stem if isinstance(image, str) else "picture"
    return f"{stem[:100]}-{key[:12]}.png"


def _beside(picture: str, what: str) -> str:
    path = PurePosixPath(picture)
    return path.with_name(f"{path.stem}-{what}.png").as_posix()
