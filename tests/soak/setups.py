"""How a server was started, and what else goes on in it, changes no result: only lower precision may, and not much."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from graphs import Graph, api, changed, few, picture, png, the, with_node
from installations import Installation
from PIL import Image
from server import Run, Server

from .outcome import Outcome
from .scenes import SCENE, Scene

SAME = (("--cache-none",), ("--deterministic",), ("--disable-smart-memory",))
"""Flags that change no bit. (ComfyUI takes no --lowvram beside --cpu.)"""

LOWER = (("--fp16-unet",), ("--bf16-unet",), ("--fp8_e4m3fn-unet",))
"""Flags that store or compute less of each number."""

Start = Callable[..., Server]
"""``start(*flags)``"""


def run(installation: Installation, folder: Path, models: Path) -> Outcome:
    """Every flag by itself, and then what can go on in one server."""
    numbers = iter(range(100))

    def start(*flags: str) -> Server:
        return Server(installation, folder / str(next(numbers)), models, *flags)

    findings = [*under_flags(start, SAME, LOWER)]
    with running(start()) as server:
        findings += [*after_unloading(server), *two_at_once(server)]
    wanted = "bit-equal; with weights of fewer bits: finite, and nothing outside the mask changed"
    return Outcome("set-ups of a server", len(SAME) + len(LOWER) + 2, findings, wanted)


def under_flags(start: Start, same: Sequence[tuple[str, ...]], lower: Sequence[tuple[str, ...]]) -> Iterator[str]:
    with running(start()) as server:
        told = {scene.name: scene.undisturbed(server).told for scene in graphs(server)}
    for flags in same:
        with running(start(*flags)) as server:
            for scene in graphs(server):
                scene.told = told[scene.name]
                if wrong := scene.what_is_wrong(server.run(scene.turned())):
                    yield f"{' '.join(flags)}, {scene.name}: {wrong}"
    for flags in lower:
        with running(start(*flags)) as server:
            for scene in graphs(server):
                if wrong := beyond_the_mask(server, scene):
                    yield f"{' '.join(flags)}, {scene.name}: {wrong}"


def graphs(server: Server) -> list[Scene]:
    """The demo, and where there are checkpoints a graph that loads one."""
    demo = Scene.of("demo", changed(api("demo"), "DiffEdit_DDIMInvert", steps=4), SCENE)
    if not any((server.base / "models" / "checkpoints").glob("*")):
        return [demo]
    server.upload("example.png", png(picture(84, 70)))
    graph = few(api("diffedit"))
    return [demo, Scene.of("diffedit", graph, [the(graph, "LoadImage"), 0])]


def beyond_the_mask(server: Server, scene: Scene) -> str:
    """What is wrong with a result that may be another one: NaN in it, or a change outside of its mask."""
    graph, pasted = scene.turned(), the(scene.graph, "DiffEdit_PasteBack")
    graph = with_node(graph, "before", "PreviewImage", images=["turn", 0])
    graph = with_node(graph, "after", "PreviewImage", images=[pasted, 0])
    graph = with_node(graph, "place", "MaskToImage", mask=[pasted, 1])
    graph = with_node(graph, "mask", "PreviewImage", images=["place", 0])
    run = server.run(graph)
    if run.status != "success":
        return f"{run.error['exception_type']}: {run.error['exception_message']}"
    unfinite = [number for number in scene.bits(run) if not run.outputs[number]["finite"][0]]
    before, after, mask = (seen(server, run, name) for name in ("before", "after", "mask"))
    is_changed = (before != after).any(-1) & ~mask.any(-1)
    return f"NaN in {', '.join(unfinite)}" if unfinite else "changed outside of the mask" if is_changed.any() else ""


def seen(server: Server, run: Run, node: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(server.view(run.outputs[node]["images"][0]))).convert("RGB"))


def after_unloading(server: Server) -> Iterator[str]:
    """What was made by a model stays good for it when it is loaded again: conditionings, a trajectory, a draft."""
    for scene in graphs(server):
        other = changed(scene.graph, "DiffEdit_MaskedDenoise", seed=1)
        told = Scene(scene.name, other).undisturbed(server).told
        server.run_well(scene.graph)
        server.post("/free", {"unload_models": True})
        again = Scene(scene.name, other, told)
        run = server.run(other)
        if wrong := again.what_is_wrong(run):
            yield f"{scene.name}, unloaded between its nodes: {wrong}"
        if the(other, "DiffEdit_DDIMInvert") not in run.cached:
            yield f"{scene.name}, unloaded between its nodes: it was inverted again"


def two_at_once(server: Server) -> Iterator[str]:
    """Two clients queue at the same time: each gets what it would have got alone."""
    (scene, *_) = graphs(server)
    both = [Scene(f"scene {seed}", with_seed(scene.graph, seed)).undisturbed(server) for seed in (6, 9)]
    prompts = [queued(server, each, f"client {number}") for _ in range(2) for number, each in enumerate(both)]
    for each, prompt in zip([*both, *both], prompts, strict=True):
        if wrong := each.what_is_wrong(server.wait(prompt)):
            yield f"{each.name}, beside another: {wrong}"
    if both[0].told == both[1].told:
        yield "two scenes with one result"


def with_seed(graph: Graph, seed: int) -> Graph:
    return changed(graph, "DiffEdit_DemoScene", seed=seed)


def queued(server: Server, scene: Scene, client: str) -> str:
    asked = {"prompt": scene.turned(), "client_id": client}
    return json.loads(server.post("/prompt", asked))["prompt_id"]


@contextmanager
def running(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        server.stop()
