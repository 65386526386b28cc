"""The committed graphs, and small changes to them."""

from __future__ import annotations

import copy
import io
import json
from typing import Any

import numpy as np
from PIL import Image
from server import PACK, Run, Server

WORKFLOWS = PACK / "workflows"
NAMES = ("demo", "diffedit", "fast_diffedit", "mask_only", "diffedit_sdxl", "two_edits")
NODES = (
    "DiffEdit_DiffEditMask",
    "DiffEdit_FastMask",
    "DiffEdit_DDIMInvert",
    "DiffEdit_MaskedDenoise",
    "DiffEdit_MaskRefine",
    "DiffEdit_Edit",
    "DiffEdit_Focus",
    "DiffEdit_PasteBack",
    "DiffEdit_Panels",
    "DiffEdit_DemoModel",
    "DiffEdit_DemoScene",
    "DiffEdit_AverageTexts",
)
Graph = dict[str, dict[str, Any]]


def ui(name: str) -> dict[str, Any]:
    return json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))


def api(name: str) -> Graph:
    return json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))


def the(graph: Graph, kind: str) -> str:
    """The id of the first node of this kind."""
    return next(number for number, node in graph.items() if node["class_type"] == kind)


def changed(graph: Graph, kind: str, /, **inputs: Any) -> Graph:
    """With other inputs of the first node of this kind."""
    other = copy.deepcopy(graph)
    other[the(graph, kind)]["inputs"] |= inputs
    return other


def with_node(graph: Graph, number: str, kind: str, /, **inputs: Any) -> Graph:
    return {**copy.deepcopy(graph), number: {"class_type": kind, "inputs": inputs}}


def quick(graph: Graph) -> Graph:
    """Fewer steps and draws and no drafts, where a test asks for something else than the result."""
    graph = changed(graph, "DiffEdit_DiffEditMask", draws=2, kind="object")
    return changed(graph, "DiffEdit_DDIMInvert", steps=5)


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """[H, W, 3] uint8: smooth ground, one square, grain."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width] / max(width, height)
    pixels = np.stack([rows, columns, 1 - rows], -1) * 180
    pixels[height // 4 : height // 2, width // 4 : width // 2] = (220, 40, 60)
    return np.clip(pixels + rng.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def shown(server: Server, run: Run, node: str) -> np.ndarray:
    """The first picture that a node saved or shows: [H, W, 3] uint8."""
    file = server.view(run.outputs[node]["images"][0])
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
