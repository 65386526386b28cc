"""The graphs that keep the rest: an edit that came back moved and tinted goes in, and only the edit comes in."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from graphs import (
    SEEN,
    Graph,
    all_of,
    api,
    changed,
    few,
    pictures_of,
    png,
    rewired,
    shown,
    the,
    titled,
    with_node,
    with_previews,
)
from server import Server

KEEP = "DiffEdit_KeepTheRest"
NAMES = ("keep_the_rest", "keep_qwen_image_edit")
WIDTH, HEIGHT = 200, 160
RIGHT, DOWN, TINT = 5, -3, (14, 0, -10)
PLACE = np.s_[40:90, 110:170]  # of the edit, generously


@pytest.fixture(autouse=True)
def original(server: Server) -> np.ndarray:
    """With enough in it to be recognised; edited.png shows another ring in one place, and all of it drifted."""
    rng, (rows, columns) = np.random.default_rng(3), np.mgrid[0:HEIGHT, 0:WIDTH]
    pixels = np.stack([rows, columns, 255 - rows], -1) * 0.5 + 40
    for _ in range(40):
        y, x, r = rng.integers(0, HEIGHT), rng.integers(0, WIDTH), rng.integers(4, 12)
        pixels[(rows - y) ** 2 + (columns - x) ** 2 < r * r] = rng.integers(30, 225, 3)
    pixels = pixels.astype(np.uint8)
    server.upload("example.png", png(pixels))
    server.upload("edited.png", png(drifted(edit(pixels))))
    return pixels


def edit(pixels: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    edited = pixels.copy()
    edited[(rows - 65) ** 2 + (columns - 140) ** 2 < 20**2] = (250, 240, 20)
    return edited


def drifted(pixels: np.ndarray) -> np.ndarray:
    around = np.pad(pixels, ((8, 8), (8, 8), (0, 0)), mode="reflect").astype(int)
    moved = around[8 - DOWN : 8 - DOWN + HEIGHT, 8 - RIGHT : 8 - RIGHT + WIDTH]
    return (moved + TINT).clip(0, 255).astype(np.uint8)


def with_edited(name: str) -> Graph:
    """The graph with edited.png: chosen, or in place of what a model of random weights would draw."""
    graph = few(api(name))
    if name == "keep_the_rest":
        (second,) = titled(graph, "The same picture, edited")
        graph[second]["inputs"]["image"] = "edited.png"
        return graph
    return rewired(with_node(graph, "85", "LoadImage", image="edited.png"), [the(graph, "VAEDecode"), 0], ["85", 0])


@pytest.mark.parametrize("name", NAMES)
def test_outside_the_mask_the_original_comes_out_and_inside_is_the_edit(
    name: str, server: Server, original: np.ndarray
) -> None:
    graph = with_edited(name)
    kept = the(graph, KEEP)
    graph = with_node(graph, "80", "MaskToImage", mask=[kept, 1])
    graph, _ = with_previews(graph, mask=["80", 0], aligned=[kept, 2])
    run = server.run_well(graph)
    saved, mask = shown(server, run, the(graph, "SaveImage")), shown(server, run, "mask")[..., 0]
    inside = np.zeros(mask.shape, bool)
    inside[PLACE] = True
    assert not mask[~inside].any()
    np.testing.assert_array_equal(saved[mask == 0], original[mask == 0])
    new = (edit(original) != original).any(-1)
    assert (mask[new] == 255).mean() > 0.8
    sure = new & (mask == 255)
    assert np.abs(saved[sure].astype(int) - edit(original)[sure]).mean() < 6
    assert np.abs(shown(server, run, "aligned").astype(int) - edit(original)).mean() < 4
    (text,) = run.outputs[kept]["text"]
    assert " % changed; undone: " in text and len(run.outputs[kept]["images"]) == 1
    assert shown(server, run, the(graph, "DiffEdit_Panels")).shape[1] > 3 * WIDTH


def test_the_report_says_what_was_undone_and_can_be_shown_elsewhere(server: Server) -> None:
    graph = with_edited("keep_the_rest")
    run = server.run_well(with_node(graph, "80", "PreviewAny", source=[the(graph, KEEP), 3]))
    (report,) = run.outputs["80"]["text"]
    right, down = (float(number) for number in report.split()[1:3])
    assert abs(right - RIGHT) < 0.5 and abs(down - DOWN) < 0.5


@pytest.mark.parametrize("name", ["keep_qwen_image_edit"])
def test_what_a_random_model_draws_is_laid_on_without_a_paste_and_follows_the_order(
    name: str, server: Server, original: np.ndarray
) -> None:
    graph = few(api(name))
    kept = the(graph, KEEP)
    graph = with_node(graph, "80", "MaskToImage", mask=[kept, 1])
    asked = ([kept, 0], [kept, 2], [the(graph, "VAEDecode"), 0], ["80", 0])
    picture, aligned, drawn, mask = pictures_of(server, graph, *asked)
    assert picture.shape == original.shape and drawn.shape == (SEEN["height"], SEEN["width"], 3)
    np.testing.assert_array_equal(picture, aligned)
    assert mask.all()
    other = copy.deepcopy(graph)
    other[titled(graph, "Target: tells it what to change")[0]]["inputs"]["prompt"] = "make it a winter scene"
    assert (pictures_of(server, other, asked[2])[0] != drawn).any()
    (seen,) = titled(graph, "At the model's size")
    unseen = with_node(rewired(graph, [seen, 0], ["81", 0]), "81", "ImageInvert", image=[seen, 0])
    assert (pictures_of(server, unseen, asked[2])[0] != drawn).any()
    run = server.run(changed(graph, KEEP, refused="error"))
    assert run.status == "error" and run.error["node_type"] == KEEP
    assert run.error["exception_type"].endswith("ValueError")


def test_any_two_pictures_need_no_model(server: Server) -> None:
    graph = api("keep_the_rest")
    assert {node["class_type"] for node in graph.values()} == {"LoadImage", KEEP, "DiffEdit_Panels", "SaveImage"}
    run = server.run_well(graph)  # as it comes, with one picture twice
    assert run.outputs[the(graph, KEEP)]["text"][0].startswith("0.0 % changed; undone: +0.0 ")
    assert len(all_of(graph, "LoadImage")) == 2
