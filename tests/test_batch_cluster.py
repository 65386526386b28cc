"""On Ray, for real, on this machine: the same results as without it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from echoing import MakeEcho
from test_batch_runs import Place, many
from test_cli import run

from diffedit_core.batch.cluster import IN_BLOCK, OnRay
from diffedit_core.batch.processes import IN_A_ROW
from diffedit_core.batch.running import Tally
from diffedit_core.batch.work import HopelessError


@pytest.fixture
def place(tmp_path, monkeypatch) -> Place:
    pytest.importorskip("ray.data", reason="Ray is not installed: pip install 'diffedit[cluster]'")
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))  # of Ray's processes, which find the worker there
    monkeypatch.delenv("NETWORK_LOG")  # Ray's processes find each other at this machine's own address
    return Place(tmp_path)


def test_a_run_on_ray_and_the_same_again(place):
    rows = many(5 * IN_BLOCK + 1)
    rows[3]["source"] = "unreadable"
    on_ray = OnRay(MakeEcho(place.log), "local", 2, 1, None)
    assert place.run(rows, on_ray) == Tally(21, 0, 20, 1, 20)
    rows[3]["source"] = "mended"
    assert place.run(rows, on_ray) == Tally(21, 20, 1, 0, 1)
    place.check(rows)
    assert sorted(place.worked()) == sorted(row["image"] for row in rows)


def test_a_row_that_ends_its_actor_again_and_again_costs_its_own_line(place):
    rows = many(11)
    for number in (5, 9):
        rows[number]["source"] = "deadly"
    assert place.run(rows, OnRay(MakeEcho(place.log), "local", 1, 1, None)) == Tally(11, 0, 9, 2, 9)
    errors = {line["image"]: line["error"] for line in place.lines() if "error" in line}
    assert errors.keys() == {"5.png", "9.png"}
    assert all("Ray gave up on it" in error and "memory" in error for error in errors.values())


def test_where_every_row_ends_its_actor_the_run_stops(place):
    rows = many(IN_A_ROW + 4)
    for row in rows:
        row["source"] = "deadly"
    with pytest.raises(HopelessError, match="10 rows in a row"):
        place.run(rows, OnRay(MakeEcho(place.log), "local", 1, 1, None))


def test_without_a_model_a_run_on_ray_stops_and_says_so(place):
    with pytest.raises(HopelessError, match="there is no model none"):
        place.run(many(3), OnRay(MakeEcho(place.log, "none"), "local", 1, 1, None))


def test_without_ray_one_is_told_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "t.csv").write_text("image,source,target\na.png,a,b\n")
    assert run("batch", tmp_path / "t.csv", "--out", tmp_path / "out", "--model", "demo", "--ray", "local") == 2
    assert "pip install 'diffedit[cluster]'" in capsys.readouterr().err
    assert Path(tmp_path / "out" / "results.jsonl").read_text() == ""
