"""What cannot work ends in the node's own message, which says what to do."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import Graph, api, changed, picture, png, quick, shown, the, with_node
from server import Server

SIZE = 64
DENOISE, PASTE = "DiffEdit_MaskedDenoise", "DiffEdit_PasteBack"


@pytest.fixture(autouse=True)
def uploaded(server: Server) -> np.ndarray:
    pixels = picture(SIZE, SIZE)
    server.upload("example.png", png(pixels))
    return pixels


@pytest.fixture
def graph() -> Graph:
    return quick(api("diffedit"))


def fails(server: Server, graph: Graph, node: str, *parts: str) -> None:
    run = server.run(graph)
    assert run.status == "error"
    assert run.error["node_type"] == node and run.error["exception_type"].endswith("ValueError"), run.error
    for part in parts:
        assert part in run.error["exception_message"]


def solid(graph: Graph, width: int, height: int, value: float = 1.0) -> Graph:
    return with_node(graph, "90", "SolidMask", value=value, width=width, height=height)


def test_a_mask_of_another_size_to_denoise(server: Server, graph: Graph) -> None:
    fails(server, changed(solid(graph, 200, 100), DENOISE, mask=["90", 0]), DENOISE, "200x100", "64x64", "use the mask")


def test_a_mask_of_another_size_to_paste(server: Server, graph: Graph) -> None:
    fails(server, changed(solid(graph, 200, 100), PASTE, mask=["90", 0]), PASTE, "200x100", "64x64", "resize")


def test_a_draft_of_another_picture(server: Server, graph: Graph) -> None:
    graph = with_node(graph, "91", "EmptyLatentImage", width=128, height=64, batch_size=1)
    said = ("the draft is [1, 4, 8, 16] but the inverted picture is [1, 4, 8, 8]", "connect the draft")
    fails(server, changed(graph, DENOISE, draft=["91", 0]), DENOISE, *said)


def test_a_trajectory_of_another_family(server: Server, graph: Graph) -> None:
    graph = with_node(graph, "91", "CheckpointLoaderSimple", ckpt_name="sd_xl_base_1.0.safetensors")
    fails(server, changed(graph, DENOISE, model=["91", 0]), DENOISE, "SDXL", "SD15", "the same model")


def test_a_model_that_predicts_nan(server: Server, graph: Graph) -> None:
    graph = with_node(graph, "91", "CheckpointLoaderSimple", ckpt_name="broken.safetensors")
    mask, invert = "DiffEdit_DiffEditMask", "DiffEdit_DDIMInvert"
    fails(server, changed(graph, mask, model=["91", 0]), mask, "NaN", "half precision")
    fails(server, changed(graph, invert, model=["91", 0]), invert, "NaN", "half precision")


def test_a_latent_of_nan(server: Server, graph: Graph) -> None:
    graph = with_node(graph, "91", "CheckpointLoaderSimple", ckpt_name="broken.safetensors")
    text = graph[the(graph, DENOISE)]["inputs"]["negative"]
    latent = [the(graph, "VAEEncode"), 0]
    settings = {"seed": 0, "steps": 1, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    graph = with_node(
        graph, "92", "KSampler", model=["91", 0], positive=text, negative=text, latent_image=latent, **settings
    )
    for node in ("DiffEdit_DiffEditMask", "DiffEdit_DDIMInvert"):
        fails(server, changed(graph, node, latent=["92", 0]), node, "the latent contains NaN", "--fp32-vae")


def test_guidance_without_a_negative_text(server: Server, graph: Graph) -> None:
    node = "DiffEdit_DiffEditMask"
    del graph[the(graph, node)]["inputs"]["negative"]
    fails(server, changed(graph, node, steps=4, guidance=5.0), node, "guidance 5.0", "negative")
    node = "DiffEdit_DDIMInvert"
    fails(server, changed(graph, node, guidance=5.0), node, "guidance 5.0", "negative")


def test_a_source_background_without_its_text(server: Server, graph: Graph) -> None:
    graph = changed(graph, DENOISE, background="source")
    del graph[the(graph, DENOISE)]["inputs"]["source"]
    fails(server, graph, DENOISE, "connect the source conditioning")


def test_a_value_that_the_rule_does_not_take(server: Server, graph: Graph) -> None:
    node = "DiffEdit_MaskRefine"
    fails(server, changed(graph, node, rule="top", value=40.0), node, "40", "0 to 1")


def test_an_edge_snap_without_the_picture(server: Server, graph: Graph) -> None:
    node = "DiffEdit_MaskRefine"
    graph = changed(graph, node, edge_snap="grabcut")
    del graph[the(graph, node)]["inputs"]["picture"]
    fails(server, graph, node, "give it the picture")


@pytest.mark.parametrize("kind", ["auto", "object", "addition"])
def test_equal_texts_find_nothing_and_change_nothing(
    server: Server, graph: Graph, uploaded: np.ndarray, kind: str
) -> None:
    node = the(graph, "DiffEdit_DiffEditMask")
    graph = changed(graph, "DiffEdit_DiffEditMask", target=graph[node]["inputs"]["source"], kind=kind, drafts=1)
    run = server.run_well(graph)
    assert "the mask is empty" in run.outputs[node]["text"][0]
    np.testing.assert_array_equal(shown(server, run, the(graph, "SaveImage")), uploaded)


def test_an_empty_mask_changes_nothing(server: Server, graph: Graph, uploaded: np.ndarray) -> None:
    graph = changed(solid(graph, SIZE, SIZE, 0.0), "DiffEdit_MaskRefine", mask=["90", 0], rule="none")
    run = server.run_well(graph)
    assert "the mask is empty" in run.outputs[the(graph, "DiffEdit_MaskRefine")]["text"][0]
    np.testing.assert_array_equal(shown(server, run, the(graph, "SaveImage")), uploaded)


def test_an_inverted_mask_is_not_mistaken_for_an_edit(server: Server, graph: Graph) -> None:
    graph = changed(solid(graph, SIZE, SIZE, 0.0), "DiffEdit_MaskRefine", mask=["90", 0], rule="none", invert=True)
    run = server.run_well(graph)
    assert "covers 100 %" in run.outputs[the(graph, "DiffEdit_MaskRefine")]["text"][0]
