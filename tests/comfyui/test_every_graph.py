"""Every example graph, run on small models: it changes nothing outside a mask."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import (
    DRAWN,
    EVERYWHERE,
    MASK,
    NAMES,
    PASTE,
    REFINE,
    SIZE,
    all_of,
    api,
    drawn_on,
    earlier,
    few,
    picture,
    png,
    shown,
    shown_all,
    with_pastes,
    with_previews,
)
from recording import FRAMES, SIZES, gather, record
from server import Server

LOADED = ("sd_xl", "wan", "v1-5", "512-depth")  # in this order, so that few tests load a model
RUN = [name for name in NAMES if name != "from_instruction"]  # which test_written.py runs, with a model that writes


def by_model(name: str) -> int:
    files = [value for node in api(name).values() for value in node["inputs"].values() if isinstance(value, str)]
    return next((i for i, model in enumerate(LOADED) if any(file.startswith(model) for file in files)), -1)


@pytest.fixture(autouse=True)
def uploaded(server: Server) -> None:
    server.upload("example.png", png(picture(*SIZE)))


@pytest.mark.parametrize("name", sorted([*RUN, *earlier()], key=by_model))
def test_every_graph_runs_and_changes_nothing_outside_a_mask(name: str, server: Server) -> None:
    """Only with small models, a small picture or clip, few steps, and a mask that is drawn."""
    asked, name = few(api(name)), name.split("/")[-1]
    size = SIZES.get(name, SIZE)
    if name in FRAMES:
        record(server, FRAMES[name])
    if name == "whole_folder":
        gather(server)
    graph, pastes = with_pastes(drawn_on(asked, size))
    originals = {tuple(graph[number]["inputs"]["original"]) for number in all_of(graph, PASTE)}
    graph, originals = with_previews(graph, **{f"original{i}": list(each) for i, each in enumerate(originals)})
    run = server.run_well(graph)
    for kind in ("SaveImage", "SaveAnimatedWEBP", "DiffEdit_Panels", REFINE, MASK, "PreviewImage"):
        for number in all_of(graph, kind):
            assert shown(server, run, number).size > 0
    if not pastes:
        return
    (original,) = originals
    before, inside = shown_all(server, run, original), np.zeros(size[::-1], bool)
    inside[DRAWN["y"] : DRAWN["y"] + DRAWN["height"], DRAWN["x"] : DRAWN["x"] + DRAWN["width"]] = True
    for number in pastes:
        after = shown_all(server, run, number)
        assert after.shape == before.shape and before.shape[1:3] == size[::-1]
        assert (after[:, inside] != before[:, inside]).mean() > 0.5
        if graph[number.removeprefix("paste")]["_meta"]["title"] != EVERYWHERE:
            np.testing.assert_array_equal(after[:, ~inside], before[:, ~inside])
    for number in all_of(graph, "SaveImage"):
        if f"paste{graph[number]['inputs']['images'][0]}" in pastes:
            (paste,) = pastes
            np.testing.assert_array_equal(shown(server, run, number), shown(server, run, paste))
