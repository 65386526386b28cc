"""How a batch is run: the flags that change no result."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError


def add_batch_flags(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument("--jobs", type=_count, metavar="N", help="processes, each with its own model [1; one a GPU]")
    group.add_argument("--threads", type=_count, metavar="N", help="of each process, on a CPU [cores / processes]")
    group.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="run on Ray: local (this machine), auto (the cluster that it is in) or HOST:6379",
    )
    group.add_argument(
        "--gpus-per-job",
        type=float,
        metavar="X",
        help="on Ray, of each process; 0.5: two on one GPU [1 if there are any]",
    )


RUNNING = ("table", "out", "jobs", "threads", "ray", "gpus_per_job", "json", "run", "device")
"""What says where and how, and not what is made."""


MOST = 1024
"""Processes, and threads of each: more than this is a slip of the finger."""


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= float(text) <= MOST:
        raise ArgumentTypeError(f"{text:.20} is not a whole number from 1 to {MOST}")
    return int(text)
