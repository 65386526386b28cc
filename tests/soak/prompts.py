"""Random graphs, one after the other, in one real ComfyUI: each ends well, in a refusal, or in a sentence."""

from __future__ import annotations

import json
import os
import random
import sys
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .outcome import Outcome
from .wiring import OURS, PICTURES, Graph, Kind, drawn_graph, kinds_of, painted, picture_name, spoiled

sys.path.append(str(Path(__file__).resolve().parents[1] / "comfyui"))

from graphs import REFINE, api, few, picture, png
from listening import Listener
from server import FOLDER_NAME, PACK, Run, Server

SECONDS = 120.0
"""Of computing: three times what the slowest takes, whose sheet of panels goes through the model. Waiting for a
processor does not count."""

PATIENCE = 10
"""Times as long by the clock, for a server that does not even compute."""

DEMO_EVERY = 50
SPOILED, LIVE = 0.15, 0.6
"""How many of the graphs hold a value past its limits, and how many masks are turned on a page."""

DEMO = "demo"
OWN_ERRORS = ("ValueError", "TypeError")
LIVE_STATUS = (200, 400, 404)


@dataclass
class Seen:
    """How the prompts of a server ended."""

    server: Server
    kinds: Mapping[str, Kind]
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    longest: float = 0.0

    @classmethod
    def of(cls, server: Server) -> Seen:
        for i, size in enumerate(PICTURES):
            server.upload(picture_name(size), png(_with_hole(picture(*size, seed=i))))
        return cls(server, kinds_of(server.get("/object_info")))

    def send(self, name: str, dice: random.Random) -> None:
        """One random graph, under the name by which it can be drawn again."""
        graph = drawn_graph(self.kinds, dice)
        bad = spoiled(graph, self.kinds, dice) if dice.random() < SPOILED else None
        if any(node["class_type"] == REFINE for node in graph.values()) and dice.random() < LIVE:
            with Listener(self.server, "tests"):
                run = self.run(name, graph, bad)
                self._turn(name, run, dice)
            return
        self.run(name, graph, bad)

    def run(self, name: str, graph: Graph, bad: tuple[str, str] | None = None) -> Run | None:
        status, answer = asked(self.server, "/prompt", {"prompt": graph, "client_id": "tests"})
        is_refused = self._judge_refusal(name, graph, status, answer.get("node_errors") or {}, bad)
        if status != 200:
            return None
        run = self._ended(name, answer["prompt_id"])
        if run is not None:
            self._judge(name, graph, run)
            if bad is not None and not is_refused and run.status == "success":
                value = graph[bad[0]]["inputs"][bad[1]]
                self.findings.append(f"{name}: {graph[bad[0]]['class_type']} took {value!r} for {bad[1]}")
            self.server.post("/history", {"delete": [answer["prompt_id"]]})
        return run

    def _judge_refusal(
        self, name: str, graph: Graph, status: int, wrong: Mapping[str, Any], bad: tuple[str, str] | None
    ) -> bool:
        """Whether the server itself refused the value that is past its limits. Older ones let names through."""
        refused = {(number, each.get("extra_info", {}).get("input_name")) for number, each in _errors(wrong)}
        strange = [number for number, _ in refused if graph[number]["class_type"].startswith(OURS)]
        if bad is None and strange:
            self.findings.append(f"{name}: {graph[strange[0]]['class_type']} was refused: {wrong[strange[0]]}")
        if status not in (200, 400):
            self.findings.append(f"{name}: the server answered {status}")
        is_refused = bad is not None and bad in refused
        self.counts["refused"] += is_refused
        return is_refused

    def _ended(self, name: str, prompt_id: str) -> Run | None:
        start, began = computed(self.server), time.monotonic()
        while time.monotonic() - began < PATIENCE * SECONDS and computed(self.server) - start < SECONDS:
            with suppress(TimeoutError):
                ended = self.server.wait(prompt_id, 1)
                self.longest = max(self.longest, computed(self.server) - start)
                return ended
        self.server.post("/interrupt")
        stopped = computed(self.server)
        self.server.wait(prompt_id)
        waited = computed(self.server) - stopped
        self.findings.append(f"{name}: not done after {SECONDS:g} s; it stopped {waited:.1f} s after the button")
        return None

    def _judge(self, name: str, graph: Graph, run: Run) -> None:
        if run.status == "success":
            self.counts["well"] += 1
        elif not run.error.get("node_type", "").startswith(OURS):
            self.counts["of ComfyUI"] += 1
        else:
            self.counts["of ours"] += 1
            if not is_ours(run.error):
                self.findings.append(f"{name}: {run.error['node_type']} ended in {raw(run.error)}")
        self.findings += [f"{name}: {line}" for line in wrong_in(graph, run)]

    def _turn(self, name: str, run: Run | None, dice: random.Random) -> None:
        """The live mask's knobs, on each node that holds one."""
        for output in (run.outputs if run else {}).values():
            for word in output.get("diffedit_live", []):
                settings = turned(self.kinds[REFINE], dice)
                view = dice.choice(["overlay", "mask", "heatmap", "picture", "exact", "none"])
                question = {"client": "tests", "run": word, "view": view, "settings": settings}
                status, answer = asked(self.server, "/diffedit/refine", question)
                self.counts["live"] += 1
                if status not in LIVE_STATUS or (status != 200 and "\n" in answer.get("error", "\n")):
                    self.findings.append(f"{name}: the live mask answered {status} {answer} to {view} {settings}")

    def demo(self) -> bytes:
        """The demo graph's picture, as it was saved."""
        graph = few(api(DEMO))
        prompt = self.server.queue(graph)
        run = self.server.wait(prompt)
        self.server.post("/history", {"delete": [prompt]})
        images = [image for output in run.outputs.values() for image in output.get("images", [])]
        saved = [image for image in images if image["type"] == "output"]
        return self.server.view(saved[0]) if saved else repr(run.error).encode()


def run(server: Server, count: int, seed: int) -> Outcome:
    """So many graphs. After every few of them the demo's picture must be what it was at first, to the byte."""
    seen = Seen.of(server)
    first = seen.demo()
    for i in range(count):
        name = f"graph {i} of seed {seed} in {server.installation.version}"
        try:
            seen.send(name, random.Random(f"{seed} {i}"))
        except RuntimeError as died:
            seen.findings.append(f"{name}: {died}")
            break
        if i % DEMO_EVERY == DEMO_EVERY - 1 and seen.demo() != first:
            seen.findings.append(f"after graph {i} of seed {seed} the demo's picture is another one")
    counts = seen.counts
    measured = (
        f"{counts['well']} ran to their end, {counts['refused']} were refused, {counts['of ours']} ended in a sentence "
        f"of ours and {counts['of ComfyUI']} in an error of ComfyUI's own nodes; {counts['live']} live masks; the "
        f"longest computed for {seen.longest:.1f} s"
    )
    return Outcome("random graphs in a server", count, seen.findings, "2,000, findings left: 0", measured)


def wrong_in(graph: Graph, run: Run) -> Iterator[str]:
    """What is no number though all that went in was, and what changed where nothing may."""
    finite = {number: output["finite"][0] for number, output in run.outputs.items() if "finite" in output}
    all_in = all(good for number, good in finite.items() if number.startswith("in_"))
    for number, good in finite.items():
        node = graph[number]["inputs"]["seen"]
        made_by = graph[node[0]]["class_type"]
        if number.startswith("out_") and not good and all_in:
            yield f"output {node[1]} of {made_by} holds NaN"
    for number, output in run.outputs.items():
        if output.get("strays", [0])[0]:
            made_by = graph[graph[number]["inputs"]["picture"][0]]["class_type"]
            yield f"{made_by} changed {output['strays'][0]} pixels outside the mask"


def is_ours(error: Mapping[str, Any]) -> bool:
    """Whether an error was raised by our own code, as a sentence."""
    frame = error["traceback"][-1]
    of_pack = FOLDER_NAME in frame or str(PACK) in frame
    return of_pack and "raise " in frame and error["exception_type"].split(".")[-1] in OWN_ERRORS


def raw(error: Mapping[str, Any]) -> str:
    where = next((line for line in reversed(error["traceback"]) if FOLDER_NAME in line or str(PACK) in line), "")
    said = " ".join(str(error["exception_message"]).split())[:200]
    return f"{error['exception_type']}: {said} at {' '.join(where.split())[:300]}"


def computed(server: Server) -> float:
    """Seconds that the server's process has computed for."""
    ticks = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def asked(server: Server, path: str, data: Any) -> tuple[int, dict[str, Any]]:
    """The status, and the answer where that is JSON."""
    try:
        return 200, _json(server.post(path, data))
    except urllib.error.HTTPError as error:
        return error.code, _json(error.read())


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _errors(wrong: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((number, each) for number, about in wrong.items() for each in about.get("errors", []))


def turned(kind: Kind, dice: random.Random) -> dict[str, Any]:
    """Some widgets at and past their limits, as a page might send them."""
    widgets = [each for each in kind.sockets if each.is_widget]
    return {each.name: _turned(each, dice) for each in dice.sample(widgets, dice.randint(0, len(widgets)))}


def _turned(socket: Any, dice: random.Random) -> Any:
    about = socket.about
    if dice.random() < 0.03:
        return dice.choice([None, [], {}, "x" * 40, -1e300, float("nan"), True])
    if socket.kind in ("INT", "FLOAT"):
        low, high = about["min"], about["max"]
        value = dice.choice([low, high, about["default"], dice.uniform(low, min(high, low + 20))])
        return int(value) if socket.kind == "INT" else float(value)
    if socket.kind == "COMBO":
        return dice.choice(about["options"])
    return dice.random() < 0.5 if socket.kind == "BOOLEAN" else dice.choice(["", painted(dice)])


def _with_hole(pixels: np.ndarray) -> np.ndarray:
    """[H, W, 4]: not all of it is there, so that there is a mask of it."""
    alpha = np.full(pixels.shape[:2], 255, np.uint8)
    height, width = alpha.shape
    alpha[height // 4 : height - height // 3, width // 4 : width - width // 3] = 60
    alpha[height // 3 : height // 2, width // 3 : width // 2] = 0
    return np.dstack([pixels, alpha])
