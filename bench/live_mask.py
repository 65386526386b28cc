"""How long a live mask takes from knob to picture, at 1024x1024 on one core: ``python -m bench.live_mask [COMFYUI]``.

The refining alone, and the whole way: a question to a real server, the mask, the picture, the answer.
"""

from __future__ import annotations

import dataclasses
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from PIL import Image

from diffedit_core.hosts.comfyui.live import Held
from diffedit_core.hosts.comfyui.refining import Given
from diffedit_core.pictures import from_bytes, to_bytes
from diffedit_core.refine import Refinement

from .refining import HOW, RESULTS, _scene

ROOT = Path(__file__).resolve().parents[1]
SIDE, TIMES, MANY = 1024, 7, 30
AS_RUN = {"rule": "auto", "value": 0.0, "threshold": 0.0}
RULES = ("auto", "otsu", "ratio", "minmax", "zscore", "grey", "top")


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    picture, heatmap = _pictures()
    alone = Held(Given(from_bytes(heatmap)[None], from_bytes(picture)[None]), AS_RUN)
    cases = _cases()
    rows = {name: {"refining": _milliseconds(lambda c=case: alone.mask(c))} for name, case in cases.items()}
    for name, taken in _by_server(picture, heatmap, cases).items():
        rows[name]["knob to picture"] = taken
    text = pd.DataFrame(rows).T.map("{:.0f} ms".format).to_markdown(disable_numparse=True) + "\n"
    (RESULTS / "live_mask.md").write_text(text)
    print(text)


def _cases() -> dict[str, dict[str, Any]]:
    """Each rule, and with a rule that takes next to no time, each operation."""
    plain = dataclasses.asdict(Refinement())
    changes = {name: dataclasses.asdict(how) for name, how in HOW.items() if name != "nothing"}
    turned = {name: {key: each for key, each in how.items() if each != plain[key]} for name, how in changes.items()}
    return {f"rule {rule}": {"rule": rule} for rule in RULES} | {
        name: {"rule": "zscore", **how} for name, how in turned.items()
    }


def _pictures() -> tuple[np.ndarray, np.ndarray]:
    """A picture of a disc [H, W, 3], and a heatmap of it with some grain [H, W]: uint8."""
    _, picture, heatmap = _scene(SIDE, SIDE)
    grain = np.random.default_rng(1).normal(0, 0.02, heatmap[0].shape)
    return to_bytes(picture[0]), to_bytes(heatmap[0] + torch.from_numpy(grain))


def _by_server(picture: np.ndarray, heatmap: np.ndarray, cases: dict[str, dict[str, Any]]) -> dict[str, float]:
    sys.path.insert(0, str(ROOT / "tests" / "comfyui"))
    from installations import Installation, installations, interpreter
    from listening import Listener
    from server import Server

    named = [Path(name).expanduser() for name in sys.argv[1:]]
    installation = Installation(named[0], interpreter(named[0])) if named else installations()[-1]
    with tempfile.TemporaryDirectory() as folder:
        (models := Path(folder) / "no_models").mkdir()
        Server.memory_settings = {}  # as users have it
        server = Server(installation, Path(folder) / "base", models)
        try:
            server.upload("picture.png", _png(picture))
            server.upload("heatmap.png", _png(np.repeat(heatmap[..., None], 3, 2)))
            with Listener(server, "tests"):
                run = server.run_well(_graph(server)).outputs["refine"]["diffedit_live"][0]

                def ask(settings: dict[str, Any]) -> bytes:
                    return server.post("/diffedit/refine", {"client": "tests", "run": run, "settings": settings})

                return {name: _of_process(server.process.pid, lambda c=case: ask(c)) for name, case in cases.items()}
        finally:
            server.stop()


def _graph(server: Any) -> dict[str, Any]:
    inputs = server.get("/object_info/DiffEdit_MaskRefine")["DiffEdit_MaskRefine"]["input"]
    both = {**inputs["required"], **inputs["optional"]}
    widgets = {name: spec[1]["default"] for name, spec in both.items() if "default" in spec[1]}
    return {
        "picture": {"class_type": "LoadImage", "inputs": {"image": "picture.png"}},
        "heatmap": {"class_type": "LoadImageMask", "inputs": {"image": "heatmap.png", "channel": "red"}},
        "refine": {
            "class_type": "DiffEdit_MaskRefine",
            "inputs": {**widgets, **AS_RUN, "mask": ["heatmap", 0], "picture": ["picture", 0]},
        },
    }


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _milliseconds(run: Callable[[], object]) -> float:
    """The shortest of several. What else a machine does makes nothing longer that is counted in time of its core."""
    taken = []
    for _ in range(TIMES):
        began = time.process_time()
        run()
        taken.append(time.process_time() - began)
    return 1000 * min(taken)


def _of_process(pid: int, run: Callable[[], object]) -> float:
    """The mean of many, in time of the cores that another process takes."""
    run()
    began = _cpu_seconds(pid)
    for _ in range(MANY):
        run()
    return 1000 * (_cpu_seconds(pid) - began) / MANY


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
