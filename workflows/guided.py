"""Edits that keep the outlines or the depth of what was there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import notes
from drawing import Graph, Node, Socket
from models import CANNY, LOTUS, SD2_DEPTH, SD15, load
from parts import (
    FINE,
    GREEN,
    ONCE,
    Place,
    Start,
    begin,
    closer,
    edit,
    end,
    finish,
    found_and_cut,
    with_texts,
)

ALL_NOISE = 999.0
"""Where Lotus starts, as its authors have it: it is asked once, at the noisiest level."""


def diffedit_canny() -> Graph:
    title = "Change one thing, keep the outlines (ControlNet)"
    described = "Say what should change; a ControlNet keeps the outlines of what was there."
    graph = Graph("diffedit_canny", title, described)
    start = begin(graph, SD15, "SD1.5, or any checkpoint made from it, and its ControlNet for outlines.")
    net = load(graph, 2, CANNY)
    outlines, guided = _by_outlines(graph, 2, start, net, start.seen)
    found = found_and_cut(graph, guided)
    cut_out = _cut_out(graph, start, found, [net, *outlines], notes.OUTLINES)
    again, guided = _by_outlines(graph, 4, start, net, cut_out["picture"])
    latent = edit(graph, guided, cut_out, FINE, ONCE, first=again)
    return end(graph, finish(graph, start, latent, cut_out))


def _by_outlines(graph: Graph, column: int, start: Start, net: Node, picture: Socket) -> tuple[list[Node], Start]:
    """Both texts with the outlines of a picture. ComfyUI lends them to the negative text as well."""
    edges = graph.add("Canny", column, title="Outlines", image=picture, low_threshold=0.1, high_threshold=0.3)
    shown = graph.add("PreviewImage", column, title="What must stay", height=230, images=edges["IMAGE"])
    wires: dict[str, Any] = {"positive": start.target, "negative": start.source, "image": edges["IMAGE"]}
    titled = "Outlines for both texts"
    both = graph.add("ControlNetApplyAdvanced", column, title=titled, control_net=net["CONTROL_NET"], **wires)
    return [edges, shown, both], with_texts(start, source=both["negative"], target=both["positive"])


def diffedit_depth() -> Graph:
    described = "Say what should change; a model that was trained on depth keeps the shape of what was there."
    graph = Graph("diffedit_depth", "Change one thing, keep the depth (SD2)", described)
    start = begin(graph, SD2_DEPTH, "SD2 for depth; Lotus estimates the depth.")
    estimator = _estimator(graph)
    depth, guided = _by_depth(graph, 2, start, estimator, start.seen)
    found = found_and_cut(graph, guided)
    cut_out = _cut_out(graph, start, found, [*estimator.values(), *depth], notes.DEPTH)
    again, guided = _by_depth(graph, 4, start, estimator, cut_out["picture"])
    latent = edit(graph, guided, cut_out, FINE, ONCE, first=again)
    return end(graph, finish(graph, start, latent, cut_out))


def _estimator(graph: Graph) -> dict[str, Node]:
    """ComfyUI's own way to a depth map, by input of its sampler."""
    lotus = load(graph, 2, LOTUS)
    knows = graph.add("LotusConditioning", 2, title="Lotus Conditioning")
    guider = graph.add("BasicGuider", 2, title="Guider", model=lotus["MODEL"], conditioning=knows["conditioning"])
    once: dict[str, Any] = {"model": lotus["MODEL"], "scheduler": "normal", "steps": 1}
    step = graph.add("BasicScheduler", 2, title="One step", **once)
    top = graph.add("SetFirstSigma", 2, title="From the noisiest level", sigmas=step["SIGMAS"], sigma=ALL_NOISE)
    sampler = graph.add("KSamplerSelect", 2, title="Sampler", sampler_name="euler")
    quiet = graph.add("DisableNoise", 2, title="No noise")
    wired = {"noise": quiet, "guider": guider, "sampler": sampler, "sigmas": top}
    return wired | {"model": lotus, "text": knows, "step": step}


def _by_depth(
    graph: Graph, column: int, start: Start, estimator: dict[str, Node], picture: Socket
) -> tuple[list[Node], Start]:
    """The model with the depth of a picture."""
    latent = graph.add("VAEEncode", column, pixels=picture, vae=start.vae)
    wires: dict[str, Any] = {
        "noise": estimator["noise"]["NOISE"],
        "guider": estimator["guider"]["GUIDER"],
        "sampler": estimator["sampler"]["SAMPLER"],
        "sigmas": estimator["sigmas"]["SIGMAS"],
        "latent_image": latent["LATENT"],
    }
    estimated = graph.add("SamplerCustomAdvanced", column, title="Estimate the depth", **wires)
    decoded = graph.add("VAEDecode", column, samples=estimated["output"], vae=start.vae)
    near = graph.add("ImageInvert", column, title="Bright is near", image=decoded["IMAGE"])
    shown = graph.add("PreviewImage", column, title="What must stay", height=230, images=near["IMAGE"])
    sees = graph.add("DiffEdit_DepthModel", column, model=start.model, depth=near["IMAGE"])
    return [latent, estimated, decoded, near, shown, sees], replace(start, model=sees["model"])


def _cut_out(graph: Graph, start: Start, found: Place, guiding: list[Node], words: str) -> Node:
    """It is not looked at again before the edit: what guides the model is of the whole picture."""
    cut_out = closer(graph, start, found, looks_again=False)
    note = graph.note(3, words, title="What must stay", height=300)
    graph.group("2  Where the two texts differ", GREEN, [*guiding, *found.nodes, cut_out, note])
    return cut_out
