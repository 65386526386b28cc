"""Work that can be stopped half-way: whoever waits for it says how, and what takes long asks between its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Ask = Callable[[], None]
"""Raises where nobody waits any longer."""

_ask: ContextVar[Ask] = ContextVar("ask", default=lambda: None)


@contextmanager
def stoppable(ask: Ask) -> Iterator[None]:
    """What is done here asks now and then, in this thread alone."""
    before = _ask.set(ask)
    try:
        yield
    finally:
        _ask.reset(before)


def may_stop() -> None:
    """Between two steps of what takes long. Nothing is half-written here."""
    _ask.get()()
