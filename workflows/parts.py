"""What the graphs are made of: how they begin, where an edit belongs, the edit, and how they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import notes
from drawing import COLUMN, GAP, Graph, Node, Socket
from models import Apart, Model, load_all

from diffedit_core.settings import EditSettings

PICTURE = "example.png"  # comes with every ComfyUI: a drawing of a girl in a pink dress
SOURCE, TARGET = "a drawing of a girl in a pink dress", "a drawing of a girl in a blue dress"
BLUE, GREEN, AMBER, VIOLET = "#3f789e", "#8a8", "#b58b2a", "#666"
FINE: dict[str, Any] = {"steps": 25, "strength": 0.8}
"""Of the inversion: large models draw finer with more steps."""

ONCE: dict[str, Any] = {"tries": 1}
"""Of the edit, where every try is slow."""

SAMPLING: dict[str, Any] = {
    "seed": 0,
    "steps": 25,
    "cfg": 7.5,
    "sampler_name": "euler",
    "scheduler": "normal",
    "denoise": 1.0,
}
"""Of ComfyUI's KSampler."""


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
    """Where an edit belongs, in what was seen of the whole picture."""

    mask: Socket
    heatmap: Socket
    draft: Socket
    nodes: list[Node]


def begin(graph: Graph, files: Model | Apart, about: str, shift: float | None = None) -> Start:
    """A model, a picture, and two texts about it."""
    introduce(graph, about)
    model, clip, vae = load_all(graph, files)
    if shift is not None:
        model = shifted(graph, model, shift)
    picture = graph.add("LoadImage", 0, height=260, image=PICTURE)["IMAGE"]
    return look(graph, model, clip, vae, picture, say(graph, clip, SOURCE, TARGET))


def shifted(graph: Graph, model: Socket, shift: float, kind: str = "ModelSamplingAuraFlow") -> Socket:
    """With more of its steps, or fewer, at high noise."""
    return graph.add(kind, 0, title="Shift", model=model, shift=shift)["MODEL"]


def introduce(graph: Graph, about: str, steps: str = notes.STEPS, shown: str = notes.BY_THE_DEMO) -> None:
    graph.note(0, notes.intro(graph.description, steps, about, graph.since, shown), title="Start here", height=240)


def say(
    graph: Graph, clip: Socket, source: str | Socket, target: str | Socket, negative: str = ""
) -> tuple[Socket, Socket, Socket]:
    graph.note(1, notes.TEXTS, title="The two texts", height=180)
    return (
        text(graph, clip, "Source: what is there", source),
        text(graph, clip, "Target: what should be there instead", target),
        text(graph, clip, "Negative text", negative),
    )


def look(
    graph: Graph, model: Socket, clip: Socket, vae: Socket, picture: Socket, said: tuple[Socket, Socket, Socket]
) -> Start:
    seen = focus(graph, 1, model, picture, title="See the whole")["picture"]
    latent = graph.add("VAEEncode", 1, pixels=seen, vae=vae)["LATENT"]
    graph.group("1  A picture and two texts", BLUE, list(graph.nodes))
    return Start(model, clip, vae, picture, seen, *said, latent)


def text(graph: Graph, clip: Socket, title: str, words: str | Socket, column: int = 1) -> Socket:
    return graph.add("CLIPTextEncode", column, title=title, height=60, clip=clip, text=words)["CONDITIONING"]


def focus(graph: Graph, column: int, model: Socket, picture: Socket, *, title: str, **more: Any) -> Node:
    return graph.add("DiffEdit_Focus", column, title=title, height=200, picture=picture, model=model, **more)


def mask(graph: Graph, start: Start, **finding: Any) -> Node:
    """Where the edit belongs: a cut-out, its mask, the draft of it, and the way back."""
    found = found_and_cut(graph, start, **finding)
    cut_out = closer(graph, start, found)
    note = graph.note(3, notes.CUTTING, title="The mask", height=350)
    graph.group("2  Where the two texts differ", GREEN, [*found.nodes, cut_out, note])
    return cut_out


def found_and_cut(graph: Graph, start: Start, title: str | None = None, **finding: Any) -> Place:
    found = find(graph, "DiffEdit_DiffEditMask", start, title, negative=start.negative, **finding)
    drafted = graph.add("VAEDecode", 3, title="The picture, or a draft of it", samples=found["draft"], vae=start.vae)
    how = EditSettings().mask
    knobs = {"rule": how.cut.rule, "edge_snap": how.refinement.edge_snap}
    refined = refine(graph, 3, found["heatmap"], drafted["IMAGE"], title="Cut and refine the mask", **knobs)
    return Place(refined["mask"], found["heatmap"], found["draft"], [found, drafted, refined])


def closer(graph: Graph, start: Start, found: Place, *, looks_again: bool = True, **more: Any) -> Node:
    """A cut-out around the mask. Without the texts, the mask is not looked for again in it."""
    texts = {"source": start.source, "target": start.target} if looks_again else {}
    given = {"mask": found.mask, "draft": found.draft, "vae": start.vae, **texts, **more}
    return focus(graph, 3, start.model, start.picture, title="Look closer", **given)


def find(graph: Graph, kind: str, start: Start, title: str | None = None, **more: Any) -> Node:
    texts: dict[str, Any] = {"source": start.source, "target": start.target, **more}
    return graph.add(kind, 2, title=title, height=240, model=start.model, latent=start.latent, **texts)


def refine(graph: Graph, column: int, found: Socket, picture: Socket, *, title: str, **knobs: Any) -> Node:
    return graph.add("DiffEdit_MaskRefine", column, title=title, height=240, mask=found, picture=picture, **knobs)


def edit(
    graph: Graph,
    start: Start,
    place: Node,
    inverting: dict[str, Any] | None = None,
    denoising: dict[str, Any] | None = None,
    *,
    first: Sequence[Node] = (),
) -> Socket:
    """The edited latent. What comes ``first`` stands in the same group."""
    nodes = change(graph, start, place, inverting, denoising)
    note = graph.note(4, notes.EDITING, title="The edit", height=290)
    graph.group("3  Change it there", AMBER, [*first, *nodes, note])
    return nodes[-1]["latent"]


def change(
    graph: Graph,
    start: Start,
    place: Node,
    inverting: dict[str, Any] | None = None,
    denoising: dict[str, Any] | None = None,
) -> list[Node]:
    """The picture turned into noise and drawn again; the last node has the edited latent."""
    latent = graph.add("VAEEncode", 4, pixels=place["picture"], vae=start.vae)
    empty, inverted = invert(graph, start, latent["LATENT"], **(inverting or {}))
    return [latent, empty.node, inverted, redraw(graph, 4, start, inverted, place, **(denoising or {}))]


def invert(graph: Graph, start: Start, latent: Socket, **inverting: Any) -> tuple[Socket, Node]:
    empty = text(graph, start.clip, "Text of the inversion (empty)", "", column=4)
    wires = {"model": start.model, "latent": latent, "conditioning": empty}
    return empty, graph.add("DiffEdit_DDIMInvert", 4, **wires, **inverting)


def redraw(
    graph: Graph, column: int, start: Start, inverted: Node, place: Node, title: str | None = None, **denoising: Any
) -> Node:
    wires: dict[str, Any] = {
        "model": start.model,
        "trajectory": inverted["trajectory"],
        "mask": place["mask"],
        "target": start.target,
        "negative": start.negative,
        "source": start.source,
        "draft": place["draft"],
    }
    return graph.add("DiffEdit_MaskedDenoise", column, title=title, **(wires | denoising))


def sample(graph: Graph, column: int, title: str | None = None, **given: Any) -> Socket:
    """ComfyUI's own way from noise to a latent."""
    return graph.add("KSampler", column, title=title, **(SAMPLING | given))["LATENT"]


def paste(
    graph: Graph, column: int, start: Start, latent: Socket, place: Node, title: str | None = None, **more: Any
) -> tuple[Node, Node]:
    """Decoded, with the original pixels put back."""
    decoded = graph.add("VAEDecode", column, samples=latent, vae=start.vae)
    wires: dict[str, Any] = {
        "original": start.picture,
        "edited": decoded["IMAGE"],
        "mask": place["mask"],
        "way_back": place["way back"],
    }
    return decoded, graph.add("DiffEdit_PasteBack", column, title=title, **(wires | more))


def panels(graph: Graph, column: int, start: Start, pasted: Node, **caption: Any) -> Node:
    shown: dict[str, Any] = {"original": start.picture, "mask": pasted["mask"], "edited": pasted["picture"], **caption}
    return graph.add("DiffEdit_Panels", column, height=260, width=2 * COLUMN - GAP, **shown)


def save(graph: Graph, column: int, images: Socket, name: str = "", height: int = 300, **more: Any) -> Node:
    prefix = f"DiffEdit/{name or graph.name}"
    return graph.add("SaveImage", column, height=height, images=images, filename_prefix=prefix, **more)


def finish(
    graph: Graph,
    start: Start,
    latent: Socket,
    place: Node,
    *,
    room: int = EditSettings().room,
    mask: Socket | None = None,
    **caption: Any,
) -> list[Node]:
    """Pasted back, saved and shown. What changed in the room around the mask is kept."""
    decoded, pasted = paste(graph, 5, start, latent, place, mask=mask or place["mask"], room=room)
    drawn = panels(graph, 5, start, pasted, **caption)
    return [decoded, pasted, drawn, save(graph, 5, pasted["picture"])]


def end(graph: Graph, nodes: list[Node]) -> Graph:
    graph.group("4  Everything else stays", VIOLET, nodes)
    return graph


def sheet(graph: Graph, column: int, pictures: Sequence[Socket], direction: str, title: str = "Sheet") -> Node:
    """All of them in a row, or one below the other, by ComfyUI's own node, which takes two."""
    stitched = None
    for picture in pictures[1:]:
        first = pictures[0] if stitched is None else stitched["IMAGE"]
        pair: dict[str, Any] = {"image1": first, "image2": picture, "direction": direction}
        stitched = graph.add("ImageStitch", column, title=title, **pair)
    if stitched is None:
        raise ValueError("a sheet takes two pictures or more")
    return stitched


def with_texts(start: Start, source: Socket, target: Socket) -> Start:
    return replace(start, source=source, target=target)
