"""What a run takes: seconds and model evaluations of every stage, with a bar on stderr while it lasts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..denoiser import OnStep

OUT_OF_MEMORY = "out of memory: use a smaller picture, --dtype fp16 or bf16, --offload model, or --device cpu"


ALLOCATING = (
    *("allocate memory", "Insufficient memory", "bad_alloc", "not enough memory", "Failed to allocate"),
    "start new thread",
)
"""What libraries say where memory ends, in errors of all kinds."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Also where it was put into words of ours."""
    if error is None:
        return False
    is_one = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(part in str(error) for part in ALLOCATING)
    return is_one or is_out_of_memory(error.__cause__)


class Watch:
    """Stages follow one another: where the next one begins, the last one ends."""

    def __init__(self, shows: bool = True) -> None:
        self.shows = shows
        self.seconds: dict[str, float] = {}
        self.evaluations: dict[str, int] = {}
        self.count: Callable[[], int] = lambda: 0  # model evaluations so far
        self._stage, self._since, self._counted = "", time.perf_counter(), 0
        self._bar: tqdm | None = None

    def begin(self, stage: str) -> None:
        """A stage that begins again goes on counting where it stopped."""
        self._end()
        self._stage = stage

    def progress(self, stage: str) -> OnStep:
        """For ``edit`` and ``find_mask``: begins the stage, and shows its steps."""
        self.begin(stage)
        if not self.shows:
            return lambda done, total, x0: None
        bar = self._bar = tqdm(desc=stage, unit="step", disable=None)  # None: no bar where stderr is a file

        def on_step(done: int, total: int, _: Tensor) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return on_step

    @contextmanager
    def running(self) -> Iterator[Watch]:
        try:
            yield self
        finally:
            self._end()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now, counted = time.perf_counter(), self.count()
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
            if counted > self._counted:
                self.evaluations[self._stage] = self.evaluations.get(self._stage, 0) + counted - self._counted
        self._since, self._counted = now, counted


def costs(watch: Watch, paths: Mapping[str, Path | str]) -> dict[str, Any]:
    """For the report: what the run took, and what it left behind."""
    seconds = {stage: round(value, 3) for stage, value in watch.seconds.items()}
    return {
        "seconds": {**seconds, "total": round(sum(watch.seconds.values()), 3)},
        "evaluations": {**watch.evaluations, "total": sum(watch.evaluations.values())},
        "written": {name: str(path) for name, path in paths.items()},
    }
