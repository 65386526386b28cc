"""A command line as a process of its own, without the seconds that the imports take: a fork of this process."""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffedit_core import cli

LONGEST = 120.0
"""Seconds that a command line may take, on a busy machine, before it is said to hang."""


@dataclass(frozen=True)
class Conditions:
    """What a process finds itself in."""

    stdin: str = "empty"  # or "closed"
    stdout: str = "file"  # or "closed"; "gone": a pipe that nobody reads; "full": a full disk
    stderr: str = "file"  # or "closed"
    memory: int | None = None  # bytes of address space, beyond what is taken at the start
    largest: int | None = None  # bytes of the largest file
    by: int | None = None  # a signal
    after: float = 0.0  # seconds

    @property
    def are_plain(self) -> bool:
        return self == Conditions()

    @property
    def may_end_early(self) -> bool:
        return self.memory is not None or self.largest is not None or self.by is not None


@dataclass(frozen=True)
class Ended:
    code: int  # negative: by this signal
    out: str
    err: str
    seconds: float  # of the processor
    waited: float
    memory: int  # bytes at most, beyond what was taken at the start
    hung: bool


def ran(argv: Sequence[str], folder: Path, how: Conditions, real: bool = False) -> Ended:
    """``real``: a new process of Python, and no fork."""
    (out, to_out), (err, to_err) = _pipe(), _pipe()
    began, taken = time.monotonic(), _taken()
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until the program has begun
    if not (pid := os.fork()):
        try:
            _become(argv, folder, how, (to_out, to_err), real)
        finally:
            os._exit(99)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    for end in (to_out, to_err):
        os.close(end)
    hung = _waited(pid, how)
    _, status, used = os.wait4(pid, 0)
    said = [_read(end) for end in (out, err)]
    beyond = max(0, used.ru_maxrss * 1024 - (0 if real else taken))
    code, seconds = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
    return Ended(code, *said, seconds, time.monotonic() - began, beyond, hung)


def _pipe() -> tuple[int, int]:
    """That holds all that is said, so that nobody need read meanwhile."""
    ends = os.pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 2**20)
    return ends


def _read(end: int) -> str:
    with open(end, "rb") as file:
        return file.read().decode(errors="backslashreplace")


def _taken() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _waited(pid: int, how: Conditions) -> bool:
    """Whether it had to be killed."""
    handle = os.pidfd_open(pid)
    try:
        if how.by is not None and not _ends(handle, how.after):
            os.kill(pid, how.by)
        return not _ends(handle, LONGEST)
    finally:
        if not _ends(handle, 0):
            os.kill(pid, signal.SIGKILL)
        os.close(handle)


def _ends(handle: int, seconds: float) -> bool:
    return bool(select.select([handle], [], [], seconds)[0])


def _become(argv: Sequence[str], folder: Path, how: Conditions, files: tuple[int, int], real: bool) -> None:
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _as_anybody()
    _connect(how, *files)
    if how.largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (how.largest, how.largest))
    if real:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        command = [sys.executable, "-m", "diffedit_core.cli", *argv]
        os.execv(sys.executable, [os.fsencode(each) for each in command])
    if how.memory is not None:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + how.memory
        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    os._exit(_program(argv))


def _as_anybody() -> None:
    """Root may write anywhere; most people may not."""
    if os.geteuid() == 0:
        libc, header = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0)
        for number in range(64):
            libc.prctl(24, number, 0, 0, 0)  # of what could come back
        libc.capset(header, (ctypes.c_uint32 * 6)())


def _connect(how: Conditions, out: int, err: int) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if how.stdout == "gone":
        ours, out = os.pipe()
        os.close(ours)
    if how.stdout == "full":
        out = os.open("/dev/full", os.O_WRONLY)
    os.dup2(out, 1)
    os.dup2(err, 2)
    for number, name in enumerate((how.stdin, how.stdout, how.stderr)):
        if name == "closed":
            os.close(number)


def _program(argv: Sequence[str]) -> int:
    """As Python begins and ends one."""
    sys.stdin, sys.stdout, sys.stderr = _stream(0, "r"), _stream(1, "w"), _stream(2, "w", errors="backslashreplace")
    warnings.resetwarnings()
    for unheard in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", unheard)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    except KeyboardInterrupt:
        os.write(2, b"diffedit: interrupted\n")
        return 130
    try:
        code = cli.main(argv)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        if sys.stderr is not None:
            traceback.print_exc()
        code = 1
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        code = 120
    if sys.stderr is not None:
        sys.stderr.flush()
    return code


def _stream(number: int, mode: str, **options: Any) -> Any:
    try:
        os.fstat(number)
    except OSError:
        return None
    return open(number, mode, encoding="utf-8", closefd=False, **options)
