"""Files that are there whole or not at all, whatever happens meanwhile: a crash, kill -9, the power going off."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(where: str | Path) -> Iterator[None]:
    """A disk that is full, read-only or broken says so in a sentence."""
    try:
        yield
    except OSError as cause:
        raise ValueError(f"cannot write {where}: {cause.strerror or cause}") from cause


@contextmanager
def written_whole(path: str | Path, drafts: Path | None = None) -> Iterator[Path]:
    """A path to write to: beside this one, or in the folder for drafts. When all is on the disk, it is moved here.

    If that fails, it is removed.
    """
    target = Path(os.path.realpath(path))  # a link stays a link
    draft = (drafts or target.parent) / f".diffedit-{secrets.token_hex(8)}{target.suffix}"
    try:
        with writing(path):
            yield draft
            on_disk(draft)
            draft.replace(target)
            if os.name == "posix":  # the name as well; Windows opens no folders
                on_disk(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def on_disk(path: Path) -> None:
    """Returns when what was written is on the disk."""
    # Windows syncs only what is open for writing, and folders cannot be opened so
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
