"""A worker without a model, for tests of the runs themselves: it writes what it reads, and dies when it is told to."""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffedit_core.batch.jobs import Job
from diffedit_core.batch.work import HopelessError


@dataclass(frozen=True)
class MakeEcho:
    log: Path  # a line for each job that was worked on
    model: str = "good"

    def __call__(self, number: int) -> Echo:
        return Echo(self, number)


class Echo:
    def __init__(self, made: MakeEcho, number: int) -> None:
        self.made, self.number = made, number

    def read(self, job: Job) -> Job:
        if job.values.get("source") == "unreadable":
            raise ValueError("this one cannot\nbe read")
        return job

    def work(self, job: Job) -> tuple[Job, str]:
        if self.made.model != "good":
            raise HopelessError(f"there is no model {self.made.model}")
        if job.values.get("source") == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        if job.values.get("source") == "odd":
            raise KeyError("odd")
        with self.made.log.open("a") as log:
            log.write(f"{job.values['image']}\n")
        return job, str(job.values.get("source"))

    def finish(self, worked: tuple[Job, str]) -> tuple[dict[str, Any], dict[str, bytes]]:
        job, text = worked
        if text == "doubtful":
            logging.getLogger("diffedit_core.masks").warning("this one is doubtful")
        line = {"written": dict(job.files), "evaluations": {"total": 1}, "process": self.number}
        return line, {name: text.encode() for name in job.files.values()}

    def explain(self, error: Exception) -> str:
        return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
