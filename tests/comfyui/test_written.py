"""The graph whose texts a model writes, run with a small model that really answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graphs import DESCRIBED, all_of, api, few, picture, png, shown, the, titled, ui
from installations import HERE, Installation, run_python
from server import Server

SINCE = DESCRIBED["from_instruction"].since
WRITTEN = ("pink girl", "girl blue")
ANSWER = '{"source":"pink girl","target": "girl blue" }'  # no token of it comes twice


@pytest.fixture(scope="module")
def writer(installation: Installation, models: Path) -> None:
    """Answers so whatever ends as the question does."""
    if not installation.has(SINCE):
        pytest.skip(f"its nodes are there since ComfyUI {SINCE}")
    run_python(installation, str(HERE / "writer.py"), str(installation.folder), str(models), '"}', ANSWER)


def test_an_instruction_becomes_two_texts_and_an_edit(server: Server, writer: None) -> None:
    server.upload("example.png", png(picture(84, 70)))
    graph = few(api("from_instruction"))
    graph[the(graph, "TextGenerate")]["inputs"] |= {"max_length": 20}
    graph[the(graph, "ImageScaleToTotalPixels")]["inputs"] |= {"megapixels": 0.01}
    run = server.run_well(graph)
    assert [run.outputs[number]["text"][0] for number in all_of(graph, "PreviewAny")] == list(WRITTEN)
    by_hand = few(api("from_instruction"))
    for title, words in zip(("Source: what is there", "Target: what should be there instead"), WRITTEN, strict=True):
        (number,) = titled(by_hand, title)
        by_hand[number]["inputs"]["text"] = words
    for number in all_of(by_hand, "PreviewAny"):
        del by_hand[number]
    saved = [shown(server, each, the(graph, "SaveImage")) for each in (run, server.run_well(by_hand))]
    np.testing.assert_array_equal(*saved)


def test_the_question_holds_what_should_change(object_info: dict) -> None:
    graph = api("from_instruction")
    question = graph[the(graph, "StringReplace")]["inputs"]
    assert question["string"].count(question["find"]) == 1
    assert question["replace"] == [the(graph, "PrimitiveStringMultiline"), 0]
    assert graph[the(graph, "TextGenerate")]["inputs"]["prompt"] == [the(graph, "StringReplace"), 0]


def test_an_older_comfyui_is_told_which_one_has_the_nodes(installation: Installation, object_info: dict) -> None:
    nodes = ui("from_instruction")["nodes"]
    missing = [node for node in nodes if node["type"] not in object_info and node["type"] != "MarkdownNote"]
    assert bool(missing) != installation.has(SINCE)
    assert {node["properties"]["ver"] for node in nodes if node["properties"].get("cnr_id") == "comfy-core"} == {SINCE}
    assert any(f"Needs ComfyUI {SINCE} or later" in node["widgets_values"][0] for node in nodes if node["id"] == 1)
