"""Jobs through Ray Data: one worker an actor, on the machines of a cluster. The results come back here."""

from __future__ import annotations

import itertools
import logging
import os
import pickle
from collections.abc import Iterable, Iterator
from typing import Any

from .jobs import Job
from .processes import IN_A_ROW
from .work import Deliver, HopelessError, MakeWorker, Result, failure, work_through

IN_BLOCK = 4
"""Jobs that an actor takes at a time. What it has not given back when all stops is done again."""

IN_PART = 50_000
"""Jobs that Ray is told of at a time, so that it need not hold the whole table. Then new actors begin."""

AGAIN = 3
"""Times that Ray gives jobs to another actor after theirs has ended."""

SUSPECTS = 64
"""Jobs at most that are looked through, by halves, for the one that ends its actors again and again."""


class OnRay:
    """``address`` is "local", or what Ray calls the cluster: "auto", or HOST:6379."""

    def __init__(self, make: MakeWorker, address: str, count: int | None, cpus: int, gpus: float | None) -> None:
        self.make, self.address, self.count, self.cpus, self.gpus = make, address, count, cpus, gpus

    def __call__(self, jobs: Iterable[Job], deliver: Deliver) -> None:
        ray = _ray()
        try:
            ray.init(self.address, logging_level="error", log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as cause:
            raise HopelessError(f"there is no Ray at {self.address}: {str(cause).splitlines()[0]}") from None
        try:
            logging.getLogger("ray.data").setLevel(logging.ERROR)
            ray.data.DataContext.get_current().enable_progress_bars = False
            for part in _parts(iter(jobs)):
                self._through(ray, part, deliver)
        finally:
            ray.shutdown()

    def _through(self, ray: Any, part: list[Job], deliver: Deliver) -> None:
        todo, lost, again = [part], 0, AGAIN
        while todo:
            jobs = todo.pop()
            left, cause = self._run(ray, jobs, deliver, again)
            again = 0
            if len(left) < len(jobs):
                lost = 0
            if len(left) == 1:
                lost += 1
                if lost >= IN_A_ROW:
                    raise HopelessError(f"Ray gave up on {lost} rows in a row: {cause}")
                deliver(failure(left[0], f"Ray gave up on it: {cause}; is there enough memory?"))
            elif left:
                half = min((len(left) + 1) // 2, SUSPECTS)
                todo += [left[half:], left[:half]]

    def _run(self, ray: Any, jobs: list[Job], deliver: Deliver, again: int) -> tuple[list[Job], str]:
        """The jobs that have no result, and why not."""
        left = {job.key: job for job in jobs}

        def landed(result: Result) -> None:
            del left[result.key]
            deliver(result)

        try:
            self._stream(ray, jobs, landed, again)
        except ray.exceptions.RayError as cause:
            return [*left.values()], str(cause).strip().splitlines()[-1].split(". ")[0]
        return [], ""

    def _stream(self, ray: Any, part: list[Job], deliver: Deliver, again: int) -> None:
        import pyarrow as pa

        blocks = [part[start : start + IN_BLOCK] for start in range(0, len(part), IN_BLOCK)]
        asked = ray.data.from_arrow([pa.table({"job": [pickle.dumps(job) for job in block]}) for block in blocks])
        resources = ray.cluster_resources()
        gpus = self.gpus if self.gpus is not None else float(resources.get("GPU", 0) > 0)
        count = min(len(blocks), self.count or _places(resources, self.cpus, gpus))
        answered = asked.map_batches(
            _Actor,
            fn_constructor_args=(self.make,),
            batch_size=None,  # a block
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=count),
            num_cpus=self.cpus,
            num_gpus=gpus,
            ray_remote_args_fn=lambda: {"max_restarts": again, "max_task_retries": again},
        )
        for batch in answered.iter_batches(batch_size=None, batch_format="pyarrow"):
            for answer in batch["result"].to_pylist():
                result = pickle.loads(answer)
                if isinstance(result, str):
                    raise HopelessError(result)
                deliver(result)


class _Actor:
    def __init__(self, make: MakeWorker) -> None:
        self.worker = make(0)

    def __call__(self, block: Any) -> dict[str, list[bytes]]:
        results: list[Result | str] = []
        try:
            work_through(self.worker, [pickle.loads(job) for job in block["job"].to_pylist()], results.append)
        except HopelessError as error:
            results.append(str(error))
        return {"result": [pickle.dumps(result) for result in results]}


def _places(resources: dict[str, float], cpus: int, gpus: float) -> int:
    """How many actors the cluster has room for."""
    room = resources.get("GPU", 0) / gpus if gpus else resources.get("CPU", 1) / cpus
    return max(1, int(room))


def _parts(jobs: Iterator[Job]) -> Iterator[list[Job]]:
    while part := list(itertools.islice(jobs, IN_PART)):
        yield part


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of it but those who ask Ray to tell
    try:
        import pyarrow  # noqa: F401
        import ray
        import ray.data
    except ImportError:
        raise HopelessError("--ray needs Ray: pip install 'diffedit[cluster]'") from None
    return ray
