"""Edits from anywhere, with the rest as it was: for any two pictures, and behind a model's usual graph."""

from __future__ import annotations

from typing import Any

import notes
from drawing import COLUMN, GAP, Graph, Node, Socket
from models import QWEN_IMAGE_EDIT, load_all
from parts import AMBER, BLUE, GREEN, PICTURE, VIOLET, introduce, sample, save, shifted
from told import OTHERWISE

TITLE = "Keep the rest of any edit"
READS, REFERS = "TextEncodeQwenImageEditPlus", "FluxKontextMultiReferenceLatentMethod"


def keep_the_rest() -> Graph:
    about = "Any edited picture, from anywhere: only what was meant to change comes in, and the rest stays."
    graph = Graph("keep_the_rest", TITLE, about)
    introduce(graph, "none.", notes.STEPS_OF_KEEPING, notes.KEPT_SCENE)
    titles = ("The picture as it was", "The same picture, edited")
    original, edited = (graph.add("LoadImage", 0, title=title, height=260, image=PICTURE)["IMAGE"] for title in titles)
    graph.group("1  Two pictures", BLUE, list(graph.nodes))
    return _finish(graph, 1, original, edited)


def keep_qwen_image_edit() -> Graph:
    about = "Qwen-Image-Edit changes what it is told to; all that it was not told to change stays."
    graph = Graph("keep_qwen_image_edit", f"{TITLE} (Qwen-Image-Edit)", about, since="0.5.0")
    introduce(graph, "Qwen-Image-Edit (2511).", notes.STEPS_OF_ORDERING, notes.KEPT_SCENE)
    model, clip, vae = load_all(graph, QWEN_IMAGE_EDIT)
    model = shifted(graph, model, 3.1)
    picture = graph.add("LoadImage", 1, height=260, image=PICTURE)["IMAGE"]
    seen = graph.add("FluxKontextImageScale", 1, title="At the model's size", image=picture)["IMAGE"]
    said = {"Target: tells it what to change": OTHERWISE, "Negative text": ""}
    read: dict[str, Any] = {"clip": clip, "vae": vae, "image1": seen}
    texts = [graph.add(READS, 1, title=title, height=60, prompt=words, **read) for title, words in said.items()]
    graph.group("1  A picture and an order", BLUE, list(graph.nodes))
    drawn = _drawn(graph, model, vae, seen, *(each["CONDITIONING"] for each in texts))
    return _finish(graph, 3, picture, drawn["IMAGE"], refused="edited")


def _drawn(graph: Graph, model: Socket, vae: Socket, seen: Socket, target: Socket, negative: Socket) -> Node:
    """As ComfyUI's own template has it, decoded."""
    before = len(graph.nodes)
    target, negative = (_referring(graph, said) for said in (target, negative))
    latent = graph.add("VAEEncode", 2, pixels=seen, vae=vae)["LATENT"]
    own = graph.add("CFGNorm", 2, model=model, strength=1.0)["patched_model"]
    wires: dict[str, Any] = {"model": own, "positive": target, "negative": negative, "latent_image": latent}
    sampled = sample(graph, 2, "The model's own edit", scheduler="simple", steps=40, cfg=4.0, **wires)
    decoded = graph.add("VAEDecode", 2, samples=sampled, vae=vae)
    graph.add("PreviewImage", 2, title="As the model drew it", height=260, images=decoded["IMAGE"])
    graph.group("2  The model changes it, and more", GREEN, graph.nodes[before:])
    return decoded


def _referring(graph: Graph, said: Socket) -> Socket:
    how = {"conditioning": said, "reference_latents_method": "index_timestep_zero"}
    return graph.add(REFERS, 2, title=f"{str(said.node.title).split(':')[0]}: how", **how)["CONDITIONING"]


def _finish(graph: Graph, column: int, original: Socket, edited: Socket, **how: Any) -> Graph:
    """Kept, shown and saved."""
    kept = graph.add("DiffEdit_KeepTheRest", column, height=260, original=original, edited=edited, **how)
    note = graph.note(column, notes.KEEPING, title="What was meant to change", height=260)
    graph.group(f"{len(graph.groups) + 1}  Only what was meant", AMBER, [kept, note])
    shown: dict[str, Any] = {"original": original, "mask": kept["mask"], "edited": kept["picture"]}
    sheet = graph.add("DiffEdit_Panels", column + 1, height=260, width=2 * COLUMN - GAP, **shown)
    saved = save(graph, column + 1, kept["picture"])
    note = graph.note(column + 1, notes.NOT_KEPT, title="If it is not right", height=190)
    graph.group(f"{len(graph.groups) + 1}  Everything else stays", VIOLET, [sheet, saved, note])
    return graph
