"""The example graphs, run on small models: what each of them is about matters."""

from __future__ import annotations

import io

import numpy as np
import pytest
from graphs import (
    EVERYWHERE,
    MASK,
    PASTE,
    REFINE,
    SIZE,
    all_of,
    api,
    changed,
    drawn_on,
    few,
    picture,
    pictures_of,
    png,
    shown,
    shown_all,
    the,
    titled,
    with_node,
    with_pastes,
    with_previews,
)
from PIL import Image
from recording import SIZES, gather
from server import Server

FOLDER = "LoadImageDataSetFromFolder"

pytestmark = pytest.mark.newest


@pytest.fixture(autouse=True)
def uploaded(server: Server) -> np.ndarray:
    pixels = picture(*SIZE)
    server.upload("example.png", png(pixels))
    return pixels


def test_the_depth_matters_to_the_mask_and_to_the_edit(server: Server) -> None:
    graph = drawn_on(few(api("diffedit_depth")), SIZE)
    looking, drawing = all_of(graph, "DiffEdit_DepthModel")
    graph = with_node(graph, "80", "MaskToImage", mask=[the(graph, MASK), 1])
    asked = ([the(graph, PASTE), 0], ["80", 0])
    pasted, heat = pictures_of(server, graph, *asked)
    picture = [the(graph, "LoadImage"), 0]
    graph[looking]["inputs"]["depth"] = picture
    same, other_heat = pictures_of(server, graph, *asked)
    assert (other_heat != heat).any()
    np.testing.assert_array_equal(same, pasted)
    graph[drawing]["inputs"]["depth"] = picture
    assert (pictures_of(server, graph, *asked)[0] != pasted).any()


def test_comfyui_itself_gives_this_model_no_depth(server: Server) -> None:
    graph = few(api("diffedit_depth"))
    run = server.run(changed(graph, MASK, model=[the(graph, "CheckpointLoaderSimple"), 0]))
    assert run.status == "error" and "5 channels" in run.error["exception_message"]


def test_the_outlines_matter_to_the_mask_and_to_the_edit(server: Server) -> None:
    graph = drawn_on(few(api("diffedit_canny")), SIZE)
    looking, drawing = all_of(graph, "ControlNetApplyAdvanced")
    asked = ([the(graph, PASTE), 0], [the(graph, "Canny"), 0])
    graph = with_node(graph, "80", "MaskToImage", mask=[the(graph, MASK), 1])
    for number in all_of(graph, "Canny"):  # the lines of a soft picture
        graph[number]["inputs"] |= {"low_threshold": 0.05, "high_threshold": 0.1}
    pasted, outlines, heat = pictures_of(server, graph, *asked, ["80", 0])
    assert set(np.unique(outlines)) == {0, 255}
    graph[looking]["inputs"]["strength"] = 0.0
    same, _, other_heat = pictures_of(server, graph, *asked, ["80", 0])
    assert (other_heat != heat).any()
    np.testing.assert_array_equal(same, pasted)  # the mask is drawn, so only the heatmap knows
    graph[drawing]["inputs"]["strength"] = 0.0
    assert (pictures_of(server, graph, *asked)[0] != pasted).any()


def test_both_readings_follow_the_shades_and_only_ours_has_others(server: Server) -> None:
    graph = few(api("shades"))
    asked = [[number, 0] for number in all_of(graph, PASTE)]
    ours, cores = pictures_of(server, graph, *asked)
    (grey,) = titled(graph, "The heat as a grey mask")
    graph[grey]["inputs"]["value"] = 3.0
    fainter, cores_fainter = pictures_of(server, graph, *asked)
    assert (fainter != ours).any() and (cores_fainter != cores).any()
    blended, same = pictures_of(server, changed(graph, "DiffEdit_MaskedDenoise", greys="blend"), *asked)
    assert (blended != fainter).any()
    np.testing.assert_array_equal(same, cores_fainter)


def test_the_clip_layer_matters(server: Server) -> None:
    graph = few(api("clip_layers"))
    first, second = all_of(graph, "CLIPSetLastLayer")
    pastes = [[number, 0] for number in all_of(graph, PASTE)]
    heats = []
    for number, found in enumerate(all_of(graph, MASK)):
        graph = with_node(graph, f"8{number}", "MaskToImage", mask=[found, 1])
        heats.append([f"8{number}", 0])
    one, other, heat, other_heat = pictures_of(server, graph, *pastes, *heats)
    assert (one != other).any() and (heat != other_heat).any()
    graph[second]["inputs"]["stop_at_clip_layer"] = graph[first]["inputs"]["stop_at_clip_layer"]
    one, other, heat, other_heat = pictures_of(server, graph, *pastes, *heats)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(heat, other_heat)


def test_the_sheet_holds_every_strength_and_seed(server: Server) -> None:
    graph, pastes = with_pastes(drawn_on(few(api("strengths")), SIZE))
    for number in all_of(graph, "DiffEdit_DDIMInvert"):
        graph[number]["inputs"]["steps"] = 8  # with fewer, both strengths take the same ones
    run = server.run_well(graph)
    edits = [shown(server, run, number) for number in pastes]
    assert len({edit.tobytes() for edit in edits}) == 4
    sheet = shown(server, run, the(graph, "SaveImage"))
    np.testing.assert_array_equal(sheet, np.vstack([np.hstack(edits[:2]), np.hstack(edits[2:])]))


def test_two_fillings_of_one_mask(server: Server) -> None:
    graph, pastes = with_pastes(few(api("inpainting")))
    masks = {tuple(graph[number]["inputs"]["mask"]) for number in all_of(graph, PASTE)}
    assert len(masks) == 1
    run = server.run_well(graph)
    special, plain = (shown(server, run, number) for number in pastes)
    assert (special != plain).any()
    (panels, other) = (shown(server, run, number) for number in all_of(graph, "DiffEdit_Panels"))
    np.testing.assert_array_equal(shown(server, run, the(graph, "SaveImage")), np.vstack([panels, other]))


def test_an_instruction_sees_the_picture_and_changes_all_of_it(server: Server, uploaded: np.ndarray) -> None:
    graph = drawn_on(few(api("instruct")), SIZE)
    (everywhere,) = titled(graph, EVERYWHERE)
    asked = [everywhere, 0]
    (told,) = pictures_of(server, graph, asked)
    assert told.shape == uploaded.shape and (told != uploaded).any(-1).mean() > 0.5
    (instruction,) = titled(graph, "The instruction")
    graph[instruction]["inputs"]["text"] = "make it a winter scene"
    (otherwise,) = pictures_of(server, graph, asked)
    assert (otherwise != told).any()
    (blind,) = pictures_of(server, changed(graph, "KSampler", positive=[instruction, 0]), asked)
    assert (blind != otherwise).any()


def test_a_made_picture_is_what_is_edited_and_listens_to_the_negative_text(server: Server) -> None:
    graph = few(api("make_and_change"))
    made, again = all_of(graph, "KSampler")
    (decoded,) = {tuple(graph[number]["inputs"]["original"]) for number in all_of(graph, PASTE)}
    assert graph[decoded[0]]["inputs"]["samples"] == [made, 0]
    (seen,) = [graph[number]["inputs"]["pixels"] for number in all_of(graph, "VAEEncode")][:1]
    assert graph[seen[0]]["inputs"]["picture"] == list(decoded)
    both = (list(decoded), [titled(graph, "All of it changes a little")[0], 0])
    graph[both[1][0]]["inputs"]["images"], after = list(decoded), graph[both[1][0]]["inputs"]["images"]
    picture, otherwise = pictures_of(server, graph, list(decoded), after)
    assert picture.shape == otherwise.shape == (64, 64, 3) and (picture != otherwise).any(-1).mean() > 0.5
    assert graph[again]["inputs"]["denoise"] < 1 == graph[made]["inputs"]["denoise"]
    (negative,) = titled(graph, "Negative text")
    graph[negative]["inputs"]["text"] = ""
    assert (pictures_of(server, graph, list(decoded))[0] != picture).any()


def test_a_made_clip_is_edited_in_all_of_its_frames(server: Server) -> None:
    graph = drawn_on(few(api("make_clip_and_change")), SIZES["make_clip_and_change"])
    run = server.run_well(graph)
    saved = [
        np.stack([np.asarray(frame) for frame in frames_of(server.view(run.outputs[number]["images"][0]))])
        for number in all_of(graph, "SaveAnimatedWEBP")
    ]
    before, after = saved
    assert before.shape == after.shape == (5, 32, 32, 3)
    assert all((one != other).any() for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ["whole_folder"])
def test_each_picture_of_a_folder_has_a_mask_of_its_own(name: str, server: Server) -> None:
    pictures = gather(server)
    graph = few(api(name))
    for kind in ("DiffEdit_MaskedDenoise", PASTE):
        graph = changed(graph, kind, room=0)
    graph = with_node(graph, "80", "MaskToImage", mask=[the(graph, REFINE), 0])
    graph, _ = with_previews(graph, masks=["80", 0], pictures=[the(graph, FOLDER), 0])
    run = server.run_well(graph)
    masks, loaded = (shown_all(server, run, each) for each in ("masks", "pictures"))
    edits = shown_all(server, run, the(graph, "SaveImage"))
    assert {each.tobytes() for each in loaded} == {each.tobytes() for each in pictures}
    assert len({each.tobytes() for each in masks}) == len(pictures)
    for before, mask, after in zip(loaded, masks, edits, strict=True):
        assert 0 < mask.any(-1).mean() < 1 and (before != after).any()
        np.testing.assert_array_equal(after[mask[..., 0] == 0], before[mask[..., 0] == 0])


def frames_of(file: bytes) -> list[Image.Image]:
    clip = Image.open(io.BytesIO(file))
    frames = []
    for number in range(clip.n_frames):
        clip.seek(number)
        frames.append(clip.convert("RGB"))
    return frames
