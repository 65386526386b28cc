"""The committed graphs, and small changes to them."""

from __future__ import annotations

import copy
import io
import json
import sys
from typing import Any

import numpy as np
from PIL import Image
from server import PACK, Run, Server

WORKFLOWS = PACK / "workflows"
sys.path.insert(0, str(WORKFLOWS))

import asking  # noqa: E402
import build  # noqa: E402
import models  # noqa: E402
from golden import GOLDEN  # noqa: E402

DESCRIBED = build.graphs()
NAMES = tuple(DESCRIBED)
APPS = build.apps()  # which only the page shows
TITLES = {name: graph.title for name, graph in (DESCRIBED | APPS).items()}
NODES = (
    "DiffEdit_DiffEditMask",
    "DiffEdit_FastMask",
    "DiffEdit_DDIMInvert",
    "DiffEdit_MaskedDenoise",
    "DiffEdit_MaskRefine",
    "DiffEdit_Edit",
    "DiffEdit_DepthModel",
    "DiffEdit_Focus",
    "DiffEdit_PasteBack",
    "DiffEdit_KeepTheRest",
    "DiffEdit_BoxesAndPoints",
    "DiffEdit_Panels",
    "DiffEdit_DemoModel",
    "DiffEdit_DemoScene",
    "DiffEdit_AverageTexts",
)
PASTE, MASK, REFINE = "DiffEdit_PasteBack", "DiffEdit_DiffEditMask", "DiffEdit_MaskRefine"
SIZE = (84, 70)  # (width, height) of the picture, no multiples of 8, so that VAE Encode crops it
EVERYWHERE = "InstructPix2Pix, as it is"  # the title of the one result that is not pasted into a mask
DRAWN = {"width": 16, "height": 16, "x": 8, "y": 8}  # a mask
Graph = dict[str, dict[str, Any]]


def ui(name: str) -> dict[str, Any]:
    return json.loads((WORKFLOWS / f"{TITLES[name]}.json").read_text(encoding="utf-8"))


def api(name: str) -> Graph:
    """``VERSION/NAME`` is that of an earlier version."""
    *version, name = name.split("/")
    folder = GOLDEN / version[0] if version else WORKFLOWS
    return json.loads((folder / "api" / f"{name}.json").read_text(encoding="utf-8"))


def earlier() -> list[str]:
    """``VERSION/NAME`` of the graphs of all versions that are not as they are today, each kind of them once."""
    files = {path.read_bytes(): path for path in sorted(GOLDEN.glob("*/api/*.json"))}
    today = {path.read_bytes() for path in (WORKFLOWS / "api").glob("*.json")}
    return [f"{path.parts[-3]}/{path.stem}" for text, path in files.items() if text not in today]


def the(graph: Graph, kind: str) -> str:
    """The id of the first node of this kind."""
    return next(number for number, node in graph.items() if node["class_type"] == kind)


def all_of(graph: Graph, kind: str) -> list[str]:
    return [number for number, node in graph.items() if node["class_type"] == kind]


def titled(graph: Graph, title: str) -> list[str]:
    return [number for number, node in graph.items() if node.get("_meta", {}).get("title") == title]


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


FEW = {"draws": 2, "steps": 3, "tries": 1, "drafts": 1, "kind": "object"}
SMALL = {
    "EmptyLatentImage": {"width": 64, "height": 64},
    "EmptyHunyuanLatentVideo": {"width": 32, "height": 32, "length": 5},
    # Today's text encoders are too large for a test; SD3 makes CLIP's text as wide as T5's
    "CLIPLoader": {"type": "sd3"},
    "DualCLIPLoader": {"type": "sd3"},
}
NARROW = {
    "qwen_2.5_vl_7b_fp8_scaled.safetensors": 3584,
    "qwen3vl_4b_fp8_scaled.safetensors": 640,
    "gemma4-12b-with-proj-ltx-2.5-comfy-int8-convrot.safetensors": 128,
}
"""How wide the text is that a model reads, where no kind of CLIP is as wide."""

SEEN = {"width": 80, "height": 64}
"""The size at which a small model sees what it would see as a megapixel."""

SAME = {models.SDXL_TURBO.name: models.SDXL.name}  # one small model, so that it is loaded once


def few(graph: Graph) -> Graph:
    """The same with few steps and draws, and where it makes something, with little of it."""
    less = copy.deepcopy(graph)
    for node in less.values():
        if node["class_type"] not in ("DiffEdit_DemoScene", "BasicScheduler"):
            node["inputs"] |= {key: value for key, value in FEW.items() if key in node["inputs"]}
        if node["class_type"] == "DiffEdit_DiffEditMask":
            node["inputs"] |= {"steps": 1}
        node["inputs"] |= SMALL.get(node["class_type"], {})
        node["inputs"] = {key: SAME.get(str(value), value) for key, value in node["inputs"].items()}
    for number in all_of(less, "CheckpointLoaderSimple"):
        if less[number]["inputs"]["ckpt_name"] == models.SAM3.name:
            less[number] |= {"class_type": "StandIn_Outliner", "inputs": {}}
    for number in all_of(less, "CLIPLoader"):
        if width := NARROW.get(less[number]["inputs"]["clip_name"]):
            less = with_node(
                rewired(less, [number, 0], ["narrow", 0]), "narrow", "StandIn_Narrow", clip=[number, 0], width=width
            )
    return hurried(less)


def hurried(graph: Graph) -> Graph:
    """Where a picture would be brought to a megapixel, it is made small, and so is what a text refers to."""
    for number in all_of(graph, "FluxKontextImageScale"):
        scaled = {"upscale_method": "bicubic", "crop": "disabled", **SEEN}
        graph[number] |= {"class_type": "ImageScale", "inputs": graph[number]["inputs"] | scaled}
    for number in all_of(graph, "TextEncodeQwenImageEditPlus"):
        if vae := graph[number]["inputs"].get("vae"):
            graph = with_node(graph, "hurried", "StandIn_Hurry", vae=vae, **SEEN)
            graph[number]["inputs"]["vae"] = ["hurried", 0]
    return graph


def rewired(graph: Graph, output: list, other: list) -> Graph:
    """With one output in place of another, wherever that goes."""
    graph = copy.deepcopy(graph)
    for node in graph.values():
        node["inputs"] = {key: other if value == output else value for key, value in node["inputs"].items()}
    return graph


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
    return shown_all(server, run, node)[0]


def shown_all(server: Server, run: Run, node: str) -> np.ndarray:
    """All of them: [B, H, W, 3] uint8."""
    files = [server.view(image) for image in run.outputs[node]["images"]]
    return np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])


def with_previews(graph: Graph, **outputs: list) -> tuple[Graph, list[str]]:
    """With pictures shown, and the ids of what shows them."""
    for number, output in outputs.items():
        graph = with_node(graph, number, "PreviewImage", images=output)
    return graph, list(outputs)


def with_pastes(graph: Graph) -> tuple[Graph, list[str]]:
    return with_previews(graph, **{f"paste{number}": [number, 0] for number in all_of(graph, PASTE)})


def drawn_on(graph: Graph, size: tuple[int, int]) -> Graph:
    """With a mask drawn by hand wherever one was found: neither all nor nothing, whatever random weights say."""
    sides = dict(zip(("width", "height"), size, strict=True))
    graph = with_node(graph, "90", "SolidMask", value=0.0, **sides)
    graph = with_node(graph, "91", "SolidMask", value=1.0, width=DRAWN["width"], height=DRAWN["height"])
    placed = {"x": DRAWN["x"], "y": DRAWN["y"], "operation": "or"}
    graph = with_node(graph, "92", "MaskComposite", destination=["90", 0], source=["91", 0], **placed)
    replaced = {number: ["92", 0] for kind in (REFINE, "DiffEdit_MaskedDenoise") for number in all_of(graph, kind)}
    for node in graph.values():
        for name, value in node["inputs"].items():
            if name == "mask" and isinstance(value, list) and value[0] in replaced:
                node["inputs"][name] = replaced[value[0]]
        node["inputs"] |= {"room": 0} if "room" in node["inputs"] else {}
    return graph


def pictures_of(server: Server, graph: Graph, *outputs: list) -> list[np.ndarray]:
    graph, numbers = with_previews(graph, **{f"shown{i}": output for i, output in enumerate(outputs)})
    needed = asking.reached(graph, list(numbers))
    run = server.run_well({number: node for number, node in graph.items() if number in needed})
    return [shown(server, run, number) for number in numbers]
