"""``diffedit edit | mask | demo``: pictures and texts in, pictures out. Results go to stdout, all else to stderr."""

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

from . import __version__, commands
from .contrast import STATISTICS
from .decoding import BACKGROUNDS
from .editing import EDIT_MASK, EditSettings, MaskSettings
from .flags import add_flags
from .masks import RULES
from .refine import EDGE_SNAPS


def main(argv: Sequence[str] | None = None) -> int:
    """0 when done, 2 on input that cannot be worked with, 1 when memory runs out, 130 when interrupted."""
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
        return _say("out of memory: use a smaller picture, --dtype fp16 or bf16, or --device cpu", 1)


def _say(line: str, code: int) -> int:
    print(f"diffedit: {line}", file=sys.stderr)
    return code


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    logger, handler = logging.getLogger(__package__), logging.StreamHandler(sys.stderr)
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
    if "coverage" in report:
        lines.append(f"the mask covers {100 * report['coverage']:.1f} % of the picture")
    lines.append(f"{evaluations} model evaluations, {total:.1f} seconds ({stages})")
    return "\n".join(lines + [f"{path} ({name})" for name, path in report["written"].items()])


class _Parser(ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")


def _parser() -> ArgumentParser:
    parser = _Parser(prog="diffedit", description="Say what should change in a picture; the rest stays, to the pixel.")
    parser.add_argument("--version", action="version", version=f"diffedit {__version__}")
    added = parser.add_subparsers(required=True, metavar="COMMAND")
    _edit_parser(added.add_parser("edit", help="change what the target text says otherwise than the source text"))
    _mask_parser(added.add_parser("mask", help="only find where the two texts differ"))
    _demo_parser(added.add_parser("demo", help="edit a scene of the bundled toy world with its bundled model"))
    return parser


def _edit_parser(parser: ArgumentParser) -> None:
    _picture_flags(parser, output="the edited picture [IMAGE-edited.png beside IMAGE]")
    parser.add_argument("--mask", metavar="FILE", type=Path, help="where to edit, white on black; then none is sought")
    parser.add_argument("--save-mask", metavar="FILE", type=Path, help="write the mask as well")
    parser.add_argument(
        "--save-heatmap", metavar="FILE", type=Path, help="write the heatmap as well; .npy: its numbers"
    )
    _mask_flags(parser, EDIT_MASK)
    add_flags(parser, EditSettings(), "how to edit", choices={"background": BACKGROUNDS})
    parser.set_defaults(run=commands.run_edit)


def _mask_parser(parser: ArgumentParser) -> None:
    _picture_flags(parser, output="the mask [IMAGE-mask.png beside IMAGE]")
    parser.add_argument(
        "--save-heatmap",
        metavar="FILE",
        type=Path,
        help="the heatmap; .npy: its numbers [IMAGE-heatmap.png beside IMAGE]",
    )
    _mask_flags(parser, MaskSettings())
    parser.set_defaults(run=commands.run_mask)


def _demo_parser(parser: ArgumentParser) -> None:
    parser.add_argument("--scene", type=int, default=6, metavar="N", help="which held-out scene [6]")
    parser.add_argument("--kind", default="both", help="what changes in it [both: an object's colour and shape]")
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("demo.png"), help="the panels [demo.png]"
    )
    _common_flags(parser)
    parser.set_defaults(run=commands.run_demo)


def _picture_flags(parser: ArgumentParser, output: str) -> None:
    parser.add_argument("image", type=Path, metavar="IMAGE")
    parser.add_argument(
        "--source", action="append", metavar="TEXT", help="what the picture shows; several times: averaged"
    )
    parser.add_argument("--target", action="append", metavar="TEXT", help="what it shall show; several times: averaged")
    parser.add_argument("--model", metavar="PATH", help="a folder in the diffusers layout, a name on the hub, or: demo")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, help=output)
    parser.add_argument("--panels", metavar="FILE", type=Path, help="write input, mask and result side by side")
    parser.add_argument("--fast", action="store_true", help="FastDiffEdit: its mask of 20 draws, plain inpainting")
    _common_flags(parser)


def _common_flags(parser: ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed, the same picture [0]")
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps [cuda where there is one]")
    parser.add_argument("--dtype", choices=commands.DTYPES, help="of the model [float32; fp16 on cuda]")
    parser.add_argument("--json", action="store_true", help="one line of JSON on stdout")


def _mask_flags(parser: ArgumentParser, defaults: MaskSettings) -> None:
    offered = {"rule": tuple(RULES), "statistic": STATISTICS}
    add_flags(parser, defaults, "how to find the mask", "mask-", offered, skip=["fast"])
    add_flags(parser, defaults.refinement, "what to do to the mask", "refine-", {"edge_snap": EDGE_SNAPS})


if __name__ == "__main__":
    sys.exit(main())
