"""``diffedit batch`` as people meet it: the same pictures as ``diffedit edit`` makes, one line for each row."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_batch_tables import write_csv, write_lines
from test_cli import FEW, OBJECT, draw, half_mask, pixels, report, run
from test_cli import model as model

from bench import bad_rows
from diffedit_core import toybox
from diffedit_core.cli.batch_flags import RUNNING
from diffedit_core.cli.flags import flags_of
from diffedit_core.cli.rows import FOR_ALL, rows_of
from diffedit_core.keeping import KeepSettings
from diffedit_core.settings import EditSettings

FEW_STEPS = [*FEW, *OBJECT]


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        draw(folder / f"{number}.png", 24 + 8 * (number % 2), 32)
    return folder


def results(out: Path) -> list[dict]:
    return sorted(map(json.loads, (out / "results.jsonl").read_text().splitlines()), key=lambda line: line["row"])


def row(number: int, **more) -> dict:
    return {"image": f"{number}.png", "source": "a bowl of apples", "target": "a bowl of pears", **more}


def test_each_picture_is_what_edit_makes_of_it(model, pictures, tmp_path, capsys):
    half_mask(pictures / "m.png", 24, 32)
    rows = [
        row(0, seed=3, out="a.png"),
        row(1, out="sub/b.webp", **{"mask-rule": "top", "focus": False}),
        row(2, out="c.png", mask="m.png", **{"mask-kind": None}),
        {
            "image": "3.png",
            "out": "d.png",
            "edit": [["apples", "pears"], ["bowl", "box", "guidance=3"]],
            "id": "x7",
        },
    ]
    path, out = write_lines(pictures / "t.jsonl", rows), tmp_path / "out"
    assert run("batch", path, "--out", out, "--model", model, *FEW, "--save-mask", "--json") == 0
    said = report(capsys)
    assert (said["rows"], said["done"], said["failed"]) == (4, 4, 0)
    alone = [
        ["0.png", "--source", rows[0]["source"], "--target", rows[0]["target"], "--seed", 3],
        ["1.png", "--source", rows[0]["source"], "--target", rows[0]["target"], "--mask-rule", "top", "--no-focus"],
        ["2.png", "--source", rows[0]["source"], "--target", rows[0]["target"], "--mask", pictures / "m.png"],
        ["3.png", "--edit", "apples", "pears", "--edit", "bowl", "box", "guidance=3"],
    ]
    lines = results(out)
    for line, (name, *flags), each in zip(lines, alone, rows, strict=True):
        one, mask = tmp_path / Path(each["out"]).name, tmp_path / "mask.png"
        few = FEW if "--mask" not in flags else [*FEW[:2], *FEW[4:]]
        assert (
            run("edit", pictures / name, *flags, *few, "--model", model, "-o", one, "--save-mask", mask, "--json") == 0
        )
        told = report(capsys)
        assert (out / each["out"]).read_bytes() == one.read_bytes()
        assert (out / line["written"]["mask"]).read_bytes() == mask.read_bytes()
        same = ("coverage", "edits", "evaluations", "size", "seed")
        assert {name: line[name] for name in same} == {name: told[name] for name in same}
        assert line["image"] == each["image"]
    assert [line.get("id") for line in lines] == [None, None, None, "x7"]
    assert said["evaluations"]["total"] == sum(line["evaluations"]["total"] for line in lines)


def test_a_folder_with_one_pair_of_texts_on_two_processes(model, pictures, tmp_path, capsys):
    texts = ["--source", "a bowl", "--target", "a basket", *FEW_STEPS, "--model", model, "--threads", 1]
    assert run("batch", pictures, "--out", tmp_path / "one", *texts) == 0
    assert "4 of 4 pictures done" in capsys.readouterr().out
    assert run("batch", pictures, "--out", tmp_path / "two", *texts, "--jobs", 2) == 0
    for number in range(4):
        name = f"{number}.png"
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert run("batch", pictures, "--out", tmp_path / "two", *texts, "--json") == 0
    out = capsys.readouterr().out.splitlines()
    assert json.loads(out[-1])["done_before"] == 4
    assert run("batch", pictures, "--out", pictures / "sub", *texts, "--json") == 0  # is not taken for pictures
    assert run("batch", pictures, "--out", pictures / "sub", *texts, "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rows"] == 4


def test_a_hundred_bad_rows_of_twenty_kinds_among_a_hundred_good(tmp_path, capsys):
    """Kept, not edited: that needs no model, and what is wrong with a row is found before its model is asked."""
    folder = tmp_path / "in"
    folder.mkdir()
    task = toybox.task(toybox.HELD_OUT_SEEDS[1], "colour")
    Image.fromarray(task.image).resize((64, 64)).save(folder / "0.png")
    Image.fromarray(task.edited).resize((64, 64)).save(folder / "e.png")
    bad = bad_rows.prepared(folder, "0.png")
    assert len(bad) == 20
    texts = [bad_rows.written({"image": "0.png", "edited": "e.png", "alignment": "none", "out": "0.png"})]
    for number in range(1, 100):
        texts.append(
            bad_rows.written({"image": "0.png", "edited": "e.png", "alignment": "none", "out": f"{number}.png"})
        )
    wrong = [bad_rows.written(made) for _ in range(5) for made, _ in bad.values()]
    (folder / "t.jsonl").write_text("\n".join([*texts[:50], *wrong, *texts[50:]]) + "\n")
    assert run("batch", folder / "t.jsonl", "--out", tmp_path / "out", "--model", "demo") == 3
    printed = capsys.readouterr()
    assert "100 of 200 pictures done; 100 failed" in printed.out
    assert all(line.endswith(" left") for line in printed.err.splitlines())  # progress, and nothing else
    lines = results(tmp_path / "out")
    assert [line["row"] for line in lines] == [*range(1, 201)]
    errors = [line for line in lines if "error" in line]
    expected = [why for _ in range(5) for _, why in bad.values()]
    assert len(errors) == 100
    for line, why in zip(errors, expected, strict=True):
        assert why in line["error"], (line, why)
        assert "\n" not in line["error"] and len(line["error"]) < 300
    assert len([*(tmp_path / "out").glob("*.png")]) == 100


def test_pairs_are_kept_as_keep_does_it(pictures, tmp_path, capsys):
    task = toybox.task(toybox.HELD_OUT_SEEDS[1], "colour")
    Image.fromarray(task.image).save(pictures / "a.png")
    Image.fromarray(task.edited).resize((96, 96)).save(pictures / "b.png")
    rows = [{"image": "a.png", "edited": "b.png", "out": "k.png", "sensitivity": 2}]
    path, out = write_csv(pictures / "t.csv", rows), tmp_path / "out"
    assert run("batch", path, "--out", out, "--save-mask", "--seam", "none", "--json") == 0  # and no model is named
    report(capsys)
    one, mask = tmp_path / "k.png", tmp_path / "m.png"
    flags = ["--sensitivity", 2, "--seam", "none", "-o", one, "--save-mask", mask, "--json"]
    assert run("keep", pictures / "a.png", pictures / "b.png", *flags) == 0
    told, (line,) = report(capsys), results(out)
    assert (out / "k.png").read_bytes() == one.read_bytes()
    assert (out / "k-mask.png").read_bytes() == mask.read_bytes()
    assert {name: line[name] for name in ("shift", "zoom", "changed", "findings")} == {
        name: told[name] for name in ("shift", "zoom", "changed", "findings")
    }
    write_lines(pictures / "t.jsonl", [{**rows[0], "target": "a cup"}])
    assert run("batch", pictures / "t.jsonl", "--out", tmp_path / "other") == 3
    assert results(tmp_path / "other")[0]["error"] == "target would change nothing: the row has an edited picture"


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ("image,stpes", "there is no flag for 'stpes'"),
        ("image,model", "model cannot be a column"),
        ("image,device", "device cannot be a column"),
    ],
)
def test_a_column_that_is_none_is_said_before_anything_is_done(pictures, tmp_path, capsys, columns, why):
    (pictures / "t.csv").write_text(f"{columns}\n0.png,1\n")
    assert run("batch", pictures / "t.csv", "--out", tmp_path / "out", "--model", "demo") == 2
    assert why in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--model", "none/such"], "neither a folder here nor a model on the hub"),
        ([], "name a model"),
        (["--model", "demo", "--control", "0.png"], "shows one picture; for many, give canny"),
        (["--model", "demo", "--gpus-per-job", "1"], "--gpus-per-job would change nothing"),
        (["--model", "demo", "--jobs", "0"], "0 is not a whole number from 1"),
        (["--model", "demo", "--jobs", "5000"], "5000 is not a whole number from 1 to 1024"),
        (["--model", "demo", "--threads", "9" * 5000], "9 is not a whole number from 1 to 1024"),
    ],
)
def test_what_is_wrong_for_every_row_stops_the_run(pictures, tmp_path, capsys, flags, why):
    texts = ["--source", "a", "--target", "b"]
    assert run("batch", pictures, "--out", tmp_path / "out", *texts, *flags) == 2
    assert why in capsys.readouterr().err


def test_a_picture_of_the_results_is_not_taken_for_an_original(model, pictures, tmp_path):
    path, out = write_lines(pictures / "t.jsonl", [row(0, out="a.png")]), tmp_path / "out"
    assert run("batch", path, "--out", out, "--model", model, *FEW_STEPS) == 0
    write_lines(path, [row(0, image=str(out / "a.png"), out="b.png")])
    assert run("batch", path, "--out", out, "--model", model, *FEW_STEPS) == 3
    assert any("is in the output folder" in line.get("error", "") for line in results(out))


def test_the_sheet_shows_all_and_runs_nothing_that_a_text_says(model, pictures, tmp_path):
    nasty = '<script>alert("x")</script>'
    rows = [row(0, out="a b#.png", target=nasty), row(1, out="<b>.png"), row(2, image=f"{nasty}.png")]
    path, out = write_lines(pictures / "t.jsonl", rows), tmp_path / "out"
    assert run("batch", path, "--out", out, "--model", model, *FEW_STEPS) == 3
    page = (out / "sheet.html").read_text()
    assert page.count("<figure") == 2 and page.count("<script") == 1
    assert "a%20b%23.png" in page and "%3Cb%3E.png" in page
    assert page.count("&lt;script&gt;") == 3  # the text, and the name of the missing picture in its cell and its error
    assert 'href="../in/0.png"' in page
    for line in results(out)[:2]:
        assert pixels(out / "sheet" / line["key"][:2] / f"{line['key']}.jpg").shape[1] == 3 * 32


def test_killed_and_interrupted_it_goes_on(pictures, tmp_path):
    """The real program, in a process of its own."""
    rows = [row(number % 4, out=f"{number}.png", seed=number) for number in range(16)]
    path, out = write_lines(pictures / "t.jsonl", rows), tmp_path / "out"
    few = ["--model", "demo", "--steps", "3", "--mask-draws", "2", "--preset", "fast", "--mask-kind", "object"]
    command = [sys.executable, "-m", "diffedit_core.cli", "batch", path, "--out", out, *few, "--threads", "1"]

    def stopped(by: signal.Signals) -> tuple[int, str]:
        before, until = count(), time.monotonic() + 240
        process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        while count() < before + 4 and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(by)
        return process.wait(), process.communicate()[1]

    def count() -> int:
        path = out / "results.jsonl"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    assert stopped(signal.SIGKILL)[0] == -signal.SIGKILL
    code, said = stopped(signal.SIGINT)
    assert code == 130
    assert said.startswith("diffedit: interrupted: ") and "the same command goes on from there" in said
    before = results(out)
    assert run(*command[3:]) == 0
    assert [line["row"] for line in results(out)] == [*range(1, 17)]
    assert [line for line in results(out) if line in before] == before  # none was done again
    assert run("batch", path, "--out", tmp_path / "other", *few, "--threads", 1) == 0
    for number in range(16):
        assert (out / f"{number}.png").read_bytes() == (tmp_path / "other" / f"{number}.png").read_bytes()


def test_every_flag_is_a_column_or_said_for_all_or_about_the_run(tmp_path):
    from diffedit_core.cli.program import make_parser

    args = make_parser().parse_args(["batch", "t.csv", "--out", "x"])
    rows = rows_of(args, tmp_path)
    columns = {name.replace("-", "_") for name in rows.flags}
    assert columns | {*FOR_ALL} | {*RUNNING} >= {*vars(args)}
    assert not columns & {*FOR_ALL, *RUNNING}
    shared = {"rim", "seam"}  # an edit's and a kept pair's: of a row it is one or the other
    assert {*flags_of(KeepSettings)} & {*flags_of(EditSettings)} == shared


def test_a_parquet_table_is_worked_through(model, pictures, tmp_path):
    """With what only such a table holds: days, bytes, lists, and whole numbers that a gap made into fractions."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'diffedit[parquet]'")
    pq = pytest.importorskip("pyarrow.parquet")
    rows = [
        {"image": "0.png", "source": "a", "target": "b", "seed": 3.0, "id": date(2024, 2, 29), "out": "0.png"},
        {"image": "2.png", "edit": [["a", "b"], ["c", "d", "guidance=2"]], "id": date(2024, 3, 1), "out": "2.png"},
        {"image": "3.png", "source": "a", "target": "b", "focus": False, "out": "3.png"},
    ]
    path, out = pictures / "t.parquet", tmp_path / "out"
    pq.write_table(pa.Table.from_pylist(rows, pa.schema(columns_of(pa))), path)
    assert run("batch", path, "--out", out, "--model", model, *FEW_STEPS) == 0
    assert [line.get("id") for line in results(out)] == ["2024-02-29", "2024-03-01", None]
    assert [line["seed"] for line in results(out)] == [3, 0, 0]
    lines = write_lines(pictures / "t.jsonl", [{**row, "id": None} for row in rows])
    assert run("batch", lines, "--out", tmp_path / "same", "--model", model, *FEW_STEPS) == 0
    for row in rows:
        assert (out / row["out"]).read_bytes() == (tmp_path / "same" / row["out"]).read_bytes()
    assert run("batch", path, "--out", out, "--model", model, *FEW_STEPS) == 0
    assert len(results(out)) == 3  # and none was done again
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2 - 200) + whole[-200:])
    assert run("batch", path, "--out", tmp_path / "torn", "--model", model, *FEW_STEPS) == 2


def columns_of(pa: Any) -> dict[str, Any]:
    texts = dict.fromkeys(["image", "source", "target", "out"], pa.string())
    return {
        **texts,
        "seed": pa.float64(),
        "id": pa.date32(),
        "focus": pa.bool_(),
        "edit": pa.list_(pa.list_(pa.string())),
    }


def test_what_is_said_for_all_may_be_of_no_use_to_some(model, pictures, tmp_path):
    half_mask(pictures / "m.png", 24, 32)
    path = write_lines(pictures / "t.jsonl", [row(0, mask="m.png"), row(2, mask="m.png", **{"mask-draws": 4})])
    assert run("batch", path, "--out", tmp_path / "out", "--model", model, *FEW, "--save-heatmap") == 3
    good, bad = results(tmp_path / "out")
    assert good["written"].keys() == {"picture"}  # there is no heatmap
    assert bad["error"] == "--mask-draws would change nothing: --mask FILE says where to edit, so no mask is sought"
