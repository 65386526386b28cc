"""The live mask's routes on a real server: they give what a run gives, and refuse what a prompt is refused for."""

from __future__ import annotations

import hashlib
import io
import json
import random
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import REFINE, Graph, picture, png, with_node
from listening import Listener
from PIL import Image
from server import Server
from soak.wiring import painted

SIZE = (96, 80)
SETTINGS, SEED = 200, 20
FEW = 24  # pixels, of most widgets that may go up to 1024


@pytest.fixture(scope="module")
def server(bare_server: Server) -> Server:
    """With a picture."""
    bare_server.upload("example.png", png(picture(*SIZE)))
    return bare_server


@pytest.fixture
def page(server: Server) -> Iterator[Listener]:
    with Listener(server, "tests") as listener:
        yield listener


def refines(settings: list[dict[str, Any]]) -> Graph:
    """A heatmap and a picture, refined in so many ways. Each mask's bits are said by a node of the tests."""
    graph = with_node({}, "picture", "LoadImage", image="example.png")
    graph = with_node(graph, "heatmap", "ImageToMask", image=["picture", 0], channel="red")
    for i, each in enumerate(settings):
        given = {"mask": ["heatmap", 0], "picture": ["picture", 0]}
        graph = with_node(graph, f"refine{i}", REFINE, **given, **each)
        graph = with_node(graph, f"bits{i}", "StandIn_Bits", mask=[f"refine{i}", 0])
    return graph


def drawn(specs: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """Random settings, as the schema has them: half of them as they are by default."""
    each = {name: spec for group in ("required", "optional") for name, spec in specs[group].items()}
    settings = {name: _value(*spec, dice) for name, spec in each.items() if spec[0] not in ("MASK", "IMAGE")}
    del settings["way_back"]
    settings["rule"] = dice.choice(specs["required"]["rule"][1].get("options") or specs["required"]["rule"][0])
    settings["value"] = dice.choice([0.0, round(dice.random(), 2)])  # what every rule takes
    settings["corrections"] = dice.choice(["", painted(dice)])
    return settings


def _value(kind: Any, about: dict[str, Any], dice: random.Random) -> Any:
    if "default" not in about or dice.random() < 0.5:
        return about.get("default")
    if kind == "BOOLEAN":
        return dice.random() < 0.5
    if kind == "INT":
        return dice.randint(max(-FEW, about["min"]), min(FEW, about["max"]))
    if kind == "FLOAT":
        return round(dice.uniform(about["min"], min(FEW, about["max"])), 3)
    return dice.choice(about.get("options") or kind)


def ask(server: Server, **asked: Any) -> bytes:
    return server.post("/diffedit/refine", {"client": "tests", **asked})


def refused(server: Server, **asked: Any) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        ask(server, **asked)
    return refusal.value.code, json.loads(refusal.value.read())["error"]


def word(outputs: dict[str, Any], node: str = "refine0") -> str:
    return outputs[node]["diffedit_live"][0]


def test_a_live_mask_is_the_mask_of_a_run_to_the_bit(server: Server, page: Listener) -> None:
    specs, dice = server.get(f"/object_info/{REFINE}")[REFINE]["input"], random.Random(SEED)
    settings = [drawn(specs, dice) for _ in range(SETTINGS)]
    outputs = server.run_well(refines(settings)).outputs
    run = word(server.run_well(refines([plain(server)])).outputs)
    bits = [hashlib.sha256(ask(server, run=run, view="exact", settings=each)).hexdigest() for each in settings]
    assert bits == [outputs[f"bits{i}"]["bits"][0] for i in range(SETTINGS)]
    assert len(set(bits)) > SETTINGS / 2


def test_it_is_shown_in_several_ways(server: Server, page: Listener) -> None:
    run = word(server.run_well(refines([plain(server) | {"rule": "otsu"}])).outputs)

    def seen(view: str, **settings: Any) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(ask(server, run=run, view=view, settings=settings))).convert("RGB"))

    views = {view: seen(view) for view in ("overlay", "mask", "heatmap", "picture")}
    assert {each.shape for each in views.values()} == {(SIZE[1], SIZE[0], 3)}
    assert len({each.tobytes() for each in views.values()}) == 4
    assert abs(views["picture"].astype(int) - picture(*SIZE)).mean() < 8  # JPEG, of grain
    assert set(np.unique(views["mask"])) == {0, 255}
    assert (seen("mask", invert=True) == 255 - views["mask"]).all()
    assert (seen("overlay", invert=True) != views["overlay"]).any() and (
        seen("picture", invert=True) == views["picture"]
    ).all()
    assert (seen("mask") == views["mask"]).all()  # what is not said is as it was in the run


def plain(server: Server) -> dict[str, Any]:
    inputs = server.get(f"/object_info/{REFINE}")[REFINE]["input"]
    both = {**inputs["required"], **inputs["optional"]}
    return {name: spec[1]["default"] for name, spec in both.items() if "default" in spec[1]}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rule": "fastest"}, "rule must be one of none, auto"),
        ({"rule": ["none"]}, "rule must be one of"),
        ({"grow": 1025}, "grow must be a number from -1024 to 1024"),
        ({"grow": 1.5}, "grow must be a whole number"),
        ({"grow": True}, "grow must be a number"),
        ({"feather": "wide"}, "feather must be a number"),
        ({"feather": float("nan")}, "feather must be a number"),
        ({"invert": 1}, "invert must be true or false"),
        ({"corrections": 5}, "corrections must be a short text"),
        ({"corrections": "8x8 +65"}, "clear them on the node"),
        ({"corrections": "0x8"}, "clear them on the node"),
        ({"corrections": "8x8 /etc"}, "clear them on the node"),
        ({"rule": "top", "value": 2.0}, "must be from 0 to 1"),
        ({"picture": None}, "no widget 'picture'"),
        (["rule"], "not an object"),
    ],
)
def test_what_a_prompt_would_be_refused_for(settings: Any, said: str, server: Server, page: Listener) -> None:
    run = word(server.run_well(refines([plain(server)])).outputs)
    status, error = refused(server, run=run, settings=settings)
    assert status == 400 and said in error and "\n" not in error


def test_only_pages_of_this_server_ask_and_only_for_what_is_there(server: Server, page: Listener) -> None:
    run = word(server.run_well(refines([plain(server) | {"grow": 1}])).outputs)
    assert refused(server, client="another", run=run)[0] == 403
    assert refused(server, run="0" * 32)[0] == 404
    assert refused(server, run=run, view="/etc/passwd")[0] == 400
    assert refused(server, run=run, settings={"corrections": "1" * 2**18})[0] == 413
    assert ask(server, run=run)
    again = word(server.run_well(refines([plain(server) | {"grow": 2}])).outputs)
    assert refused(server, run=run)[0] == 404  # in its place
    server.post("/diffedit/forget", {"client": "tests", "run": again})
    assert refused(server, run=again)[0] == 404


def test_whatever_is_asked_gets_a_sentence(server: Server, page: Listener) -> None:
    """Bytes that are no JSON, JSON that is no question, and questions of anything, however deep."""
    run = word(server.run_well(refines([plain(server) | {"grow": 7}])).outputs)
    dice = random.Random(SEED)
    good = json.dumps({"client": "tests", "run": run, "view": "mask", "settings": plain(server)}).encode()
    bodies = [
        b"",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        b'{"client": "tests", "run": ' + b"[" * 50_000,
        b'{"a": 1e999}',
    ]
    for _ in range(200):
        body = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        bodies.append(bytes(body))
    for _ in range(200):
        asked = {"client": "tests", "run": run, "view": dice.choice(["mask", anything(dice)])}
        bodies.append(json.dumps(asked | {"settings": {dice.choice(["grow", "rule", "x"]): anything(dice)}}).encode())
    for path in ("refine", "forget"):
        for body in bodies if path == "refine" else bodies[:6]:
            status, said = posted(server, f"/diffedit/{path}", body)
            assert status == 200 or (400 <= status < 500 and "\n" not in json.loads(said)["error"]), (status, body)


def anything(dice: random.Random) -> Any:
    kinds = [None, True, -1, 7, 10**400, 0.5, float("nan"), float("inf"), "", "otsu", "\x00\ud800", [], {}]
    return dice.choice([*kinds, [dice.random()], {"a": [1]}, "x" * 1000])


def posted(server: Server, path: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", body, {"Content-Type": "text/plain"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_nothing_is_held_where_no_page_waits_for_it(server: Server) -> None:
    outputs = server.run_well(refines([plain(server) | {"grow": 3}])).outputs
    assert "diffedit_live" not in outputs["refine0"] and outputs["refine0"]["images"]


def test_a_second_page_has_its_own(server: Server, page: Listener) -> None:
    first = word(server.run_well(refines([plain(server) | {"grow": 4}])).outputs)
    with Listener(server, "others"):
        graph = refines([plain(server) | {"grow": 5}])
        prompt = json.loads(server.post("/prompt", {"prompt": graph, "client_id": "others"}))["prompt_id"]
        second = word(server.wait(prompt).outputs)
        assert ask(server, run=first, view="exact") != ask(server, run=second, view="exact")


def test_nothing_is_written_to_disk(server: Server, page: Listener) -> None:
    run = word(server.run_well(refines([plain(server) | {"grow": 6}])).outputs)
    before = files(server.base)
    for grow in range(5):
        ask(server, run=run, settings={"grow": grow})
    assert files(server.base) == before


def files(folder: Path) -> set[Path]:
    return {file for file in folder.rglob("*") if "user" not in file.parts and file.suffix not in (".db", ".log")}
