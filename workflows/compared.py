"""Rules, settings and models side by side, on one picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import notes
from drawing import Graph, Node, Socket
from edits import fill
from models import INSTRUCT, SD15, load
from parts import (
    AMBER,
    FINE,
    GREEN,
    ONCE,
    SOURCE,
    TARGET,
    VIOLET,
    Start,
    begin,
    change,
    closer,
    edit,
    find,
    found_and_cut,
    invert,
    mask,
    panels,
    paste,
    redraw,
    refine,
    sample,
    save,
    sheet,
    text,
)

from diffedit_core.settings import EditSettings

ANY = "SD1.5, or any checkpoint made from it."
ROOM = EditSettings().room
GENEROUS = 8
"""Pixels to grow a mask that is filled: what fills it only sees what is around it."""


def mask_only() -> Graph:
    graph = Graph(
        "mask_only", "Compare three rules for the mask (SD1.5)", "Find a mask from two texts, by three rules."
    )
    start = begin(graph, SD15, "SD1.5. Any other checkpoint works too, and a different one can use the mask.")
    found = find(graph, "DiffEdit_DiffEditMask", start)
    note = graph.note(2, notes.RULES, title="One heatmap, three masks", height=200)
    graph.group("2  Where the two texts differ", GREEN, [found, note])
    for column, rule in enumerate(("otsu", "ratio", "minmax"), start=3):
        knobs: dict[str, Any] = {"rule": rule, "way_back": start.seen.node["way back"]}
        cut = refine(graph, column, found["heatmap"], start.picture, title=f"rule: {rule}", **knobs)
        drawn = graph.add("MaskToImage", column, mask=cut["mask"])
        save(graph, column, drawn["IMAGE"], f"mask_{rule}", height=230)
    return graph


def strengths() -> Graph:
    described = "One edit at two strengths and with two seeds, in one sheet."
    graph = Graph("strengths", "Compare strengths and seeds (SD1.5)", described)
    start = begin(graph, SD15, ANY)
    place = mask(graph, start)
    latent = graph.add("VAEEncode", 4, pixels=place["picture"], vae=start.vae)
    edits, results, rows = [latent], [], []
    for strength in (0.7, 0.9):
        empty, inverted = invert(graph, start, latent["LATENT"], steps=25, strength=strength)
        row = []
        for seed in (1, 2):
            titled = f"strength {strength}, seed {seed}"
            drawn = redraw(graph, 5, start, inverted, place, titled, tries=1, seed=seed)
            decoded, pasted = paste(graph, 6, start, drawn["latent"], place, titled, room=ROOM)
            row.append(pasted["picture"])
            results += [decoded, pasted]
            edits.append(drawn)
        edits += [empty.node, inverted]
        rows.append(sheet(graph, 7, row, "right", f"strength {strength}")["IMAGE"])
    graph.group("3  Change it there, four times", AMBER, edits)
    whole = sheet(graph, 7, rows, "down")
    note = graph.note(7, notes.STRENGTHS, title="Strengths and seeds", height=200)
    kept = save(graph, 7, whole["IMAGE"])
    graph.group("4  All in one sheet", VIOLET, [*results, *(row.node for row in rows), whole, note, kept])
    return graph


def clip_layers() -> Graph:
    described = "One edit, with its texts read at the text encoder's last layer and at the one before."
    graph = Graph("clip_layers", "Compare CLIP layers (SD1.5)", described)
    start = begin(graph, SD15, ANY)
    finding, changing, results, drawn = [], [], [], []
    for layer in (-1, -2):
        reading = _read_at(graph, start, layer)
        found = found_and_cut(graph, reading, title=f"DiffEdit Mask: layer {layer}")
        cut_out = closer(graph, reading, found)
        finding += [reading.clip.node, reading.source.node, reading.target.node, *found.nodes, cut_out]
        changing += change(graph, reading, cut_out, FINE, ONCE)
        decoded, pasted = paste(graph, 5, start, changing[-1]["latent"], cut_out, f"Layer {layer}", room=ROOM)
        results += [decoded, pasted]
        drawn.append(panels(graph, 5, start, pasted, caption=f"layer {layer}"))
    note = graph.note(2, notes.LAYERS, title="CLIP layers", height=230)
    graph.group("2  Where the two texts differ, for each layer", GREEN, [*finding, note])
    graph.group("3  Change it there", AMBER, changing)
    return _in_one_sheet(graph, 7, [*results, *drawn], drawn)


def _read_at(graph: Graph, start: Start, layer: int) -> Start:
    """The two texts, read at a layer of the text encoder."""
    cut = graph.add("CLIPSetLastLayer", 2, title=f"Layer {layer}", clip=start.clip, stop_at_clip_layer=layer)
    source = text(graph, cut["CLIP"], f"Layer {layer}: what is there", SOURCE, column=2)
    target = text(graph, cut["CLIP"], f"Layer {layer}: what should be there", TARGET, column=2)
    return replace(start, clip=cut["CLIP"], source=source, target=target)


def inpainting() -> Graph:
    described = "One mask, filled by an inpainting checkpoint and by the plain one."
    graph = Graph("inpainting", "Compare a plain and an inpainting model (SD1.5)", described)
    start = begin(graph, SD15, "SD1.5 finds the mask. It fills it as well, beside its inpainting version.")
    place = mask(graph, start)
    place.inputs["mask"].node.inputs["grow"] = GENEROUS
    special, filling = fill(graph, start, place)
    plain, nodes = _fill_plainly(graph, start, place)
    note = graph.note(4, notes.TWO_FILLINGS, title="Two ways to fill", height=230)
    graph.group("3  Fill it, twice", AMBER, [*filling, *nodes, note])
    results, drawn = [], []
    for name, latent in (("inpainting checkpoint", special), ("plain checkpoint", plain)):
        decoded, pasted = paste(graph, 6, start, latent, place, name)
        results += [decoded, pasted]
        drawn.append(panels(graph, 6, start, pasted, caption=name))
    return _in_one_sheet(graph, 8, [*results, *drawn], drawn)


def _fill_plainly(graph: Graph, start: Start, place: Node) -> tuple[Socket, list[Node]]:
    """The latent with the mask filled by an ordinary checkpoint, which sees what was there as noise."""
    latent = graph.add("VAEEncode", 5, pixels=place["picture"], vae=start.vae)
    masked = graph.add("SetLatentNoiseMask", 5, samples=latent["LATENT"], mask=place["mask"])
    texts: dict[str, Any] = {"positive": start.target, "negative": start.negative}
    filled = sample(graph, 5, model=start.model, latent_image=masked["LATENT"], **texts)
    return filled, [latent, masked, filled.node]


def instruct() -> Graph:
    described = "One edit from two texts, and by InstructPix2Pix from an instruction, with and without our mask."
    graph = Graph("instruct", "Compare with InstructPix2Pix (SD1.5)", described)
    start = begin(graph, SD15, "SD1.5, and InstructPix2Pix, which was made from it.")
    found = found_and_cut(graph, start)
    cut_out = closer(graph, start, found)
    graph.group("2  Where the two texts differ", GREEN, [*found.nodes, cut_out])
    edited = edit(graph, start, cut_out, FINE, ONCE)
    told, nodes = _by_instruction(graph, start)
    note = graph.note(5, notes.INSTRUCTION, title="The instruction", height=260)
    graph.group("3  Or tell it what to do", AMBER, [*nodes, note])
    whole, anywhere = start.seen.node, {"rim": 0.0, "seam": "none"}
    ways = {
        "DiffEdit": paste(graph, 6, start, edited, cut_out, "DiffEdit", room=ROOM),
        "InstructPix2Pix": paste(graph, 6, start, told, whole, "InstructPix2Pix, as it is", **anywhere),
        "InstructPix2Pix in our mask": paste(graph, 6, start, told, whole, "In our mask", mask=found.mask, room=ROOM),
    }
    drawn = [panels(graph, 7, start, pasted, caption=name) for name, (_, pasted) in ways.items()]
    return _in_one_sheet(graph, 9, [*(node for way in ways.values() for node in way), *drawn], drawn)


def _by_instruction(graph: Graph, start: Start) -> tuple[Socket, list[Node]]:
    loader = load(graph, 5, INSTRUCT)
    instruction = text(graph, start.clip, "The instruction", "make her dress blue", column=5)
    wires: dict[str, Any] = {"positive": instruction, "negative": start.negative, "pixels": start.seen}
    titled = "The picture, for the instruction"
    ready = graph.add("InstructPixToPixConditioning", 5, title=titled, vae=start.vae, **wires)
    given: dict[str, Any] = {name: ready[name] for name in ("positive", "negative")}
    latent = sample(graph, 5, model=loader["MODEL"], latent_image=ready["latent"], **given)
    return latent, [loader, instruction.node, ready, latent.node]


def _in_one_sheet(graph: Graph, column: int, results: list[Node], drawn: list[Node]) -> Graph:
    whole = sheet(graph, column, [each["panels"] for each in drawn], "down")
    kept = save(graph, column, whole["IMAGE"])
    graph.group("4  Side by side", VIOLET, [*results, whole, kept])
    return graph
