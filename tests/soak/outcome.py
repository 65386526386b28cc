"""What a part of the soak did and found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Outcome:
    what: str  # "fuzzed calls of the core"
    done: int
    findings: Sequence[str]  # each a line with which it can be repeated
    wanted: str  # "10,000, findings left: 0"
    measured: str = ""  # what else is to be said of it, on one line
    rows: Sequence[str] = field(default_factory=tuple)  # lines of detail that belong into the report

    def line(self, where: str = "") -> str:
        """Its row of the report."""
        said = f"{self.done:,}; findings: {len(self.findings)}" + (f"; {self.measured}" if self.measured else "")
        return f"| {self.what}{where} | {self.wanted} | {said} |"
