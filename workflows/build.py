"""Writes the example graphs in both formats, from a running ComfyUI: ``python workflows/build.py [its address]``."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

from drawing import Graph, Node, Socket, to_api, to_ui

HERE = Path(__file__).resolve().parent
LOADER = "CheckpointLoaderSimple"
HUGGING_FACE = "https://huggingface.co/{}/resolve/main/{}"
SD15 = ("Comfy-Org/stable-diffusion-v1-5-archive", "v1-5-pruned-emaonly-fp16.safetensors")
INPAINTING = ("webui/stable-diffusion-inpainting", "sd-v1-5-inpainting.safetensors")
SDXL = ("stabilityai/stable-diffusion-xl-base-1.0", "sd_xl_base_1.0.safetensors")
PICTURE = "example.png"  # comes with every ComfyUI: a drawing of a girl in a pink dress
SOURCE, TARGET = "a drawing of a girl in a pink dress", "a drawing of a girl in a blue dress"
GIVEN, FOUND, EDITED = "#3f789e", "#8a8", "#b58b2a"

INTRO = """{}

1. Choose your picture.
2. Write the two texts.
3. Press Run.

The checkpoint: {}"""

TEXTS = """Say the **same sentence twice**, and let it differ only in what shall change.

- *source*: what is there
- *target*: what shall be there instead

The mask is where the model cares about the difference: every further word that differs makes it larger."""

TUNING = """The mask is cut from the heatmap **here**, so turning this node's knobs runs no model.

- too large: raise **value** (otsu: above 1), or use fewer different words
- too small: lower **value** (otsu: below 1), or raise **grow**
- crumbs and holes: **min_island**, **fill_holes**, **keep_largest**
- frayed: **edge_snap** follows the picture's edges
- elsewhere: say in both texts what stands where, or take more **draws** in the node before"""

EDITING = """- **strength** (Invert): how far the picture is taken apart; higher changes more
- **guidance** (Denoise): how hard it is led to the target text
- **background** retrace: outside the mask it goes back the way it came; noised: plain inpainting

Outside the mask the last node puts the original pixels back: there the saved file equals the picture exactly."""


def demo() -> Graph:
    graph = Graph("demo", "An edit with the bundled model: press Run, nothing is downloaded.")
    graph.note(0, _intro_demo(), title="Press Run", height=330)
    model = graph.add("DiffEdit_DemoModel", 0)
    scene = graph.add("DiffEdit_DemoScene", 0, seed=3, kind="object", height=40)
    loaded = {"model": model["model"], "clip": model["clip"], "vae": model["vae"], "picture": scene["picture"]}
    start = [graph.nodes[0], model, scene]
    graph.group("1  A picture of the small world, and its texts", GIVEN, start)
    texts = _texts(graph, loaded["clip"], scene["source"], scene["target"])
    mask = _mask(graph, loaded, texts, edge_snap="grabcut")
    picture = _edit(graph, loaded, texts, mask)
    _show(graph, "demo", scene["picture"], mask["mask"], picture, caption=scene["target"])
    graph.add("PreviewImage", 5, title="What it should look like", height=240, images=scene["truth"])
    return graph


def diffedit() -> Graph:
    graph = Graph("diffedit", "Say what should change; everything else stays as it was, to the pixel (SD1.5).")
    return _with_checkpoint(graph, SD15, "SD1.5, or any checkpoint made from it. It likes pictures of about 512x512.")


def diffedit_sdxl() -> Graph:
    graph = Graph("diffedit_sdxl", "Say what should change; everything else stays as it was, to the pixel (SDXL).")
    return _with_checkpoint(graph, SDXL, "SDXL, or any checkpoint made from it. It likes pictures of about 1024x1024.")


def mask_only() -> Graph:
    graph = Graph("mask_only", "Find a mask from two texts, and try the rules side by side.")
    loaded, texts = _start(
        graph, SD15, "SD1.5. Any other checkpoint works as well: the mask can be used with another one."
    )
    found = graph.add(
        "DiffEdit_DiffEditMask",
        2,
        height=220,
        model=loaded["model"],
        latent=_latent(graph, loaded),
        source=texts[0],
        target=texts[1],
    )
    graph.note(2, _intro_rules(), title="One heatmap, three masks", height=230)
    for column, rule in enumerate(("otsu", "ratio", "minmax"), start=3):
        cut = _refine(graph, column, found["heatmap"], loaded["picture"], title=f"rule: {rule}", rule=rule)
        drawn = graph.add("MaskToImage", column, mask=cut["mask"])
        graph.add("SaveImage", column, height=240, images=drawn["IMAGE"], filename_prefix=f"DiffEdit/mask_{rule}")
    return graph


def fast_diffedit() -> Graph:
    graph = Graph("fast_diffedit", "FastDiffEdit: a mask from single predictions, filled by an inpainting checkpoint.")
    loaded, texts = _start(
        graph, SD15, "SD1.5 finds the mask; the SD1.5 inpainting checkpoint fills it.", prefix="mask"
    )
    inpainting = _loader(graph, 0, INPAINTING)
    negative = _text(graph, loaded["clip"], "Negative text", "")
    latent = _latent(graph, loaded)
    mask = graph.add(
        "DiffEdit_FastMask", 2, height=220, model=loaded["model"], latent=latent, source=texts[0], target=texts[1]
    )
    refined = _refine(graph, 2, mask["mask"], loaded["picture"], title="Better mask", grow=4)
    graph.note(
        2,
        TUNING.replace("The mask is cut from the heatmap **here**, so turning", "Turning"),
        title="The mask",
        height=260,
    )
    filled = graph.add(
        "InpaintModelConditioning",
        3,
        positive=texts[1],
        negative=negative,
        vae=loaded["vae"],
        pixels=loaded["picture"],
        mask=refined["mask"],
        noise_mask=True,
    )
    sampled = graph.add(
        "KSampler",
        3,
        model=inpainting["MODEL"],
        positive=filled["positive"],
        negative=filled["negative"],
        latent_image=filled["latent"],
        seed=0,
        steps=25,
        cfg=7.5,
        sampler_name="euler",
        scheduler="normal",
        denoise=1.0,
    )
    graph.group("3  Fill it", EDITED, [filled, sampled])
    decoded = graph.add("VAEDecode", 4, samples=sampled["LATENT"], vae=loaded["vae"])
    _show(
        graph, "fast", loaded["picture"], refined["mask"], _paste(graph, loaded["picture"], decoded["IMAGE"], refined)
    )
    return graph


GRAPHS = (demo, diffedit, fast_diffedit, mask_only, diffedit_sdxl)


def _with_checkpoint(graph: Graph, checkpoint: tuple[str, str], about: str) -> Graph:
    loaded, texts = _start(graph, checkpoint, about)
    mask = _mask(graph, loaded, texts)
    picture = _edit(graph, loaded, texts, mask)
    _show(graph, graph.name, loaded["picture"], mask["mask"], picture)
    return graph


def _start(
    graph: Graph, checkpoint: tuple[str, str], about: str, prefix: str = ""
) -> tuple[dict[str, Socket], list[Socket]]:
    intro = graph.note(
        0,
        INTRO.format(graph.description, about),
        title="Start here",
        height=250,
    )
    loader = _loader(graph, 0, checkpoint)
    picture = graph.add("LoadImage", 0, height=260, image=PICTURE)
    graph.group("1  A picture and a model", GIVEN, [intro, loader, picture])
    loaded = {"model": loader["MODEL"], "clip": loader["CLIP"], "vae": loader["VAE"], "picture": picture["IMAGE"]}
    return loaded, _texts(graph, loaded["clip"], SOURCE, TARGET)


def _loader(graph: Graph, column: int, checkpoint: tuple[str, str]) -> Node:
    repository, name = checkpoint
    model = {"name": name, "url": HUGGING_FACE.format(repository, name), "directory": "checkpoints"}
    return graph.add(LOADER, column, models=[model], ckpt_name=name)


def _texts(graph: Graph, clip: Socket, source: str | Socket, target: str | Socket) -> list[Socket]:
    graph.note(1, TEXTS, title="The two texts", height=220)
    return [
        _text(graph, clip, "Source: what is there", source),
        _text(graph, clip, "Target: what shall be there", target),
    ]


def _text(graph: Graph, clip: Socket, title: str, text: str | Socket) -> Socket:
    return graph.add("CLIPTextEncode", 1, title=title, height=60, clip=clip, text=text)["CONDITIONING"]


def _latent(graph: Graph, loaded: dict[str, Socket]) -> Socket:
    return graph.add("VAEEncode", 1, pixels=loaded["picture"], vae=loaded["vae"])["LATENT"]


def _mask(graph: Graph, loaded: dict[str, Socket], texts: list[Socket], **refinement: Any) -> Node:
    loaded["latent"] = _latent(graph, loaded)
    found = graph.add(
        "DiffEdit_DiffEditMask",
        2,
        height=220,
        model=loaded["model"],
        latent=loaded["latent"],
        source=texts[0],
        target=texts[1],
    )
    refined = _refine(
        graph, 3, found["heatmap"], loaded["picture"], title="Cut and refine the mask", rule="otsu", **refinement
    )
    note = graph.note(3, TUNING, title="The mask", height=280)
    graph.group("2  Where the two texts differ", FOUND, [found, refined, note])
    return refined


def _refine(graph: Graph, column: int, mask: Socket, picture: Socket, *, title: str, **knobs: Any) -> Node:
    return graph.add("DiffEdit_MaskRefine", column, title=title, height=220, mask=mask, picture=picture, **knobs)


def _edit(graph: Graph, loaded: dict[str, Socket], texts: list[Socket], mask: Node) -> Node:
    empty = _text(graph, loaded["clip"], "Text of the inversion (empty, as in the paper)", "")
    negative = _text(graph, loaded["clip"], "Negative text", "")
    inverted = graph.add("DiffEdit_DDIMInvert", 4, model=loaded["model"], latent=loaded["latent"], conditioning=empty)
    denoised = graph.add(
        "DiffEdit_MaskedDenoise",
        4,
        model=loaded["model"],
        trajectory=inverted["trajectory"],
        mask=mask["mask"],
        positive=texts[1],
        negative=negative,
    )
    note = graph.note(4, EDITING, title="The edit", height=260)
    graph.group("3  Change it there", EDITED, [inverted, denoised, note])
    decoded = graph.add("VAEDecode", 5, samples=denoised["latent"], vae=loaded["vae"])
    return _paste(graph, loaded["picture"], decoded["IMAGE"], mask, column=5)


def _paste(graph: Graph, original: Socket, edited: Socket, mask: Node, column: int = 4) -> Node:
    return graph.add("DiffEdit_PasteBack", column, original=original, edited=edited, mask=mask["mask"])


def _show(graph: Graph, name: str, original: Socket, mask: Socket, pasted: Node, **caption: Socket) -> None:
    picture = pasted["picture"]
    graph.add("SaveImage", pasted.column, height=300, images=picture, filename_prefix=f"DiffEdit/{name}")
    graph.add("DiffEdit_Panels", pasted.column, height=200, original=original, mask=mask, edited=picture, **caption)


def _intro_demo() -> str:
    return """**Press Run.** Nothing is downloaded: the model is bundled, and knows one small world of coloured shapes.

The scene node makes a picture, a text that says what is in it, and a text that says what shall be in it instead. \
DiffEdit finds where the two differ and changes the picture there.

- another **seed** or **kind** in the scene node: another picture, another edit
- or write your own texts, in the same words: *a red circle and a blue star on a striped cloth*

For your own pictures open the template **diffedit**."""


def _intro_rules() -> str:
    return """The heatmap says where the two texts make the model see a difference. A **rule** cuts a mask from it:

- **otsu**: splits it into two classes; the default
- **ratio**: what diffusers does
- **minmax**: what the paper says

Every knob behind this node is instant. More **draws** make the heatmap less noisy."""


def files(object_info: dict[str, Any]) -> dict[Path, str]:
    """{path: text} of every graph in both formats."""
    project = (HERE.parent / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.+?)"', project, re.MULTILINE)[1]
    texts = {}
    for describe in GRAPHS:
        graph = describe()
        texts[HERE / f"{graph.name}.json"] = _json(to_ui(graph, object_info, version))
        texts[HERE / "api" / f"{graph.name}.json"] = _json(to_api(graph, object_info))
    return texts


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def main(address: str = "http://127.0.0.1:8188") -> None:
    with urllib.request.urlopen(f"{address}/object_info", timeout=60) as response:
        object_info = json.load(response)
    for path, text in files(object_info).items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
