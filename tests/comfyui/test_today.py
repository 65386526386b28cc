"""The graphs for the models of today, run on small ones: what each of them is about matters."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import (
    DRAWN,
    MASK,
    PASTE,
    SIZE,
    Graph,
    all_of,
    api,
    changed,
    drawn_on,
    few,
    picture,
    pictures_of,
    png,
    the,
    titled,
    with_node,
)
from recording import CLIP_SIZE, FRAMES, PER_SECOND, played, record
from server import Server

DISTILLED = ("diffedit_sdxl_turbo", "diffedit_z_image", "diffedit_krea2", "diffedit_flux2_klein")
GUIDED = ("diffedit_qwen_image", "diffedit_sd35")
TOLD = ("told_qwen_image_edit", "told_kontext", "told_klein")
HOT = {"told_kontext": 0.05}
"""How far the heatmap of a random model is darkened, where all of it would be white in a picture."""

pytestmark = pytest.mark.newest

INVERT, DENOISE = "DiffEdit_DDIMInvert", "DiffEdit_MaskedDenoise"


@pytest.fixture(autouse=True)
def uploaded(server: Server) -> None:
    server.upload("example.png", png(picture(*SIZE)))


def drawn(name: str, size: tuple[int, int] = SIZE) -> tuple[Graph, list, list]:
    """The graph with few steps and a drawn mask, its result, and its heatmap as a picture."""
    graph = drawn_on(few(api(name)), size)
    sides = dict(zip(("width", "height"), size, strict=True))
    graph = with_node(graph, "70", "SolidMask", value=HOT.get(name, 1.0), **sides)
    darkened = {"x": 0, "y": 0, "operation": "multiply"}
    graph = with_node(graph, "71", "MaskComposite", destination=[the(graph, MASK), 1], source=["70", 0], **darkened)
    graph = with_node(graph, "72", "MaskToImage", mask=["71", 0])
    return graph, [the(graph, PASTE), 0], ["72", 0]


def rewritten(graph: Graph, title: str, **inputs: object) -> Graph:
    """With other inputs of the nodes whose title begins so."""
    for node in graph.values():
        if node.get("_meta", {}).get("title", "").startswith(title):
            node["inputs"] |= inputs
    return graph


@pytest.mark.parametrize("name", DISTILLED)
def test_a_distilled_model_needs_no_inversion_and_no_negative_text(name: str, server: Server) -> None:
    graph, result, _ = drawn(name)
    (before,) = pictures_of(server, graph, result)
    graph = changed(graph, INVERT, iterations=1)
    rewritten(graph, "Negative text", text="a photo of something else")
    (after,) = pictures_of(server, graph, result)
    np.testing.assert_array_equal(after, before)
    assert graph[the(graph, MASK)]["inputs"]["guidance"] == graph[the(graph, DENOISE)]["inputs"]["guidance"] == 1


@pytest.mark.parametrize("name", GUIDED)
def test_a_guided_model_is_inverted_and_listens_to_the_negative_text(name: str, server: Server) -> None:
    graph, result, _ = drawn(name)
    (before,) = pictures_of(server, graph, result)
    (inverted,) = pictures_of(server, changed(graph, INVERT, iterations=1), result)
    rewritten(graph, "Negative text", text="a photo of something else")
    (after,) = pictures_of(server, graph, result)
    assert (inverted != before).any() and (after != before).any()


def test_flux_is_told_how_strongly_to_follow_the_texts_and_to_follow_nothing_on_its_way_up(server: Server) -> None:
    graph, result, heat = drawn("diffedit_flux")
    before, seen = pictures_of(server, graph, result, heat)
    freely = graph[graph[the(graph, INVERT)]["inputs"]["conditioning"][0]]
    assert freely["class_type"] == "FluxGuidance" and freely["inputs"]["guidance"] == 1
    freely["inputs"]["guidance"] = 10.0
    less_freely, same = pictures_of(server, graph, result, heat)
    assert (less_freely != before).any()
    np.testing.assert_array_equal(same, seen)
    rewritten(graph, "How strongly", guidance=10.0)
    stronger, other = pictures_of(server, graph, result, heat)
    assert (stronger != less_freely).any() and (other != seen).any()


@pytest.mark.parametrize("name", TOLD)
def test_a_model_that_is_told_what_to_do_follows_the_order_and_sees_the_picture(name: str, server: Server) -> None:
    graph, result, heat = drawn(name)
    before, seen = pictures_of(server, graph, result, heat)
    target = graph[titled(graph, "Target: tells it what to change")[0]]["inputs"]
    words = {"prompt", "text"} & target.keys()
    target |= dict.fromkeys(words, "make it a winter scene")
    otherwise, other = pictures_of(server, graph, result, heat)
    assert (otherwise != before).any() and (other != seen).any()
    reference = titled(graph, "The reference")[0]
    graph = with_node(graph, "81", "ImageInvert", image=graph[reference]["inputs"]["pixels"])
    graph = with_node(graph, "82", "VAEEncode", **(graph[reference]["inputs"] | {"pixels": ["81", 0]}))
    for number in all_of(graph, "ReferenceLatent"):
        graph[number]["inputs"]["latent"] = ["82", 0]
    blind, blind_heat = pictures_of(server, graph, result, heat)
    assert (blind != otherwise).any() and (blind_heat != other).any()


@pytest.mark.parametrize("name", TOLD)
def test_what_a_model_that_is_told_draws_elsewhere_is_not_kept(name: str, server: Server) -> None:
    graph, result, _ = drawn(name)
    (all_of_it,) = titled(graph, "All that the model drew")
    edited, whole, original = pictures_of(
        server, graph, result, graph[all_of_it]["inputs"]["images"], [the(graph, "LoadImage"), 0]
    )
    kept = (edited == original).all(-1)
    assert (~kept).sum() <= DRAWN["width"] * DRAWN["height"]
    top, left = ((edited.shape[i] - whole.shape[i]) // 2 for i in range(2))  # VAE Encode crops the picture
    inner = (slice(top, top + whole.shape[0]), slice(left, left + whole.shape[1]))
    assert (whole != original[inner]).any(-1)[kept[inner]].mean() > 0.5


@pytest.mark.parametrize("name", TOLD)
def test_both_orders_go_with_one_reference_or_the_heatmap_shows_it(name: str, server: Server) -> None:
    graph, _, heat = drawn(name)
    texts = [all_the_way(graph, graph[the(graph, MASK)]["inputs"][side]) for side in ("source", "target")]
    references = [{node for node in nodes if graph[node]["class_type"] == "VAEEncode"} for nodes in texts]
    assert references[0] == references[1] == set(titled(graph, "The reference"))
    (seen,) = pictures_of(server, graph, heat)
    (source,) = titled(graph, "Source: with the picture")
    del graph[source]["inputs"]["latent"]
    (shown,) = pictures_of(server, graph, heat)
    assert shown.astype(float).mean() > 1.1 * seen.astype(float).mean()


def all_the_way(graph: Graph, output: list) -> set[str]:
    """The nodes that an output comes from."""
    inputs = graph[output[0]]["inputs"].values()
    return {output[0]}.union(*(all_the_way(graph, each) for each in inputs if isinstance(each, list)))


@pytest.mark.parametrize("name", sorted(FRAMES))
def test_a_clip_keeps_its_length_its_speed_and_its_sound(name: str, server: Server) -> None:
    record(server, FRAMES[name])
    graph = drawn_on(few(api(name)), CLIP_SIZE)
    clip = played(server, server.run_well(graph), graph)
    assert clip.frames.shape == (FRAMES[name], *CLIP_SIZE, 3)
    assert clip.per_second == PER_SECOND and clip.has_sound
    assert api(name)[the(graph, DENOISE)]["inputs"]["background"] == {"clip_wan": "retrace", "clip_ltx": "noised"}[name]


@pytest.mark.parametrize("name", ["clip_ltx"])
def test_ltx_knows_how_fast_the_clip_runs(name: str, server: Server) -> None:
    record(server, FRAMES[name])
    graph, _, heat = drawn(name, CLIP_SIZE)
    (before,) = pictures_of(server, graph, heat)
    (slower,) = pictures_of(server, changed(graph, "LTXVConditioning", frame_rate=8.0), heat)
    assert (slower != before).any()
