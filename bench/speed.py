"""Ours beside diffusers' pipeline on the same random weights: ``python -m bench.speed [--size NAME] [--device NAME]``.

Prints model evaluations, seconds and peak memory of mask, inversion, decoding and the whole edit, and writes them to
bench/results. The sides take turns and medians are taken. On a CPU one thread is used and its CPU time is counted,
which other programs on the machine disturb less than the clock.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import diffusers
import torch
from torch import nn

from bench.memory import peak_mib
from bench.sides import SIDES, stages
from bench.sizes import SIZES, build

RESULTS = Path(__file__).parent / "results"
STAGES = ("mask", "invert", "invert, caption", "decode", "whole edit", "at the defaults")
SETTINGS = """\
both, but for the last: 50 steps, strength 0.8 (40 steps taken), 10 noise draws, guidance 7.5 in decoding, one picture
mask: ours contrasts two predictions a draw; diffusers makes four (its guidance there cannot be turned off)
invert: ours without text and guidance, as the paper does; "invert, caption" is diffusers' default, caption at 7.5
whole edit: each with its own inversion; "same inversion" are sums of stages that invert alike
at the defaults: our balanced preset, which makes three tries, and diffusers' pipeline as it comes"""


@dataclass(frozen=True)
class Cost:
    evaluations: int  # rows through the UNet
    seconds: float
    unet: float  # seconds of these in the UNet
    vae: float

    @property
    def overhead(self) -> float:
        """Everything that is neither UNet nor VAE, over the UNet's own time."""
        return (self.seconds - self.unet - self.vae) / self.unet


class Meter:
    """Counts and times a pipeline's networks from outside, the same way for whoever calls them."""

    def __init__(self, unet: nn.Module, vae: nn.Module, device: str) -> None:
        self.device, self.rows, self.unet, self.vae = device, 0, 0.0, 0.0
        self._began = 0.0
        for part, after in ((unet, self._unet_done), (vae.encoder, self._vae_done), (vae.decoder, self._vae_done)):
            part.register_forward_pre_hook(self._begin)
            part.register_forward_hook(after)

    def clock(self) -> float:
        if self.device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def measure(self, call: Callable[[], object]) -> Cost:
        self.rows, self.unet, self.vae = 0, 0.0, 0.0
        began = self.clock()
        call()
        return Cost(self.rows, self.clock() - began, self.unet, self.vae)

    def _begin(self, module: nn.Module, args: tuple) -> None:
        self._began = self.clock()

    def _unet_done(self, module: nn.Module, args: tuple, output: object) -> None:
        self.unet += self.clock() - self._began
        self.rows += len(args[0])

    def _vae_done(self, module: nn.Module, args: tuple, output: object) -> None:
        self.vae += self.clock() - self._began


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__)
    parser.add_argument("--size", choices=SIZES, help="of the random model [small; sd15 and sdxl on cuda]")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    default = ["small"] if options.device == "cpu" else ["sd15", "sdxl"]
    for size in [options.size] if options.size else default:
        record = measure(size, options.device, options.repeats)
        table = in_words(record)
        RESULTS.mkdir(exist_ok=True)
        name = f"speed_{size}_{options.device.split(':')[0]}"
        (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
        (RESULTS / f"{name}.md").write_text(table)
        print(table)


def measure(size: str, device: str, repeats: int, dtype: torch.dtype | None = None) -> dict:
    """In the size's own dtype, or in another. Memory is measured in its own."""
    with _threads(1 if device == "cpu" else torch.get_num_threads()):
        pipe = build(SIZES[size], device).to(dtype or SIZES[size].dtype)
        meter = Meter(pipe.unet, pipe.vae, device)
        sides = {name: side(pipe, SIZES[size].pixels) for name, side in SIDES.items()}
        runs: dict[tuple[str, str], list[Cost]] = {}
        for _ in range(repeats + 1):  # the first warms up
            for stage in STAGES:
                for name, side in sides.items():
                    runs.setdefault((stage, name), []).append(meter.measure(stages(side)[stage]))
    costs = {key: _middle(found[1:]) for key, found in runs.items()}
    memory = {stage: {name: peak_mib(name, stage, size, device) for name in SIDES} for stage in STAGES}
    return {
        "size": size,
        "pixels": SIZES[size].pixels,
        "machine": _machine(device),
        "unet_seconds_per_row": costs["decode", "ours"].unet / costs["decode", "ours"].evaluations,
        "repeats": repeats,
        "costs": [{"stage": stage, "side": name, **asdict(cost)} for (stage, name), cost in costs.items()],
        "memory_mib": memory,
        "targets": _targets(costs, memory),
    }


def _middle(costs: Sequence[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: cost.seconds)[len(costs) // 2]


def _targets(costs: dict[tuple[str, str], Cost], memory: dict[str, dict[str, float]]) -> dict[str, list[float]]:
    """What it is, and at most what it should be."""
    mask, their_mask = costs["mask", "ours"], costs["mask", "diffusers"]
    whole, their_whole = costs["whole edit", "ours"], costs["whole edit", "diffusers"]
    default, their_default = costs["at the defaults", "ours"], costs["at the defaults", "diffusers"]
    peak = memory["whole edit"]
    return {
        "mask, evaluations": [mask.evaluations / their_mask.evaluations, 0.5],
        "mask, seconds": [mask.seconds / their_mask.seconds, 0.6],
        "whole edit, seconds": [whole.seconds / their_whole.seconds, 0.7],
        "whole edit, peak memory": [peak["ours"] / peak["diffusers"], 1.0],
        "at the defaults, evaluations": [default.evaluations / their_default.evaluations, 0.45],
        "at the defaults, seconds": [default.seconds / their_default.seconds, 0.45],
        "own overhead over the UNet's time": [default.overhead, 0.02],
    }


def in_words(record: dict) -> str:
    costs = {(c["stage"], c["side"]): Cost(**{k: c[k] for k in Cost.__annotations__}) for c in record["costs"]}
    row = 1000 * record["unet_seconds_per_row"]
    lines = [
        f"{record['size']}: {record['pixels']} pixels a side, {row:.0f} ms a UNet row, {record['machine']}",
        "",
        "| | evaluations, ours | diffusers | seconds, ours | diffusers | ratio | peak MiB, ours | diffusers |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for stage in STAGES:
        ours, theirs = ([costs[stage, name]] for name in SIDES)
        lines.append(_row(stage, ours, theirs, record["memory_mib"][stage]))
    for inversion in ("invert", "invert, caption"):
        ours, theirs = ([costs[stage, name] for stage in ("mask", inversion, "decode")] for name in SIDES)
        lines.append(_row(f"same inversion: mask + {inversion} + decode", ours, theirs, {}))
    lines += ["", "| target | measured | at most |", "|---|---|---|"]
    lines += [f"| {name} | {now:.3f} | {limit:g} |" for name, (now, limit) in record["targets"].items()]
    return "\n".join([*lines, "", SETTINGS]) + "\n"


def _row(label: str, ours: Sequence[Cost], theirs: Sequence[Cost], peak: dict[str, float]) -> str:
    rows = [sum(cost.evaluations for cost in costs) for costs in (ours, theirs)]
    seconds, their_seconds = (sum(cost.seconds for cost in costs) for costs in (ours, theirs))
    cells = [label, *rows, f"{seconds:.2f}", f"{their_seconds:.2f}", f"{seconds / their_seconds:.2f}"]
    return "| " + " | ".join(str(cell) for cell in [*cells, *(peak.get(name, "") for name in SIDES)]) + " |"


def _machine(device: str) -> str:
    cpu = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
    name = torch.cuda.get_device_name() if device != "cpu" else f"one thread of {(models or [platform.machine()])[0]}"
    return f"{name}, torch {torch.__version__}, diffusers {diffusers.__version__}"


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


if __name__ == "__main__":
    main()
