"""The committed graphs: generated, valid in both formats, and equal to each other."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from urllib.parse import quote

import build
import golden
import pytest
from graphs import APPS, DESCRIBED, NAMES, TITLES, WORKFLOWS, api, ui
from installations import Installation
from models import LOADERS
from server import FOLDER_NAME, PACK, Server
from ui_format import VIRTUAL, nodes_of, pages, subgraphs, to_api

KIB = 1024


def test_every_graph_is_there_twice_and_has_a_thumbnail() -> None:
    assert len(build.GRAPHS) + len(build.APPS) == len(set(TITLES)) == len(set(TITLES.values()))
    assert {path.stem for path in WORKFLOWS.glob("*.json")} == set(TITLES.values())
    assert {path.stem for path in (WORKFLOWS / "api").glob("*.json")} == set(NAMES)
    thumbnails = {path.stem: path.stat().st_size for path in WORKFLOWS.glob("*.jpg")}
    assert thumbnails.keys() == set(TITLES.values()) and max(thumbnails.values()) < 80 * KIB


@pytest.mark.parametrize("name", TITLES)
def test_a_title_is_a_file_name_everywhere_and_a_name_is_easy_to_type(name: str) -> None:
    """ComfyUI's page shows a pack's template under its file name, and asks for it by that name in an address."""
    title = TITLES[name]
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ,.()-]*[A-Za-z0-9)]", title) and len(title) <= 60
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    described = ui(name)["extra"]["info"]["description"]
    assert described == (DESCRIBED | APPS)[name].description and described.endswith(".")


def test_the_documents_name_the_templates_as_they_are_called() -> None:
    readme = (PACK / "README.md").read_text(encoding="utf-8")
    for title in TITLES.values():
        assert title.removesuffix(".app").split(" (")[0] in readme, f"the README does not list the template {title}"
    for page in [PACK / "README.md", *(PACK / "web" / "docs").glob("*.md")]:
        for named in re.findall(r"template\s+\*\*(.+?)\*\*", page.read_text(encoding="utf-8")):
            assert any(title.startswith(named) for title in TITLES.values()), f"{page.name}: no template {named}"


def test_the_files_are_what_the_builder_writes(object_info: dict, installation: Installation) -> None:
    written = build.files(object_info, installation.version)
    for path, text in written.items():
        assert Path(path).read_text(encoding="utf-8") == text, f"{path.name}: run workflows/build.py again"
    here = {name for name, graph in DESCRIBED.items() if not graph.since or installation.has(graph.since)}
    assert {path.stem for path in written if path.parent == WORKFLOWS / "api"} >= here
    assert {path for path in written if path.parent.name == "subgraphs"} == set((PACK / "subgraphs").glob("*"))


def test_a_graph_says_since_when_its_nodes_are_there(
    object_info: dict, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that says so is left out of a build by an older ComfyUI; one that does not is an error."""
    later = copy.deepcopy(DESCRIBED["demo"])
    later.add("NodeOfTomorrow", 0)
    monkeypatch.setattr(build, "GRAPHS", (lambda: later,))
    with pytest.raises(ValueError, match=r"demo needs NodeOfTomorrow"):
        build.files(object_info, installation.version)
    later.since = "99.0"
    monkeypatch.setattr(build, "APPS", ())
    monkeypatch.setattr(build, "BLUEPRINTS", ())
    assert not [path for path in build.files(object_info, installation.version) if path.name != golden.NODES]


def test_versions_are_compared_by_their_numbers(installation: Installation) -> None:
    assert installation.has("0.3.9") and installation.has(installation.version) and not installation.has("99.0")
    assert installation.has("0.3.100") == (not installation.version.startswith("0.3."))


@pytest.mark.parametrize("name", NAMES)
def test_the_ui_graph_converts_to_the_api_file(name: str, object_info: dict) -> None:
    assert to_api(ui(name), object_info) == api(name)


@pytest.mark.parametrize("name", TITLES)
def test_links_join_sockets_of_one_type(name: str, object_info: dict) -> None:
    graph = ui(name)
    for nodes, links in pages(graph):
        numbered = {node["id"]: node for node in nodes}
        for number, start, out, end, into, kind in links:
            if start != -10:
                output = numbered[start]["outputs"][out]
                assert number in output["links"] and output["type"] == kind
                known = object_info.get(numbered[start]["type"])
                assert known is None or known["output"][out] == kind
            if end != -20:
                entry = numbered[end]["inputs"][into]
                assert entry["link"] == number and entry["type"] in (kind, "*"), f"link {number} of {name}: {entry}"
        for node in (node for node in nodes if node["type"] not in subgraphs(graph)):
            for entry in node.get("inputs", []):
                needed = entry["name"] in object_info[node["type"]]["input"].get("required", {})
                assert entry["link"] or "widget" in entry or not needed, f"{node['type']}.{entry['name']} hangs loose"


@pytest.mark.parametrize("name", TITLES)
def test_a_page_without_the_pack_can_find_it(name: str) -> None:
    (version,) = re.findall(r'^version = "(.+?)"', (PACK / "pyproject.toml").read_text(), re.MULTILINE)
    for node in nodes_of(ui(name)):
        if node["type"].startswith("DiffEdit_"):
            assert node["properties"]["cnr_id"] == "diffedit" and node["properties"]["ver"] == version
        elif node["type"] not in VIRTUAL:
            assert node["properties"]["cnr_id"] == "comfy-core"


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_model_can_be_downloaded(name: str) -> None:
    numbered = {str(node["id"]): node for node in nodes_of(ui(name))}
    loaders = {number: node for number, node in api(name).items() if node["class_type"] in LOADERS}
    assert bool(loaders) == (name not in ("demo", "keep_the_rest"))
    assert not {node["class_type"] for node in api(name).values() if "Loader" in node["class_type"]} - LOADERS.keys()
    for number, loader in loaders.items():
        folder, widgets = LOADERS[loader["class_type"]]
        for model, widget in zip(numbered[number]["properties"]["models"], widgets, strict=True):
            assert model["name"] == loader["inputs"][widget] and model["directory"] == folder
            address = rf"https://huggingface\.co/.+/resolve/main/(.+/)?{re.escape(model['name'])}"
            assert re.fullmatch(address, model["url"]) and model["name"].endswith(".safetensors")


@pytest.mark.parametrize("name", TITLES)
def test_the_graph_says_what_to_do(name: str) -> None:
    notes = [node["widgets_values"][0] for node in nodes_of(ui(name)) if node["type"] in VIRTUAL]
    assert len(notes) >= 3 and all(len(note) > 80 for note in notes)


@pytest.mark.parametrize("name", TITLES)
def test_nodes_do_not_lie_on_each_other(name: str) -> None:
    for nodes, _ in pages(ui(name)):
        boxes = [(*node["pos"], *node["size"]) for node in nodes]
        for i, (x, y, w, h) in enumerate(boxes):
            for x2, y2, w2, h2 in boxes[:i]:
                assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_the_server_offers_the_graphs_as_templates(server: Server) -> None:
    offered = server.get("/api/workflow_templates")[FOLDER_NAME]
    assert sorted(offered) == sorted(TITLES.values())
    for name, title in TITLES.items():
        address = f"/api/workflow_templates/{FOLDER_NAME}/{quote(title)}"
        assert server.get(f"{address}.json") == ui(name)
        thumbnail = server.fetch(f"{address}.jpg")
        assert thumbnail[:3] == b"\xff\xd8\xff"
