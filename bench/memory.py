"""The peak memory of one stage in a process of its own: ``python -m bench.memory SIDE STAGE [--size] [--device]``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
GIVE_BACK = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Freed memory goes back to the system at once, so that the peak is what was in use and not what was kept in stock."""


def peak_mib(side: str, stage: str, size: str, device: str) -> float:
    """MiB that the stage needs on top of what the loaded model takes, measured in a fresh process."""
    command = [sys.executable, "-m", "bench.memory", side, stage, "--size", size, "--device", device]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **GIVE_BACK})
    return json.loads(done.stdout)["mib"]


def main() -> None:
    from bench.sides import SIDES, stages
    from bench.sizes import SIZES, build

    parser = argparse.ArgumentParser(prog="python -m bench.memory")
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("stage")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    side = SIDES[options.side](build(SIZES[options.size], options.device), SIZES[options.size].pixels)
    before = now(options.device)
    stages(side)[options.stage]()
    print(json.dumps({"mib": round((peak(options.device) - before) / 2**20, 1)}))


def now(device: str) -> int:
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    return _status("VmRSS")


def peak(device: str) -> int:
    # VmHWM and not getrusage: the latter's peak is inherited from the process that started this one
    return torch.cuda.max_memory_allocated() if device != "cpu" else _status("VmHWM")


def _status(key: str) -> int:
    """Bytes."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return 1024 * int(lines[key].split()[0])


if __name__ == "__main__":
    main()
