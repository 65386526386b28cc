"""``diffedit keep``: what was edited anywhere, put into the original, and what it had moved and tinted."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from ..batch.addresses import Address
from ..keeping import KeepSettings, Kept, keep_rest
from ..pictures import to_pil
from .asked import drawn_on
from .files import Opened, beside, encoded, in_colours_of, open_picture, planned, write
from .flags import from_flags
from .reporting import Watch, costs

logger = logging.getLogger(__name__)


def run_keep(args: Namespace) -> dict[str, Any]:
    pair = read_pair(args)
    wanted = {
        "picture": args.output or beside(args.image, "kept"),
        "mask": args.save_mask,
        "aligned": args.save_aligned,
    }
    paths = planned(wanted, [args.image, args.edited, args.mask], pair.opened.size)
    with Watch().running() as watch:
        watch.begin("keep")
        made = pair.kept()
        watch.begin("write")
        for name, content in made.files(paths).items():
            write(paths[name], content)
    return {"command": "keep", **made.facts(), **costs(watch, paths)}


@dataclass(frozen=True)
class Pair:
    """An original and the same picture edited, read and checked."""

    args: Namespace
    opened: Opened  # the original
    edited: Opened
    mask: Tensor | None  # where something may change, if that is said

    def kept(self) -> KeptPair:
        edited, how = in_colours_of(self.edited, self.opened), from_flags(self.args, KeepSettings())
        return KeptPair(self, keep_rest(self.opened.picture, edited, mask=self.mask, how=how))


@dataclass(frozen=True)
class KeptPair:
    pair: Pair
    kept: Kept

    def files(self, paths: Mapping[str, Address]) -> dict[str, bytes]:
        """Of what is wanted, what goes into the files of these names."""
        original, kept = self.pair.opened, self.kept
        images: dict[str, tuple[Callable[[], Image.Image], bytes | None]] = {
            "picture": (lambda: original.edited(kept.picture, kept.mask), original.profile),
            "mask": (lambda: to_pil(kept.mask), None),
            "aligned": (lambda: to_pil(kept.aligned), original.profile),
        }
        return {
            name: encoded(image(), paths[name], profile) for name, (image, profile) in images.items() if name in paths
        }

    def facts(self) -> dict[str, Any]:
        pair, (report,) = self.pair, self.kept.report
        sizes = {name: list(each.size[::-1]) for name, each in (("size", pair.opened), ("edited_size", pair.edited))}
        found = {name: _rounded(value) for name, value in asdict(report).items()}
        named = {"original": str(pair.args.image), "edited": str(pair.args.edited)}
        return {**named, **sizes, **found, "findings": [str(report)]}

    def places(self) -> dict[str, Any]:
        return {}

    def shown(self) -> tuple[Tensor, Tensor, Tensor]:
        """Before [1, H, W, 3], the mask [1, H, W], and after."""
        return self.pair.opened.picture, self.kept.mask, self.kept.picture


def read_pair(args: Namespace) -> Pair:
    original = open_picture(args.image)
    return Pair(args, original, open_picture(args.edited), _allowed(args, original))


def _allowed(args: Namespace, original: Opened) -> Tensor | None:
    """Where something may change, if that is said."""
    if args.mask is None:
        return None
    mask = (drawn_on(args.mask, args.image, original) >= 0.5).float()
    if not mask.any():
        logger.warning("the mask %s is black, so nothing changes; paint white what may change", args.mask)
    return mask


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value
