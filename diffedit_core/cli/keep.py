"""``diffedit keep``: what was edited anywhere, put into the original, and what it had moved and tinted."""

from __future__ import annotations

import logging
from argparse import Namespace
from dataclasses import asdict
from typing import Any

from torch import Tensor

from ..keeping import KeepSettings, Kept, keep_rest
from ..pictures import to_pil
from .asked import drawn_on
from .files import Opened, beside, in_colours_of, open_picture, planned, save
from .flags import from_flags
from .reporting import Watch, costs

logger = logging.getLogger(__name__)


def run_keep(args: Namespace) -> dict[str, Any]:
    original, edited = open_picture(args.original), open_picture(args.edited)
    mask = _allowed(args, original)
    wanted = {
        "picture": args.output or beside(args.original, "kept"),
        "mask": args.save_mask,
        "aligned": args.save_aligned,
    }
    paths = planned(wanted, [args.original, args.edited, args.mask], original.size)
    with Watch().running() as watch:
        watch.begin("keep")
        how = from_flags(args, KeepSettings())
        kept = keep_rest(original.picture, in_colours_of(edited, original), mask=mask, how=how)
        watch.begin("write")
        pictures = {"picture": original.edited(kept.picture, kept.mask), "aligned": to_pil(kept.aligned)}
        for name, path in paths.items():
            save(pictures.get(name) or to_pil(kept.mask), path, None if name == "mask" else original.profile)
    return {"command": "keep", **_facts(args, original, edited, kept), **costs(watch, paths)}


def _allowed(args: Namespace, original: Opened) -> Tensor | None:
    """Where something may change, if that is said."""
    if args.mask is None:
        return None
    mask = (drawn_on(args.mask, args.original, original) >= 0.5).float()
    if not mask.any():
        logger.warning("the mask %s is black, so nothing changes; paint white what may change", args.mask)
    return mask


def _facts(args: Namespace, original: Opened, edited: Opened, kept: Kept) -> dict[str, Any]:
    (report,) = kept.report
    sizes = {name: list(opened.size[::-1]) for name, opened in (("size", original), ("edited_size", edited))}
    found = {name: _rounded(value) for name, value in asdict(report).items()}
    return {"original": str(args.original), "edited": str(args.edited), **sizes, **found, "findings": [str(report)]}


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value
