"""Edits of clips: one mask for all frames, and every frame keeps what is outside it."""

from __future__ import annotations

from typing import Any

import notes
import wanted
from drawing import Graph, Node
from models import LTX_25, WAN_22_5B, Apart, load_all
from parts import AMBER, GREEN, ONCE, Start, change, end, find, introduce, look, paste, say, shifted

from diffedit_core.settings import EditSettings

CLIP = "clip.mp4"
FOXES = ("a red fox runs through the snow", "a white fox runs through the snow")
BAD = "blurry, text, watermark"


def clip_wan() -> Graph:
    graph = _clip_graph("clip_wan", "Wan 2.2")
    start, frames = _begin(graph, WAN_22_5B, "Wan 2.2 (5B), its text encoder and its VAE.", shift=8.0)
    return _finish(
        graph, frames, *change_clip(graph, start, {"steps": 20}, {**ONCE, "guidance": 5.0}, guidance=5.0), wanted.WAN
    )


def clip_ltx() -> Graph:
    """Distilled: asked eight times, without guidance. It has learnt how fast a clip runs."""
    graph = _clip_graph("clip_ltx", "LTX-2.5")
    about = "LTX-2.5 (distilled), its text encoder and its VAE for pictures."
    start, frames = _begin(graph, LTX_25, about, knows_speed=True)
    drawing = {**ONCE, "guidance": 1.0, "background": "noised"}
    return _finish(graph, frames, *change_clip(graph, start, {"steps": 8}, drawing, guidance=1.0), wanted.LTX)


def change_clip(
    graph: Graph, start: Start, inverting: dict[str, Any], denoising: dict[str, Any], **finding: Any
) -> tuple[Node, Node]:
    """Decoded, and with the original pixels put back in every frame."""
    whole = start.seen.node
    found = find(graph, "DiffEdit_DiffEditMask", start, negative=start.negative, **finding)
    cut = graph.add("DiffEdit_MaskRefine", 3, title="Cut the mask", height=240, mask=found["heatmap"], rule="auto")
    note = graph.note(3, notes.CLIPS, title="One mask for all frames", height=190)
    graph.group("2  Where the two texts differ", GREEN, [found, cut, note])
    nodes = change(graph, start, whole, inverting, {**denoising, "mask": cut["mask"], "draft": found["draft"]})
    note = graph.note(4, notes.DRAWING, title="The edit", height=250)
    graph.group("3  Change it there", AMBER, [*nodes, note])
    return paste(graph, 5, start, nodes[-1]["latent"], whole, mask=cut["mask"], room=EditSettings().room)


def _clip_graph(name: str, family: str) -> Graph:
    described = f"Say what should change in a clip; everything else stays as it was, in every frame ({family})."
    return Graph(name, f"Change one thing in a clip, keep the rest ({family})", described, since="0.33.0")


def _begin(
    graph: Graph, files: Apart, about: str, shift: float | None = None, *, knows_speed: bool = False
) -> tuple[Start, Node]:
    """With the frames, the sound and the speed of a clip."""
    introduce(graph, about, notes.STEPS_OF_A_CLIP)
    model, clip, vae = load_all(graph, files)
    if shift is not None:
        model = shifted(graph, model, shift, "ModelSamplingSD3")
    video = graph.add("LoadVideo", 0, title="Your clip", height=260, file=CLIP)["VIDEO"]
    frames = graph.add("GetVideoComponents", 0, title="Its frames, sound and speed", video=video)
    source, target, negative = say(graph, clip, *FOXES, BAD)
    if knows_speed:
        both: dict[str, Any] = {"positive": target, "negative": source, "frame_rate": frames["fps"]}
        paced = graph.add("LTXVConditioning", 1, title="Both texts, at the speed of the clip", **both)
        source, target = paced["negative"], paced["positive"]
    return look(graph, model, clip, vae, frames["images"], (source, target, negative)), frames


def _finish(graph: Graph, frames: Node, decoded: Node, pasted: Node, about: str) -> Graph:
    """The clip with its own sound, at its own speed."""
    same: dict[str, Any] = {"fps": frames["fps"], "audio": frames["audio"]}
    video = graph.add("CreateVideo", 5, title="With its sound and speed", images=pasted["picture"], **same)
    saved = {"video": video["VIDEO"], "filename_prefix": f"DiffEdit/{graph.name}"}
    kept = graph.add("SaveVideo", 5, height=260, **saved)
    note = graph.note(5, about, title="The settings", height=330)
    return end(graph, [decoded, pasted, video, kept, note])
