"""The command line. What it needs takes seconds to import, and Ctrl-C is heard meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    try:
        from .program import run
    except KeyboardInterrupt:
        print("diffedit: interrupted", file=sys.stderr)
        return 130
    return run(argv)
