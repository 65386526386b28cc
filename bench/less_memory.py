"""What each way to get along with less memory saves: ``python -m bench.less_memory``, on random weights, on a CPU.

Offloading: how much of the weights is loaded at most, as its hooks load and unload them during an edit. The others: the
peak of what their stage needs, each with and without the flag in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import accelerate
import pandas as pd
import torch
from accelerate.hooks import AlignDevicesHook

from bench.memory import GIVE_BACK, now, peak
from bench.sizes import SIZES, build
from diffedit_core import Edit, edit
from diffedit_core.focus import Focus
from diffedit_core.hosts.diffusers import DiffusersHost, Memory
from diffedit_core.settings import ContrastSettings, DecodingSettings, EditSettings, InversionSettings, MaskSettings

RESULTS = Path(__file__).parent / "results" / "less_memory.md"
CPU = torch.device("cpu")
Stage = Callable[[DiffusersHost], object]


def picture(count: int, pixels: int) -> torch.Tensor:
    return torch.rand(count, pixels, pixels, 3, generator=torch.Generator().manual_seed(0))


def there_and_back(count: int, pixels: int) -> Stage:
    return lambda host: host.decode(host.encode(picture(count, pixels)))


def predicted(host: DiffusersHost) -> object:
    x = torch.randn(2, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    return host.bind({"target": "a cat"}).denoiser("target")(x, 2.0)


CASES: dict[str, tuple[str, Stage]] = {
    "vae_tiling": ("768x768 through the autoencoder and back", there_and_back(1, 768)),
    "vae_slicing": ("four pictures of 256x256 through the autoencoder and back", there_and_back(4, 256)),
    "attention_slicing": ("one prediction for two pictures of 512x512", predicted),
}
SHORT = EditSettings(
    mask=MaskSettings(ContrastSettings(draws=2, kind="object")),
    inversion=InversionSettings(steps=4, strength=0.75),
    decoding=DecodingSettings(tries=1),
    focus=Focus(focus=False),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.less_memory", description=__doc__)
    parser.add_argument("case", nargs="?", choices=[*CASES, *(f"no-{name}" for name in CASES)])
    case = parser.parse_args().case
    torch.set_num_threads(1)
    if case:
        print(json.dumps(_needed(case)))
        return
    rows = [_compared(name) for name in CASES] + [_offloaded(name) for name in ("model", "sequential")]
    table = pd.DataFrame(rows).set_index("flag").to_markdown(disable_numparse=True) + "\n"
    RESULTS.write_text(table)
    print(table)


def _compared(name: str) -> dict[str, str]:
    less, all_of_it = (_in_a_process(case) for case in (name, f"no-{name}"))
    what, flag = CASES[name][0], f"--{name.replace('_', '-')}"
    return _row(flag, what, f"{all_of_it:.0f} MiB", f"{less:.0f} MiB", less / all_of_it)


def _in_a_process(case: str) -> float:
    command, environment = [sys.executable, "-m", "bench.less_memory", case], {**os.environ, **GIVE_BACK}
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def _needed(case: str) -> float:
    """MiB beside the loaded model."""
    name, pipe = case.removeprefix("no-"), build(SIZES["small"], "cpu")
    replace(Memory(), **{name: case == name}).apply(pipe, CPU)
    host = DiffusersHost(pipe)
    before = now("cpu")
    CASES[name][1](host)
    return (peak("cpu") - before) / 2**20


def _offloaded(name: str) -> dict[str, str]:
    """By accelerate's own hooks, which do the same work on a CPU as on a GPU."""
    pipe = build(SIZES["small"], "cpu")
    parts: dict[str, Any] = {key: part for key, part in pipe.components.items() if isinstance(part, torch.nn.Module)}
    most, whole = [0], sum(map(_weights, parts.values()))
    for part in parts.values():
        if name == "sequential":
            accelerate.cpu_offload(part, CPU, offload_buffers=len(part._parameters) > 0)
        else:  # one part at a time is at work
            part.register_forward_hook(lambda part, inputs, output: most.append(_weights(part)))
    load = AlignDevicesHook.pre_forward

    def loaded(hook: AlignDevicesHook, module: torch.nn.Module, *inputs: Any, **named: Any) -> Any:
        given = load(hook, module, *inputs, **named)
        most.append(sum(_weights(part) for part in parts.values()))
        return given

    with patch.object(AlignDevicesHook, "pre_forward", loaded):
        edit(DiffusersHost(pipe), picture(1, 256), Edit("a bowl of apples", "a bowl of pears"), how=SHORT)
    share = max(most) / whole
    return _row(f"--offload {name}", "a whole edit: weights", "100 %", f"{100 * share:.0f} %", share)


def _weights(part: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in part.parameters() if not weight.is_meta)


def _row(flag: str, what: str, without: str, with_it: str, ratio: float) -> dict[str, str]:
    return {"flag": f"`{flag}`", "what": what, "without": without, "with": with_it, "ratio": f"{ratio:.2f}"}


if __name__ == "__main__":
    main()
