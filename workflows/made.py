"""Pictures and clips made from a text, and then edited."""

from __future__ import annotations

from typing import Any

import notes
from clips import BAD, FOXES, change_clip
from drawing import Graph, Node, Socket
from models import SD15, WAN_21, load, load_all
from parts import (
    FINE,
    ONCE,
    VIOLET,
    edit,
    end,
    finish,
    introduce,
    look,
    mask,
    sample,
    save,
    say,
    shifted,
)

APPLES = ("a photo of a red apple on a wooden table", "a photo of a green apple on a wooden table")
FRAMES = {"width": 832, "height": 480, "length": 33}
PER_SECOND = 16.0


def make_and_change() -> Graph:
    described = "Text to picture, picture to picture, and an edit of one thing, all from one checkpoint."
    graph = Graph("make_and_change", "Make a picture, then change one thing (SD1.5)", described)
    introduce(graph, "SD1.5, or any checkpoint made from it.", notes.STEPS_OF_MAKING)
    loader = load(graph, 0, SD15)
    model, clip, vae = loader["MODEL"], loader["CLIP"], loader["VAE"]
    said = say(graph, clip, *APPLES, BAD)
    empty = graph.add("EmptyLatentImage", 0)
    made = sample(
        graph, 0, "Text to picture", model=model, positive=said[0], negative=said[2], latent_image=empty["LATENT"]
    )
    picture = graph.add("VAEDecode", 0, samples=made, vae=vae)["IMAGE"]
    save(graph, 0, picture, "made", title="The picture")
    start = look(graph, model, clip, vae, picture, said)
    place = mask(graph, start)
    finished = finish(graph, start, edit(graph, start, place, FINE, ONCE), place)
    end(graph, finished)
    texts: dict[str, Any] = {"positive": start.target, "negative": start.negative}
    again = sample(graph, 7, "Picture to picture", model=model, latent_image=start.latent, denoise=0.6, **texts)
    decoded = graph.add("VAEDecode", 7, samples=again, vae=vae)
    kept = save(graph, 7, decoded["IMAGE"], "picture_to_picture", title="All of it changes a little")
    note = graph.note(7, notes.MAKING, title="What DiffEdit is for", height=250)
    graph.group("5  Picture to picture, to compare", VIOLET, [again.node, decoded, kept, note])
    return graph


def make_clip_and_change() -> Graph:
    described = "Text to video, and then an edit of one thing in all frames."
    graph = Graph("make_clip_and_change", "Make a clip, then change one thing (Wan 2.1)", described)
    introduce(graph, "Wan 2.1 for clips from a text, its text encoder and its VAE.", notes.STEPS_OF_MAKING)
    model, clip, vae = load_all(graph, WAN_21)
    model = shifted(graph, model, 8.0, "ModelSamplingSD3")
    said = say(graph, clip, *FOXES, BAD)
    empty = graph.add("EmptyHunyuanLatentVideo", 0, title="An empty clip")
    empty.inputs |= FRAMES
    how: dict[str, Any] = {"steps": 30, "cfg": 6.0, "sampler_name": "uni_pc", "scheduler": "simple"}
    how |= {"positive": said[0], "negative": said[2], "latent_image": empty["LATENT"]}
    made = sample(graph, 0, "Text to video", model=model, **how)
    frames = graph.add("VAEDecode", 0, samples=made, vae=vae)["IMAGE"]
    _save_clip(graph, 0, frames, "made_clip", "The clip")
    start = look(graph, model, clip, vae, frames, said)
    decoded, pasted = change_clip(graph, start, FINE, {**ONCE, "guidance": 6.0})
    kept = _save_clip(graph, 5, pasted["picture"], graph.name, "The edited clip")
    return end(graph, [decoded, pasted, kept])


def _save_clip(graph: Graph, column: int, frames: Socket, name: str, title: str) -> Node:
    how: dict[str, Any] = {"filename_prefix": f"DiffEdit/{name}", "fps": PER_SECOND, "lossless": False}
    return graph.add("SaveAnimatedWEBP", column, title=title, height=260, images=frames, **how)
