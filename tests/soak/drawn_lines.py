"""Command lines at random: good ones, nearly good ones, and what only a child or a script would type."""

from __future__ import annotations

import argparse
import json
import random
import signal
from argparse import Action, BooleanOptionalAction
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from diffedit_core.cli.program import make_parser

from .forked import Conditions
from .odd_pictures import NAMES

VERBS = {"edit": 35, "mask": 14, "keep": 20, "batch": 22, "demo": 3, "": 6}
"""And how often. Without one: help, versions, and verbs that are none."""

TEXTS = [
    "a red circle", "a blue star on a green ground", "", " ", "\t\n", "\udcff", "caf\u00e9", "\U0001f34e", "x" * 3000,
    "a\nb", "-", "--", "--target", "%s", "None", "\u202e", "0", "a red, a red",
]  # fmt: skip
NUMBERS = [
    "0", "1", "2", "3", "-1", "0.5", "0.01", "1.0", "-0.0", "1e-9", "1e9", "-1e9", "nan", "inf", "-inf", "1e400",
    "99999999999999999999", "2147483648", "-2147483649", "0x10", "", " ", "1_0", "\u0663", "\u00b2", "1,5", "true",
    "9" * 5000, "12", "100", "256", "257",
]  # fmt: skip
COSTLY = {"--steps", "--mask-draws", "--tries", "--mask-drafts", "--mask-steps", "--iterations", "--windows", "--area"}
"""Flags of which a number that is within the limits must be small."""

MODELS = ["demo", "demo", "", ".", "a.png", "pipe.png", "none.png", "./none", "no/such", "no such\nmodel", "\udcff"]
VALUES: dict[str, Sequence[str]] = {
    "--seed": ["0", "7", "-1", "99999999999999999999", "-9223372036854775809", "1e3", "x", ""],
    "--device": ["cpu", "cpu:1", "meta", "cuda:99", "abacus", "", "xla", "mps", "cpu:-1", "cuda:x", "hpu", "\udcff"],
    "--jobs": ["1", "0", "-1", "x", "\u0663", "", "9" * 5000, "1.5"],
    "--threads": ["1", "2", "0", "100000", "2147483648", "99999999999999999999", "x"],
    "--ray": ["", "nowhere:1", "\udcff"],
    "--scene": ["6", "0", "-1", "99999999999999999999", "x", "1.5"],
    "--kind": ["both", "colour", "", "nope", "\udcff"],
    "--control": ["a.png", "canny", "none.png", "pipe.png", ""],
    "--preset": ["fast", "slow"],
    **dict.fromkeys(["--model", "--controlnet", "--inpaint-model", "--caption", "--vary", "--writer"], MODELS),
}
"""Of flags that take something of their own."""

OUTPUTS = [
    "o.png", "o.png", "o.png", "o.webp", "o.tif", "o.jpg", "O.PNG", "o.npy", "o.gif", "o", "", ".", "a.png", "./a.png",
    "none/o.png", "a.png/o.png", "sealed/o.png", "kept.png", "full/o.png", "folder.png", "pipe.png", "socket.png",
    "dangling.png", "itself.png", "up.png", "up.png/o.png", "linked.png", "b.png", "m.png", "x" * 300 + ".png",
    "x/" * 2500 + "o.png", "old.png", *NAMES,
]  # fmt: skip
"""Names to write to. None leads to a device: a mistake there would cost the machine more than a test."""

FOLDERS = [
    "out", "out", "out", "full/out", "sealed", "sealed/out", "a.png", "", ".", "itself.png", "out/deeper/still",
    "x" * 300, "pipe.png", "up.png", "dangling.png", "old", "\udcff", "ended",
]  # fmt: skip
JUNK = [
    [], ["--help"], ["-h"], ["--version"], ["edit", "--help"], ["mask", "-h"], ["keep", "--help"], ["batch", "--help"],
    ["demo", "--help"], ["paint"], [""], ["--"], ["-"], ["--frobnicate"], ["Edit"], ["edit"], ["keep", "a.png"],
    ["--version", "edit"], ["batch"], ["\udcff"], ["edit", "a.png", "--edit"], ["--help", "--version"], ["demo", "x"],
    ["edit", "--source"], ["--json"], ["demo", "--edit", "x"], ["x" * 100_000], ["@a.png"],
]  # fmt: skip


@dataclass(frozen=True)
class Line:
    argv: Sequence[str]
    how: Conditions = Conditions()
    needs: Sequence[str] = ()  # of the corpus
    tables: Mapping[str, bytes] = field(default_factory=dict)  # files beside them
    is_good: bool = False  # it does what it says, unless the conditions are against it
    real: bool = False

    @property
    def verb(self) -> str:
        return self.argv[0] if self.argv else ""

    def said(self, *flags: str) -> list[str]:
        """What was given with a flag."""
        found = [after for flag, after in zip(self.argv, self.argv[1:], strict=False) if flag in flags]
        return [
            *found,
            *(each.split("=", 1)[1] for each in self.argv if each.split("=", 1)[0] in flags and "=" in each),
        ]


def drawn(rng: random.Random, corpus: Sequence[str]) -> Line:
    verb = rng.choices([*VERBS], [*VERBS.values()])[0]
    how = _conditions(rng)
    if how.may_end_early:
        return MAKERS[rng.choice(["edit", "edit", "batch", "keep"])](rng, corpus, how, True)
    if not verb:
        return Line(rng.choice(JUNK), how)
    return MAKERS[verb](rng, corpus, how, rng.random() < 0.2)


def _conditions(rng: random.Random) -> Conditions:
    drawn = rng.random()
    if drawn < 0.74:
        return Conditions()
    if drawn < 0.85:
        return rng.choice(
            [
                *[Conditions(stdin="closed"), Conditions(stdout="closed"), Conditions(stdout="gone")],
                *[Conditions(stdout="full"), Conditions(stderr="closed"), Conditions("closed", "closed", "closed")],
            ]
        )
    if drawn < 0.89:
        return Conditions(memory=rng.choice([2, 4, 8, 12, 16, 20, 24, 32, 48, 64, 100, 200]) * 2**20)
    if drawn < 0.92:
        return Conditions(largest=rng.choice([0, 1, 100, 1000, 2000, 5000]))
    return Conditions(by=rng.choice([signal.SIGINT, signal.SIGINT, signal.SIGKILL]), after=rng.random() ** 2 * 1.2)


def _edit(rng: random.Random, corpus: Sequence[str], how: Conditions, is_good: bool) -> Line:
    return _of_picture(rng, corpus, how, is_good, "edit", ["--save-mask", "--save-heatmap", "--panels"])


def _mask(rng: random.Random, corpus: Sequence[str], how: Conditions, is_good: bool) -> Line:
    return _of_picture(rng, corpus, how, is_good, "mask", ["--save-heatmap", "--panels"])


CHEAP = {"edit": ["--steps", "3", "--mask-draws", "2", "--tries", "1"], "mask": ["--mask-draws", "2"]}


def _of_picture(
    rng: random.Random, corpus: Sequence[str], how: Conditions, is_good: bool, verb: str, more: Sequence[str]
) -> Line:
    texts = ["--source", "a red circle", "--target", "a blue star"]
    kind = ["--mask-kind", rng.choice(["object", "area"])]
    if is_good:
        places = ["-o", rng.choice(["o.png", "o.webp", "full/o.png"] if how.may_end_early else ["o.png", "o.tif"])]
        places += ["--save-mask", "s.png"] if verb == "edit" else []
        return Line(
            [verb, "a.png", *texts, *CHEAP[verb], *kind, "--model", "demo", "--json", *places], how, is_good=True
        )
    image, needs = _picture(rng, corpus)
    argv = [verb, image, *(texts if rng.random() < 0.85 else _texts(rng)), *CHEAP[verb], "--model", "demo"]
    argv += kind if rng.random() < 0.7 else []
    for flag in ["-o", *more]:
        if rng.random() < 0.4:
            argv += [flag, rng.choice(["o.png", "p.png", "h.npy", *OUTPUTS])]
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        argv += _flag(rng, verb, corpus)
    argv += ["--json"] if rng.random() < 0.5 else []
    return Line(_shuffled(rng, argv), how, [*needs, *_named(argv, corpus)])


def _picture(rng: random.Random, corpus: Sequence[str]) -> tuple[str, list[str]]:
    if rng.random() < 0.35:
        return "a.png", []
    name = rng.choice(corpus)
    return (f"./{name}" if name.startswith("-") and rng.random() < 0.8 else name), [name]


def _texts(rng: random.Random) -> list[str]:
    if rng.random() < 0.3:
        own = [rng.choice(["negative=x", "kind=area", "guidance=2", "mask=m.png", "mask=", "keep=", "kind=", "x", "="])]
        return ["--edit", rng.choice(TEXTS), rng.choice(TEXTS), *(own if rng.random() < 0.5 else [])]
    return [part for flag in ("--source", "--target") if rng.random() < 0.9 for part in (flag, rng.choice(TEXTS))]


def _keep(rng: random.Random, corpus: Sequence[str], how: Conditions, is_good: bool) -> Line:
    if is_good:
        places = ["-o", "full/o.png" if how.may_end_early and rng.random() < 0.4 else "o.png", "--save-mask", "s.png"]
        return Line(["keep", "a.png", "b.png", *places, "--json"], how, is_good=True)
    (image, needs), (edited, more) = _picture(rng, corpus), _picture(rng, corpus)
    argv = ["keep", image, rng.choice(["b.png", edited, edited])]
    for flag in ("-o", "--save-mask", "--save-aligned"):
        if rng.random() < 0.4:
            argv += [flag, rng.choice(["o.png", "p.png", *OUTPUTS])]
    for _ in range(rng.choice([0, 0, 1, 2])):
        argv += _flag(rng, "keep", corpus)
    argv += ["--refused", "original"] if rng.random() < 0.3 else []
    argv += ["--json"] if rng.random() < 0.5 else []
    return Line(argv, how, [*needs, *more, *_named(argv, corpus)])


def _demo(rng: random.Random, corpus: Sequence[str], how: Conditions, is_good: bool) -> Line:
    if is_good:
        return Line(["demo", "-o", "o.png", "--json"], how, is_good=True)
    argv = ["demo", "--scene", rng.choice(VALUES["--scene"]), "-o", rng.choice(OUTPUTS)]
    argv += _flag(rng, "demo", corpus)
    return Line(argv, how, _named(argv, corpus))


def _batch(rng: random.Random, corpus: Sequence[str], how: Conditions, is_good: bool) -> Line:
    if is_good:
        out = rng.choice(["out", "out", "full/out"]) if how.may_end_early else "out"
        rows = [_good_row(rng, number) for number in range(rng.choice([2, 5, 9]))]
        argv = ["batch", "t.jsonl", "--out", out, "--model", "demo", *CHEAP["edit"], "--json", "--save-mask"]
        return Line(argv, how, tables={"t.jsonl": _lines(rows)}, is_good=True)
    needs: list[str] = []
    rows = [_row(rng, corpus, needs, number) for number in range(rng.choice([0, 1, 2, 3]))]
    name = rng.choice(["t.jsonl", "t.jsonl", "t.csv", "t.ndjson", *TABLES])
    tables = {"t.jsonl": _lines(rows), "t.ndjson": _lines(rows), "t.csv": _csv(rows), **TABLES}
    argv = ["batch", name if rng.random() < 0.9 else rng.choice(PLACES_OF_TABLES)]
    argv += ["--out", rng.choice(FOLDERS)] if rng.random() < 0.97 else []
    argv += ["--model", "demo", *CHEAP["edit"]] if rng.random() < 0.9 else []
    argv += _texts(rng) if rng.random() < 0.2 else []
    for _ in range(rng.choice([0, 0, 0, 1])):
        argv += _flag(rng, "batch", corpus)
    needs += _named(argv, corpus)
    return Line(argv, how, needs, {name: tables[name]} if name in tables else {})


def _good_row(rng: random.Random, number: int) -> dict[str, Any]:
    if rng.random() < 0.5:
        return {"image": "a.png", "edited": "b.png", "out": f"{number}.png", "id": number}
    texts = {"source": "a red circle", "target": "a blue star", "mask-kind": "object"}
    return {"image": "a.png", **texts, "seed": number, "out": f"{number % 2}/{number}.webp"}


CELLS: list[Any] = [
    None, "", " ", 0, 1, -1, 2.0, 0.5, 1e400, float("nan"), True, False, [], [1], ["a", "b"], {}, {"a": 1}, "a\0b",
    "\ud800", "x" * 1000, 10**400, [["a", "b"]], [["a"]], [["a", 1]], [[]], [["a", "b", "mask=m.png"]], "a red circle",
    "yes", "nan", "--target", "-", "../a.png", "/etc/passwd", "s3://bucket/a.png", "file:///a.png", "://", "~",
    "a.png", "o.png",
]  # fmt: skip


def _row(rng: random.Random, corpus: Sequence[str], needs: list[str], number: int) -> dict[str, Any] | Any:
    if rng.random() < 0.05:
        return rng.choice(CELLS)
    image, more = _picture(rng, corpus)
    needs += more
    row: dict[str, Any] = {"image": image}
    row |= {"edited": "b.png"} if rng.random() < 0.6 else {"source": "a red circle", "target": "a blue star"}
    row |= {"out": rng.choice(["o.png", f"{number}.png", *OUTPUTS])} if rng.random() < 0.5 else {}
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        name = rng.choice(["image", "edited", "mask", "id", "out", "source", "seed", "edit", *COLUMNS])
        row[name] = rng.choice([value for value in CELLS if _is_cheap(f"--{name}", str(value))])
    return row


COLUMNS = [
    "steps",
    "focus",
    "rim",
    "seam",
    "guidance",
    "mask-kind",
    "negative",
    "keep",
    "preset",
    "grow",
    "model",
    "x",
    "",
]
TABLES: dict[str, bytes] = {
    "empty.csv": b"",
    "empty.jsonl": b"",
    "nul.csv": b"image,sou\0rce\na.png,x\n",
    "nul in a row.csv": b"image,source\na.png,\0\n",
    "wide.csv": b"image," + b"x" * 200_000 + b"\na.png,1\n",
    "wide in a row.csv": b"image,source\na.png," + b"x" * 200_000 + b"\n",
    "utf 16.csv": "image,source,target\na.png,x,y\n".encode("utf-16"),
    "bom.csv": b"\xef\xbb\xbfimage,edited\r\na.png,b.png\r\n",
    "latin.csv": "image,s\u00f6urce\na.png,x\n".encode("latin-1"),
    "quotes.csv": b'image,edited\n"a.png,b.png\n\n\n',
    "semicolons.csv": b"image;edited\na.png;b.png\n",
    "no image.csv": b"source,target\nx,y\n",
    "deep.jsonl": b'{"id": ' + b"[" * 900 + b"]" * 900 + b', "image": "a.png", "edited": "b.png"}\n',
    "deeper.jsonl": b"[" * 100_000 + b"\n" + b'{"image": "a.png", "edited": "b.png"}\n',
    "many.csv": b"image," * 3000 + b"x\n",
    "picture.csv": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "array.jsonl": b'[\n{"image": "a.png"},\n{"image": "b.png"}\n]\n',
    "no.parquet": b"PAR1" + bytes(100) + b"PAR1",
    "no table.txt": b"image\na.png\n",
}
"""Files that are no good tables, or hardly."""

PLACES_OF_TABLES = [
    "none.csv", ".", "pipe.csv", "zero.csv", "loop.csv", "x" * 300 + ".csv", "", "a.png", "s3://no/such.csv", "://.csv",
    "sealed", "folder.csv", "null.jsonl", "\udcff.csv", "file:///none.csv", "pipe.parquet",
]  # fmt: skip


def _lines(rows: Sequence[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _csv(rows: Sequence[Any]) -> bytes:
    rows = [row for row in rows if isinstance(row, dict)]
    columns = [*dict.fromkeys(name for row in rows for name in row)]
    cells = [columns, *([str(row.get(name, "")) for name in columns] for row in rows)]
    return "\n".join(",".join(f'"{cell}"' for cell in each) for each in cells).encode("utf-8", "surrogatepass")


MAKERS: dict[str, Callable[[random.Random, Sequence[str], Conditions, bool], Line]] = {
    "edit": _edit,
    "mask": _mask,
    "keep": _keep,
    "batch": _batch,
    "demo": _demo,
}


@cache
def _flags(verb: str) -> list[Action]:
    (commands,) = [each for each in make_parser()._actions if isinstance(each, argparse._SubParsersAction)]
    return [
        each for each in commands.choices[verb]._actions if each.option_strings and "--help" not in each.option_strings
    ]


def _flag(rng: random.Random, verb: str, corpus: Sequence[str]) -> list[str]:
    action = rng.choice(_flags(verb))
    name = rng.choice(action.option_strings)
    if isinstance(action, BooleanOptionalAction) or action.nargs == 0:
        return [name if rng.random() < 0.95 else f"{name}=1"]
    if action.nargs == "+":
        return _texts(rng)
    value = _value(rng, name, action, corpus)
    return [f"{name}={value}"] if value.startswith("-") or rng.random() < 0.2 else [name, value]


def _value(rng: random.Random, name: str, action: Action, corpus: Sequence[str]) -> str:
    if name in VALUES:
        return rng.choice(VALUES[name])
    if action.choices:
        return rng.choice([*action.choices, "magic"])
    if name in ("--mask",):
        return rng.choice(["m.png", "m.png", "a.png", *corpus])
    if action.type is Path or name == "-o":
        return rng.choice(OUTPUTS)
    if action.type is None:
        return rng.choice(TEXTS)
    return rng.choice([each for each in NUMBERS if _is_cheap(name, each)])


def _is_cheap(flag: str, text: str) -> bool:
    try:
        return flag not in COSTLY or not 3 < float(text) <= 1000
    except ValueError:
        return True


def _named(argv: Sequence[str], corpus: Sequence[str]) -> list[str]:
    """What of the corpus stands on the command line, or leads there."""
    parts = {
        name
        for each in argv
        for name in (each, each.split("=", 1)[-1], PurePath(each).parts[:1] and PurePath(each).parts[0])
    }
    return [name for name in corpus if name in parts]


def _shuffled(rng: random.Random, argv: list[str]) -> list[str]:
    """Now and then a part is left out, or said twice."""
    if rng.random() < 0.06:
        del argv[rng.randrange(1, len(argv))]
    if rng.random() < 0.03:
        argv = [*argv, *argv[-2:]]
    return argv
