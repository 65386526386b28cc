"""Makes the graphs' thumbnails with the demo model, on a running ComfyUI: ``python workflows/thumbnails.py [address]``.

A graph is run with the demo's model and scene in place of its own, where that shows what it is about. Otherwise (depth,
a clip, a folder, SAM3, ...) it is the picture, the heatmap or the outlines, the mask and the edit of the demo graph.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from asking import Graph, Node, Output, ask
from build import graphs
from PIL import Image
from torch import Tensor

from diffedit_core.pictures import to_pil
from diffedit_core.sheets import heat, overlay

HERE = Path(__file__).resolve().parent
SIDE = 256  # of one of the four pictures
SCENES = {  # kind and seed
    "demo": ("both", 6),
    "diffedit": ("colour", 5),
    "diffedit_sdxl": ("object", 14),
    "diffedit_sdxl_turbo": ("object", 3),
    "diffedit_canny": ("colour", 16),
    "diffedit_depth": ("colour", 12),
    "two_edits": ("colour", 7),
    "shades": ("ground", 3),
    "whole_folder": ("colour", 48),
    "mask_only": ("colour", 0),
    "outlined": ("object", 10),
    "strengths": ("object", 1),
    "clip_layers": ("object", 34),
    "inpainting": ("object", 30),
    "instruct": ("colour", 38),
    "fast_diffedit": ("both", 4),
    "make_and_change": ("object", 5),
    "make_clip_and_change": ("both", 10),
    "from_instruction": ("colour", 16),
    "diffedit_z_image": ("colour", 45),
    "diffedit_krea2": ("colour", 21),
    "diffedit_qwen_image": ("both", 15),
    "diffedit_flux2_klein": ("colour", 44),
    "diffedit_flux": ("colour", 31),
    "diffedit_sd35": ("both", 24),
    "told_qwen_image_edit": ("colour", 26),
    "told_kontext": ("object", 17),
    "told_klein": ("both", 19),
    "keep_the_rest": ("object", 26),
    "keep_qwen_image_edit": ("colour", 2),
    "clip_wan": ("object", 27),
    "clip_ltx": ("colour", 33),
}
SECOND = ("a green star", "a blue heart")  # what else changes in the scene of two_edits
QUICK = {"DiffEdit_DDIMInvert": {"steps": 10, "strength": 0.9}, "DiffEdit_MaskedDenoise": {"tries": 2}}
SMOOTHLY = {"upscale_method": "bicubic", "crop": "disabled"}
LIGHTLY = {"blend_mode": "normal", "blend_factor": 0.15}
MASK, REFINE, PASTE = "DiffEdit_DiffEditMask", "DiffEdit_MaskRefine", "DiffEdit_PasteBack"


def api(name: str) -> Graph:
    return json.loads((HERE / "api" / f"{name}.json").read_text(encoding="utf-8"))


def all_of(graph: Graph, kind: str) -> list[str]:
    return [number for number, node in graph.items() if node["class_type"] == kind]


def the(graph: Graph, kind: str) -> str:
    return next(number for number, node in graph.items() if node["class_type"] == kind)


def titled(graph: Graph, title: str) -> str:
    return next(number for number, node in graph.items() if node["_meta"]["title"].startswith(title))


def scene_of(name: str) -> Node:
    graph = api("demo")
    kind, seed = SCENES[name]
    scene = graph[the(graph, "DiffEdit_DemoScene")]
    return scene | {"inputs": {"kind": kind, "seed": seed}}


def demo_graph(name: str) -> Graph:
    """The demo graph with this thumbnail's scene."""
    graph = api("demo")
    return graph | {the(graph, "DiffEdit_DemoScene"): scene_of(name)}


def own_graph(name: str) -> Graph:
    """That graph itself, with the demo's model, scene and texts."""
    graph, demo = api(name), api("demo")
    for loader in all_of(graph, "CheckpointLoaderSimple"):
        graph[loader] = demo[the(demo, "DiffEdit_DemoModel")]
    scene = (all_of(graph, "LoadImage") or ["scene"])[0]
    graph[scene] = scene_of(name)
    for number in all_of(graph, "CLIPTextEncode"):
        title = graph[number]["_meta"]["title"]
        for output, said in ((1, "what is there"), (2, "what should be there")):
            if said in title:
                graph[number]["inputs"]["text"] = [scene, output]
    for kind, inputs in QUICK.items():
        for number in all_of(graph, kind):
            graph[number]["inputs"] |= inputs
    return graph


def whole_edit(graph: Graph, address: str, instead: Output | None = None) -> list[Tensor]:
    """The picture, the heatmap or what is shown instead of it, the mask and the edit."""
    second = {"map": instead} if instead else {}
    asked = {"picture": [the(graph, "DiffEdit_DemoScene"), 0], "edit": [the(graph, PASTE), 0], **second}
    seen = ask(graph, address, asked, {"heat": [the(graph, MASK), 1], "mask": [the(graph, REFINE), 0]})
    middle = seen["map"] if instead else heat(seen["heat"][..., 0])
    return [seen["picture"], middle, overlay(seen["picture"], seen["mask"][..., 0]), seen["edit"]]


def outlines(name: str, address: str) -> list[Tensor]:
    graph = demo_graph(name)
    canny = api(name)[the(api(name), "Canny")]
    scene = [the(graph, "DiffEdit_DemoScene"), 0]
    graph["canny"] = canny | {"inputs": {**canny["inputs"], "image": scene}}
    return whole_edit(graph, address, ["canny", 0])


def fast(name: str, address: str) -> list[Tensor]:
    graph = demo_graph(name)
    find, cut = the(graph, MASK), the(graph, REFINE)
    taken = ("model", "latent", "source", "target", "strength", "seed")
    inputs = {key: graph[find]["inputs"][key] for key in taken}
    graph[find] = {**graph[find], "class_type": "DiffEdit_FastMask", "inputs": inputs | {"draws": 20}}
    graph[cut]["inputs"] |= {"mask": [find, 0], "rule": "none", "edge_snap": "none", "grow": 0}
    graph[graph[cut]["inputs"]["picture"][0]]["inputs"]["samples"] = inputs["latent"]  # it drafts nothing
    denoise = graph[the(graph, "DiffEdit_MaskedDenoise")]["inputs"]
    for node in (denoise, graph[denoise["draft"][0]]["inputs"]):
        del node["draft"]
    denoise["background"] = "noised"
    asked = {"picture": [the(graph, "DiffEdit_DemoScene"), 0], "edit": [the(graph, PASTE), 0]}
    seen = ask(graph, address, asked, {"heat": [find, 1], "mask": [cut, 0]})
    return [seen["picture"], heat(seen["heat"][..., 0]), overlay(seen["picture"], seen["mask"][..., 0]), seen["edit"]]


def rules(name: str, address: str) -> list[Tensor]:
    graph = own_graph(name)
    masks = {number: [number, 0] for number in all_of(graph, REFINE)}
    seen = ask(graph, address, {"picture": [the(graph, "DiffEdit_DemoScene"), 0]}, masks)
    return [seen["picture"], *(overlay(seen["picture"], seen[number][..., 0]) for number in masks)]


def two_edits(name: str, address: str) -> list[Tensor]:
    graph = own_graph(name)
    scene = the(graph, "DiffEdit_DemoScene")
    second = graph[all_of(graph, MASK)[1]]["inputs"]
    replaced = {"string": [scene, 1], "find": SECOND[0], "replace": SECOND[1]}
    graph["second"] = {"class_type": "StringReplace", "inputs": replaced, "_meta": {"title": ""}}
    graph[second["target"][0]]["inputs"]["text"] = ["second", 0]
    masks = {number: [number, 0] for number in all_of(graph, REFINE)}
    seen = ask(graph, address, {"picture": [scene, 0], "edit": [the(graph, PASTE), 0]}, masks)
    return [seen["picture"], *(overlay(seen["picture"], seen[number][..., 0]) for number in masks), seen["edit"]]


def four_edits(name: str, address: str) -> list[Tensor]:
    graph = own_graph(name)
    for number, strength in zip(all_of(graph, "DiffEdit_DDIMInvert"), (0.7, 0.9), strict=True):
        graph[number]["inputs"]["strength"] = strength
    asked = {number: [number, 0] for number in all_of(graph, PASTE)}
    return list(ask(graph, address, asked, {}).values())


def layers(name: str, address: str) -> list[Tensor]:
    graph = own_graph(name)
    edits = {number: [number, 0] for number in all_of(graph, PASTE)}
    masks = {number: [number, 0] for number in all_of(graph, REFINE)}
    seen = ask(graph, address, {"picture": [the(graph, "DiffEdit_DemoScene"), 0], **edits}, masks)
    pairs = zip(masks, edits, strict=True)
    return [tile for mask, edit in pairs for tile in (overlay(seen["picture"], seen[mask][..., 0]), seen[edit])]


def filled(name: str, address: str) -> list[Tensor]:
    """By the plain model: the demo has no inpainting one."""
    graph = own_graph(name)
    asked = {"picture": [the(graph, "DiffEdit_DemoScene"), 0], "edit": [titled(graph, "plain checkpoint"), 0]}
    seen = ask(graph, address, asked, {"heat": [the(graph, MASK), 1], "mask": [the(graph, REFINE), 0]})
    return [seen["picture"], heat(seen["heat"][..., 0]), overlay(seen["picture"], seen["mask"][..., 0]), seen["edit"]]


def shaded(name: str, address: str) -> list[Tensor]:
    """The picture, the grey mask, and what both readings of it make."""
    graph = own_graph(name)
    edits = {number: [number, 0] for number in all_of(graph, PASTE)}
    asked = {"picture": [the(graph, "DiffEdit_DemoScene"), 0], **edits}
    seen = ask(graph, address, asked, {"grey": [titled(graph, "The heat as a grey mask"), 0]})
    return [seen["picture"], heat(seen["grey"][..., 0]), *(seen[number] for number in edits)]


def made(name: str, address: str) -> list[Tensor]:
    """A picture made from the scene's text, the mask, the edit, and the same by picture to picture."""
    graph = own_graph(name)
    graph[the(graph, "EmptyLatentImage")]["inputs"] |= {"width": 128, "height": 128}
    graph[titled(graph, "Negative text")]["inputs"]["text"] = ""
    picture = graph[the(graph, PASTE)]["inputs"]["original"]
    again = graph[titled(graph, "All of it changes a little")]["inputs"]["images"]
    asked = {"picture": picture, "edit": [the(graph, PASTE), 0], "again": again}
    seen = ask(graph, address, asked, {"mask": [the(graph, REFINE), 0]})
    return [seen["picture"], overlay(seen["picture"], seen["mask"][..., 0]), seen["edit"], seen["again"]]


def kept(name: str, address: str) -> list[Tensor]:
    """A scene, its edit, moved, zoomed and tinted by ComfyUI's own nodes, what was meant of it, and what is kept."""
    graph = api("keep_the_rest")
    (original, edited), node = all_of(graph, "LoadImage"), the(graph, "DiffEdit_KeepTheRest")
    drift = {
        "crop": ("ImageCrop", {"image": [original, 4], "width": 118, "height": 118, "x": 7, "y": 2}),
        "zoom": ("ImageScale", {"image": ["crop", 0], "width": 160, "height": 160, **SMOOTHLY}),
        "amber": ("EmptyImage", {"width": 160, "height": 160, "batch_size": 1, "color": 0xFFB060}),
        edited: ("ImageBlend", {"image1": ["zoom", 0], "image2": ["amber", 0], **LIGHTLY}),
    }
    graph |= {number: {"class_type": kind, "inputs": inputs} for number, (kind, inputs) in drift.items()}
    graph[original] = scene_of(name)
    asked = {"picture": [original, 0], "edited": [edited, 0], "kept": [node, 0]}
    seen = ask(graph, address, asked, {"mask": [node, 1]})
    return [seen["picture"], seen["edited"], overlay(seen["picture"], seen["mask"][..., 0]), seen["kept"]]


OWN: dict[str, Callable[[str, str], list[Tensor]]] = {
    "diffedit_canny": outlines,
    "fast_diffedit": fast,
    "mask_only": rules,
    "two_edits": two_edits,
    "shades": shaded,
    "strengths": four_edits,
    "clip_layers": layers,
    "inpainting": filled,
    "make_and_change": made,
    "keep_the_rest": kept,
    "keep_qwen_image_edit": kept,
}


def square(four: list[Tensor]) -> Image.Image:
    sheet = Image.new("RGB", (2 * SIDE, 2 * SIDE))
    for i, picture in enumerate(four):
        tile = to_pil(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        sheet.paste(tile, (i % 2 * SIDE, i // 2 * SIDE))
    return sheet


def main(address: str = "http://127.0.0.1:8188", *names: str) -> None:
    for name, graph in graphs().items():
        if name in names or not names:
            four = OWN[name](name, address) if name in OWN else whole_edit(demo_graph(name), address)
            for title in {graph.title, f"{graph.title}.app"} & {path.stem for path in HERE.glob("*.json")}:
                square(four).save(HERE / f"{title}.jpg", quality=88)


if __name__ == "__main__":
    main(*sys.argv[1:])
