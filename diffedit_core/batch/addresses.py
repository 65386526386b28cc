"""Where a file is: a path here, or an address such as s3://bucket/cat.png, which pyarrow reads."""

from __future__ import annotations

import errno
import posixpath
import stat
from pathlib import Path
from typing import BinaryIO, cast

Address = Path | str
"""A path, or an address with a scheme."""

NO_FILE = "it is no file but a pipe, a socket or a device"


def address(text: str, base: Address | None = None) -> Address:
    """Of what a table or the command line says. What is relative is meant from the base."""
    if "://" in text:
        return text
    return posixpath.join(base, text) if isinstance(base, str) else (base or Path()) / text


def folder_of(place: Address) -> Address:
    return posixpath.dirname(place) if isinstance(place, str) else place.parent


def opened(place: Address) -> BinaryIO:
    """To be read from. What is wrong is an OSError, or a ValueError that says what to install."""
    if isinstance(place, Path) or "://" not in place:
        return _opened_file(Path(place))
    try:
        from pyarrow.fs import FileSystem
    except ImportError:
        raise ValueError(f"to read {place}, install pyarrow: pip install 'diffedit[parquet]'") from None
    files, path = FileSystem.from_uri(place)
    return cast(BinaryIO, files.open_input_file(path))  # which behaves as one


def _opened_file(path: Path) -> BinaryIO:
    """Of a pipe or a device one may wait for the end for ever."""
    kind = path.stat().st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):  # of a folder, opening it says what is wrong
        raise OSError(errno.EINVAL, NO_FILE)
    return path.open("rb")
