"""Graphs that between them run every loop of ours, small: what each shows is told to the bit."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphs import Graph, all_of, api, asking, changed, rewired, the, with_node
from server import Run, Server

TOLD = {
    "DiffEdit_DiffEditMask": (0, 1),
    "DiffEdit_FastMask": (0, 1),
    "DiffEdit_MaskRefine": (0,),
    "DiffEdit_PasteBack": (0, 1),
    "DiffEdit_KeepTheRest": (0, 1, 2),
}
"""Outputs that are masks or pictures."""

SCENE = ["3", 0]
"""The picture of the demo graph."""

NEAR = 1e-4
"""Of 1: ComfyUI goes another way where there is no memory for an attention's softmax, and rounds otherwise on it."""

Bits = dict[str, list[str]]


@dataclass
class Scene:
    """A graph that runs again from its picture on whenever it is turned, with the same result."""

    name: str
    graph: Graph
    told: Bits = field(default_factory=dict)
    seen: dict[str, list[float]] = field(default_factory=dict)  # a few of the pixels
    turns: int = 0

    @classmethod
    def of(cls, name: str, graph: Graph, picture: list[Any]) -> Scene:
        graph = rewired(graph, picture, ["turn", 0])
        graph = with_node(graph, "turn", "StandIn_Turn", picture=picture, number=0)
        for kind, outputs in TOLD.items():
            for number in all_of(graph, kind):
                for output in outputs:
                    graph = with_node(graph, f"bits {number} {output}", "StandIn_Bits", mask=[number, output])
        ends = [*all_of(graph, "StandIn_Bits"), *all_of(graph, "DiffEdit_Panels")]
        reached = asking.reached(graph, ends)
        return cls(name, {number: node for number, node in graph.items() if number in reached})

    def turned(self) -> Graph:
        """As if it had never run."""
        self.turns += 1
        return changed(self.graph, "StandIn_Turn", number=self.turns)

    def bits(self, run: Run) -> Bits:
        return {number: run.outputs[number]["bits"] for number in all_of(self.graph, "StandIn_Bits")}

    def some(self, run: Run) -> dict[str, list[float]]:
        return {number: run.outputs[number]["some"][0] for number in all_of(self.graph, "StandIn_Bits")}

    def undisturbed(self, server: Server) -> Scene:
        run = server.run_well(self.turned())
        self.told, self.seen = self.bits(run), self.some(run)
        return self

    def what_is_wrong(self, run: Run) -> str:
        """Of a run that should have gone as if undisturbed."""
        if run.status != "success":
            return f"{run.error.get('node_type')}: {str(run.error.get('exception_message')).strip()}"
        other = [number for number, bits in self.bits(run).items() if bits != self.told[number]]
        return f"other bits: {', '.join(other)}" if other else ""

    def is_near(self, run: Run) -> bool:
        """Whether a run that ended well shows the same, but for the last bits."""
        pairs = [zip(some, self.seen[number], strict=True) for number, some in self.some(run).items()]
        return all(abs(own - other) <= NEAR for pair in pairs for own, other in pair)


def scenes(server: Server, most: int, seed: int) -> list[Scene]:
    """So many of them at most, on the bundled model."""
    made = [Scene.of(name, graph, SCENE) for name, graph in _of_the_demo()]
    some = random.Random(seed).sample(made, min(most, len(made)))
    return [scene.undisturbed(server) for scene in some]


def _of_the_demo() -> Iterator[tuple[str, Graph]]:
    demo = changed(api("demo"), "DiffEdit_DDIMInvert", steps=4)
    found = {"draws": 2, "kind": "object", "drafts": 0}
    thing = changed(demo, "DiffEdit_DiffEditMask", **found)
    yield "three tries", changed(thing, "DiffEdit_MaskedDenoise", tries=3)
    one = changed(thing, "DiffEdit_MaskedDenoise", tries=1)
    addition = changed(demo, "DiffEdit_DiffEditMask", draws=2, kind="addition", drafts=2)
    yield "an addition", changed(addition, "DiffEdit_MaskedDenoise", tries=1)
    purist = changed(one, "DiffEdit_DiffEditMask", steps=2)
    purist = changed(purist, "DiffEdit_DDIMInvert", steps=3, iterations=2, check=True)
    yield "the purist mask, and a checked inversion", changed(purist, "DiffEdit_MaskedDenoise", background="source")
    more = with_node(one, "more", "DiffEdit_Edit", mask=["13", 1], target=["6", 0], source=["5", 0], guidance=5.0)
    yield "two edits", changed(more, "DiffEdit_MaskedDenoise", edits=["more", 0])
    yield "a larger picture", _enlarged(one, 300)
    fast = with_node(demo, "fast", "DiffEdit_FastMask", **_looked_at(demo), strength=0.5, draws=4, seed=0)
    yield "the fast mask", {number: fast[number] for number in asking.reached(fast, ["fast"])}
    yield "the rest kept", _kept(demo)
    yield "masks refined", _refined(demo)


def _looked_at(demo: Graph) -> dict[str, Any]:
    mask = demo[the(demo, "DiffEdit_DiffEditMask")]["inputs"]
    return {name: mask[name] for name in ("model", "latent", "source", "target")}


def _enlarged(graph: Graph, side: int) -> Graph:
    scaled = {"upscale_method": "bicubic", "crop": "disabled", "width": side, "height": side}
    graph = rewired(graph, SCENE, ["large", 0])
    return with_node(graph, "large", "ImageScale", image=SCENE, **scaled)


def _kept(demo: Graph) -> Graph:
    """Two pictures, each with the right result of its edit."""
    graph = {"3": demo["3"]}
    graph = with_node(graph, "originals", "RepeatImageBatch", image=SCENE, amount=2)
    how = api("keep_the_rest")
    settings = how[the(how, "DiffEdit_KeepTheRest")]["inputs"] | {"original": ["originals", 0], "edited": ["3", 4]}
    return with_node(graph, "kept", "DiffEdit_KeepTheRest", **settings)


def _refined(demo: Graph) -> Graph:
    """Three masks, with everything that can be done to them."""
    graph = {"3": demo["3"]}
    graph = with_node(graph, "pictures", "RepeatImageBatch", image=SCENE, amount=3)
    graph = with_node(graph, "masks", "ImageToMask", image=["pictures", 0], channel="red")
    settings = {**demo[the(demo, "DiffEdit_MaskRefine")]["inputs"], "mask": ["masks", 0], "picture": ["pictures", 0]}
    every = {"open": 1, "close": 2, "min_island": 0.01, "fill_holes": 0.1, "keep_largest": 3, "grow": 3, "feather": 4.0}
    return with_node(graph, "refined", "DiffEdit_MaskRefine", **settings | every)


def dealt(counts: list[int], count: int, seed: int) -> list[tuple[int, int]]:
    """Pairs of a scene and one of its steps: the scenes in turn, and no step twice as long as there are others."""
    dice = random.Random(seed)
    decks = [dice.sample(range(1, steps + 1), steps) for steps in counts]
    return [(i % len(decks), decks[i % len(decks)][i // len(decks) % counts[i % len(decks)]]) for i in range(count)]
