"""Whole edits of one picture."""

from __future__ import annotations

from typing import Any

import notes
from drawing import Graph, Node, Socket
from models import INPAINTING, SD15, SDXL, SDXL_TURBO, Model, load
from parts import (
    AMBER,
    FINE,
    GREEN,
    ONCE,
    Start,
    begin,
    closer,
    edit,
    end,
    find,
    finish,
    focus,
    found_and_cut,
    look,
    mask,
    refine,
    sample,
    say,
    text,
    with_texts,
)
from shortened import DISTILLED, in_one

ALSO = ("a drawing of a girl with yellow hair", "a drawing of a girl with red hair")


def demo() -> Graph:
    graph = Graph("demo", "A first try, nothing to download", "An edit with the bundled model.")
    graph.note(0, notes.DEMO, title="Press Run", height=300)
    model = graph.add("DiffEdit_DemoModel", 0)
    scene = graph.add("DiffEdit_DemoScene", 0, seed=6, kind="both")
    said = say(graph, model["clip"], scene["source"], scene["target"])
    start = look(graph, model["model"], model["clip"], model["vae"], scene["picture"], said)
    place = mask(graph, start)
    decoded, pasted, *shown = finish(graph, start, edit(graph, start, place), place, caption=scene["target"])
    truth = graph.add("PreviewImage", 6, title="What it should look like", height=230, images=scene["truth"])
    return in_one(end(graph, [decoded, pasted]), start, pasted, [*shown, truth])


def diffedit() -> Graph:
    return _whole("diffedit", "SD1.5", SD15)


def diffedit_sdxl() -> Graph:
    return _whole("diffedit_sdxl", "SDXL", SDXL)


def diffedit_sdxl_turbo() -> Graph:
    """Made to be asked a few times, without guidance, and at 512 pixels. What it was not made for is being inverted."""
    graph = changing("diffedit_sdxl_turbo", "SDXL-Turbo")
    start = begin(graph, SDXL_TURBO, "SDXL-Turbo, which needs few steps and no guidance.")
    start.seen.node.inputs["area"] = 0.26
    place = mask(graph, start, guidance=1.0)
    place.inputs["area"] = 0.26
    drawing = {"guidance": 1.0, "background": "noised"}
    latent = edit(graph, start, place, {"steps": 4, "strength": 0.75, "scheduler": "sgm_uniform"}, drawing)
    decoded, pasted, *shown = finish(graph, start, latent, place)
    shown.append(graph.note(5, notes.TURBO, title="A distilled model", height=290))
    return in_one(end(graph, [decoded, pasted]), start, pasted, shown, DISTILLED)


def two_edits() -> Graph:
    described = "Two edits of one picture, each with texts and a mask of its own."
    graph = Graph("two_edits", "Change two things at once (SD1.5)", described)
    start = begin(graph, SD15, "SD1.5, or any checkpoint made from it.")
    source, target = (
        text(graph, start.clip, f"Second edit: {title}", words, column=2)
        for title, words in zip(("what is there", "what should be there"), ALSO, strict=True)
    )
    found, other = (
        found_and_cut(graph, each, title=f"DiffEdit Mask: {place} edit")
        for place, each in (("first", start), ("second", with_texts(start, source, target)))
    )
    more = graph.add(
        "DiffEdit_Edit", 3, mask=other.mask, target=target, source=source, draft=other.draft, heatmap=other.heatmap
    )
    cut_out = closer(graph, start, found, edits=more["edits"], cut_outs="one a picture")
    note = graph.note(3, notes.TWO_EDITS, title="Two edits", height=260)
    nodes = [source.node, target.node, *found.nodes, *other.nodes, more, cut_out, note]
    graph.group("2  Where each edit belongs", GREEN, nodes)
    latent = edit(graph, start, cut_out, FINE, {**ONCE, "edits": cut_out["edits"]})
    return end(graph, finish(graph, start, latent, cut_out, mask=latent.node["mask"]))


def fast_diffedit() -> Graph:
    described = "A mask from single predictions, filled by an inpainting checkpoint."
    graph = Graph("fast_diffedit", "FastDiffEdit, a quick mask and an inpainting model", described)
    start = begin(graph, SD15, "SD1.5 finds the mask, and its inpainting version fills it.")
    found = find(graph, "DiffEdit_FastMask", start)
    refined = refine(graph, 3, found["mask"], start.seen, title="Refine the mask", grow=4)
    cut_out = focus(graph, 3, start.model, start.picture, title="Look closer", mask=refined["mask"])
    note = graph.note(3, notes.GROWING, title="The mask", height=190)
    graph.group("2  Where the two texts differ", GREEN, [found, refined, cut_out, note])
    latent, filling = fill(graph, start, cut_out)
    note = graph.note(4, notes.FILLING, title="The filling", height=130)
    graph.group("3  Fill it", AMBER, [*filling, note])
    return end(graph, finish(graph, start, latent, cut_out, room=0))


def fill(graph: Graph, start: Start, place: Node, column: int = 4) -> tuple[Socket, list[Node]]:
    """The latent with the mask filled by an inpainting checkpoint, through ComfyUI's own nodes."""
    loader = load(graph, column, INPAINTING)
    texts: dict[str, Any] = {"positive": start.target, "negative": start.negative}
    shown: dict[str, Any] = {"vae": start.vae, "pixels": place["picture"], "mask": place["mask"], "noise_mask": True}
    ready = graph.add("InpaintModelConditioning", column, **texts, **shown)
    given: dict[str, Any] = {name: ready[name] for name in ("positive", "negative")}
    latent = sample(graph, column, model=loader["MODEL"], latent_image=ready["latent"], **given)
    return latent, [loader, ready, latent.node]


def _whole(name: str, family: str, checkpoint: Model) -> Graph:
    graph = changing(name, family)
    start = begin(graph, checkpoint, f"{family}, or any checkpoint made from it.")
    place = mask(graph, start)
    decoded, pasted, *shown = finish(graph, start, edit(graph, start, place, FINE, ONCE), place)
    return in_one(end(graph, [decoded, pasted]), start, pasted, shown)


def changing(name: str, family: str, since: str = "") -> Graph:
    described = f"Say what should change; everything else stays as it was, to the pixel ({family})."
    return Graph(name, f"Change one thing, keep the rest ({family})", described, since)
