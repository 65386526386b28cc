"""``diffedit edit | mask | keep | demo``: files in, files out. Results go to stdout, the rest to stderr."""

from __future__ import annotations

import json
import logging
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch

from .. import __version__
from ..focus import Focus
from ..keeping import KeepSettings
from ..settings import BALANCED, PRESETS, EditSettings, MaskSettings
from ..wording import WORDINGS
from . import commands
from .asked import OWN
from .flags import add_flags
from .keep import run_keep
from .models import add_model_flags


def main(argv: Sequence[str] | None = None) -> int:
    """0 when done, 2 on bad input, 1 when memory runs out, 130 when interrupted."""
    try:
        args = _parser().parse_args(argv)
        with _warnings_on_stderr():
            report = args.run(args)
        print(json.dumps(report) if args.json else _in_words(report))
        return 0
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except ValueError as error:
        return _say(" ".join(str(error).split()), 2)
    except (torch.OutOfMemoryError, MemoryError):
        return _say("out of memory: use a smaller picture, --dtype fp16 or bf16, --offload model, or --device cpu", 1)


def _say(line: str, code: int) -> int:
    print(f"diffedit: {line}", file=sys.stderr)
    return code


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    logger, handler = logging.getLogger("diffedit_core"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("diffedit: %(message)s"))
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


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
    took = f"{total:.1f} seconds ({stages})"
    lines.append(f"{evaluations} model evaluations, {took}" if evaluations else took)
    return "\n".join(lines + [f"{path} ({name})" for name, path in report["written"].items()])


class _Parser(ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        hint = "; name it first, before the flags" if message.endswith("IMAGE") else ""  # --edit takes what follows it
        raise ValueError(f"{message}{hint} (see {self.prog} --help)")


def _parser() -> ArgumentParser:
    parser = _Parser(
        prog="diffedit", description="Say what should change in a picture. The rest stays as it is, to the pixel."
    )
    parser.add_argument("--version", action="version", version=f"diffedit {__version__}")
    added = parser.add_subparsers(required=True, metavar="COMMAND")
    _edit_parser(added.add_parser("edit", help="edit what the target text describes differently"))
    _mask_parser(added.add_parser("mask", help="only find where the two texts disagree"))
    _keep_parser(added.add_parser("keep", help="take an edit from anywhere, and keep the rest of the picture"))
    _demo_parser(added.add_parser("demo", help="edit a scene of the bundled toy world with the bundled model"))
    return parser


def _edit_parser(parser: ArgumentParser) -> None:
    _picture_flags(parser, output="the edited picture [IMAGE-edited.png beside IMAGE]")
    parser.add_argument(
        "--edit",
        action="append",
        nargs="+",
        metavar=("SOURCE TARGET", "NAME=VALUE"),
        help="one of several edits, all done at once; its own " + ", ".join(OWN) + " may follow",
    )
    _text(parser, "--inversion-text", "the text to invert under [none]")
    _file(parser, "--mask", "edit here, white on black, instead of finding a mask")
    parser.add_argument("--inpaint-model", metavar="PATH", help="fills the mask that --model found [--model does]")
    _file(parser, "--save-mask", "also write the mask")
    _file(parser, "--save-heatmap", "also write the heatmap; .npy: its numbers")
    add_flags(parser, EditSettings(), "putting the edit into the picture")
    parser.set_defaults(run=commands.run_edit)


def _mask_parser(parser: ArgumentParser) -> None:
    _picture_flags(parser, output="the mask [IMAGE-mask.png beside IMAGE]")
    _file(parser, "--save-heatmap", "the heatmap; .npy: its numbers [IMAGE-heatmap.png beside IMAGE]")
    add_flags(parser, MaskSettings(), "finding the mask")
    add_flags(parser, Focus(), "looking at large pictures")
    parser.set_defaults(run=commands.run_mask)


def _keep_parser(parser: ArgumentParser) -> None:
    parser.add_argument("original", type=Path, metavar="ORIGINAL", help="the picture as it was")
    parser.add_argument("edited", type=Path, metavar="EDITED", help="the same, edited by anything, of any size")
    _file(parser, "--output", "the original with the edit [ORIGINAL-kept.png beside ORIGINAL]", "-o")
    _file(parser, "--mask", "change nothing outside it, white on black, instead of searching the whole picture")
    _file(parser, "--save-mask", "also write where it may differ from the original")
    _file(parser, "--save-aligned", "also write the edited picture, laid onto the original")
    _json(parser)
    add_flags(parser, KeepSettings(), "keeping the rest", without=("clip",))
    parser.set_defaults(run=run_keep)


def _demo_parser(parser: ArgumentParser) -> None:
    parser.add_argument("--scene", type=int, default=6, metavar="N", help="which held-out scene [6]")
    parser.add_argument("--kind", default="both", help="what changes in it [both: an object's colour and shape]")
    _file(parser, "--output", "the panels [demo.png]", "-o", default=Path("demo.png"))
    _common_flags(parser)
    parser.set_defaults(run=commands.run_demo)


def _picture_flags(parser: ArgumentParser, output: str) -> None:
    parser.add_argument("image", type=Path, metavar="IMAGE")
    _text(parser, "--source", "what the picture shows; give several wordings to average them")
    _text(parser, "--target", "what it should show; give several wordings to average them")
    _text(parser, "--negative", "what guidance leads away from [nothing]")
    parser.add_argument("--keep", metavar="TEXT", help="names what the edit must not touch [nothing]")
    _writers(parser)
    _file(parser, "--output", output, "-o")
    _file(parser, "--panels", "also write input, mask and result side by side")
    presets = "; ".join(f"{name}: {preset.meaning}" for name, preset in PRESETS.items())
    parser.add_argument("--preset", choices=PRESETS, help=f"{presets} [{BALANCED}]")
    parser.add_argument("--fastdiffedit", action="store_true", help="FastDiffEdit's settings, each can still be set")
    _common_flags(parser)
    add_model_flags(parser)


def _writers(parser: ArgumentParser) -> None:
    """Models of transformers: a folder or a name on the hub, as for --model."""
    for flag, metavar, about in (
        (
            "--caption",
            "MODEL",
            "describes the picture, as the text to invert under and as a missing source: BLIP, or one that chats",
        ),
        ("--vary", "MODEL", f"puts each text in {WORDINGS} wordings, which are averaged: Flan-T5, or one that chats"),
        ("--instruction", "TEXT", "says what to change, instead of --source and --target: make the dress blue"),
        (
            "--writer",
            "MODEL",
            "makes both texts of the --instruction: one that chats and sees the picture, or its --caption",
        ),
    ):
        parser.add_argument(flag, metavar=metavar, help=about)


def _common_flags(parser: ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same picture [0]")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps [cuda where there is one]")
    parser.add_argument("--dtype", choices=commands.DTYPES, help="the model's precision [float32; fp16 on cuda]")
    _json(parser)


def _json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one line of JSON on stdout")


def _text(parser: ArgumentParser, flag: str, about: str) -> None:
    parser.add_argument(flag, action="append", metavar="TEXT", help=about)


def _file(parser: ArgumentParser, flag: str, about: str, *short: str, default: Path | None = None) -> None:
    parser.add_argument(*short, flag, metavar="FILE", type=Path, default=default, help=about)
