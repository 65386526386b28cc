"""Graphs as apps: their pages show widgets that are there, and they run as the page would send them."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import APPS, SIZE, WORKFLOWS, api, few, picture, png, shown, the, ui
from server import Server
from ui_format import nodes_of, subgraphs, to_api

NAMES = tuple(APPS)
RUN = ("app_demo", "app_diffedit", "app_keep_the_rest")


@pytest.mark.parametrize("name", NAMES)
def test_an_app_is_a_template_of_its_own_beside_the_graph(name: str) -> None:
    title = APPS[name].title
    assert title.endswith(".app") and (WORKFLOWS / f"{title.removesuffix('.app')}.json").exists()
    assert not (WORKFLOWS / "api" / f"{name}.json").exists()
    assert ui(name)["extra"]["linearMode"] is True


@pytest.mark.parametrize("name", NAMES)
def test_its_page_shows_widgets_that_can_be_turned_and_a_result_that_is_saved(name: str) -> None:
    whole = ui(name)
    numbered = {str(node["id"]): node for node in whole["nodes"]}
    data = whole["extra"]["linearData"]
    for number, widget, config in data["inputs"]:
        assert config["description"] and len(config["description"]) < 40  # what fits into one line of the page
        if widget == "compare_view":
            assert numbered[number]["type"] == "ImageCompare"
            continue
        (entry,) = [each for each in numbered[number]["inputs"] if each.get("widget", {}).get("name") == widget]
        assert entry["link"] is None
    (result,) = data["outputs"]
    assert numbered[result]["type"] == "SaveImage"
    assert [each[1] for each in data["inputs"]][-1] == "compare_view"


@pytest.mark.parametrize("name", NAMES)
def test_an_app_says_which_comfyui_it_needs(name: str) -> None:
    said = [node["widgets_values"][0] for node in nodes_of(ui(name)) if node["type"] == "MarkdownNote"]
    assert any(f"Needs ComfyUI {APPS[name].since} or later" in each for each in said)


@pytest.mark.parametrize("name", RUN)
def test_what_the_page_sends_runs_and_compares_both_pictures(name: str, server: Server, object_info: dict) -> None:
    server.upload("example.png", png(picture(*SIZE)))
    graph = few(to_api(ui(name), object_info))
    run = server.run_well(graph)
    saved = shown(server, run, the(graph, "SaveImage"))
    before, after = (run.outputs[the(graph, "ImageCompare")][side] for side in ("a_images", "b_images"))
    assert len(before) == len(after) == 1
    run.outputs["after"] = {"images": after}
    np.testing.assert_array_equal(shown(server, run, "after"), saved)


@pytest.mark.parametrize("name", ["app_demo"])
def test_the_demos_texts_are_those_of_its_scene(name: str, server: Server, object_info: dict) -> None:
    """They are written out in the app, and come from the scene in the template."""
    whole = ui(name)
    (outer,) = (node for node in whole["nodes"] if node["type"] in subgraphs(whole))
    graph = api("demo")
    scene = the(graph, "DiffEdit_DemoScene")
    for i, side in enumerate(("source", "target")):
        graph[side] = {"class_type": "PreviewAny", "inputs": {"source": [scene, i + 1]}}
    run = server.run_well({number: graph[number] for number in (scene, "source", "target")})
    assert [run.outputs[side]["text"][0] for side in ("source", "target")] == outer["widgets_values"][:2]
