"""Which settings the flags start from."""

from __future__ import annotations

from argparse import Namespace

from ..settings import BALANCED, FASTDIFFEDIT, PRESETS, SEVERAL, EditSettings


def preset_of(args: Namespace) -> EditSettings:
    if args.fastdiffedit and args.preset:
        raise ValueError("--preset and --fastdiffedit exclude each other; give one of them")
    if args.fastdiffedit:
        return FASTDIFFEDIT
    if args.preset is None and len(getattr(args, "edit", None) or ()) > 1:
        return SEVERAL
    return PRESETS[args.preset or BALANCED].settings
