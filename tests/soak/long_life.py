"""One server that lives long: prompts of all kinds, and memory that stays what it was after the first hundred."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from .outcome import Outcome
from .prompts import Seen
from .wiring import Graph

from graphs import DESCRIBED, SIZE, all_of, api, changed, few, picture, png, with_node  # isort: skip

FIRST, EVERY = 100, 25
MOST = 0.02
"""How far memory may come away from what it was after the first hundred."""

MODELS = ("CheckpointLoaderSimple", "StandIn_Outliner")
"""What loads a model, and what the demo's model can stand in for, or needs none."""

NEED_ANOTHER = ("instruct", "diffedit_sd35", "from_instruction")
"""Graphs for models that read pictures or texts in a way of their own."""

MIB = 2**20


def run(server: Any, count: int, seed: int = 0) -> Outcome:
    """So many prompts. Memory is looked at after a prompt that is always the same, and so is what is cached.

    The second half is the first once more: what is held then and was not before is held for nothing.
    """
    seen, half, used = Seen.of(server), -(-count // 2), list[int]()
    server.upload("example.png", png(picture(*SIZE)))
    graphs = demos(server)
    first = seen.demo()
    for i in range(count):
        name = f"prompt {i} of seed {seed} in {server.installation.version}"
        _one(seen, name, graphs, random.Random(f"{seed} {i % half}"))
        if i % EVERY == EVERY - 1:
            if seen.demo() != first:
                seen.findings.append(f"{name}: the demo's picture is another one after it")
            used.append(server.memory)
    after = used[FIRST // EVERY - 1 :] or used
    off, grown = _off(after), _off(used[half // EVERY - 1 :] or used)
    if off > MOST:
        seen.findings.append(f"memory came {off:.1%} away from what it was after the first {FIRST} prompts")
    measured = (
        f"resident {after[0] / MIB:.0f} MiB after the first {FIRST}, at most {off:.1%} from it to the end, "
        f"and {grown:.1%} from where it was after {half} while these ran once more"
    )
    row = f"MiB after every {EVERY}: " + ", ".join(f"{each / MIB:.0f}" for each in used)
    wanted = "1,000; resident memory after the first 100: +- 2 %"
    return Outcome("prompts in one server, mixed", count, seen.findings, wanted, measured, (row,))


def _off(used: Sequence[int]) -> float:
    """How far it came away from the first."""
    return max(abs(each / used[0] - 1) for each in used)


def _one(seen: Seen, name: str, graphs: Mapping[str, Graph], dice: random.Random) -> None:
    """One of the graphs that come with the pack, that same graph with something wrong, or a random one."""
    kind = dice.random()
    if kind > 0.5:
        seen.send(name, dice)
        return
    chosen = dice.choice(list(graphs))
    graph = reseeded(graphs[chosen], dice) if kind < 0.4 else broken(graphs["demo"])
    ended = seen.run(f"{name} ({chosen})", graph)
    if ended is not None and kind < 0.4 and ended.status != "success":
        seen.findings.append(f"{name}: {chosen} ended in {ended.error.get('exception_message')}")


def demos(server: Any) -> dict[str, Graph]:
    """The graphs that come with the pack, with few steps and the demo's model, where they need no other."""
    found = {name: with_demo_model(few(api(name))) for name in DESCRIBED if name not in NEED_ANOTHER}
    kinds = server.get("/object_info")
    return {name: graph for name, graph in found.items() if _is_free(graph) and _has_all(graph, kinds)}


def with_demo_model(graph: Graph) -> Graph:
    """Its MODEL, CLIP and VAE lie in a checkpoint's order."""
    for number in all_of(graph, MODELS[0]):
        graph = {**graph, number: {"class_type": "DiffEdit_DemoModel", "inputs": {}}}
    return graph


def _is_free(graph: Graph) -> bool:
    return not any("Loader" in node["class_type"] for node in graph.values())


def _has_all(graph: Graph, kinds: Mapping[str, Any]) -> bool:
    return all(node["class_type"] in kinds for node in graph.values())


def reseeded(graph: Graph, dice: random.Random) -> Graph:
    """With another seed, so that something runs."""
    seed = dice.randrange(2**32)
    return {
        number: {**node, "inputs": {key: seed if key == "seed" else each for key, each in node["inputs"].items()}}
        for number, node in graph.items()
    }


def broken(graph: Graph) -> Graph:
    """With a mask of another size."""
    graph = with_node(graph, "wrong", "SolidMask", value=1.0, width=200, height=100)
    return changed(graph, "DiffEdit_PasteBack", mask=["wrong", 0])
