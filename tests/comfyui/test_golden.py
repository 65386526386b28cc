"""What a version promised holds in every later one: saved graphs read and run as they did."""

from __future__ import annotations

import json

import pytest
from golden import GOLDEN, NODES, promised
from installations import Installation
from ui_format import nodes_of, to_api

VERSIONS = sorted(path.name for path in GOLDEN.iterdir())
SAVED = {f"{path.parent.name}/{path.stem}": path for path in sorted(GOLDEN.glob("*/*.json")) if path.name != NODES}


@pytest.mark.parametrize("version", VERSIONS)
def test_nodes_keep_their_ids_sockets_widgets_and_defaults(version: str, object_info: dict) -> None:
    """A later one may take more, at the end; what it always took means the same."""
    today = promised(object_info)
    for name, before in json.loads((GOLDEN / version / NODES).read_text()).items():
        assert name in today, f"{name} is gone"
        now = today[name]
        assert list(now["required"]) == list(before["required"]), name
        for group in ("required", "optional"):
            assert list(now[group])[: len(before[group])] == list(before[group]), f"{name}: new inputs come last"
            for each, was in before[group].items():
                assert broken(was, now[group][each]) == [], f"{name}.{each}"
        assert now["outputs"][: len(before["outputs"])] == before["outputs"], name


def broken(was: dict, now: dict) -> list[str]:
    """Which promises of an input are."""
    kept = {
        "type": was["type"] == now["type"],
        "default": was.get("default") == now.get("default"),
        "min": "min" not in now or ("min" in was and now["min"] <= was["min"]),
        "max": "max" not in now or ("max" in was and now["max"] >= was["max"]),
        "options": {*map(str, was.get("options", []))} <= {*map(str, now.get("options", []))},
    }
    return [promise for promise, holds in kept.items() if not holds]


@pytest.mark.parametrize(
    ("change", "promise"),
    [
        ({"type": "FLOAT"}, "type"),
        ({"default": 2}, "default"),
        ({"min": 1}, "min"),
        ({"max": 8}, "max"),
        ({"options": ["a"]}, "options"),
    ],
)
def test_a_broken_promise_is_seen(change: dict, promise: str) -> None:
    was = {"type": "INT", "default": 1, "min": 0, "max": 9, "options": ["a", "b"]}
    assert broken(was, {**was, "max": 10, "options": ["a", "b", "c"]}) == []
    assert broken(was, {**was, **change}) == [promise]


@pytest.mark.parametrize("saved", SAVED)
def test_a_saved_graph_reads_as_it_did(saved: str, object_info: dict, installation: Installation) -> None:
    """Its widgets' values stand by their place. A later version may add inputs with a default of their own."""
    graph = json.loads(SAVED[saved].read_text(encoding="utf-8"))
    needs = {each["properties"]["ver"] for each in nodes_of(graph) if each["properties"].get("cnr_id") == "comfy-core"}
    if not all(map(installation.has, needs)):
        pytest.skip(f"{saved} needs ComfyUI {max(needs)}")
    read = to_api(graph, object_info)
    meant = SAVED[saved].parent / "api" / f"{graph['extra']['info']['name']}.json"
    assert meant.exists() != saved.endswith(".app")
    for number, node in json.loads(meant.read_text()).items() if meant.exists() else ():
        assert read[number]["class_type"] == node["class_type"]
        missing = {key for key, value in node["inputs"].items() if read[number]["inputs"].get(key) != value}
        assert not missing, f"{saved}: node {number} reads {missing} otherwise"
