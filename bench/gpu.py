"""Everything that only a GPU can tell, in one command: ``python -m bench.gpu [--device NAME] [--sizes NAME ...]``.

Ours beside diffusers' pipeline at SD1.5's and SDXL's size, in fp16 and bf16; then the same inside every ComfyUI that is
found, as it comes, with --lowvram, and with so little memory that fewer draws of noise fit. Writes
bench/results/gpu.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Sequence

import torch

from bench import in_comfyui
from bench.speed import RESULTS, in_words, measure
from tests.comfyui.installations import Installation, installations

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
WAYS = ("as it comes", "--lowvram", "little memory")
LITTLE = {"small": "1", "sd15": "4", "sdxl": "9"}
"""GiB that hold the weights and not much more."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--sizes", nargs="+", choices=in_comfyui.SIZES, default=["sd15", "sdxl"])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here; to try this out, use --device cpu --sizes small")
    on_gpu = options.device == "cuda"
    parts = ["# On a GPU" if on_gpu else "# On a CPU"]
    for size in options.sizes:
        for name, dtype in DTYPES.items() if on_gpu else [("float32", torch.float32)]:
            parts.append(f"## {size}, {name}\n\n" + in_words(measure(size, options.device, options.repeats, dtype)))
            print(parts[-1], flush=True)
    rows = [
        _row(found, size, dtype, way, options.device)
        for found in installations()
        for size in options.sizes
        for dtype in (DTYPES if on_gpu else ["float32"])
        for way in WAYS
    ]
    parts.append("## Inside ComfyUI\n\n" + "\n".join([*HEAD, *rows]))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"gpu_{options.device}.md").write_text("\n\n".join(parts) + "\n")


HEAD = (
    "| ComfyUI | size | dtype | how | mask: rows, s, MiB | inversion | decoding | draws a pass | outside |",
    "|---|---|---|---|---|---|---|---|---|",
)


def _row(found: Installation, size: str, dtype: str, way: str, device: str) -> str:
    flags = {"--lowvram": ["--lowvram"], "little memory": ["--limit", LITTLE[size]]}.get(way, [])
    said = _measured(found, ["--size", size, "--dtype", dtype, "--device", device, *flags])
    if "stages" not in said:
        return f"| {found.version} | {size} | {dtype} | {way} | {said['error']} | | | | |"
    cells = [f"{each['rows']}, {each['seconds']}, {each['peak MiB']:.0f}" for each in said["stages"].values()]
    outside = "exact" if said["outside is exact"] and said["finite"] else "NOT exact"
    ended = [said["comfyui"], size, dtype, way, *cells, said["draws a pass"], outside]
    row = "| " + " | ".join(map(str, ended)) + " |"
    print(row, flush=True)
    return row


def _measured(found: Installation, flags: Sequence[str]) -> dict:
    """What the ComfyUI's own interpreter measured, or the last line of why it did not."""
    command = [str(found.python), in_comfyui.__file__, str(found.folder), *flags]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=found.folder, env=environment)
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines() or ["no output"]
    return {"error": lines[-1]} if done.returncode else json.loads(lines[-1])


if __name__ == "__main__":
    main()
