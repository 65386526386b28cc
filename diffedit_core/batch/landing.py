"""Results -> files in place and lines in the journal, in a thread beside the work."""

from __future__ import annotations

import errno
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from .journal import Journal, Line
from .whole import written_whole
from .work import Result

AT_ONCE = 32
"""Results that may wait to be written. Those that wait share one line-up at the disk."""

WRITERS = 4
"""Threads that wait for the disk."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE}
"""What is wrong with the disk, and not with one name."""


class Landing:
    """A line is written when the files of its row are on the disk, and not before."""

    def __init__(self, out: Path, drafts: Path, journal: Journal, on_line: Callable[[Line], None]) -> None:
        self.out, self.drafts, self.journal, self.on_line = out, drafts, journal, on_line
        self._waiting: queue.Queue[Result | None] = queue.Queue(AT_ONCE)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def put(self, result: Result) -> None:
        """Waits where the disk is behind. Raises what went wrong with an earlier one."""
        if self._error:
            raise self._error
        self._waiting.put(result)

    def __enter__(self) -> Landing:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """What was handed over is written, whatever comes after it."""
        self._waiting.put(None)
        self._thread.join()
        if self._error and error is None:
            raise self._error

    def _run(self) -> None:
        with ThreadPoolExecutor(WRITERS) as writers:
            while (first := self._waiting.get()) is not None:
                together, is_last = self._waiting_with(first)
                try:
                    if not self._error:
                        lines = self.journal.add([*writers.map(self._placed, together)])
                        for line in lines:
                            self.on_line(line)
                except BaseException as error:
                    self._error = error
                if is_last:
                    return

    def _waiting_with(self, first: Result) -> tuple[list[Result], bool]:
        together = [first]
        while len(together) < AT_ONCE:
            try:
                more = self._waiting.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return together, True
            together.append(more)
        return together, False

    def _placed(self, result: Result) -> dict[str, Any]:
        """The line, once the files are there. A name that the disk does not take costs its own row."""
        line = {**result.line, "key": result.key}
        try:
            for name, data in result.files.items():
                path = self.out / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(path, self.drafts) as draft:
                    draft.write_bytes(data)
        except (OSError, ValueError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(cause, OSError) and cause.errno not in FULL:
                kept = {name: line[name] for name in ("key", "row", "id", "image") if name in line}
                return {**kept, "error": str(error)}
            raise
        return line
