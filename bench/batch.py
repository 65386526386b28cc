"""Many toybox edits by ``diffedit batch``: ``python -m bench.batch [PART ...] [--edits N] [--pictures N]``.

    overhead   what a run adds to the bare model's time
    processes  two processes beside one, each with one thread, and each way twice
    ray        two actors of a local Ray beside two processes; skipped without Ray
    kills      kill -9 at random moments, and on from there
    bad        a hundred bad rows of twenty kinds among a hundred good ones
    memory     of a long run, over its length

Prints a line for each, with what it should be, and writes them to bench/results/batch.md. Times are worth something on
a quiet machine only.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.bad_rows import prepared, written
from bench.many import ONE_THREAD, Batch

RESULTS = Path(__file__).parent / "results"
KILLS = 20
SHORT = ("--steps", 1, "--mask-draws", 1, "--mask-kind", "object")
"""Of the part on memory: what one edit leaves behind, another does, however many steps it takes."""


def overhead(folder: Path, options: argparse.Namespace) -> str:
    """Of the program once Python has started, beside a plain loop over ``edit``: each loads the model once."""
    batch = Batch(folder, options.edits)
    taken = batch.run()["seconds"]["total"]
    own = sum(line["seconds"]["total"] for line in batch.lines())
    bare = _bare(batch)
    added = taken / bare - 1
    return _line(
        f"{options.edits} edits", f"{taken:.1f} s, of them in the model {own:.1f} s; a plain loop takes {bare:.1f} s"
    ) + _line("overhead over the bare model's time", f"{100 * added:.1f} %", "at most 5 %", added <= 0.05)


def _bare(batch: Batch) -> float:
    """The seconds of loading the model once and editing the same pictures, in memory, in a process of its own."""
    command = [sys.executable, "-m", "bench.many", str(batch.count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=ONE_THREAD).stdout)


def processes(folder: Path, options: argparse.Namespace) -> str:
    batch = Batch(folder, options.edits)
    one, two, differ = _in_turns(batch, ("--threads", 1), ("--threads", 1, "--jobs", 2))
    gain = sum(one) / sum(two)
    said = f"{_seconds(one)} s and {_seconds(two)} s: {gain:.2f} times"
    return _line("one process and two", said, "at least 1.7 times", gain >= 1.7) + _line(
        "pictures that differ", str(differ), "0", differ == 0
    )


def ray(folder: Path, options: argparse.Namespace) -> str:
    try:
        import ray  # noqa: F401
    except ImportError:
        return _line("Ray", "not installed: pip install 'diffedit[cluster]'")
    batch, both = Batch(folder, options.edits), ("--threads", 1, "--jobs", 2)
    two, done, differ = _in_turns(batch, both, (*both, "--ray", "local"))
    share = sum(two) / sum(done)
    said = f"{_seconds(two)} s and {_seconds(done)} s: {share:.2f} times"
    return _line("two processes and two actors of a local Ray", said, "at least 0.9 times", share >= 0.9) + _line(
        "pictures that differ", str(differ), "0", differ == 0
    )


def _in_turns(batch: Batch, *ways: Sequence[object]) -> tuple[list[float], list[float], int]:
    """The seconds of two ways to run a batch, A B B A as a machine changes its speed; and how many pictures differ."""
    seconds: tuple[list[float], list[float]] = ([], [])
    pictures: list[dict[str, bytes]] = []
    for turn, number in enumerate((0, 1, 1, 0)):
        seconds[number].append(batch.run(*ways[number], out=f"turn{turn}")["wall"])
        pictures.append(batch.pictures())
    names = {name for each in pictures for name in each}
    return *seconds, sum(len({each.get(name) for each in pictures}) > 1 for name in names)


def _seconds(several: Sequence[float]) -> str:
    return " + ".join(f"{each:.1f}" for each in several)


def kills(folder: Path, options: argparse.Namespace) -> str:
    """Each time at a moment drawn at random."""
    batch, rng = Batch(folder, options.edits), random.Random(0)
    batch.run(out="undisturbed")
    pictures, undisturbed = batch.pictures(), {line["image"]: line for line in batch.lines()}
    batch.out, killed, seen = folder / "out", 0, []
    while killed < KILLS:
        process = subprocess.Popen(
            batch.command(), env=ONE_THREAD, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        is_early = killed % 4 == 0  # while it starts, or goes through the table; else while it edits and writes
        results = 0 if is_early else 1 + rng.randrange(max(1, options.edits // KILLS - 2))
        _wait(process, batch, len(batch.lines()), rng.random() * (6 if is_early else 0.7), results)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
        seen.append(len(batch.lines()))
    batch.run()
    lines, found = batch.lines(), batch.pictures()
    twice = len(lines) - len({line["key"] for line in lines})
    counted = [line["evaluations"]["total"] for line in lines]
    right = sum(undisturbed[line["image"]]["evaluations"]["total"] for line in lines)
    drafts = [*(batch.out / ".diffedit").glob(".diffedit-*")]
    again = sum(pictures[name] != content for name, content in found.items())
    return (
        _line(f"killed {killed} times, after", " ".join(map(str, seen)) + " results")
        + _line("results", f"{len(found)} pictures, {len(lines)} lines", str(batch.count))
        + _line("that differ from an undisturbed run", str(again), "0", again == 0)
        + _line("lines twice, half-written files", f"{twice}, {len(drafts)}", "0, 0")
        + _line("evaluations in the results", f"{sum(counted)}", f"{right}", sum(counted) == right)
    )


def _wait(process: subprocess.Popen, batch: Batch, before: int, seconds: float, results: int) -> None:
    """Until so many results have come, and then some seconds more."""
    while process.poll() is None and len(batch.lines()) < before + results:
        time.sleep(0.05)
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)


def bad(folder: Path, options: argparse.Namespace) -> str:
    batch = Batch(folder, 100)
    wrong = prepared(folder, "0.png")
    good = [
        {"image": f"{i}.png", "source": task.source, "target": task.target, "out": f"{i}.png"}
        for i, task in enumerate(batch.tasks)
    ]
    rows = [*map(written, good), *(written(row) for _ in range(5) for row, _ in wrong.values())]
    (folder / "table.jsonl").write_text("\n".join(rows) + "\n")
    batch.run(table="table.jsonl")
    errors = {line["row"]: line["error"] for line in batch.lines() if "error" in line}
    expected = [why for _ in range(5) for _, why in wrong.values()]
    clear = sum(why in errors.get(number, "") for number, why in enumerate(expected, start=101))
    shown = "".join(f"    {kind}: {errors[101 + i]}\n" for i, kind in enumerate(wrong))
    found = f"{len(batch.pictures())} pictures, {len(errors)} errors, of them {clear} as expected"
    return _line("100 good rows and 100 bad ones", found, "100, 100, 100", clear == len(errors) == 100) + shown


def memory(folder: Path, options: argparse.Namespace) -> str:
    """Resident MiB of the program, at its start and at its end: medians of a tenth of the run each."""
    batch, sizes = Batch(folder, options.pictures, side=64), []
    process = batch.start(*SHORT)
    while process.poll() is None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            if (batch.out / "results.jsonl").stat().st_size:
                sizes.append(_resident(process.pid))
        time.sleep(0.5)
    tenth = max(1, len(sizes) // 10)
    parts = [sorted(sizes[start : start + tenth])[tenth // 2] for start in range(tenth, len(sizes) - tenth + 1, tenth)]
    grown = parts[-1] - parts[0]
    shown = " ".join(f"{part:.0f}" for part in parts)
    return _line(f"{len(batch.lines())} pictures of {64}x{64}, MiB", shown) + _line(
        "grown by", f"{grown:+.0f} MiB", "flat", abs(grown) < 0.05 * parts[0]
    )


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


PARTS: dict[str, Callable[[Path, argparse.Namespace], str]] = {
    "overhead": overhead,
    "processes": processes,
    "ray": ray,
    "kills": kills,
    "bad": bad,
    "memory": memory,
}


def _line(what: str, measured: str, wanted: str = "", is_met: bool | None = None) -> str:
    met = {None: "", True: " (met)", False: " (NOT met)"}[is_met]
    return f"{what}: {measured}" + (f"; wanted: {wanted}{met}" if wanted else "") + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    about = {"description": __doc__, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(prog="python -m bench.batch", **about)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--edits", type=int, default=200)
    parser.add_argument("--pictures", type=int, default=2000, help="of the part on memory")
    options = parser.parse_args(arguments)
    if wrong := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {wrong[0]}; the parts are {', '.join(PARTS)}")
    said = ""
    for part in options.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            said += f"{part}\n" + PARTS[part](Path(folder), options)
            print(said[said.rindex(f"{part}\n") :], flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "batch.md").write_text(said)


if __name__ == "__main__":
    main()
