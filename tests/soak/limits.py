"""Every widget at its limits, on pictures of 2048x2048: the button is heard within a second."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from graphs import Graph, api, asking, few, picture, png, the, with_node
from server import Server

from .faults import armed
from .outcome import Outcome

SIDE = 2048
MOST_SECONDS = 1.0
MOST_CHECKS = 150
"""Of a node with a model, which asks before each prediction: it is stopped there."""

MODELS = ("DiffEdit_DiffEditMask", "DiffEdit_FastMask", "DiffEdit_DDIMInvert", "DiffEdit_MaskedDenoise")
PICTURES = (
    "DiffEdit_MaskRefine",
    "DiffEdit_KeepTheRest",
    "DiffEdit_PasteBack",
    "DiffEdit_Panels",
    "DiffEdit_BoxesAndPoints",
    "DiffEdit_Focus",
    "DiffEdit_DemoScene",
)
NOT_TURNED = ("seed", "corrections", "caption", "control_after_generate")
BASES: dict[str, tuple[dict[str, Any], ...]] = {
    "DiffEdit_MaskRefine": ({}, {"edge_snap": "guided"}, {"edge_snap": "grabcut"}, {"rule": "otsu"})
}
"""What a widget may depend on."""

Settings = dict[str, Any]


def run(server: Server, nodes: Sequence[str] = (*PICTURES, *MODELS), one_by_one: bool = True) -> Outcome:
    """All widgets of a node at once, and each alone where asked for."""
    server.upload("large.png", png(large()))
    server.upload("large_edited.png", png(edited(large())))
    findings, longest, done = [], (0.0, "nothing"), 0
    for node in nodes:
        for settings in tried(server, node, one_by_one):
            run = armed(server, graph_of(node, settings), "interrupt", MOST_CHECKS if node in MODELS else 10**9, node)
            seconds = server.get("/stand_in/fault")["longest"].get(node, 0.0)
            what = f"{node} {settings}"
            done, longest = done + 1, max(longest, (seconds, what))
            if not seconds:
                findings.append(f"{what}: it did not run")
            if seconds > MOST_SECONDS:
                findings.append(f"{what}: {seconds:.2f} s between two checks")
            said = run.error.get("exception_type", "ValueError")
            if not said.endswith("ValueError"):
                findings.append(f"{what}: {said}: {run.error['exception_message']}")
    measured = f"the longest: {longest[0]:.2f} s ({longest[1]})"
    wanted = f"longest uninterruptible stretch <= {MOST_SECONDS:g} s"
    return Outcome(f"widgets at their limits, {SIDE}x{SIDE}", done, findings, wanted, measured)


def tried(server: Server, node: str, one_by_one: bool) -> list[Settings]:
    """No two alike, of which a server would run the first alone."""
    every = _tried(server, node, one_by_one)
    return [*{json.dumps(settings, sort_keys=True): settings for settings in every}.values()]


def _tried(server: Server, node: str, one_by_one: bool) -> Iterator[Settings]:
    inputs = server.get(f"/object_info/{node}")[node]["input"]
    limits = {
        name: values
        for group in ("required", "optional")
        for name, spec in inputs.get(group, {}).items()
        if name not in NOT_TURNED and (values := ends(spec))
    }
    plain = {name: spec[1]["default"] for name, spec in inputs.get("required", {}).items() if "default" in spec[1]}
    plain |= {name: values[0] for name, values in limits.items() if name not in plain}
    plain |= {"seed": 0} if "seed" in inputs["required"] else {}
    for base in BASES.get(node, ({},)):
        yield plain | base
        for which in (0, -1):
            yield plain | {name: values[which] for name, values in limits.items() if name != "value"} | base
        if one_by_one:
            for name, values in limits.items():
                yield from (plain | base | {name: value} for value in values if name not in base)


def ends(spec: Any) -> list[Any]:
    """The lowest and the highest value of a widget, or all of them; of no widget, none."""
    kind, about = spec[0], spec[1] if len(spec) > 1 else {}
    if isinstance(kind, list) or kind == "COMBO":
        return list(kind if isinstance(kind, list) else about["options"])
    if kind == "BOOLEAN":
        return [False, True]
    return [about["min"], about["max"]] if kind in ("INT", "FLOAT") else []


def graph_of(node: str, settings: Settings) -> Graph:
    if node in MODELS:
        graph = few(api("demo"))
        number = the(graph, node) if node != "DiffEdit_FastMask" else "fast"
        if node == "DiffEdit_FastMask":
            given = graph[the(graph, "DiffEdit_DiffEditMask")]["inputs"]
            given = {name: given[name] for name in ("model", "latent", "source", "target")}
            graph = with_node(graph, number, node, **given)
            graph = with_node(graph, "shown", "PreviewAny", source=[number, 0])
            graph = {each: graph[each] for each in asking.reached(graph, ["shown"])}
        graph[number]["inputs"] |= settings
        return graph
    graph = with_node({}, "own", "LoadImage", image="large.png")
    graph = with_node(graph, "edited", "LoadImage", image="large_edited.png")
    graph = with_node(graph, "mask", "ImageToMask", image=["own", 0], channel="red")
    graph = with_node(graph, "node", node, **given_to(node), **settings)
    if node in ("DiffEdit_Focus", "DiffEdit_DemoScene"):
        graph = with_node(graph, "model", "DiffEdit_DemoModel")
        graph = with_node(graph, "shown", "PreviewImage", images=["node", 0])
    elif node in ("DiffEdit_PasteBack", "DiffEdit_BoxesAndPoints"):
        output = ["node", 0] if node == "DiffEdit_PasteBack" else ["node", 1]
        kind, name = ("PreviewImage", "images") if node == "DiffEdit_PasteBack" else ("PreviewAny", "source")
        graph = with_node(graph, "shown", kind, **{name: output})
    return graph


def given_to(node: str) -> dict[str, Any]:
    own, other, mask = ["own", 0], ["edited", 0], ["mask", 0]
    return {
        "DiffEdit_MaskRefine": {"mask": mask, "picture": own},
        "DiffEdit_KeepTheRest": {"original": own, "edited": other, "heatmap": mask},
        "DiffEdit_PasteBack": {"original": own, "edited": other, "mask": mask},
        "DiffEdit_Panels": {"original": own, "edited": other, "mask": mask},
        "DiffEdit_BoxesAndPoints": {"mask": mask, "heatmap": mask},
        "DiffEdit_Focus": {"picture": own, "model": ["model", 0], "mask": mask},
        "DiffEdit_DemoScene": {},
    }[node]


def large() -> np.ndarray:
    """Grain, gradients, and things to recognise: [H, W, 3] uint8."""
    pixels, dice = picture(SIDE, SIDE, seed=1), np.random.default_rng(1)
    for _ in range(80):
        x, y, radius = (int(each) for each in (*dice.integers(0, SIDE, 2), dice.integers(20, 160)))
        cv2.circle(pixels, (x, y), radius, dice.integers(0, 256, 3).tolist(), -1)
    return np.clip(pixels + dice.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)


def edited(pixels: np.ndarray) -> np.ndarray:
    """Another thing in it, and all of it moved and tinted."""
    drawn = cv2.circle(pixels.copy(), (1200, 900), 200, (250, 240, 20), -1)
    tint = np.array([6, 0, -4])
    return np.clip(np.roll(drawn, (3, 7), (0, 1)) + tint, 0, 255).astype(np.uint8)
