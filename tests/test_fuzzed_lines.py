"""Command lines at random, each as a process of its own: none hangs, none ends in a traceback, none harms a file."""

from __future__ import annotations

from soak.command_lines import run


def test_nothing_that_one_can_type_breaks_it():
    outcome = run(40, seed=3)
    assert outcome.done == 40
    assert not outcome.findings, "\n".join(outcome.findings)
