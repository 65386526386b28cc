"""Jobs through several processes on one machine, each with a worker of its own."""

from __future__ import annotations

import itertools
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from .jobs import Job
from .work import AHEAD, Deliver, HopelessError, MakeWorker, Result, failure, work_through

IN_HAND = AHEAD + 2
"""Jobs that a process is given before it answers: it asks for one more while it works."""

IN_A_ROW = 10
"""Processes that end without an answer, one after the other, before all is given up."""


@dataclass
class _Hand:
    process: BaseProcess
    connection: Any  # multiprocessing's, whose class depends on the system
    given: deque[Job] = field(default_factory=deque)
    is_alone: bool = False  # with one job that was in a process when that ended


class Processes:
    """One that ends by itself, as when memory runs out, is replaced. Only the row that it ended on is lost."""

    def __init__(self, make: MakeWorker, count: int) -> None:
        self.make, self.count = make, count

    def __call__(self, jobs: Iterable[Job], deliver: Deliver) -> None:
        todo, suspects, ended = iter(jobs), deque[Job](), 0
        first = [*itertools.islice(todo, self.count)]  # there need be no more processes than jobs
        todo, hands = itertools.chain(first, todo), [self._start(number) for number in range(len(first))]
        try:
            while True:
                for hand in hands:
                    _fill(hand, todo, suspects)
                if not (busy := {hand.connection: number for number, hand in enumerate(hands) if hand.given}):
                    return
                for connection in wait([*busy]):
                    number = busy[connection]
                    if (answer := _answer(hands[number])) is not None:
                        ended = 0
                        deliver(answer)
                        continue
                    ended += 1
                    _bury(hands[number], suspects, deliver, ended)
                    hands[number] = self._start(number)
        finally:
            for hand in hands:
                hand.process.kill()
                hand.process.join()

    def _start(self, number: int) -> _Hand:
        context = get_context("spawn")
        mine, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.make, number), daemon=True)
        with _undisturbed():
            process.start()
        theirs.close()  # so that it shows here when the process ends
        return _Hand(process, mine)


def _fill(hand: _Hand, todo: Iterator[Job], suspects: deque[Job]) -> None:
    """A job that was in a process when it ended is tried again by itself: then it is clear what ended it."""
    if hand.is_alone and not hand.given:
        hand.is_alone = False
    if suspects and not hand.given:
        hand.is_alone = True
        _give(hand, suspects.popleft())
    while not suspects and not hand.is_alone and len(hand.given) < IN_HAND:
        if (job := next(todo, None)) is None:
            return
        _give(hand, job)


def _give(hand: _Hand, job: Job) -> None:
    hand.given.append(job)
    with suppress(OSError):  # a process that has ended shows when it is listened to
        hand.connection.send(job)


def _answer(hand: _Hand) -> Result | None:
    """None from a process that has ended."""
    try:
        answer = hand.connection.recv()
    except (EOFError, OSError):
        return None
    if isinstance(answer, str):
        raise HopelessError(answer)
    hand.given.popleft()
    return answer


def _bury(hand: _Hand, suspects: deque[Job], deliver: Deliver, ended: int) -> None:
    hand.process.join()
    code = hand.process.exitcode
    if ended >= IN_A_ROW:
        raise HopelessError(
            f"{ended} processes in a row ended by themselves (exit code {code}); is there enough memory?"
        )
    if hand.is_alone:
        deliver(
            failure(hand.given[0], f"the process that worked on it ended (exit code {code}); is there enough memory?")
        )
    else:
        suspects.extendleft(reversed(hand.given))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What is started meanwhile never hears an interruption, not even while it imports what it needs."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)


def _serve(connection: Any, make: MakeWorker, number: int) -> None:
    """Until the other end is closed. An interruption is the other end's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def jobs() -> Iterator[Job | None]:
        while True:
            if not connection.poll():
                yield None
            yield connection.recv()

    try:
        work_through(make(number), jobs(), connection.send)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except ValueError as error:
        connection.send(str(error))


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
