"""What is done already: one line of JSON for each row, written when its files are in place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .whole import writing, written_whole

Line = Mapping[str, Any]


class Journal:
    """A file of lines that only grows. A line is there whole or, after a crash, cut off at the end and dropped."""

    def __init__(self, path: Path, keep: Callable[[Line], bool], drafts: Path | None = None) -> None:
        """Goes on with a journal, where there is one, with those of its lines that are still good."""
        self.path, self.done = path, set[str]()
        with written_whole(path, drafts) as draft, draft.open("w", encoding="utf-8") as file:
            for line in lines(path):
                if line["key"] not in self.done and keep(line):
                    self.done.add(line["key"])
                    file.write(_written(line))
        with writing(path):
            self._file = path.open("a", encoding="utf-8")

    def add(self, more: Sequence[Line]) -> list[Line]:
        """On the disk when this returns. Those of them that are new: what came twice is written once."""
        new = list({line["key"]: line for line in more if line["key"] not in self.done}.values())
        with writing(self.path):
            self._file.write("".join(map(_written, new)))
            self._file.flush()
            os.fsync(self._file.fileno())
        self.done.update(line["key"] for line in new)
        return new

    def close(self) -> None:
        """What a full disk did not take was said when it was added."""
        with suppress(OSError):
            self._file.close()


def lines(path: Path) -> Iterator[Line]:
    """Those that can be read."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for text in file:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if text.endswith(b"\n") and isinstance(line, dict) and isinstance(line.get("key"), str):
                yield line


def _written(line: Line) -> str:
    return json.dumps(line, default=str) + "\n"
