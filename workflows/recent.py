"""Whole edits of one picture by the families of today, with the settings that ComfyUI's own templates have for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import wanted
from drawing import Graph, Node
from edits import changing
from models import FLUX_1, KLEIN, KREA_2_TURBO, QWEN_IMAGE, SD35, Z_IMAGE_TURBO, load_all
from parts import ONCE, PICTURE, SOURCE, TARGET, Start, begin, edit, end, finish, introduce, look, mask, say
from shortened import DISTILLED, in_one

FOLLOWED, UNGUIDED = 3.5, 1.0
"""What Flux.1 is told beside a text: how strongly to follow it."""


def diffedit_z_image() -> Graph:
    graph = changing("diffedit_z_image", "Z-Image-Turbo", since="0.3.74")
    return _distilled(graph, begin(graph, Z_IMAGE_TURBO, "Z-Image-Turbo.", shift=3.0), steps=8)


def diffedit_krea2() -> Graph:
    graph = changing("diffedit_krea2", "Krea 2 Turbo", since="0.26.0")
    return _distilled(graph, begin(graph, KREA_2_TURBO, "Krea 2 Turbo."), steps=8)


def diffedit_flux2_klein() -> Graph:
    graph = changing("diffedit_flux2_klein", "Flux.2 Klein", since="0.9.2")
    start = begin(graph, KLEIN, "Flux.2 Klein (4B, distilled).")
    place = mask(graph, start, guidance=1.0)
    size = graph.add("GetImageSize", 4, image=place["picture"])
    levels = graph.add("Flux2Scheduler", 4, title="Its own noise levels", steps=4)
    levels.inputs |= {side: size[side] for side in ("width", "height")}
    return _drawn_quickly(graph, start, place, 4, {"sigmas": levels["SIGMAS"]}, [size, levels])


def diffedit_qwen_image() -> Graph:
    graph = changing("diffedit_qwen_image", "Qwen-Image")
    return _guided(graph, begin(graph, QWEN_IMAGE, "Qwen-Image.", shift=3.1), wanted.QWEN_IMAGE)


def diffedit_sd35() -> Graph:
    graph = changing("diffedit_sd35", "SD3.5")
    return _guided(
        graph, begin(graph, SD35, "SD3.5, large or medium, with its text encoders in one file."), wanted.SD35
    )


def diffedit_flux() -> Graph:
    """Guidance was distilled into it, steps were not: so it can be inverted, if it is told to follow nothing."""
    graph = changing("diffedit_flux", "Flux.1 dev")
    introduce(graph, "Flux.1 dev, its two text encoders and its VAE.")
    model, clip, vae = load_all(graph, FLUX_1)
    picture = graph.add("LoadImage", 0, height=260, image=PICTURE)["IMAGE"]
    source, target, negative = say(graph, clip, SOURCE, TARGET)
    told = [
        graph.add("FluxGuidance", 1, title=f"How strongly: {name}", conditioning=said, guidance=FOLLOWED)
        for name, said in (("source", source), ("target", target))
    ]
    followed = (told[0]["CONDITIONING"], told[1]["CONDITIONING"], negative)
    start = look(graph, model, clip, vae, picture, followed)
    place = mask(graph, start, guidance=1.0)
    freely = graph.add("FluxGuidance", 4, title="Follow nothing", guidance=UNGUIDED)
    latent = edit(graph, start, place, {"steps": 20}, {**ONCE, "guidance": 1.0}, first=[freely])
    inversion = latent.node.inputs["trajectory"].node
    freely.inputs["conditioning"] = inversion.inputs["conditioning"]
    inversion.inputs["conditioning"] = freely["CONDITIONING"]
    decoded, pasted, *shown = finish(graph, start, latent, place)
    shown.append(graph.note(5, wanted.FLUX, title="The settings", height=330))
    followed = {"guidance": [(each, "guidance") for each in told]}
    return in_one(end(graph, [decoded, pasted]), start, pasted, shown, DISTILLED, widgets=followed)


def _distilled(graph: Graph, start: Start, steps: int) -> Graph:
    levels: dict[str, Any] = {"steps": steps, "scheduler": "simple"}
    return _drawn_quickly(graph, start, mask(graph, start, guidance=1.0), steps, levels)


def _drawn_quickly(
    graph: Graph, start: Start, place: Node, steps: int, levels: dict[str, Any], first: Sequence[Node] = ()
) -> Graph:
    """Asked a few times and without guidance, at the noise levels that the model was made for. What it was not made for
    is being inverted.
    """
    latent = edit(graph, start, place, levels, {"guidance": 1.0, "background": "noised"}, first=first)
    decoded, pasted, *shown = finish(graph, start, latent, place)
    shown.append(graph.note(5, wanted.distilled(steps), title="A distilled model", height=330))
    return in_one(end(graph, [decoded, pasted]), start, pasted, shown, DISTILLED)


def _guided(graph: Graph, start: Start, about: str) -> Graph:
    guided: dict[str, Any] = {"guidance": 4.0}
    place = mask(graph, start, **guided)
    latent = edit(graph, start, place, {"steps": 20}, {**ONCE, **guided})
    decoded, pasted, *shown = finish(graph, start, latent, place)
    shown.append(graph.note(5, about, title="The settings", height=250))
    return in_one(end(graph, [decoded, pasted]), start, pasted, shown)
