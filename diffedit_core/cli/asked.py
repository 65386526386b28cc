"""What the command line asks for: pairs of texts, masks drawn by hand -> edits."""

from __future__ import annotations

import logging
import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from ..kinds import KINDS
from ..refine import Refinement, refine
from ..run import Edit
from ..settings import DecodingSettings
from .files import Opened, open_mask
from .flags import given_flags

logger = logging.getLogger(__name__)

OWN = ("negative", "keep", "kind", "guidance", "mask")
"""What an --edit may say for itself, as NAME=VALUE."""

SEEKING = ("keep", "kind")
"""Of these, what says how to look for the place."""


def edits_of(args: Namespace, opened: Opened, how: Refinement, needs_source: bool) -> list[Edit]:
    """One for each --edit, or the one of --source and --target. A mask from a file is refined."""
    if not args.edit:
        source, target = texts_of(args, needs_source or not args.mask)
        return [Edit(source, target, args.negative or "", args.keep or "", _mask(args.mask, args, opened, how))]
    if given := given_flags(args, ["source", "target", "mask", "instruction"]):
        raise ValueError(f"{', '.join(given)} cannot stand beside --edit; write --edit SOURCE TARGET mask=FILE")
    return [_own(parts, args, opened, how) for parts in args.edit]


def masks_of(args: Namespace) -> list[Path]:
    """The files that masks are read from."""
    own = [_named(parts[2:]).get("mask") for parts in args.edit or []]
    return [*([args.mask] if args.mask else []), *(Path(path) for path in own if path)]


def is_all_given(args: Namespace) -> bool:
    """Whether no mask is sought."""
    return bool(args.mask) or len(masks_of(args)) == len(args.edit or [None])


def is_said_by_all(args: Namespace, name: str) -> bool:
    """Whether every --edit says this for itself, or has a mask, so that it need not."""
    own = [_named(parts[2:]) for parts in args.edit or []]
    return bool(own) and all(name in each or (name in SEEKING and "mask" in each) for each in own)


def texts_of(args: Namespace, needs_source: bool = True) -> tuple[list[str], list[str]]:
    """An empty source is the paper's empty reference. An empty target says nothing. What a model writes comes later."""
    if args.instruction is not None:
        return _to_be_written(args)
    if not args.target or not all(text.strip() for text in args.target):
        raise ValueError("--target is missing or empty; say what the picture should show")
    if needs_source and not args.source and not args.caption:
        raise ValueError('--source is missing; say what the picture shows now, or --source "" to leave it open')
    _warn_if_open(args.source or [] if needs_source else [])
    return args.source or [""], args.target


def _to_be_written(args: Namespace) -> tuple[list[str], list[str]]:
    if given := given_flags(args, ["source", "target"]):
        raise ValueError(f"{', '.join(given)} cannot stand beside --instruction, of which both texts are made")
    if not args.instruction.strip():
        raise ValueError("--instruction is empty; say what should change")
    if not args.writer:
        raise ValueError("--instruction needs --writer MODEL, which makes two texts of it: a model that chats")
    return [""], [""]


def _own(parts: Sequence[str], args: Namespace, opened: Opened, how: Refinement) -> Edit:
    if len(parts) < 2 or not parts[1].strip():
        raise ValueError(f"--edit {shlex.join(parts)}: say what is there, and then what should be there instead")
    source, target, *more = parts
    own = _named(more)
    for name in own:
        if name not in OWN or f"{name}={own[name]}" not in more:
            names = ", ".join(f"{each}=" for each in OWN)
            raise ValueError(f"--edit ... {name}: after the two texts, each of them in quotes, may come {names}")
    if len(own) < len(more):
        raise ValueError(f"--edit ... {' '.join(more)}: each name may be given once")
    if useless := [f"{name}=" for name in SEEKING if name in own and "mask" in own]:
        raise ValueError(f"--edit ... {', '.join(useless)} would change nothing: mask=FILE says where to edit")
    _warn_if_open([source] if "mask" not in own else [])
    kind = own.get("kind")
    if kind is not None and kind not in KINDS:
        raise ValueError(f"--edit ... kind={kind}: it must be one of {', '.join(KINDS)}")
    if own.get("mask") == "":
        raise ValueError("--edit ... mask=: name a file")
    return Edit(
        source,
        target,
        own.get("negative", args.negative or ""),
        own.get("keep", args.keep or ""),
        _mask(Path(own["mask"]) if "mask" in own else None, args, opened, how),
        kind,
        _guidance(own["guidance"]) if "guidance" in own else None,
    )


def _named(parts: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (part.partition("=") for part in parts)}


def _guidance(text: str) -> float:
    try:
        return DecodingSettings(guidance=float(text)).guidance
    except ValueError:
        raise ValueError(f"--edit ... guidance={text}: it must be a number from 0 to 30") from None


def drawn_on(path: Path, image: Path, opened: Opened) -> Tensor:
    """A mask from a file, which was drawn on this picture."""
    mask = open_mask(path)
    if mask.shape[1:] != opened.size:
        (height, width), (mask_height, mask_width) = opened.size, mask.shape[1:]
        raise ValueError(
            f"the mask {path} is {mask_width}x{mask_height} but the picture {image} is {width}x{height}; "
            "draw the mask on this picture"
        )
    return mask


def _mask(path: Path | None, args: Namespace, opened: Opened, how: Refinement) -> Tensor | None:
    return None if path is None else refine(drawn_on(path, args.image, opened), how, picture=opened.picture)


def _warn_if_open(sources: Sequence[str]) -> None:
    if not all(text.strip() for text in sources):
        logger.warning("the source text is empty, so the mask will be whatever the target text names")
