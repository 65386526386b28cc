"""Models that come from elsewhere, and what can go wrong with their files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..shortage import is_out_of_memory
from ..stopping import may_stop


@contextmanager
def loading(name: str | Path) -> Iterator[None]:
    """Foreign files fail in all kinds of ways: what went wrong, in one line that names them."""
    try:
        yield
    except Exception as cause:
        may_stop()  # torch takes Ctrl-C for a broken file
        if is_out_of_memory(cause):
            raise
        what = "cannot be loaded" if Path(name).exists() else "is neither a folder here nor a model on the hub"
        raise ValueError(f"{name} {what}: {first_line(cause)}") from cause


def first_line(cause: Exception) -> str:
    return (str(cause).strip() or type(cause).__name__).splitlines()[0][:200]
