"""``diffedit edit | mask | keep | batch | demo``: files in, files out. Results go to stdout, the rest to stderr."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from ..focus import Focus
from ..keeping import KeepSettings
from ..settings import MaskSettings
from . import commands, say
from .batch import run_batch
from .batch_flags import add_batch_flags
from .edit_flags import (
    add_common_flags,
    add_edit_flags,
    add_file,
    add_json,
    add_outputs,
    add_picture_flags,
    add_row_flags,
)
from .flags import add_flags
from .interrupting import heeding_ctrl_c
from .keep import run_keep
from .reporting import what_is_full
from .streams import opened_streams, put, warnings_on_stderr


def run(argv: Sequence[str] | None = None) -> int:
    """0 when done, 3 when some rows of a batch failed, 2 on bad input, 1 without memory."""
    opened_streams()
    with heeding_ctrl_c() as is_pressed:
        try:
            args = make_parser().parse_args(argv)
            with warnings_on_stderr():
                report = args.run(args)
            put(f"{json.dumps(report) if args.json else _in_words(report)}\n")
            return 3 if report.get("failed") else 0
        except Exception as error:
            if is_pressed():
                raise KeyboardInterrupt from None
            if full := what_is_full(error):
                return say(full, 1)
            if not isinstance(error, (ValueError, OSError)):
                raise
            return say(_in_a_line(error), 2)


def _in_a_line(error: ValueError | OSError) -> str:
    said = str(error)
    if isinstance(error, OSError) and error.filename is not None:
        said = f"{os.fsdecode(error.filename)}: {error.strerror}"
    return " ".join(said.split())


def _in_words(report: Mapping[str, Any]) -> str:
    seconds, evaluations = dict(report["seconds"]), report["evaluations"]["total"]
    total = seconds.pop("total")
    stages = ", ".join(f"{stage} {value:.1f}" for stage, value in seconds.items())
    lines = [*report.get("findings", [])]
    edits = report.get("edits", [])
    for number, said in enumerate(edits, start=1):
        count = f"edit {number}, {100 * said['coverage']:.1f} %: " if len(edits) > 1 else ""
        lines += [f"{count}{said.get('finding', 'in the mask that was given')}"] if count or "finding" in said else []
    for part in report.get("cut_outs", []):
        lines.append("edited {width}x{height} pixels at {left}, {top}, {scale:.2f} of them as one".format(**part))
    if "coverage" in report:
        lines.append(f"the mask covers {100 * report['coverage']:.1f} % of the picture")
    took = f"{total:.1f} seconds ({stages})" if stages else f"{total:.1f} seconds"
    lines.append(f"{evaluations} model evaluations, {took}" if evaluations else took)
    return "\n".join(lines + [f"{path} ({name})" for name, path in report["written"].items()])


class _Parser(ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help, and the version."""
        put(message)

    def error(self, message: str) -> NoReturn:
        hint = "; name it first, before the flags" if message.endswith("IMAGE") else ""  # --edit takes what follows it
        raise ValueError(f"{message}{hint} (see {self.prog} --help)")


def make_parser() -> ArgumentParser:
    parser = _Parser(
        prog="diffedit", description="Say what should change in a picture. The rest stays as it is, to the pixel."
    )
    parser.add_argument("--version", action="version", version=f"diffedit {__version__}")
    added = parser.add_subparsers(required=True, metavar="COMMAND")
    _edit_parser(added.add_parser("edit", help="edit what the target text describes differently"))
    _mask_parser(added.add_parser("mask", help="only find where the two texts disagree"))
    _batch_parser(added.add_parser("batch", help="edit many pictures, and go on after any stop"))
    _keep_parser(added.add_parser("keep", help="take an edit from anywhere, and keep the rest of the picture"))
    _demo_parser(added.add_parser("demo", help="edit a scene of the bundled toy world with the bundled model"))
    return parser


def _edit_parser(parser: ArgumentParser) -> None:
    parser.add_argument("image", type=Path, metavar="IMAGE")
    add_outputs(parser, output="the edited picture [IMAGE-edited.png beside IMAGE]")
    add_file(parser, "--mask", "edit here, white on black, instead of finding a mask")
    add_file(parser, "--save-mask", "also write the mask")
    add_file(parser, "--save-heatmap", "also write the heatmap; .npy: its numbers")
    add_edit_flags(parser)
    add_json(parser)
    parser.set_defaults(run=commands.run_edit)


def _batch_parser(parser: ArgumentParser) -> None:
    parser.add_argument("table", metavar="TABLE", help="CSV, JSON lines or Parquet, a row a picture; or a folder")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where all results go; new, or the same"
    )
    add_batch_flags(parser)
    add_row_flags(parser)
    add_json(parser)
    parser.set_defaults(run=run_batch)


def _mask_parser(parser: ArgumentParser) -> None:
    parser.add_argument("image", type=Path, metavar="IMAGE")
    add_outputs(parser, output="the mask [IMAGE-mask.png beside IMAGE]")
    add_picture_flags(parser)
    add_json(parser)
    add_file(parser, "--save-heatmap", "the heatmap; .npy: its numbers [IMAGE-heatmap.png beside IMAGE]")
    add_flags(parser, MaskSettings(), "finding the mask")
    add_flags(parser, Focus(), "looking at large pictures")
    parser.set_defaults(run=commands.run_mask)


def _keep_parser(parser: ArgumentParser) -> None:
    parser.add_argument("image", type=Path, metavar="ORIGINAL", help="the picture as it was")
    parser.add_argument("edited", type=Path, metavar="EDITED", help="the same, edited by anything, of any size")
    add_file(parser, "--output", "the original with the edit [ORIGINAL-kept.png beside ORIGINAL]", "-o")
    add_file(parser, "--mask", "change nothing outside it, white on black, instead of searching the whole picture")
    add_file(parser, "--save-mask", "also write where it may differ from the original")
    add_file(parser, "--save-aligned", "also write the edited picture, laid onto the original")
    add_json(parser)
    add_flags(parser, KeepSettings(), "keeping the rest", without=("clip",))
    parser.set_defaults(run=run_keep)


def _demo_parser(parser: ArgumentParser) -> None:
    parser.add_argument("--scene", type=int, default=6, metavar="N", help="which held-out scene [6]")
    parser.add_argument("--kind", default="both", help="what changes in it [both: an object's colour and shape]")
    add_file(parser, "--output", "the panels [demo.png]", "-o", default=Path("demo.png"))
    add_common_flags(parser)
    add_json(parser)
    parser.set_defaults(run=commands.run_demo)
