"""Jobs through one worker: while it works on one, the next is read and the last is finished."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from .jobs import Job

AHEAD = 1
"""Jobs that are read, and results that are finished, beside the one that is worked on."""


@dataclass(frozen=True)
class Result:
    key: str
    line: Mapping[str, Any]  # for the journal
    files: Mapping[str, bytes] = field(default_factory=dict)  # by their names in the output folder

    @property
    def is_failure(self) -> bool:
        return "error" in self.line


class Worker(Protocol):
    """Three steps: only the second needs the model. What they raise is said of the row."""

    def read(self, job: Job, /) -> Any: ...
    def work(self, read: Any, /) -> Any: ...
    def finish(self, worked: Any, /) -> tuple[Mapping[str, Any], Mapping[str, bytes]]: ...  # the line, and the files
    def explain(self, error: Exception, /) -> str: ...


MakeWorker = Callable[[int], Worker]
"""Of the number of a process, which it is made in. It can be pickled."""

Deliver = Callable[[Result], None]


class HopelessError(ValueError):
    """No row can be worked on, so the run stops."""


@dataclass
class _Underway:
    job: Job
    value: Any
    error: str = ""
    heard: list[str] = field(default_factory=list)


def work_through(worker: Worker, jobs: Iterable[Job | None], deliver: Deliver) -> None:
    """Results come in the order of the jobs, from a thread of their own. None: the next job is not known yet."""

    def finish(underway: _Underway) -> None:
        _step(worker, worker.finish, underway)
        deliver(_result(underway))

    with _hearing(), ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as finishing:
        read: deque[Future[_Underway]] = deque()
        finished: deque[Future[None]] = deque()

        def work_on_next() -> None:
            underway = _step(worker, worker.work, read.popleft().result())
            finished.append(finishing.submit(finish, underway))
            if len(finished) > AHEAD:
                finished.popleft().result()

        for job in jobs:
            while job is None and read:
                work_on_next()
            if job is None:
                continue
            read.append(reading.submit(_step, worker, worker.read, _Underway(job, job)))
            if len(read) > AHEAD:
                work_on_next()
        while read:
            work_on_next()
        for each in finished:
            each.result()


def failure(job: Job, error: str) -> Result:
    return Result(job.key, {**_about(job), "error": " ".join(error.split())})


def _step(worker: Worker, step: Callable[[Any], Any], underway: _Underway) -> _Underway:
    if underway.error:
        return underway
    _ears.heard = underway.heard
    try:
        underway.value = step(underway.value)
    except HopelessError:
        raise
    except Exception as error:  # whatever it is, it costs this row alone
        underway.value, underway.error = None, worker.explain(error)
    return underway


def _result(underway: _Underway) -> Result:
    if underway.error:
        return failure(underway.job, underway.error)
    line, files = underway.value
    said = {"warnings": underway.heard} if underway.heard else {}
    return Result(underway.job.key, {**_about(underway.job), **line, **said}, files)


def _about(job: Job) -> dict[str, Any]:
    named = {name: job.values[name] for name in ("id", "image") if name in job.values}
    return {"key": job.key, "row": job.number, **named}


class _Ears(threading.local):
    heard: list[str] | None = None


_ears = _Ears()


class _Listener(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if _ears.heard is not None:
            _ears.heard.append(record.getMessage())


@contextmanager
def _hearing() -> Iterator[None]:
    """Warnings stand in the row's own line, and not on the terminal."""
    logger = logging.getLogger(__name__.rpartition(".batch")[0])
    before, logger.handlers = logger.handlers, [_Listener(logging.WARNING)]
    try:
        yield
    finally:
        logger.handlers = before
