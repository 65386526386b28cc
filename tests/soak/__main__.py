"""Everything in great number: ``make soak``, or ``PYTHONPATH=tests python -m soak [PART ...] [--share X] [--seed N]``.

Writes bench/results/reliability.md. What was run before and is not run now keeps its lines there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "comfyui"))

from installations import Installation, installations, make_models  # noqa: E402
from server import Server  # noqa: E402

from soak import calls, command_lines, faults, limits, long_life, prompts, setups  # noqa: E402
from soak.outcome import Outcome  # noqa: E402

RESULTS = TESTS.parent / "bench" / "results"
HEAD = """# Nothing breaks

`make soak`. A finding is a hang, an error without a sentence of ours, a changed input, a pixel changed outside the
mask, NaN in a result, a file that was not asked for, or a server that does not do the next prompt right.

| | asked | seen |
| --- | --- | --- |
"""

Part = Callable[[int, int], Outcome]
"""Of how often, and of a seed."""

InServer = Callable[[Server, int, int], Outcome]

LONG_LIFE = "long life"
ALONE: dict[str, tuple[int, Part]] = {
    "calls": (10_000, calls.run),
    "lines": (2_000, command_lines.run),
}
IN_SERVER: dict[str, tuple[int, InServer]] = {
    "graphs": (2_000, prompts.run),
    LONG_LIFE: (1_000, long_life.run),
    "interrupts": (200, faults.run_interrupts),
    "memory": (200, faults.run_memory),
    "limits": (1, lambda server, count, seed: limits.run(server)),
}
SETUPS = "setups"
IN_COMFYUI = " in ComfyUI "
PARTS = (*ALONE, *IN_SERVER, SETUPS)


class Lean(Server):
    """What it holds does not grow by itself: newer ComfyUIs' cache holds the results of all prompts until memory is
    short, and torch and oneDNN hold programs for a thousand sizes of picture.
    """

    settings: ClassVar = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "8", "LRU_CACHE_CAPACITY": "8"}

    def __init__(self, installation: Installation, base: Path, models: Path) -> None:
        super().__init__(installation, base, models, "--cache-classic")


def outcomes(part: str, share: float, seed: int) -> Iterator[tuple[str, Outcome]]:
    """Of a part, in each ComfyUI where it needs one."""
    if part in ALONE:
        count, run = ALONE[part]
        yield part, run(max(1, round(share * count)), seed)
        return
    for each in installations():
        with tempfile.TemporaryDirectory() as folder:
            yield f"{part}{IN_COMFYUI}{each.version}", in_comfyui(part, each, Path(folder), share, seed)


def in_comfyui(part: str, installation: Installation, folder: Path, share: float, seed: int) -> Outcome:
    """Set-ups with checkpoints, which flags are heard by; for all else the bundled model is enough."""
    (models := folder / "models").mkdir()
    if part == SETUPS:
        make_models(installation, models, "checkpoints.py")
        return setups.run(installation, folder, models)
    count, run = IN_SERVER[part]
    kind = Lean if part == LONG_LIFE else Server
    with setups.running(kind(installation, folder / "comfyui", models)) as server:
        return run(server, max(1, round(share * count)), seed)


def reported(known: dict[str, dict]) -> str:
    """The table, and under it what each part has to say."""
    all_of = {name: Outcome(**each) for name, each in known.items()}
    said = HEAD + "".join(f"{each.line(_where(name))}\n" for name, each in all_of.items())
    for name, each in all_of.items():
        if details := [*each.rows, *(f"- {finding}" for finding in each.findings)]:
            said += "\n".join(["", f"## {name[:1].upper()}{name[1:]}", "", *details, ""])
    return said


def _where(name: str) -> str:
    return "".join(name.partition(IN_COMFYUI)[1:])


def main(arguments: Sequence[str] | None = None) -> int:
    about = {"description": __doc__, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = argparse.ArgumentParser(prog="python -m soak", **about)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--share", type=float, default=1.0, help="of the calls, prompts and faults of a whole soak [1]")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if unknown := {*options.parts} - {*PARTS}:
        parser.error(f"there is no part {min(unknown)}; the parts are {', '.join(PARTS)}")
    found = 0
    for part in options.parts or PARTS:
        began = time.monotonic()
        for name, outcome in outcomes(part, options.share, options.seed):
            found += len(outcome.findings)
            print(
                f"{name} ({time.monotonic() - began:.0f} s): {outcome.line()}", *outcome.findings, sep="\n", flush=True
            )
            report(name, outcome)
    return min(found, 1)


def report(name: str, outcome: Outcome) -> None:
    kept = RESULTS / "reliability.json"
    known = json.loads(kept.read_text()) if kept.exists() else {}
    known[name] = asdict(outcome)
    in_order = sorted(known, key=lambda each: [each.startswith(part) for part in PARTS], reverse=True)
    kept.write_text(json.dumps({each: known[each] for each in in_order}, indent=1) + "\n")
    (RESULTS / "reliability.md").write_text(reported({each: known[each] for each in in_order}))


if __name__ == "__main__":
    sys.exit(main())
