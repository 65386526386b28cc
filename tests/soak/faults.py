"""Faults in the middle of a run: the button at any check, memory out at any allocation. The next run is right."""

from __future__ import annotations

from collections import Counter

from server import Run, Server

from .outcome import Outcome
from .scenes import Scene, dealt, scenes

FULL = ("the GPU's memory is full: ", "the main memory is full: ")
"""How the one line begins that is said where memory ran out."""

KINDS = ("device", "main")


def run_interrupts(server: Server, count: int, seed: int) -> Outcome:
    """The button is pressed ``count`` times, each time at another check of a graph."""
    every, findings, stopped = scenes(server, count, seed), list[str](), Counter[str]()
    right = 0
    for number, at in dealt([counted(server, scene)["checks"] for scene in every], count, seed):
        scene = every[number]
        graph = scene.turned()
        disturbed = armed(server, graph, "interrupt", at)
        struck = server.get("/stand_in/fault")["struck"]
        stopped[struck] += 1
        after = scene.what_is_wrong(server.run(graph))
        right += not after
        if not disturbed.messages("execution_interrupted"):
            findings.append(f"{scene.name}, check {at} in {struck}: it ended as {disturbed.status}")
        if after:
            findings.append(f"{scene.name}, check {at} in {struck}: the next prompt gave {after}")
    where = ", ".join(f"{node} {times}" for node, times in stopped.most_common())
    wanted = "200; the next prompt bit-equal: 200"
    return Outcome("interrupts, each at another step", count, findings, wanted, f"bit-equal: {right}", (where,))


def run_memory(server: Server, count: int, seed: int) -> Outcome:
    """Memory runs out ``count`` times in nodes of ours, each time at another allocation of a graph."""
    every, findings, places = scenes(server, count, seed), list[str](), Counter[str]()
    right = 0
    steps = dealt([counted(server, scene)["allocations"] for scene in every], count, seed)
    for i, (number, at) in enumerate(steps):
        scene, kind = every[number], KINDS[i // len(every) % len(KINDS)]
        graph = scene.turned()
        disturbed = armed(server, graph, kind, at)
        struck = server.get("/stand_in/fault")["struck"]
        places[struck] += 1
        after = scene.turned() if disturbed.status == "success" else graph  # which then goes on from where it ended
        wrong = [said_wrong(scene, disturbed), scene.what_is_wrong(server.run(after))]
        right += not wrong[0]
        for what, when in zip(wrong, ("it", "the next prompt"), strict=True):
            if what or not struck:
                findings.append(f"{scene.name}, {kind} memory out at allocation {at} in {struck}: {when} gave {what}")
    where = ", ".join(f"{node} {times}" for node, times in places.most_common())
    wanted = "200; right result or one clear line: 200"
    what = "injected out-of-memory, each at another allocation"
    return Outcome(what, count, findings, wanted, f"right result or one clear line: {right}", (where,))


def counted(server: Server, scene: Scene) -> dict[str, int]:
    """How many checks and allocations there are in an undisturbed run."""
    armed(server, scene.turned(), "none", 0)
    return server.get("/stand_in/fault")


def armed(server: Server, graph: dict, kind: str, at: int, within: str = "") -> Run:
    """``within`` nodes of a kind alone, where one is named."""
    server.post("/stand_in/fault", {"kind": kind, "at": at, "within": within})
    return server.run(graph)


def said_wrong(scene: Scene, run: Run) -> str:
    """Of a run that may be right, or say in one line that memory is full."""
    if run.status == "success":
        return "" if scene.is_near(run) else scene.what_is_wrong(run)
    first, *_ = str(run.error["exception_message"]).splitlines() or [""]
    return "" if first.startswith(FULL) else f"{run.error['exception_type']}: {run.error['exception_message']}"
