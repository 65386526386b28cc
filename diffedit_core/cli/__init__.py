"""The command line. What it needs takes seconds to import, and Ctrl-C is heard meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress


def main(argv: Sequence[str] | None = None) -> int:
    """What ``run`` says, and 130 when interrupted."""
    try:
        from .program import run

        return run(argv)
    except KeyboardInterrupt as interruption:
        return say(str(interruption) or "interrupted", 130)


def say(line: str, code: int) -> int:
    """On stderr, before the program ends with this code."""
    with suppress(OSError):
        print(f"diffedit: {line}", file=sys.stderr)
    return code
