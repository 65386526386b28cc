"""``diffedit batch``: a table or a folder through one model, or through several of them."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ..batch.addresses import address
from ..batch.cluster import OnRay
from ..batch.jobs import RESULTS, SHEET, Plan
from ..batch.journal import Line
from ..batch.processes import Processes, cores
from ..batch.running import Runner, Tally, run
from ..batch.tables import table
from ..batch.work import work_through
from ..hosts.diffusers import be_quiet
from .batch_flags import RUNNING
from .files import FORMATS
from .models import where
from .rows import check_columns, rows_of
from .worker import Maker

EVERY = 30
"""Seconds between two lines on progress, where stderr is no terminal."""


def run_batch(args: Namespace) -> dict[str, Any]:
    be_quiet()
    began, found = time.perf_counter(), table(address(args.table), without=args.out)
    check_columns(rows_of(args, found.base), found.columns)
    settings = {name: value for name, value in vars(args).items() if name not in RUNNING and value is not None}
    extras = tuple(name for name in ("mask", "heatmap") if getattr(args, f"save_{name}"))
    plan, progress = Plan(found, args.out, settings, extras, tuple(FORMATS)), Progress()
    try:
        tally = run(plan, _runner(args, plan), progress.start, progress.line)
    finally:
        progress.close()
    return {
        "command": "batch",
        "rows": tally.rows,
        "done_before": tally.before,
        "done": tally.done,
        "failed": tally.failed,
        "findings": [_in_words(tally, args.out)],
        "seconds": {"total": round(time.perf_counter() - began, 3)},
        "evaluations": {"total": tally.evaluations},
        "written": {"results": str(args.out / RESULTS), "sheet": str(args.out / SHEET)},
    }


def _runner(args: Namespace, plan: Plan) -> Runner:
    """In this process, in several, or on a cluster."""
    if args.ray:
        maker = Maker(args, plan.table.base, args.out, args.threads or 1)
        return OnRay(maker, args.ray, args.jobs, args.threads or 1, args.gpus_per_job)
    if args.gpus_per_job is not None:
        raise ValueError("--gpus-per-job would change nothing: it is for --ray")
    device, _ = where(args)
    count = args.jobs or (torch.cuda.device_count() if args.device is None and device.type == "cuda" else 1)
    threads = args.threads or (max(1, cores() // count) if count > 1 and device.type == "cpu" else None)
    maker = Maker(args, plan.table.base, args.out, threads)
    if count == 1:
        return lambda jobs, deliver: work_through(maker(0), jobs, deliver)
    return Processes(maker, count)


def _in_words(tally: Tally, out: Path) -> str:
    earlier = f", {tally.before} of them earlier" if tally.before else ""
    failed = f"; {tally.failed} failed, and {out / RESULTS} says why" if tally.failed else ""
    return f"{tally.before + tally.done} of {tally.rows} pictures done{earlier}{failed}"


class Progress:
    """A bar on a terminal, and elsewhere a line now and then."""

    def start(self, tally: Tally) -> None:
        self._tally, self._began, self._said = tally, time.monotonic(), time.monotonic()
        self._bar = tqdm(total=tally.rows, initial=tally.before, unit="picture", disable=None)

    def line(self, line: Line) -> None:
        self._bar.update()
        tally, now = self._tally, time.monotonic()
        if self._bar.disable and now - self._said >= EVERY:
            self._said = now
            gone = tally.done + tally.failed
            left = timedelta(seconds=round((now - self._began) / gone * tally.left))
            said = f"{tally.before + gone} of {tally.rows}, {tally.failed} failed, {left} left"
            print(f"diffedit: {said}", file=sys.stderr, flush=True)

    def close(self) -> None:
        if hasattr(self, "_bar"):
            self._bar.close()
