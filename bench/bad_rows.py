"""Rows of a table that cannot be worked on, of twenty kinds, and what is to be said of each."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

Row = dict[str, Any]

TEXTS = {"source": "a red star", "target": "a blue star"}


def prepared(folder: Path, image: str) -> dict[str, tuple[Row | str, str]]:
    """By kind: a row, or a line as it stands in the file, and a part of what is to be said. ``image`` is a good one."""
    for name, make in BROKEN.items():
        make(folder / name)
    good: Mapping[str, Any] = {"image": image, **TEXTS}
    return {
        "no such file": ({**good, "image": "none.png"}, "there is no file"),
        "not a picture": ({**good, "image": "text.png"}, "is not a picture"),
        "cut off": ({**good, "image": "cut.png"}, "cannot be read"),
        "huge": ({**good, "image": "huge.png"}, "cannot be read"),
        "a folder": ({**good, "image": "folder.png"}, "cannot be read"),
        "no image": ({**TEXTS}, "image is missing"),
        "image a number": ({**good, "image": 7}, "image is 7"),
        "no target": ({"image": image, "source": "a red star"}, "--target is missing"),
        "no source": ({"image": image, "target": "a blue star"}, "--source is missing"),
        "mask of another size": ({**good, "mask": "small.png"}, "draw the mask on this picture"),
        "no such mask": ({**good, "mask": "none.png"}, "there is no file"),
        "text for a number": ({**good, "steps": "ten"}, "'ten' is not a whole number"),
        "list for a number": ({**good, "steps": [1, 2]}, "steps is [1, 2]"),
        "out of the limits": ({**good, "strength": 3}, "3 is not from"),
        "no such choice": ({**good, "mask-kind": "thing"}, "invalid choice"),
        "no such column": ({**good, "stpes": 3}, "no flag for 'stpes'"),
        "out path twice": ({**good, "out": "0.png"}, "give each row its own"),
        "out of the folder": ({**good, "out": "../x.png"}, "leads out of the output folder"),
        "absolute path": ({**good, "out": "/tmp/x.png"}, "leads out of the output folder"),
        "no JSON": ('{"image": "0.png", "source": ', "is no JSON"),
    }


def written(row: Row | str) -> str:
    return row if isinstance(row, str) else json.dumps(row)


def _cut(path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:1000])


def _huge(path: Path) -> None:
    """A picture of 3.6 gigapixels, of which only the beginning is there."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(100))))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


BROKEN: dict[str, Callable[[Path], Any]] = {
    "text.png": lambda path: path.write_text("no picture"),
    "cut.png": _cut,
    "huge.png": _huge,
    "folder.png": lambda path: path.mkdir(),
    "small.png": lambda path: Image.new("L", (3, 5)).save(path),
}
