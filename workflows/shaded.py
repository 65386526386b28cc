"""Edits whose strength differs from place to place."""

from __future__ import annotations

from typing import Any

import notes
from drawing import Graph, Node, Socket
from models import SD15
from parts import (
    AMBER,
    FINE,
    GREEN,
    ONCE,
    VIOLET,
    Start,
    begin,
    find,
    invert,
    panels,
    paste,
    redraw,
    refine,
    sample,
    save,
    sheet,
)

ANYWHERE = 0.02
"""A shade above which a place may change at all."""


def shades() -> Graph:
    described = "The heat as a grey mask, which says how strongly each place may change: two ways to read it."
    graph = Graph("shades", "Change more where the texts differ more (SD1.5)", described)
    start = begin(graph, SD15, "SD1.5, or any checkpoint made from it.")
    found = find(graph, "DiffEdit_DiffEditMask", start, negative=start.negative)
    grey = refine(graph, 3, found["heatmap"], start.seen, title="The heat as a grey mask", rule="grey")
    place = refine(graph, 3, grey["mask"], start.seen, title="Wherever anything may change", threshold=ANYWHERE)
    note = graph.note(3, notes.SHADES, title="Shades", height=300)
    graph.group("2  How much the two texts differ, and where", GREEN, [found, grey, place, note])
    empty, inverted = invert(graph, start, start.latent, **FINE)
    shaded = {"mask": grey["mask"], "draft": found["draft"], "greys": "strength", "room": 0}
    ours = redraw(graph, 4, start, inverted, found, **ONCE, **shaded)
    cores, nodes = _by_core(graph, start, grey["mask"])
    graph.group("3  Change it there, more or less", AMBER, [empty.node, inverted, ours, *nodes])
    results, drawn = [], []
    for name, latent in (("Masked Denoise", ours["latent"]), ("Differential Diffusion", cores)):
        decoded, pasted = paste(graph, 5, start, latent, start.seen.node, name, mask=place["mask"])
        results += [decoded, pasted]
        drawn.append(panels(graph, 6, start, pasted, caption=name))
    whole = sheet(graph, 8, [each["panels"] for each in drawn], "down")
    graph.group("4  Side by side", VIOLET, [*results, *drawn, whole, save(graph, 8, whole["IMAGE"])])
    return graph


def _by_core(graph: Graph, start: Start, grey: Socket) -> tuple[Socket, list[Node]]:
    """ComfyUI's own reading of the same mask, on the way down from the picture with noise on it."""
    masked = graph.add("SetLatentNoiseMask", 4, samples=start.latent, mask=grey)
    model = graph.add("DifferentialDiffusion", 4, title="Differential Diffusion", model=start.model)
    texts: dict[str, Any] = {"positive": start.target, "negative": start.negative}
    latent = sample(graph, 4, model=model["MODEL"], latent_image=masked["LATENT"], denoise=FINE["strength"], **texts)
    return latent, [masked, model, latent.node]
