"""Writes the example graphs in both formats, from a running ComfyUI: ``python workflows/build.py [its address]``."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import notes
from drawing import COLUMN, GAP, Graph, Node, Socket, to_api, to_ui

from diffedit_core.settings import EditSettings

HERE = Path(__file__).resolve().parent
HUGGING_FACE = "https://huggingface.co/{}/resolve/main/{}"
SD15 = ("Comfy-Org/stable-diffusion-v1-5-archive", "v1-5-pruned-emaonly-fp16.safetensors")
INPAINTING = ("webui/stable-diffusion-inpainting", "sd-v1-5-inpainting.safetensors")
SDXL = ("stabilityai/stable-diffusion-xl-base-1.0", "sd_xl_base_1.0.safetensors")
PICTURE = "example.png"  # comes with every ComfyUI: a drawing of a girl in a pink dress
SOURCE, TARGET = "a drawing of a girl in a pink dress", "a drawing of a girl in a blue dress"
ALSO = ("a drawing of a girl with yellow hair", "a drawing of a girl with red hair")
BLUE, GREEN, AMBER, VIOLET = "#3f789e", "#8a8", "#b58b2a", "#666"


@dataclass(frozen=True)
class Start:
    """What every graph begins with."""

    model: Socket
    clip: Socket
    vae: Socket
    picture: Socket
    seen: Socket  # the whole picture at the model's size
    source: Socket
    target: Socket
    negative: Socket
    latent: Socket


@dataclass(frozen=True)
class Place:
    """Where an edit belongs, in the whole picture."""

    mask: Socket
    heatmap: Socket
    draft: Socket
    nodes: list[Node]


def demo() -> Graph:
    graph = Graph("demo", "An edit with the bundled model: press Run, nothing is downloaded.")
    graph.note(0, notes.DEMO, title="Press Run", height=300)
    model = graph.add("DiffEdit_DemoModel", 0)
    scene = graph.add("DiffEdit_DemoScene", 0, seed=6, kind="both")
    start = _texts(
        graph, model["model"], model["clip"], model["vae"], scene["picture"], scene["source"], scene["target"]
    )
    place = _mask(graph, start)
    latent = _edit(graph, start, place)
    pasted = _finish(graph, start, latent, place, room=EditSettings().room, caption=scene["target"])
    truth = graph.add("PreviewImage", 5, title="What it should look like", height=230, images=scene["truth"])
    graph.group("4  Everything else stays", VIOLET, [*pasted, truth])
    return graph


def diffedit() -> Graph:
    graph = Graph("diffedit", "Say what should change; everything else stays as it was, to the pixel (SD1.5).")
    return _whole(graph, SD15, "SD1.5, or any checkpoint made from it.")


def diffedit_sdxl() -> Graph:
    graph = Graph("diffedit_sdxl", "Say what should change; everything else stays as it was, to the pixel (SDXL).")
    return _whole(graph, SDXL, "SDXL, or any checkpoint made from it.")


def mask_only() -> Graph:
    graph = Graph("mask_only", "Find a mask from two texts, and try the rules side by side.")
    start = _start(graph, SD15, "SD1.5. Any other checkpoint works too, and a different one can use the mask.")
    found = _find(graph, "DiffEdit_DiffEditMask", start)
    note = graph.note(2, notes.RULES, title="One heatmap, three masks", height=200)
    graph.group("2  Where the two texts differ", GREEN, [found, note])
    for column, rule in enumerate(("otsu", "ratio", "minmax"), start=3):
        knobs: dict[str, Any] = {"rule": rule, "way_back": start.seen.node["way back"]}
        cut = _refine(graph, column, found["heatmap"], start.picture, title=f"rule: {rule}", **knobs)
        drawn = graph.add("MaskToImage", column, mask=cut["mask"])
        graph.add("SaveImage", column, height=230, images=drawn["IMAGE"], filename_prefix=f"DiffEdit/mask_{rule}")
    return graph


def fast_diffedit() -> Graph:
    graph = Graph("fast_diffedit", "FastDiffEdit: a mask from single predictions, filled by an inpainting checkpoint.")
    start = _start(graph, SD15, "SD1.5 finds the mask, and its inpainting version fills it.")
    found = _find(graph, "DiffEdit_FastMask", start)
    refined = _refine(graph, 3, found["mask"], start.seen, title="Refine the mask", grow=4)
    closer = _focus(graph, 3, start.model, start.picture, title="Look closer", mask=refined["mask"])
    note = graph.note(3, notes.GROWING, title="The mask", height=190)
    graph.group("2  Where the two texts differ", GREEN, [found, refined, closer, note])
    latent = _fill(graph, start, closer)
    graph.group("4  Everything else stays", VIOLET, _finish(graph, start, latent, closer))
    return graph


def two_edits() -> Graph:
    graph = Graph("two_edits", "Two edits of one picture, each with texts and a mask of its own (SD1.5).")
    start = _start(graph, SD15, "SD1.5, or any checkpoint made from it.")
    source, target = (
        _text(graph, start.clip, f"Second edit: {title}", text, column=2)
        for title, text in zip(("what is there", "what should be there"), ALSO, strict=True)
    )
    second = replace(start, source=source, target=target)
    found, other = (
        _found_and_cut(graph, each, title=f"DiffEdit Mask: {place} edit")
        for place, each in (("first", start), ("second", second))
    )
    more = graph.add(
        "DiffEdit_Edit", 3, mask=other.mask, target=target, source=source, draft=other.draft, heatmap=other.heatmap
    )
    closer = _closer(graph, start, found, edits=more["edits"], cut_outs="one a picture")
    note = graph.note(3, notes.TWO_EDITS, title="Two edits", height=260)
    nodes = [source.node, target.node, *found.nodes, *other.nodes, more, closer, note]
    graph.group("2  Where each edit belongs", GREEN, nodes)
    inverting, denoising = {"steps": 25, "strength": 0.8}, {"tries": 1, "edits": closer["edits"]}
    latent = _edit(graph, start, closer, inverting=inverting, denoising=denoising)
    pasted = _finish(graph, start, latent, closer, mask=latent.node["mask"], room=EditSettings().room)
    graph.group("4  Everything else stays", VIOLET, pasted)
    return graph


GRAPHS = (demo, diffedit, fast_diffedit, mask_only, diffedit_sdxl, two_edits)


def _whole(graph: Graph, checkpoint: tuple[str, str], about: str) -> Graph:
    start = _start(graph, checkpoint, about)
    place = _mask(graph, start)
    # Large models draw finer with more steps, and every try is slow.
    latent = _edit(graph, start, place, inverting={"steps": 25, "strength": 0.8}, denoising={"tries": 1})
    graph.group("4  Everything else stays", VIOLET, _finish(graph, start, latent, place, room=EditSettings().room))
    return graph


def _start(graph: Graph, checkpoint: tuple[str, str], about: str) -> Start:
    graph.note(0, notes.INTRO.format(graph.description, about), title="Start here", height=220)
    loader = _loader(graph, 0, checkpoint)
    picture = graph.add("LoadImage", 0, height=260, image=PICTURE)
    return _texts(graph, loader["MODEL"], loader["CLIP"], loader["VAE"], picture["IMAGE"], SOURCE, TARGET)


def _loader(graph: Graph, column: int, checkpoint: tuple[str, str]) -> Node:
    repository, name = checkpoint
    model = {"name": name, "url": HUGGING_FACE.format(repository, name), "directory": "checkpoints"}
    return graph.add("CheckpointLoaderSimple", column, models=[model], ckpt_name=name)


def _texts(
    graph: Graph, model: Socket, clip: Socket, vae: Socket, picture: Socket, source: str | Socket, target: str | Socket
) -> Start:
    graph.note(1, notes.TEXTS, title="The two texts", height=180)
    before = _text(graph, clip, "Source: what is there", source)
    after = _text(graph, clip, "Target: what should be there instead", target)
    negative = _text(graph, clip, "Negative text", "")
    seen = _focus(graph, 1, model, picture, title="See the whole")["picture"]
    latent = graph.add("VAEEncode", 1, pixels=seen, vae=vae)["LATENT"]
    graph.group("1  A picture and two texts", BLUE, list(graph.nodes))
    return Start(model, clip, vae, picture, seen, before, after, negative, latent)


def _text(graph: Graph, clip: Socket, title: str, text: str | Socket, column: int = 1) -> Socket:
    return graph.add("CLIPTextEncode", column, title=title, height=60, clip=clip, text=text)["CONDITIONING"]


def _focus(graph: Graph, column: int, model: Socket, picture: Socket, *, title: str, **more: Any) -> Node:
    return graph.add("DiffEdit_Focus", column, title=title, height=200, picture=picture, model=model, **more)


def _mask(graph: Graph, start: Start) -> Node:
    """Where the edit belongs: a cut-out, its mask, the draft of it, and the way back."""
    found = _found_and_cut(graph, start)
    closer = _closer(graph, start, found)
    note = graph.note(3, notes.CUTTING, title="The mask", height=350)
    graph.group("2  Where the two texts differ", GREEN, [*found.nodes, closer, note])
    return closer


def _found_and_cut(graph: Graph, start: Start, title: str | None = None) -> Place:
    found = _find(graph, "DiffEdit_DiffEditMask", start, title, negative=start.negative)
    seen = graph.add("VAEDecode", 3, title="The picture, or a draft of it", samples=found["draft"], vae=start.vae)
    how = EditSettings().mask
    knobs = {"rule": how.cut.rule, "edge_snap": how.refinement.edge_snap}
    refined = _refine(graph, 3, found["heatmap"], seen["IMAGE"], title="Cut and refine the mask", **knobs)
    return Place(refined["mask"], found["heatmap"], found["draft"], [found, seen, refined])


def _closer(graph: Graph, start: Start, found: Place, **more: Any) -> Node:
    texts = {"vae": start.vae, "source": start.source, "target": start.target}
    given = {"mask": found.mask, "draft": found.draft, **texts, **more}
    return _focus(graph, 3, start.model, start.picture, title="Look closer", **given)


def _find(graph: Graph, kind: str, start: Start, title: str | None = None, **more: Socket) -> Node:
    texts: dict[str, Any] = {"source": start.source, "target": start.target, **more}
    return graph.add(kind, 2, title=title, height=240, model=start.model, latent=start.latent, **texts)


def _refine(graph: Graph, column: int, mask: Socket, picture: Socket, *, title: str, **knobs: Any) -> Node:
    return graph.add("DiffEdit_MaskRefine", column, title=title, height=240, mask=mask, picture=picture, **knobs)


def _edit(
    graph: Graph,
    start: Start,
    place: Node,
    inverting: dict[str, Any] | None = None,
    denoising: dict[str, Any] | None = None,
) -> Socket:
    """The edited latent."""
    latent = graph.add("VAEEncode", 4, pixels=place["picture"], vae=start.vae)
    empty = _text(graph, start.clip, "Text of the inversion (empty)", "", column=4)
    wires = {"model": start.model, "latent": latent["LATENT"], "conditioning": empty}
    inverted = graph.add("DiffEdit_DDIMInvert", 4, **wires, **(inverting or {}))
    denoised = graph.add(
        "DiffEdit_MaskedDenoise",
        4,
        model=start.model,
        trajectory=inverted["trajectory"],
        mask=place["mask"],
        target=start.target,
        negative=start.negative,
        source=start.source,
        draft=place["draft"],
        **(denoising or {}),
    )
    note = graph.note(4, notes.EDITING, title="The edit", height=290)
    graph.group("3  Change it there", AMBER, [latent, empty.node, inverted, denoised, note])
    return denoised["latent"]


def _fill(graph: Graph, start: Start, place: Node) -> Socket:
    """The latent with the mask filled by an inpainting checkpoint, through ComfyUI's own nodes."""
    loader = _loader(graph, 4, INPAINTING)
    texts: dict[str, Any] = {"positive": start.target, "negative": start.negative}
    shown: dict[str, Any] = {"vae": start.vae, "pixels": place["picture"], "mask": place["mask"], "noise_mask": True}
    ready = graph.add("InpaintModelConditioning", 4, **texts, **shown)
    settings: dict[str, Any] = {
        "seed": 0,
        "steps": 25,
        "cfg": 7.5,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
    }
    given: dict[str, Any] = {name: ready[name] for name in ("positive", "negative")}
    sampled = graph.add("KSampler", 4, model=loader["MODEL"], latent_image=ready["latent"], **given, **settings)
    note = graph.note(4, notes.FILLING, title="The filling", height=130)
    graph.group("3  Fill it", AMBER, [loader, ready, sampled, note])
    return sampled["LATENT"]


def _finish(
    graph: Graph,
    start: Start,
    latent: Socket,
    place: Node,
    *,
    room: int = 0,
    mask: Socket | None = None,
    **caption: Any,
) -> list[Node]:
    """Decoded, with the original pixels put back, saved and shown. What changed in the room around the mask is kept."""
    column = 5
    decoded = graph.add("VAEDecode", column, samples=latent, vae=start.vae)
    original: dict[str, Any] = {"original": start.picture}
    pasted = graph.add(
        "DiffEdit_PasteBack",
        column,
        edited=decoded["IMAGE"],
        mask=mask or place["mask"],
        way_back=place["way back"],
        room=room,
        **original,
    )
    shown: dict[str, Any] = {"mask": pasted["mask"], "edited": pasted["picture"], **original, **caption}
    panels = graph.add("DiffEdit_Panels", column, height=260, width=2 * COLUMN - GAP, **shown)
    prefix = f"DiffEdit/{graph.name}"
    saved = graph.add("SaveImage", column, height=300, images=pasted["picture"], filename_prefix=prefix)
    return [decoded, pasted, panels, saved]


def files(object_info: dict[str, Any]) -> dict[Path, str]:
    """{path: text} of every graph in both formats."""
    project = (HERE.parent / "pyproject.toml").read_text(encoding="utf-8")
    version = re.findall(r'^version = "(.+?)"', project, re.MULTILINE)[0]
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
