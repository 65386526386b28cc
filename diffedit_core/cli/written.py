"""The texts that models write before the edit: a caption, both texts of an instruction, wordings to average."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ..host import Text
from ..hosts.writers import Desk, Writer
from ..run import Edit

SIDES = ("source", "target")


@dataclass(frozen=True)
class Written:
    """What is asked for, with the texts in place."""

    edits: list[Edit]
    caption: str = ""
    facts: dict[str, Any] = field(default_factory=dict)  # for the report: the texts, as flags that give them again


def needs_a_writer(args: Namespace) -> bool:
    return any(each is not None for each in (args.caption, args.instruction, args.vary))


def write_texts(args: Namespace, edits: list[Edit], picture: Tensor, inverts: bool, desk: Desk) -> Written:
    """One model at a time, and none of them stays. Where something is inverted, it is inverted under the caption."""
    caption = desk.seat(args.caption).caption(picture) if args.caption is not None else ""
    if args.instruction is not None:
        source, target = desk.seat(args.writer).texts(args.instruction, picture, caption, args.seed)
        edits = [replace(edits[0], source=[source], target=[target])]
    elif caption and not args.source and not _several(args):
        edits = [replace(edits[0], source=[caption])]
    if args.vary is not None:
        writer = desk.seat(args.vary)
        edits = [
            replace(asked, **{side: _varied(writer, getattr(asked, side), args.seed) for side in SIDES})
            for asked in edits
        ]
        del writer
    desk.clear()
    inversion = caption if inverts and not args.inversion_text else ""
    facts = {**({"caption": caption} if caption else {}), "findings": _as_flags(args, edits, inversion)}
    return Written(edits, caption, facts)


def _varied(writer: Writer, text: Text, seed: int) -> list[str]:
    """Of an open source there are no wordings."""
    texts = listed(text)
    return [wording for each in texts for wording in (writer.wordings(each, seed) if each.strip() else [each])]


def _as_flags(args: Namespace, edits: Sequence[Edit], inversion: str) -> list[str]:
    flags = [f"--inversion-text {shlex.quote(inversion)}"] if inversion else []
    for number, asked in enumerate(edits, start=1):
        of_edit = f"edit {number}: " if _several(args) else ""
        for side in SIDES:
            flags += [f"{of_edit}--{side} {shlex.quote(each)}" for each in listed(getattr(asked, side))]
    return flags


def _several(args: Namespace) -> bool:
    return bool(getattr(args, "edit", None))


def listed(text: Text) -> list[str]:
    """A text in its wordings."""
    return [text] if isinstance(text, str) else [str(each) for each in text]
