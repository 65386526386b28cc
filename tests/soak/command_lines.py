"""Fuzz of the command line as a process. ``python -m soak.command_lines COUNT SEED NUMBER`` does one of them again."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import io
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diffedit_core import cli
from diffedit_core.batch.journal import lines
from diffedit_core.cli.files import open_picture

from .drawn_lines import CHEAP, Line, drawn
from .forked import Conditions, Ended, ran
from .odd_pictures import PLACES, Make, corpus, encoded, readable, scene
from .outcome import Outcome

WANTED = "2,000; findings left: 0"
REAL = 50
"""One in so many is also a new process of Python."""

SLOW = 20.0
"""Seconds of the processor: ten times what the longest of them should take."""

MOST = 1_500_000_000
"""Bytes that a small file may take."""

ROOM = 48
"""Pages of 4096 bytes that the small disk has, of which some are taken already."""

REMOUNT = 0x20

Seen = Mapping[str, tuple[int, bytes]]
"""What lies in a folder: by path its kind and rights, and its content."""


def run(count: int, seed: int) -> Outcome:
    """In a process of its own, which has nothing else loaded and may mount a disk."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = os.pathsep.join(str(each) for each in Path(__file__).resolve().parents[1:3])
    command = [sys.executable, "-m", "soak.command_lines", str(count), str(seed)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return Outcome(**json.loads(done.stdout.splitlines()[-1]))


def _fuzzed(count: int, seed: int) -> Outcome:
    findings: list[str] = []
    codes: Counter[str] = Counter()
    with _bench(seed) as bench:
        for number in range(count):
            line = bench.line(number)
            ended, problems = bench.tried(line)
            codes[str(ended.code)] += 1
            for problem in problems:
                findings.append(f"seed {seed}, line {number}: {problem}: {_shown(line)}")
                sys.stderr.write(f"{findings[-1]}\n")
    said = ", ".join(f"{code}: {times}" for code, times in sorted(codes.items()))
    return Outcome("fuzzed command lines", count, findings, WANTED, f"exit codes {said}")


def _shown(line: Line) -> str:
    how = "" if line.how.are_plain else f" {line.how}"
    return f"{' '.join(ascii(part)[:120] for part in line.argv)}{how}"


class Bench:
    """A folder to try command lines in."""

    def __init__(self, root: Path, seed: int) -> None:
        self.seed, self.root, self.full = seed, root, root / "full"
        self.corpus = corpus(random.Random(seed))
        self.good = readable()["rgb.png"]
        self.turn = 0

    def line(self, number: int) -> Line:
        line = drawn(random.Random(f"{self.seed} {number}"), [*self.corpus])
        return replace(line, real=number % REAL == REAL - 1 and line.how.are_plain)

    def tried(self, line: Line) -> tuple[Ended, list[str]]:
        with self._folder(line) as folder:
            before = seen(folder)
            ended = ran(line.argv, folder, line.how)
            after = seen(folder)
            problems = [*_problems(line, ended, folder, before, after), *self._strays()]
            if line.is_good and line.verb == "batch" and line.how.may_end_early:
                problems += self._gone_on(line, folder)
        if line.real:
            problems += self._as_really(line, ended, after)
        return ended, problems

    def _as_really(self, line: Line, ended: Ended, after: Seen) -> Iterator[str]:
        with self._folder(line) as folder:
            real = ran(line.argv, folder, line.how, real=True)
            yield from _problems(line, real, folder, after, seen(folder), only_said=True)
            for what, own, other in (("code", ended.code, real.code), ("stderr", ended.err, real.err)):
                if own != other:
                    yield f"as a real process it has another {what}, {other!r} and not {own!r}"
            names = [{name for name in each if not name.startswith("out/")} for each in (after, seen(folder))]
            if names[0] != names[1]:
                yield f"as a real process it leaves other files: {names[0] ^ names[1]}"

    def _gone_on(self, line: Line, folder: Path) -> Iterator[str]:
        """After any stop, the same command goes on."""
        out = folder / line.said("--out")[0]
        with _more_room(self.full):
            again = ran(line.argv, folder, Conditions())
            if again.code and "holds other files" not in again.err:
                yield f"started again, it ends with {again.code}: {again.err}"
            rows = line.tables["t.jsonl"].count(b"\n")
            done = [json.loads(each) for each in (out / "results.jsonl").read_text().splitlines()]
            if len(done) != rows or len({each["key"] for each in done}) != rows:
                yield f"started again, it has {len(done)} lines for {rows} rows"
            for name in (name for each in done for name in each.get("written", {}).values()):
                yield from _half_written(out / name)

    @contextlib.contextmanager
    def _folder(self, line: Line) -> Iterator[Path]:
        self.turn += 1
        folder = self.root / f"work{self.turn}"
        folder.mkdir()
        self._furnish(folder, line)
        try:
            yield folder
        finally:
            for each in [folder, *folder.rglob("*"), *self.full.rglob("*")]:
                if each.is_dir() and not each.is_symlink():
                    each.chmod(0o755)
            _empty(folder)
            folder.rmdir()
            _empty(self.full)

    def _furnish(self, folder: Path, line: Line) -> None:
        a = scene(48, 64)
        b, mask = a.copy(), np.zeros(a.shape[:2], np.uint8)
        b[10:20, 30:44], mask[8:22, 28:46] = 255 - b[10:20, 30:44], 255
        for name, pixels in {"a.png": a, "b.png": b, "m.png": mask, "old.png": a, "kept.png": a}.items():
            (folder / name).write_bytes(encoded(pixels, "PNG"))
        for name in ("sealed", "folder.csv", "old"):
            (folder / name).mkdir()
        (folder / "old" / "mine.txt").write_text("mine")
        (folder / "sealed" / "a.png").write_bytes(self.good)
        (folder / "linked.png").symlink_to("old.png")
        (folder / "full").symlink_to(self.full)
        for name, makes in TABLE_PLACES.items():
            makes(folder / name)
        for name, content in line.tables.items():
            (folder / name).write_bytes(content)
        for name in dict.fromkeys([*line.needs, *(each for each in PLACES if each in _first_parts(line))]):
            if not os.path.lexists(folder / name):
                self.corpus[name](folder / name)
        (folder / "kept.png").chmod(0o444)
        (folder / "sealed").chmod(0o555)
        filled = random.Random(str((line.argv, line.how))).randrange(ROOM)
        (self.full / "1.filling").write_bytes(bytes(4096 * filled))

    def _strays(self) -> Iterator[str]:
        for place in ("home", "tmp"):
            if left := [each.name for each in (self.root / place).iterdir()]:
                yield f"it wrote into {place}: {left}"
                _empty(self.root / place)


def _first_parts(line: Line) -> set[str]:
    return {each.split("/")[0] for each in [*line.argv, *(part.split("=", 1)[-1] for part in line.argv)]}


TABLE_PLACES: Mapping[str, Make] = {
    "pipe.csv": lambda path: os.mkfifo(path),
    "pipe.parquet": lambda path: os.mkfifo(path),
    "zero.csv": lambda path: path.symlink_to("/dev/zero"),
    "loop.csv": lambda path: path.symlink_to("loop.csv"),
    "null.jsonl": lambda path: path.symlink_to("/dev/null"),
}


@contextlib.contextmanager
def _bench(seed: int) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for name in ("home", "tmp", "full"):
            (root / name).mkdir()
        bench = Bench(root, seed)
        _warm(bench)
        with _small_disk(bench.full):
            os.environ |= {"HOME": str(root / "home"), "TMPDIR": str(root / "tmp")}
            tempfile.tempdir = None
            yield bench
        tempfile.tempdir = str(Path(folder).parent)


def _warm(bench: Bench) -> None:
    """All that is imported on the way is imported once."""
    row = {"image": "a.png", "source": "a", "target": "b"}
    tables = {"t.jsonl": (json.dumps(row) + "\n").encode()}
    model = ["--source", "a", "--target", "b", "--model", "demo"]
    before = Path.cwd()
    with bench._folder(Line([], tables=tables)) as folder, contextlib.redirect_stdout(io.StringIO()):
        os.chdir(folder)
        for argv in (["edit", "a.png", *model, *CHEAP["edit"]], ["mask", "a.png", *model, *CHEAP["mask"]]):
            assert cli.main(argv) == 0
        assert cli.main(["keep", "a.png", "b.png"]) == 0
        assert cli.main(["batch", "t.jsonl", "--out", "out", "--model", "demo", *CHEAP["edit"]]) == 0
        os.chdir(before)
    gc.collect()
    gc.freeze()


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Where it can be had: seen by this process and what it starts, and by nobody else."""
    libc = ctypes.CDLL(None, use_errno=True)
    private = libc.unshare(0x20000) == 0 and libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None) == 0
    size = f"size={4 * ROOM}k".encode()
    mounted = private and libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, size) == 0
    try:
        yield mounted
    finally:
        if mounted:
            libc.umount2(os.fsencode(folder), 2)


@contextlib.contextmanager
def _more_room(folder: Path) -> Iterator[None]:
    libc = ctypes.CDLL(None)
    libc.mount(b"none", os.fsencode(folder), b"tmpfs", REMOUNT, b"size=64m")
    try:
        yield
    finally:
        _empty(folder)
        libc.mount(b"none", os.fsencode(folder), b"tmpfs", REMOUNT, f"size={4 * ROOM}k".encode())


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            _empty(path)
            path.rmdir()
        else:
            path.unlink()


def seen(folder: Path) -> Seen:
    """Without following links, but for the small disk."""
    found: dict[str, tuple[int, bytes]] = {}
    for top in (folder, folder / "full"):
        for at, folders, files in os.walk(top):
            for name in [*folders, *files]:
                path = Path(at, name)
                mode, content = path.lstat().st_mode, b""
                if stat.S_ISREG(mode):
                    content = path.read_bytes()
                elif stat.S_ISLNK(mode):
                    content = os.fsencode(path.readlink())
                found[path.relative_to(folder).as_posix()] = mode, content
    return found


# ---- what is looked at


def _problems(
    line: Line, ended: Ended, folder: Path, before: Seen, after: Seen, only_said: bool = False
) -> Iterator[str]:
    yield from _of_the_end(line, ended)
    yield from _of_what_is_said(line, ended)
    if only_said:
        return
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    yield from _of_the_files(line, ended, folder, before, changed)
    for name in changed & after.keys():
        if stat.S_ISREG(after[name][0]) and ".diffedit-" not in name:
            yield from _half_written(folder / name)
    if line.verb == "batch" and line.said("--out"):
        yield from _of_the_rows(folder / line.said("--out")[-1])
    if ended.code in (0, 3):
        yield from _of_the_report(line, ended, folder)
        yield from _of_the_pixels(line, folder)


def _of_the_end(line: Line, ended: Ended) -> Iterator[str]:
    how = line.how
    killed = how.by == signal.SIGKILL and ended.code == -signal.SIGKILL
    if ended.hung:
        yield f"it hangs for {ended.waited:.0f} seconds"
    elif ended.code not in (0, 1, 2, 3, 130) and not killed:
        yield f"exit code {ended.code}: {ended.err.strip()[-600:]!r}"
    if ended.code == 130 and how.by != signal.SIGINT:
        yield "exit code 130 without an interruption"
    if line.is_good and ended.code and not how.may_end_early and how.stdout != "full":
        yield f"exit code {ended.code} of a good one: {ended.err!r}"
    if line.is_good and how.memory is not None and ended.code not in (0, 1, 3):
        yield f"exit code {ended.code} for want of memory: {ended.err!r}"
    if ended.seconds > SLOW:
        yield f"it takes {ended.seconds:.0f} seconds"
    if ended.memory > MOST:
        yield f"it takes {ended.memory / 1e9:.1f} GB"


RAW = re.compile(
    r"Traceback|\[Errno|Error\b.*:|codec can't|object has no|enforce fail|NoneType|not subscriptable|list index|"
    r"Warning:|unhashable|expected str|positional argument|site-packages|invalid literal|embedded null|Overflow|<class"
)


def _is_raw(said: str) -> bool:
    """Behind a sentence of ours, a decoder may say in its own words what it found."""
    return bool(RAW.search(said.split(" cannot be read: ")[0]))


OF_LIBTIFF = re.compile(
    r"tempfile\.tif: |\w+: (Bad code|Uncompressed data|Premature|Line length|Not enough|Read error|Decoding error|"
    r"Incorrect count|Inconsistent|IO error|.*[Ss]canline|.*directory|.*tag|.*Strip)|.*\b(tag|strip|scanline|TIFF)"
)
"""What the C library says by itself of a damaged TIFF."""


def _of_what_is_said(line: Line, ended: Ended) -> Iterator[str]:
    lines = ended.err.splitlines()
    own = [each for each in lines if each.startswith("diffedit: ")]
    if other := [each for each in lines if not each.startswith("diffedit: ") and not OF_LIBTIFF.match(each)]:
        yield f"it says {other[-1][:300]!r}"
    if raw := [each for each in own if _is_raw(each)]:
        yield f"it says {raw[0][:300]!r}"
    if ended.code in (1, 2, 130) and not own and line.how.stderr == "file":
        yield f"exit code {ended.code} without a word"
    if ended.code in (1, 2, 130) and ended.out:
        yield f"exit code {ended.code}, and {ended.out[:200]!r} on stdout"


def _of_the_files(line: Line, ended: Ended, folder: Path, before: Seen, changed: set[str]) -> Iterator[str]:
    asked, inputs = {*_asked(line)}, {os.path.normpath(each) for each in _inputs(line)}
    for name in sorted(changed):
        if name in inputs and name in before:
            yield f"it changed its input {name!r}"
        elif name == "kept.png":
            yield "it changed a file that is read-only"
        elif Path(name).name.startswith(".diffedit-") and ended.code == -signal.SIGKILL:
            continue
        elif not any(name == each or (line.verb == "batch" and _is_in(name, each)) for each in asked):
            yield f"it wrote {name!r}"


def _is_in(name: str, folder: str) -> bool:
    return folder == "." or name.startswith(f"{folder}/") or folder.startswith(f"{name}/")


LEADS = {"dangling.png": "nowhere.png", "linked.png": "old.png"}


def _asked(line: Line) -> Iterator[str]:
    """Where it may write."""
    flags = ["--out"] if line.verb == "batch" else ["-o", "--output", "--save-mask", "--save-heatmap", "--panels"]
    given = line.said(*flags, "--save-aligned")
    ends = {"edit": ["edited"], "mask": ["mask", "heatmap"], "keep": ["kept"]}.get(line.verb, [])
    images = [each for each in line.argv[1:] if each and not each.endswith("/")] if ends else []
    beside = [
        str(Path(each).with_name(f"{Path(each).stem}-{end}.png")) for each in images if Path(each).name for end in ends
    ]
    for each in [*given, *beside, *(["demo.png"] if line.verb == "demo" else [])]:
        name = os.path.normpath(each)
        yield name
        yield LEADS.get(name, name)


def _inputs(line: Line) -> list[str]:
    first = {"edit": 1, "mask": 1, "keep": 2, "batch": 1}.get(line.verb, 0)
    own = [each[5:] for each in line.argv if each.startswith("mask=")]
    return [*line.argv[1 : 1 + first], *line.said("--mask", "--control"), *own]


def _half_written(path: Path) -> Iterator[str]:
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            if not np.isfinite(np.load(path)).all():
                yield f"{path.name!r} holds what is no number"
        elif suffix in (".png", ".webp", ".tif", ".tiff", ".jpg", ".jpeg"):
            with Image.open(path) as image:
                image.load()
    except Exception as error:
        yield f"{path.name!r} is half-written: {error}"


def _of_the_rows(out: Path) -> Iterator[str]:
    try:
        found = [*lines(out / "results.jsonl")]
    except OSError:  # there is no such folder
        return
    for line in found:
        said = str(line.get("error", ""))
        if _is_raw(said):
            yield f"of row {line.get('row')} it says {said[:300]!r}"


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _of_the_report(line: Line, ended: Ended, folder: Path) -> Iterator[str]:
    if "--json" not in line.argv or line.how.stdout != "file" or {"-h", "--help", "--version"} & {*line.argv}:
        return
    try:
        said = json.loads(ended.out, parse_constant=_no_number)
    except ValueError as error:
        yield f"stdout is no JSON ({error}): {ended.out[:300]!r}"
        return
    if missing := [each for each in said["written"].values() if not (folder / each).exists()]:
        yield f"it says that it wrote {missing}"


def _of_the_pixels(line: Line, folder: Path) -> Iterator[str]:
    """Outside the mask that was saved, every pixel is the original's."""
    masks, results = line.said("--save-mask"), line.said("-o", "--output")
    if line.verb not in ("edit", "keep") or len(masks) != 1 or len(results) != 1:
        return
    if any(Path(each).suffix.lower() not in (".png", ".webp", ".tif") for each in (*masks, *results)):
        return
    original = open_picture(folder / line.argv[1])
    with Image.open(folder / masks[0]) as mask, Image.open(folder / results[0]) as result:
        outside = np.asarray(mask) == 0
        pixels = np.asarray(result.convert("RGB"))
    own = np.asarray((original.colours[0] * 255).round().byte())
    if own.shape != pixels.shape or not np.array_equal(own[outside], pixels[outside]):
        yield "a pixel outside the mask is another"


def main(argv: Sequence[str]) -> None:
    count, seed = map(int, argv[:2])
    if not argv[2:]:
        sys.stdout.write(f"{json.dumps(asdict(_fuzzed(count, seed)))}\n")
        return
    with _bench(seed) as bench:
        line = bench.line(int(argv[2]))
        ended, problems = bench.tried(line)
        sys.stdout.write("\n".join([_shown(line), str(ended), *problems, ""]))


if __name__ == "__main__":
    main(sys.argv[1:])
