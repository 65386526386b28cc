"""Makes the graphs' thumbnails with the demo model, on a running ComfyUI: ``python workflows/thumbnails.py [address]``.

Each shows the picture, the heatmap, the mask and the edit; the one of mask_only the masks of three rules.
"""

from __future__ import annotations

import copy
import io
import json
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from diffedit_core.pictures import from_bytes, to_pil
from diffedit_core.sheets import heat, overlay

HERE = Path(__file__).resolve().parent
SIDE = 256  # of one of the four pictures
SCENES = {  # kind and seed
    "demo": ("both", 6),
    "diffedit": ("colour", 5),
    "diffedit_sdxl": ("object", 14),
    "fast_diffedit": ("both", 4),
    "mask_only": ("colour", 0),
    "two_edits": ("colour", 7),
}
SECOND = ("a green star", "a blue heart")  # what else changes in the scene of two_edits
Graph = dict[str, dict[str, Any]]


def graph_of(name: str) -> Graph:
    """The demo graph with this thumbnail's scene, and nodes 90.. that save what it shows."""
    graph = _api("demo")
    kind, seed = SCENES[name]
    find, cut = the(graph, "DiffEdit_DiffEditMask"), the(graph, "DiffEdit_MaskRefine")
    graph[the(graph, "DiffEdit_DemoScene")]["inputs"] |= {"kind": kind, "seed": seed}
    if name == "fast_diffedit":
        taken = ("model", "latent", "source", "target", "strength", "seed")
        inputs = {key: graph[find]["inputs"][key] for key in taken}
        graph[find] = {"class_type": "DiffEdit_FastMask", "inputs": inputs | {"draws": 20}}
        graph[cut]["inputs"] |= {"mask": [find, 0], "rule": "none", "edge_snap": "none", "grow": 0}
        graph[graph[cut]["inputs"]["picture"][0]]["inputs"]["samples"] = inputs["latent"]  # it drafts nothing
        denoise = graph[the(graph, "DiffEdit_MaskedDenoise")]["inputs"]
        for node in (denoise, graph[denoise["draft"][0]]["inputs"]):
            del node["draft"]
        denoise["background"] = "noised"
    for number, rule in zip((95, 96, 97), ("otsu", "ratio", "minmax"), strict=True):
        inputs = graph[cut]["inputs"] | {"mask": [find, 1], "rule": rule, "edge_snap": "none", "grow": 0}
        graph[str(number)] = {"class_type": "DiffEdit_MaskRefine", "inputs": inputs}
    graph["90"] = {"class_type": "PreviewImage", "inputs": {"images": [the(graph, "DiffEdit_DemoScene"), 0]}}
    graph["91"] = {"class_type": "MaskToImage", "inputs": {"mask": [find, 1]}}
    graph["92"] = {"class_type": "PreviewImage", "inputs": {"images": ["91", 0]}}
    return graph


def two_edits() -> Graph:
    """That graph itself, with the demo's model and scene."""
    graph, (kind, seed) = _api("two_edits"), SCENES["two_edits"]
    demo = _api("demo")
    demo[the(demo, "DiffEdit_DemoScene")]["inputs"] |= {"kind": kind, "seed": seed}
    graph[the(graph, "CheckpointLoaderSimple")] = demo[the(demo, "DiffEdit_DemoModel")]
    scene = the(graph, "LoadImage")
    graph[scene] = demo[the(demo, "DiffEdit_DemoScene")]
    first, second = (graph[number]["inputs"] for number in all_of(graph, "DiffEdit_DiffEditMask"))
    graph[first["source"][0]]["inputs"]["text"] = [scene, 1]
    graph[first["target"][0]]["inputs"]["text"] = [scene, 2]
    graph[second["source"][0]]["inputs"]["text"] = [scene, 1]
    replaced = {"string": [scene, 1], "find": SECOND[0], "replace": SECOND[1]}
    graph["98"] = {"class_type": "StringReplace", "inputs": replaced}
    graph[second["target"][0]]["inputs"]["text"] = ["98", 0]
    graph[the(graph, "DiffEdit_DDIMInvert")]["inputs"] |= {"steps": 10, "strength": 0.9}
    graph[the(graph, "DiffEdit_MaskedDenoise")]["inputs"]["tries"] = 2
    graph["90"] = {"class_type": "PreviewImage", "inputs": {"images": [scene, 0]}}
    return graph


def _api(name: str) -> Graph:
    return json.loads((HERE / "api" / f"{name}.json").read_text(encoding="utf-8"))


def all_of(graph: Graph, kind: str) -> list[str]:
    return [number for number, node in graph.items() if node["class_type"] == kind]


def the(graph: Graph, kind: str) -> str:
    return next(number for number, node in graph.items() if node["class_type"] == kind)


def thumbnail(name: str, address: str) -> Image.Image:
    graph = two_edits() if name == "two_edits" else graph_of(name)
    outputs = run(copy.deepcopy(graph), address)

    def shown(number: str) -> Tensor:
        """[1, H, W, 3]"""
        query = urllib.parse.urlencode(outputs[number]["images"][0])
        with urllib.request.urlopen(f"{address}/view?{query}") as file:
            return from_bytes(Image.open(io.BytesIO(file.read())).convert("RGB"))[None]

    picture = shown("90")
    if name == "mask_only":
        masks = [overlay(picture, shown(number)[..., 0]) for number in ("95", "96", "97")]
        return square([picture, *masks])
    if name == "two_edits":
        masks = [overlay(picture, shown(number)[..., 0]) for number in all_of(graph, "DiffEdit_MaskRefine")]
        return square([picture, *masks, shown(the(graph, "SaveImage"))])
    cut = shown(the(graph, "DiffEdit_MaskRefine"))[..., 0]
    return square([picture, heat(shown("92")[..., 0]), overlay(picture, cut), shown(the(graph, "SaveImage"))])


def run(graph: Graph, address: str) -> dict[str, Any]:
    body = json.dumps({"prompt": graph}).encode()
    request = urllib.request.Request(f"{address}/prompt", body, {"Content-Type": "application/json"})
    prompt = json.load(urllib.request.urlopen(request))["prompt_id"]
    while not (done := json.load(urllib.request.urlopen(f"{address}/history/{prompt}"))):
        time.sleep(0.2)
    if done[prompt]["status"]["status_str"] != "success":
        raise RuntimeError(done[prompt]["status"]["messages"])
    return done[prompt]["outputs"]


def square(four: list[Tensor]) -> Image.Image:
    sheet = Image.new("RGB", (2 * SIDE, 2 * SIDE))
    for i, picture in enumerate(four):
        tile = to_pil(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        sheet.paste(tile, (i % 2 * SIDE, i // 2 * SIDE))
    return sheet


def main(address: str = "http://127.0.0.1:8188") -> None:
    for name in SCENES:
        thumbnail(name, address).save(HERE / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main(*sys.argv[1:])
