"""Only the newest question counts: while a knob is turned, there is no use in answering for where it was before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class Newest:
    """One worker. Of each asker's questions that wait for it only the last is answered; nothing piles up."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, "diffedit-live")
        self._waiting: dict[str, Future[Any]] = {}

    async def answer(self, asker: str, question: Callable[[], Answer]) -> Answer | None:
        """None where the same asker has asked something newer."""
        if older := self._waiting.pop(asker, None):
            older.cancel()  # which does nothing to one that is being answered
        job = self._waiting[asker] = self._worker.submit(question)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            if self._waiting.get(asker) is job:  # nobody waits for this one any more
                raise
            return None
        finally:
            if self._waiting.get(asker) is job:
                del self._waiting[asker]
