"""Ctrl-C is heard even where a library takes it for a fault of its own, as torch does while it reads weights."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..stopping import stoppable


@contextmanager
def heeding_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Whether it was pressed. What may stop between its steps is told as well."""
    pressed = threading.Event()

    def heard(*_: object) -> None:
        pressed.set()
        raise KeyboardInterrupt

    def ask() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # as in a background job
        yield pressed.is_set
        return
    signal.signal(signal.SIGINT, heard)
    try:
        with stoppable(ask):
            yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
