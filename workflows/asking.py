"""A graph in the API's format, run on a ComfyUI, and what its outputs show."""

from __future__ import annotations

import io
import json
import time
import urllib.parse
import urllib.request
from typing import Any

from PIL import Image
from torch import Tensor

from diffedit_core.pictures import from_bytes

Node = dict[str, Any]
Graph = dict[str, Node]
Output = list[Any]
"""[id of a node, number of its output]"""


def ask(graph: Graph, address: str, pictures: dict[str, Output], masks: dict[str, Output]) -> dict[str, Tensor]:
    """What some outputs of a graph show, by name: [1, H, W, 3] each."""
    graph = dict(graph)
    for name, output in masks.items():
        graph[f"mask {name}"] = {"class_type": "MaskToImage", "inputs": {"mask": output}}
    outputs = pictures | {name: [f"mask {name}", 0] for name in masks}
    shown = {f"shown {name}": {"class_type": "PreviewImage", "inputs": {"images": outputs[name]}} for name in outputs}
    needed = reached({**graph, **shown}, list(shown))
    done = run({number: node for number, node in {**graph, **shown}.items() if number in needed}, address)
    return {name: view(done[f"shown {name}"]["images"][0], address) for name in outputs}


def reached(graph: Graph, ends: list[str]) -> set[str]:
    """The nodes that these need."""
    found: set[str] = set()
    while ends:
        number = ends.pop()
        if number not in found:
            found.add(number)
            ends += [value[0] for value in graph[number]["inputs"].values() if isinstance(value, list)]
    return found


def view(image: dict[str, str], address: str) -> Tensor:
    with urllib.request.urlopen(f"{address}/view?{urllib.parse.urlencode(image)}") as file:
        return from_bytes(Image.open(io.BytesIO(file.read())).convert("RGB"))[None]


def run(graph: Graph, address: str) -> dict[str, Any]:
    body = json.dumps({"prompt": graph}).encode()
    request = urllib.request.Request(f"{address}/prompt", body, {"Content-Type": "application/json"})
    prompt = json.load(urllib.request.urlopen(request))["prompt_id"]
    while not (done := json.load(urllib.request.urlopen(f"{address}/history/{prompt}"))):
        time.sleep(0.2)
    if done[prompt]["status"]["status_str"] != "success":
        raise RuntimeError(done[prompt]["status"]["messages"])
    return done[prompt]["outputs"]
