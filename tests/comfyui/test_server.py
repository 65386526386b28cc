"""A real server with the pack in its custom_nodes: what it shows, and what its runs leave behind."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from graphs import NODES, api, changed, picture, png, quick, shown, the, with_node
from installations import Installation, run_python
from server import FOLDER_NAME, PACK, RefusedError, Server

PICTURE = "example.png"  # what the committed graphs load
MIB = 2**20


@pytest.fixture(autouse=True)
def uploaded(server: Server) -> np.ndarray:
    """A picture of no multiple of 8, so that VAE Encode crops it: [H, W, 3]."""
    pixels = picture(84, 70)
    server.upload(PICTURE, png(pixels))
    return pixels


def test_every_node_explains_itself(object_info: dict) -> None:
    for node in NODES:
        info = object_info[node]
        assert info["category"].startswith("DiffEdit/") and len(info["description"]) > 30
        for group in info["input"].values():
            for name, spec in group.items():
                assert name in info["input_order"].get("hidden", []) or spec[1]["tooltip"], f"{node}.{name}"
        assert len(info["output_tooltips"]) == len(info["output"]) and all(info["output_tooltips"])


@pytest.mark.parametrize("node", NODES)
def test_every_node_has_a_help_page(node: str, server: Server, object_info: dict) -> None:
    page = server.fetch(f"/extensions/{FOLDER_NAME}/docs/{node}.md").decode()
    info = object_info[node]
    for group in ("required", "optional"):
        for name in info["input"].get(group, {}):
            assert name in page, f"the help page of {node} does not mention {name}"
    for name in info["output_name"]:
        assert f"**{name}**" in page, f"the help page of {node} does not mention the output {name}"
    assert server.fetch(f"/extensions/{FOLDER_NAME}/docs/{node}/zh.md").decode().startswith("# ")
    for name in re.findall(r"!\[.+?\]\((.+?)\)", page):
        assert server.fetch(f"/extensions/{FOLDER_NAME}/docs/{name}").startswith(b"\xff\xd8")  # a JPEG


@pytest.mark.parametrize("name", ["demo", "diffedit"])
def test_an_api_graph_runs_as_it_is(name: str, server: Server) -> None:
    """Only the checkpoint is a small one, and so is the picture."""
    graph = api(name)
    run = server.run_well(graph)
    for number, node in graph.items():
        if node["class_type"] in ("SaveImage", "DiffEdit_Panels", "DiffEdit_MaskRefine", "DiffEdit_DiffEditMask"):
            assert shown(server, run, number).size > 0


@pytest.mark.newest
@pytest.mark.parametrize("name", ["demo", "diffedit", "diffedit_canny", "fast_diffedit", "mask_only", "two_edits"])
def test_a_photograph_of_12_megapixels_goes_through_a_graph(name: str, server: Server) -> None:
    """The models see it at 80x80, as if they had been made for that: the small checkpoints are slow."""
    pixels = picture(4000, 3000, seed=1)
    server.upload("photograph.png", png(pixels))
    graph = api(name)
    few = {"draws": 2, "steps": 3, "tries": 1, "area": 0.0064}
    for node in graph.values():
        node["inputs"] |= {key: value for key, value in few.items() if key in node["inputs"]}
        if node["class_type"] == "DiffEdit_DiffEditMask":
            node["inputs"] |= {"kind": "object", "steps": 1}
    if name == "demo":
        scene = the(graph, "DiffEdit_DemoScene")
        graph = with_node(graph, "90", "LoadImage", image="photograph.png")
        for node in graph.values():
            node["inputs"] = {key: ["90", 0] if value == [scene, 0] else value for key, value in node["inputs"].items()}
    else:
        graph = changed(graph, "LoadImage", image="photograph.png")
    if name == "mask_only":
        run = server.run_well(graph)
        assert shown(server, run, the(graph, "SaveImage")).shape == pixels.shape
        return
    graph = with_node(graph, "91", "SolidMask", value=1.0, width=500, height=400)
    graph = with_node(graph, "92", "SolidMask", value=0.0, width=4000, height=3000)
    drawn = {"destination": ["92", 0], "source": ["91", 0], "x": 1000, "y": 800, "operation": "or"}
    graph = with_node(graph, "93", "MaskComposite", **drawn)
    graph[graph[the(graph, "DiffEdit_PasteBack")]["inputs"]["way_back"][0]]["inputs"]["mask"] = ["93", 0]
    graph = changed(graph, "DiffEdit_PasteBack", room=0, mask=["93", 0])
    saved = shown(server, server.run_well(graph), the(graph, "SaveImage"))
    mask = np.zeros(pixels.shape[:2], bool)
    mask[800:1200, 1000:1500] = True
    np.testing.assert_array_equal(saved[~mask], pixels[~mask])
    assert (saved[mask] != pixels[mask]).mean() > 0.5


def test_with_room_only_what_is_around_the_mask_can_change_too(server: Server, uploaded: np.ndarray) -> None:
    graph = with_node(quick(api("diffedit")), "90", "SolidMask", value=1.0, width=24, height=32)
    graph = with_node(graph, "91", "SolidMask", value=0.0, width=84, height=70)
    graph = with_node(graph, "92", "MaskComposite", destination=["91", 0], source=["90", 0], x=20, y=16, operation="or")
    for node in ("DiffEdit_MaskedDenoise", "DiffEdit_PasteBack"):
        assert graph[the(graph, node)]["inputs"]["room"] == 6
        graph = changed(graph, node, mask=["92", 0])
    saved = shown(server, server.run_well(graph), the(graph, "SaveImage"))
    roomy = np.zeros(uploaded.shape[:2], bool)
    roomy[10:54, 14:50] = True
    np.testing.assert_array_equal(saved[~roomy], uploaded[~roomy])
    assert (saved[16:48, 20:44] != uploaded[16:48, 20:44]).mean() > 0.5


def test_an_addition_goes_through_the_graph_as_a_draft(server: Server, uploaded: np.ndarray) -> None:
    """What was drafted is what Mask Refine and Masked Denoise work on. Without the negative text nothing is drafted."""
    graph = changed(quick(api("diffedit")), "DiffEdit_DiffEditMask", kind="addition", drafts=1)
    found = the(graph, "DiffEdit_DiffEditMask")
    (decoded,) = [
        number
        for number, node in graph.items()
        if node["class_type"] == "VAEDecode" and node["inputs"]["samples"] == [found, 2]
    ]
    assert graph[the(graph, "DiffEdit_MaskRefine")]["inputs"]["picture"] == [decoded, 0]
    closer, draft = graph[the(graph, "DiffEdit_MaskedDenoise")]["inputs"]["draft"]
    assert graph[closer]["inputs"]["draft"] == [found, 2] and draft == 3
    graph = with_node(graph, "90", "PreviewImage", images=[decoded, 0])
    run = server.run_well(graph)
    drafted = shown(server, run, "90")
    assert shown(server, run, the(graph, "SaveImage")).shape == uploaded.shape
    del graph[found]["inputs"]["negative"]
    plain = shown(server, server.run_well(graph), "90")
    assert drafted.shape == plain.shape == (64, 80, 3) and (drafted != plain).any()
    by_hand = changed(graph, "DiffEdit_DiffEditMask", kind="object")
    np.testing.assert_array_equal(shown(server, server.run_well(by_hand), "90"), plain)


def test_turning_a_masks_knobs_runs_no_model(server: Server) -> None:
    graph = api("mask_only")
    server.run_well(graph)
    turned = changed(graph, "DiffEdit_MaskRefine", grow=3)
    run = server.run_well(turned)
    rerun = {turned[number]["class_type"] for number in set(turned) - run.cached}
    assert rerun == {"DiffEdit_MaskRefine", "MaskToImage", "SaveImage"}


def test_a_new_mask_does_not_look_for_the_edit_again(server: Server) -> None:
    graph = quick(api("diffedit"))
    server.run_well(graph)
    turned = changed(graph, "DiffEdit_MaskRefine", grow=3)
    run = server.run_well(turned)
    assert {the(graph, kind) for kind in ("DiffEdit_DiffEditMask", "DiffEdit_Focus", "VAEEncode")} <= run.cached
    assert graph[the(graph, "DiffEdit_MaskRefine")]["inputs"]["picture"][0] in run.cached  # the draft, decoded
    assert the(graph, "DiffEdit_MaskedDenoise") not in run.cached


def test_an_interrupted_inversion_spoils_nothing_after_it(server: Server) -> None:
    graph = quick(api("diffedit"))
    before = shown(server, server.run_well(graph), the(graph, "SaveImage"))
    endless = server.queue(changed(graph, "DiffEdit_DDIMInvert", steps=999, iterations=20))
    while not server.get("/queue")["queue_running"]:
        time.sleep(0.05)
    time.sleep(2)  # everything before the inversion is cached
    server.post("/interrupt")
    run = server.wait(endless, 60)
    (interruption,) = run.messages("execution_interrupted")
    assert interruption["node_type"] == "DiffEdit_DDIMInvert"
    again = changed(graph, "DiffEdit_DDIMInvert", check=True)  # another key in the cache: it must run
    run = server.run_well(again)
    assert the(graph, "DiffEdit_DDIMInvert") not in run.cached
    np.testing.assert_array_equal(shown(server, run, the(graph, "SaveImage")), before)


@pytest.mark.newest
def test_many_prompts_do_not_grow_the_server(server: Server) -> None:
    """Six pictures a prompt, whose panels, pictures and masks are some 10 MiB: had the pack kept what it made, the last
    prompts would stand 40 MiB above the first ones, and had it kept only the panels, 15 MiB.
    """
    graph = api("demo")
    scene = the(graph, "DiffEdit_DemoScene")
    graph = with_node(graph, "90", "RepeatImageBatch", image=[scene, 0], amount=6)
    for node in graph.values():
        for name, value in node["inputs"].items():
            if value == [scene, 0] and node["class_type"] != "RepeatImageBatch":
                node["inputs"][name] = ["90", 0]
    graph = changed(graph, "DiffEdit_DDIMInvert", steps=4)
    graph = changed(graph, "DiffEdit_MaskedDenoise", guidance=1.0, tries=1)
    graph = changed(graph, "DiffEdit_DiffEditMask", draws=1, kind="object")
    resident = []
    for seed in range(10):
        server.run_well(changed(graph, "DiffEdit_DemoScene", seed=seed))
        resident.append(server.memory)
    growth = (min(resident[-3:]) - max(resident[1:4])) / MIB
    assert growth < 8, [size // MIB for size in resident]


def test_a_missing_checkpoint_is_one_clear_message(server: Server) -> None:
    graph = changed(api("diffedit"), "CheckpointLoaderSimple", ckpt_name="absent.safetensors")
    with pytest.raises(RefusedError) as refusal:
        server.queue(graph)
    (errors,) = refusal.value.args[0]["node_errors"].values()
    assert errors["class_type"] == "CheckpointLoaderSimple"
    (error,) = errors["errors"]
    assert "absent.safetensors" in error["details"]


def test_nothing_outside_this_machine_was_asked_for(server: Server) -> None:
    assert not server.network_log.exists(), server.network_log.read_text()


def test_nothing_is_written_outside_of_comfyuis_own_folders(server: Server) -> None:
    server.run_well(quick(api("demo")))
    written = {Path(line) for line in server.writes_log.read_text().splitlines()}
    assert any(path.is_relative_to(server.base / "output") for path in written)
    assert not [path for path in written if not path.is_relative_to(server.base) and not path.is_relative_to("/dev")]


def test_the_watch_would_have_seen_it(installation: Installation, tmp_path) -> None:
    log = tmp_path / "network.log"
    attempt = "import socket\ntry: socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError: pass"
    run_python(installation, "-c", attempt, PYTHONPATH=str(PACK / "tests" / "loopback"), NETWORK_LOG=str(log))
    assert "192.0.2.1" in log.read_text()
