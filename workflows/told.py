"""Models that are told what to do: they change the picture, our mask says where, and everything else stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import notes
import wanted
from drawing import Graph, Node, Socket
from models import KLEIN, KONTEXT, QWEN_IMAGE_EDIT, Apart, load_all
from parts import (
    AMBER,
    BLUE,
    GREEN,
    PICTURE,
    Start,
    end,
    find,
    finish,
    focus,
    introduce,
    refine,
    sample,
    shifted,
)
from shortened import TELLING, in_one

from diffedit_core.settings import EditSettings

AS_IT_IS, OTHERWISE = "make her dress pink", "make her dress blue"
SEEDS = {"KSampler": "seed", "RandomNoise": "noise_seed"}
NEGATIVE, ALL_OF_IT = "Negative text", "All that the model drew"


@dataclass(frozen=True)
class Told:
    """A model that is told what to do, and what ComfyUI's own template gives it."""

    family: str
    files: Apart
    shift: float | None = None
    sees: bool = False  # its text encoder sees the picture
    beside: tuple[str, dict[str, Any]] | None = None  # a node that each text passes through, with its widgets


QWEN = Told(
    "Qwen-Image-Edit",
    QWEN_IMAGE_EDIT,
    shift=3.1,
    sees=True,
    beside=("FluxKontextMultiReferenceLatentMethod", {"reference_latents_method": "index_timestep_zero"}),
)


def told_qwen_image_edit() -> Graph:
    graph, start = _begin("told_qwen_image_edit", QWEN, "Qwen-Image-Edit (2511).", since="0.5.0")
    refined = _mask(graph, start)
    own = graph.add("CFGNorm", 4, model=start.model, strength=1.0)
    latent = _sampled(graph, start, model=own["patched_model"], steps=40, cfg=4.0)
    return _finish(graph, start, refined, latent, [own, latent.node], wanted.QWEN_IMAGE_EDIT)


def told_kontext() -> Graph:
    told = Told("Flux.1 Kontext", KONTEXT, beside=("FluxGuidance", {"guidance": 2.5}))
    graph, start = _begin("told_kontext", told, "Flux.1 Kontext, its two text encoders and its VAE.")
    refined = _mask(graph, start)
    latent = _sampled(graph, start, model=start.model, steps=20, cfg=1.0)
    return _finish(graph, start, refined, latent, [latent.node], wanted.KONTEXT)


def told_klein() -> Graph:
    about = "Flux.2 Klein (4B, distilled), its text encoder and its VAE."
    graph, start = _begin("told_klein", Told("Flux.2 Klein", KLEIN), about, since="0.9.2")
    refined = _mask(graph, start)
    drawn = _klein_draws(graph, start)
    return _finish(graph, start, refined, drawn[-1]["output"], drawn, wanted.KLEIN)


def _klein_draws(graph: Graph, start: Start) -> list[Node]:
    size = graph.add("GetImageSize", 4, image=start.seen)
    sides: dict[str, Any] = {side: size[side] for side in ("width", "height")}
    texts: dict[str, Any] = {"positive": start.target, "negative": start.negative}
    empty = graph.add("EmptyFlux2LatentImage", 4, title="An empty picture")
    levels = graph.add("Flux2Scheduler", 4, title="Four steps", steps=4)
    for node in (empty, levels):
        node.inputs |= sides
    guider = graph.add("CFGGuider", 4, title="No guidance", model=start.model, cfg=1.0, **texts)
    noise = graph.add("RandomNoise", 4, title="Noise")
    sampler = graph.add("KSamplerSelect", 4, title="Sampler", sampler_name="euler")
    wires: dict[str, Any] = {
        "noise": noise["NOISE"],
        "guider": guider["GUIDER"],
        "sampler": sampler["SAMPLER"],
        "sigmas": levels["SIGMAS"],
        "latent_image": empty["LATENT"],
    }
    drawn = graph.add("SamplerCustomAdvanced", 4, title="The model's own edit", **wires)
    return [size, empty, levels, guider, noise, sampler, drawn]


def _begin(name: str, told: Told, about: str, since: str = "") -> tuple[Graph, Start]:
    """Every text goes with the picture itself, as the model was trained: so both see the same reference."""
    described = f"Tell a model what to do; only what should change does, and the rest stays ({told.family})."
    graph = Graph(name, f"Tell it what to change, keep the rest ({told.family})", described, since)
    introduce(graph, about, notes.STEPS_OF_TELLING)
    model, clip, vae = load_all(graph, told.files)
    if told.shift is not None:
        model = shifted(graph, model, told.shift)
    picture = graph.add("LoadImage", 0, height=260, image=PICTURE)["IMAGE"]
    seen = focus(graph, 1, model, picture, title="See the whole")["picture"]
    latent = graph.add("VAEEncode", 1, title="The reference", pixels=seen, vae=vae)["LATENT"]
    graph.note(1, notes.TELLING, title="The two texts", height=210)
    named = {"Source: tells it to change nothing": AS_IT_IS, "Target: tells it what to change": OTHERWISE}
    said = {title: _read(graph, told, clip, seen, title, words) for title, words in (named | {NEGATIVE: ""}).items()}
    graph.group("1  A picture and two texts", BLUE, list(graph.nodes))
    source, target, negative = (_referring(graph, told, *each, latent) for each in said.items())
    return graph, Start(model, clip, vae, picture, seen, source, target, negative, latent)


def _read(graph: Graph, told: Told, clip: Socket, seen: Socket, title: str, words: str) -> Socket:
    kind = "TextEncodeQwenImageEditPlus" if told.sees else "CLIPTextEncode"
    given: dict[str, Any] = {"prompt": words, "image1": seen} if told.sees else {"text": words}
    return graph.add(kind, 1, title=title, height=60, clip=clip, **given)["CONDITIONING"]


def _referring(graph: Graph, told: Told, title: str, said: Socket, latent: Socket) -> Socket:
    name = title.split(":")[0]
    refers = graph.add("ReferenceLatent", 2, title=f"{name}: with the picture", conditioning=said, latent=latent)
    if told.beside is None:
        return refers["CONDITIONING"]
    kind, widgets = told.beside
    return graph.add(kind, 2, title=f"{name}: how", conditioning=refers["CONDITIONING"], **widgets)["CONDITIONING"]


def _mask(graph: Graph, start: Start) -> Node:
    """Nothing is drafted: where a new thing goes, the model chooses itself."""
    found = find(graph, "DiffEdit_DiffEditMask", start, guidance=1.0, drafts=0)
    how = EditSettings().mask
    knobs = {"rule": how.cut.rule, "edge_snap": how.refinement.edge_snap}
    refined = refine(graph, 3, found["heatmap"], start.seen, title="Cut and refine the mask", **knobs)
    graph.note(3, notes.CUTTING_TOLD, title="The mask", height=290)
    graph.group("2  Where the two texts differ", GREEN, [node for node in graph.nodes if node.column in (2, 3)])
    return refined


def _sampled(graph: Graph, start: Start, **how: Any) -> Socket:
    texts: dict[str, Any] = {"positive": start.target, "negative": start.negative, "latent_image": start.latent}
    return sample(graph, 4, "The model's own edit", scheduler="simple", **texts, **how)


def _finish(graph: Graph, start: Start, refined: Node, latent: Socket, drawn: list[Node], about: str) -> Graph:
    graph.group("3  The model changes it", AMBER, drawn)
    decoded, pasted, *shown = finish(graph, start, latent, start.seen.node, mask=refined["mask"])
    shown.append(graph.add("PreviewImage", 5, title=ALL_OF_IT, height=230, images=decoded["IMAGE"]))
    shown.append(graph.note(6, about, title="The model", height=330))
    seeded = next((node, SEEDS[node.kind]) for node in drawn if node.kind in SEEDS)
    end(graph, [decoded, pasted])
    return in_one(graph, start, pasted, shown, TELLING, {"seed": [seeded]}, drawn=decoded["IMAGE"])
