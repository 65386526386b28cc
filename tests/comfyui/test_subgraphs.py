"""Blueprints, and the subgraphs in templates. ComfyUI's page complains of a wrong one to everybody, at every start."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from typing import Any

import build
import pytest
from graphs import DESCRIBED, TITLES, api, ui
from installations import Installation
from server import FOLDER_NAME, PACK, Server
from ui_format import VIRTUAL, pages, subgraphs, to_api

FILES = sorted((PACK / "subgraphs").iterdir())
FOLDED = [name for name in TITLES if subgraphs(ui(name))]
SERVED_SINCE = "0.3.67"
BY_PEOPLE = ("edit", "inpaint", "remove", "replace", "change colour")


def blueprint(path: Any) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_there_are_the_three_and_nothing_else_lies_beside_them() -> None:
    names = ["Edit one thing, keep the rest", "Keep the rest of an edit", "Mask where two texts differ"]
    assert [path.name for path in FILES] == [f"{name}.json" for name in names]


def test_one_node_stands_at_the_root_and_is_its_only_subgraph(path: Any) -> None:
    graph = blueprint(path)
    (node,), (inner,) = graph["nodes"], graph["definitions"]["subgraphs"]
    assert node["type"] == inner["id"] == str(uuid.UUID(inner["id"]))
    assert graph["links"] == [] and all(entry["link"] is None for entry in node["inputs"])
    assert not any(output["links"] for output in node["outputs"])


def test_it_is_called_as_its_file_and_says_what_it_does(path: Any) -> None:
    graph = blueprint(path)
    inner = graph["definitions"]["subgraphs"][0]
    assert path.stem == graph["nodes"][0]["title"] == inner["name"]
    assert re.fullmatch(r"[A-Z][a-z ,]+", path.stem)
    assert graph["extra"]["BlueprintDescription"] == inner["description"] and inner["description"].endswith(".")
    assert inner["category"] == "DiffEdit" and len(graph["extra"]["BlueprintSearchAliases"]) >= 3


def test_an_edit_is_found_by_the_words_of_people() -> None:
    """The page of 0.33 searches a blueprint's name alone, and not far into it."""
    assert ["edit" in path.stem.lower() for path in FILES] == [True, True, False] and "Mask" in FILES[2].stem
    assert set(BY_PEOPLE) <= set(blueprint(FILES[0])["extra"]["BlueprintSearchAliases"])


def test_every_node_in_it_is_one_of_ours_or_of_the_oldest_comfyui(path: Any, object_info: dict) -> None:
    """The page of any version may show it: so this runs in each ComfyUI that is here."""
    kinds = {node["type"] for nodes, _ in pages(blueprint(path)) for node in nodes} - set(subgraphs(blueprint(path)))
    assert kinds - set(VIRTUAL) <= set(object_info)


@pytest.mark.parametrize("graph", [*FILES, *FOLDED], ids=lambda each: getattr(each, "stem", each))
def test_every_link_resolves_and_every_slot_is_reached(graph: Any) -> None:
    whole = ui(graph) if isinstance(graph, str) else blueprint(graph)
    for inner in subgraphs(whole).values():
        (outer,) = (node for node in whole["nodes"] if node["type"] == inner["id"])
        numbered = {node["id"]: node for node in inner["nodes"]}
        links = {link["id"]: link for link in inner["links"]}
        assert len(links) == len(inner["links"]) and len(numbered) == len(inner["nodes"])
        for link in links.values():
            starts = inner["inputs"] if link["origin_id"] == -10 else numbered[link["origin_id"]]["outputs"]
            ends = inner["outputs"] if link["target_id"] == -20 else numbered[link["target_id"]]["inputs"]
            start, end = starts[link["origin_slot"]], ends[link["target_slot"]]
            assert link["id"] in start.get("linkIds", start.get("links")) and start["type"] == link["type"]
            assert link["id"] in (end.get("linkIds") or [end["link"]]) and end["type"] in (link["type"], "*")
        for side in ("inputs", "outputs"):
            assert all(slot["linkIds"] for slot in inner[side])
            assert Counter(slot["name"] for slot in inner[side]).most_common(1)[0][1] == 1
            assert [(slot["name"], slot["type"]) for slot in inner[side]] == [
                (slot["name"], slot["type"]) for slot in outer[side]
            ]
        assert inner["state"]["lastNodeId"] >= max(numbered) and inner["state"]["lastLinkId"] == max(links)
        assert not set(numbered) & {node["id"] for node in whole["nodes"]}  # to_api and the API files count on it


@pytest.mark.parametrize("graph", [*FILES, *FOLDED], ids=lambda each: getattr(each, "stem", each))
def test_its_widgets_are_links_that_every_version_understands(graph: Any) -> None:
    whole = ui(graph) if isinstance(graph, str) else blueprint(graph)
    for inner in subgraphs(whole).values():
        (outer,) = (node for node in whole["nodes"] if node["type"] == inner["id"])
        assert "proxyWidgets" not in outer["properties"]
        turned = [entry for entry in outer["inputs"] if "widget" in entry]
        assert len(turned) == len(outer["widgets_values"])
        assert len(turned) <= 7 and [entry["widget"]["name"] for entry in turned] == [each["name"] for each in turned]
        plain = [entry for entry in outer["inputs"] if "widget" not in entry]
        assert outer["inputs"] == plain + turned


def test_its_names_are_the_same_in_every_build(object_info: dict, installation: Installation) -> None:
    """Two builds, each of its own descriptions: whoever has a blueprint in a graph keeps it."""
    first, second = (build.files(object_info, installation.version) for _ in range(2))
    assert first == second
    ids = [key for name in FOLDED for key in subgraphs(ui(name))]
    ids += [key for path in FILES for key in subgraphs(blueprint(path))]
    assert len(set(ids)) == len(ids)


def test_the_server_offers_them(server: Server, installation: Installation) -> None:
    if not installation.has(SERVED_SINCE):
        pytest.skip(f"there is no list of them before ComfyUI {SERVED_SINCE}")
    ours = {
        key: entry
        for key, entry in server.get("/global_subgraphs").items()
        if entry["info"]["node_pack"] == f"custom_nodes.{FOLDER_NAME}"
    }
    assert sorted(entry["name"] for entry in ours.values()) == [path.stem for path in FILES]
    for key, entry in ours.items():
        data = server.get(f"/global_subgraphs/{key}")["data"]
        assert json.loads(data) == blueprint(PACK / "subgraphs" / f"{entry['name']}.json")


def test_the_general_edit_is_that_of_its_template(object_info: dict) -> None:
    inner = blueprint(FILES[0])["definitions"]["subgraphs"][0]
    (own,) = subgraphs(ui("diffedit")).values()
    same = [[(node["type"], node.get("widgets_values")) for node in each["nodes"]] for each in (inner, own)]
    assert same[0] == same[1]


@pytest.mark.parametrize("name", [name for name in FOLDED if name in DESCRIBED])
def test_a_template_is_what_is_loaded_one_node_and_what_is_shown(name: str) -> None:
    whole = ui(name)
    kinds = [node["type"] for node in whole["nodes"] if node["type"] not in VIRTUAL]
    assert len(kinds) <= 10 and sum(kind in subgraphs(whole) for kind in kinds) == 1
    assert sum(len(inner["nodes"]) for inner in subgraphs(whole).values()) >= 7


def test_a_turned_knob_reaches_the_node_inside(object_info: dict) -> None:
    whole = ui("diffedit")
    (outer,) = (node for node in whole["nodes"] if node["type"] in subgraphs(whole))
    names = [entry["name"] for entry in outer["inputs"] if "widget" in entry]
    outer["widgets_values"][names.index("strength")] = 0.66
    before, after = api("diffedit"), to_api(whole, object_info)
    (inverted,) = (number for number in after if after[number] != before[number])
    assert after[inverted]["class_type"] == "DiffEdit_DDIMInvert" and after[inverted]["inputs"]["strength"] == 0.66
