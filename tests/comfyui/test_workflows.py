"""The committed graphs: generated, valid in both formats, and equal to each other."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from graphs import NAMES, WORKFLOWS, api, ui
from server import FOLDER_NAME, PACK, Server
from ui_format import VIRTUAL, to_api


def test_every_graph_is_there_twice_and_has_a_thumbnail() -> None:
    assert {path.stem for path in WORKFLOWS.glob("*.json")} == set(NAMES)
    assert {path.stem for path in (WORKFLOWS / "api").glob("*.json")} == set(NAMES)
    assert {path.stem for path in WORKFLOWS.glob("*.jpg")} == set(NAMES)


def test_the_files_are_what_the_builder_writes(object_info: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(WORKFLOWS))
    build = importlib.import_module("build")
    for path, text in build.files(object_info).items():
        assert Path(path).read_text(encoding="utf-8") == text, f"{path.name}: run workflows/build.py again"


@pytest.mark.parametrize("name", NAMES)
def test_the_ui_graph_converts_to_the_api_file(name: str, object_info: dict) -> None:
    assert to_api(ui(name), object_info) == api(name)


@pytest.mark.parametrize("name", NAMES)
def test_links_join_sockets_of_one_type(name: str, object_info: dict) -> None:
    graph = ui(name)
    nodes = {node["id"]: node for node in graph["nodes"]}
    for number, start, out, end, into, kind in graph["links"]:
        output, entry = nodes[start]["outputs"][out], nodes[end]["inputs"][into]
        assert number in output["links"] and entry["link"] == number
        assert output["type"] == kind == entry["type"], f"link {number} of {name} joins {output} and {entry}"
        assert object_info[nodes[start]["type"]]["output"][out] == kind
    for node in graph["nodes"]:
        for entry in node.get("inputs", []):
            needed = entry["name"] in object_info[node["type"]]["input"].get("required", {})
            assert entry["link"] or "widget" in entry or not needed, f"{node['type']}.{entry['name']} hangs loose"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_without_the_pack_can_find_it(name: str) -> None:
    (version,) = re.findall(r'^version = "(.+?)"', (PACK / "pyproject.toml").read_text(), re.MULTILINE)
    for node in ui(name)["nodes"]:
        if node["type"].startswith("DiffEdit_"):
            assert node["properties"]["cnr_id"] == "diffedit" and node["properties"]["ver"] == version
        elif node["type"] not in VIRTUAL:
            assert node["properties"]["cnr_id"] == "comfy-core"


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_checkpoint_can_be_downloaded(name: str) -> None:
    loaders = [node for node in ui(name)["nodes"] if node["type"] == "CheckpointLoaderSimple"]
    assert len(loaders) == {"demo": 0, "fast_diffedit": 2}.get(name, 1)
    for loader in loaders:
        (model,) = loader["properties"]["models"]
        assert model["name"] == loader["widgets_values"][0] and model["directory"] == "checkpoints"
        assert re.fullmatch(rf"https://huggingface\.co/.+/resolve/main/{re.escape(model['name'])}", model["url"])
        assert model["name"].endswith(".safetensors")


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_says_what_to_do(name: str) -> None:
    notes = [node["widgets_values"][0] for node in ui(name)["nodes"] if node["type"] in VIRTUAL]
    assert len(notes) >= 3 and all(len(note) > 80 for note in notes)


@pytest.mark.parametrize("name", NAMES)
def test_nodes_do_not_lie_on_each_other(name: str) -> None:
    boxes = [(*node["pos"], *node["size"]) for node in ui(name)["nodes"]]
    for i, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_the_server_offers_the_graphs_as_templates(server: Server) -> None:
    offered = server.get("/api/workflow_templates")[FOLDER_NAME]
    assert sorted(offered) == sorted(NAMES)
    for name in NAMES:
        served = server.get(f"/api/workflow_templates/{FOLDER_NAME}/{name}.json")
        assert served == ui(name)
        thumbnail = server.fetch(f"/api/workflow_templates/{FOLDER_NAME}/{name}.jpg")
        assert thumbnail[:3] == b"\xff\xd8\xff"
