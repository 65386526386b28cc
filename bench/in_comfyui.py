"""Mask, inversion and decoding inside a ComfyUI, on random weights: run by that ComfyUI's own interpreter.

    PYTHON bench/in_comfyui.py COMFYUI [--size NAME] [--dtype NAME] [--device NAME] [--lowvram] [--limit GIB]

Prints one line of JSON: rows through the network, seconds and peak memory of each stage, how many draws of noise went
through at a time, and at the end whether what is outside the mask came back bit for bit.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NAME = "benched_diffedit_pack"

HEADS = {"num_heads": -1, "num_head_channels": 64, "use_linear_in_transformer": True}
SIZES: dict[str, tuple[int, str, dict[str, Any]]] = {  # pixels a side, the family, and what its UNet is over a tiny one
    "small": (256, "sd15", {}),
    "sd15": (
        512,
        "sd15",
        {"model_channels": 320, "num_res_blocks": [2] * 4, "channel_mult": [1, 2, 4, 4], "context_dim": 768}
        | {"transformer_depth": [1] * 6 + [0] * 2, "transformer_depth_output": [1] * 9 + [0] * 3, "num_heads": 8},
    ),
    "sdxl": (
        1024,
        "sdxl",
        {"model_channels": 320, "num_res_blocks": [2] * 3, "channel_mult": [1, 2, 4], "context_dim": 2048}
        | {"transformer_depth": [0, 0, 2, 2, 10, 10], "transformer_depth_middle": 10, **HEADS}
        | {"transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10]},
    ),
}
DRAWS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comfyui", type=Path)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--dtype", choices=["float32", "float16", "bfloat16"], default="float16")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--lowvram", action="store_true")
    parser.add_argument("--limit", type=float, help="GiB of the GPU's memory that may be used")
    options = parser.parse_args()
    start(options)
    print(json.dumps(measured(options)))


def start(options: argparse.Namespace) -> None:
    """ComfyUI reads its flags when its modules are first imported."""
    sys.argv = sys.argv[:1]
    sys.path[:0] = [str(options.comfyui), str(ROOT / "tests" / "comfyui" / "inside")]
    from comfy.cli_args import args

    args.cpu, args.lowvram = options.device == "cpu", options.lowvram
    importlib.import_module("utils.extra_config")  # as main.py does first: another module of this name is found later
    spec = importlib.util.spec_from_file_location(NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec and spec.loader
    sys.modules[NAME] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def pack(name: str) -> Any:
    return importlib.import_module(f"{NAME}.diffedit_core.{name}")


def measured(options: argparse.Namespace) -> dict[str, Any]:
    import comfy.model_management as mm
    import torch

    if options.device == "cpu":
        torch.set_num_threads(1)
    if options.limit and options.device == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(options.limit * 2**30 / total)
    meter, chunks = Meter(options.device == "cuda"), [0]
    pixels, model, texts = made(options.size, getattr(torch, options.dtype), meter)
    latent = {"samples": torch.randn(1, 4, pixels // 8, pixels // 8, generator=torch.Generator().manual_seed(0)) * 4}
    settings, host, redrawing = pack("settings"), pack("hosts.comfyui.stages"), pack("hosts.comfyui.redrawing")
    fitting = pack("hosts.comfyui.fitting")
    attempt = fitting.Halving._attempt

    def counted(self: Any, x: Any, sigma: float) -> Any:
        done = attempt(self, x, sigma)
        chunks[0] = max(chunks[0], 0 if done is None else len(x))
        return done

    fitting.Halving._attempt = counted
    looking = settings.ContrastSettings(kind="object", sure=1, draws=DRAWS)

    def run() -> tuple[dict[str, Any], Any]:
        find, cut = {"how": looking, "seed": 0}, settings.CutSettings("otsu")
        mask, seen = meter(lambda: host.find_mask(model, latent, texts[0], texts[1], cut=cut, **find))
        up, (trajectory, _, _) = meter(
            lambda: host.invert_picture(model, latent, texts[2], how=settings.InversionSettings())
        )
        half = torch.zeros_like(seen.mask)
        half[..., : pixels // 2] = 1
        edits, how = [redrawing.WireEdit(half, texts[1], texts[2], texts[0])], settings.DecodingSettings(greys="none")
        down, (edited, _) = meter(lambda: redrawing.masked_denoise(model, trajectory, edits, how=how, seed=0))
        return {"mask": mask, "inversion": up, "decoding": down}, edited["samples"]

    with torch.inference_mode():
        run()  # warms up
        found, edited = run()
    outside = latent["samples"][..., pixels // 16 :]
    return {
        "comfyui": importlib.import_module("comfyui_version").__version__,
        **{key: getattr(options, key) for key in ("size", "dtype", "device", "lowvram", "limit")},
        "machine": torch.cuda.get_device_name() if options.device == "cuda" else "CPU",
        "vram": mm.vram_state.name,
        "stages": found,
        "draws a pass": chunks[0],
        "outside is exact": bool(torch.equal(edited[..., pixels // 16 :].cpu(), outside)),
        "finite": bool(edited.isfinite().all()),
    }


class Meter:
    """Rows through the network, seconds, and the peak of memory."""

    def __init__(self, has_gpu: bool) -> None:
        self.has_gpu, self.rows = has_gpu, 0

    def count(self, apply: Callable[..., Any], given: dict[str, Any]) -> Any:
        self.rows += len(given["input"])
        return apply(given["input"], given["timestep"], **given["c"])

    def __call__(self, call: Callable[[], Any]) -> tuple[dict[str, float], Any]:
        import torch

        self.rows, began = 0, self._now()
        if self.has_gpu:
            torch.cuda.reset_peak_memory_stats()
        result = call()
        seconds = self._now() - began
        peak = torch.cuda.max_memory_allocated() / 2**20 if self.has_gpu else 0.0
        return {"rows": self.rows, "seconds": round(seconds, 3), "peak MiB": round(peak, 1)}, result

    def _now(self) -> float:
        import torch

        if self.has_gpu:
            torch.cuda.synchronize()
        return time.perf_counter() if self.has_gpu else time.process_time()


def made(size: str, dtype: Any, meter: Meter) -> tuple[int, Any, list[Any]]:
    """Pixels a side, a MODEL with random weights, and a source text, a target text and the empty one."""
    import comfy.model_management as mm
    import comfy.model_patcher
    import families
    import tiny
    import torch

    pixels, family, config = SIZES[size]
    about = families.FAMILIES[family]
    config = about.made_by({**about.config, **config, "dtype": dtype})
    config.manual_cast_dtype = None
    inner = config.get_model({}, device=torch.device("cpu"))
    tiny.randomize(inner.diffusion_model, 0)
    model = comfy.model_patcher.ModelPatcher(
        inner.eval(), load_device=mm.get_torch_device(), offload_device=torch.device("cpu")
    )
    model.set_model_unet_function_wrapper(meter.count)
    width, draw = config.unet_config["context_dim"], torch.Generator().manual_seed(1)
    texts = [
        [[torch.randn(1, 77, width, generator=draw), {"pooled_output": torch.randn(1, about.pooled, generator=draw)}]]
        for _ in range(3)
    ]
    return pixels, model, texts


if __name__ == "__main__":
    main()
