"""The flags of an edit: those of one picture, and those that a row of a table may say for itself."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

from ..keeping import KeepSettings
from ..settings import BALANCED, PRESETS, EditSettings
from ..wording import WORDINGS
from .asked import OWN
from .flags import add_flags, flags_of
from .models import DTYPES, add_model_flags


def add_edit_flags(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--edit",
        action="append",
        nargs="+",
        type=text_or_file,
        metavar=("SOURCE TARGET", "NAME=VALUE"),
        help="one of several edits, all done at once; its own " + ", ".join(OWN) + " may follow",
    )
    add_picture_flags(parser)
    _text(parser, "--inversion-text", "the text to invert under [none]")
    parser.add_argument("--inpaint-model", metavar="PATH", help="fills the mask that --model found [--model does]")
    add_flags(parser, EditSettings(), "putting the edit into the picture")


def add_row_flags(parser: ArgumentParser) -> None:
    """What can be said for all rows of a table, and by most of them for themselves."""
    for what in ("mask", "heatmap"):
        about = f"also write each {what}, beside its picture"
        parser.add_argument(f"--save-{what}", action="store_true", default=None, help=about)
    add_edit_flags(parser)
    shared = [name for name in flags_of(KeepSettings) if name in flags_of(EditSettings)]
    add_flags(parser, KeepSettings(), "keeping the rest, in rows with an edited picture", without=("clip", *shared))


def add_picture_flags(parser: ArgumentParser) -> None:
    _text(parser, "--source", "what the picture shows; give several wordings to average them")
    _text(parser, "--target", "what it should show; give several wordings to average them")
    _text(parser, "--negative", "what guidance leads away from [nothing]")
    parser.add_argument("--keep", type=text, metavar="TEXT", help="names what the edit must not touch [nothing]")
    _writers(parser)
    presets = "; ".join(f"{name}: {preset.meaning}" for name, preset in PRESETS.items())
    parser.add_argument("--preset", choices=PRESETS, help=f"{presets} [{BALANCED}]")
    parser.add_argument("--fastdiffedit", action="store_true", help="FastDiffEdit's settings, each can still be set")
    add_common_flags(parser)
    add_model_flags(parser)


def add_outputs(parser: ArgumentParser, output: str) -> None:
    add_file(parser, "--output", output, "-o")
    add_file(parser, "--panels", "also write input, mask and result side by side")


def add_common_flags(parser: ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same picture [0]")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps [cuda where there is one]")
    parser.add_argument("--dtype", choices=DTYPES, help="the model's precision [float32; fp16 on cuda]")


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one line of JSON on stdout")


def add_file(parser: ArgumentParser, flag: str, about: str, *short: str, default: Path | None = None) -> None:
    parser.add_argument(*short, flag, metavar="FILE", type=Path, default=default, help=about)


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
        parser.add_argument(flag, type=text, metavar=metavar, help=about)


def _text(parser: ArgumentParser, flag: str, about: str) -> None:
    parser.add_argument(flag, action="append", type=text, metavar="TEXT", help=about)


def text(given: str) -> str:
    """What a model can be told."""
    try:
        given.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError(f"{given!a:.80} is no UTF-8; write it as UTF-8") from None
    return given


def text_or_file(given: str) -> str:
    """The name of a file may be any bytes."""
    return given if given.startswith("mask=") else text(given)
