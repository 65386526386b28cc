"""One run at a time in a folder. The system takes the lock back when a process ends, however it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .whole import writing

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, folder: Path) -> Iterator[None]:
    with writing(f"into {folder}"):
        file = path.open("a")
    with file:
        try:
            _lock(file.fileno())
        except (BlockingIOError, PermissionError):
            raise ValueError(f"another run is writing into {folder}; wait for it, or name another --out") from None
        yield
