"""Tables of all kinds -> rows, and rows -> jobs with keys and names."""

from __future__ import annotations

import csv
import json
import os
import random
from pathlib import Path

import pytest

from diffedit_core.batch import tables
from diffedit_core.batch.addresses import address, opened
from diffedit_core.batch.jobs import Job, Plan
from diffedit_core.batch.tables import Row, table

ROWS = [{"image": "a.png", "source": "a cup", "steps": 5}, {"image": "b.png", "source": 'a "big", red cup'}]


def rows_of(path: Path) -> list[Row]:
    return [*table(path).rows()]


def write_csv(path: Path, rows: list[dict]) -> Path:
    columns = [*dict.fromkeys(name for row in rows for name in row)]
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(file, columns)
        lines.writeheader()
        lines.writerows(rows)
    return path


def write_lines(path: Path, rows: list) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def jobs_of(path: Path, **about) -> list[Job]:
    return [*Plan(table(path), path.parent / "out", about.pop("settings", {}), **about).jobs()]


def test_csv_and_json_lines_hold_the_same_rows(tmp_path):
    of_csv, of_lines = write_csv(tmp_path / "t.csv", ROWS), write_lines(tmp_path / "t.jsonl", ROWS)
    assert [dict(row.values) for row in rows_of(of_lines)] == ROWS
    texts = [{name: str(value) for name, value in row.items()} for row in ROWS]  # all that a CSV knows
    assert [dict(row.values) for row in rows_of(of_csv)] == texts
    assert [row.number for row in rows_of(of_csv)] == [1, 2]


def test_parquet_holds_the_same_rows(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'diffedit[parquet]'")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "t.parquet")
    assert [{k: v for k, v in row.values.items() if v is not None} for row in rows_of(tmp_path / "t.parquet")] == ROWS
    assert list(table(tmp_path / "t.parquet").columns) == ["image", "source", "steps"]
    (tmp_path / "no.parquet").write_text("x" * 100)
    with pytest.raises(ValueError, match="is no Parquet"):
        table(tmp_path / "no.parquet")


def test_without_pyarrow_one_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    (tmp_path / "t.parquet").write_text("x")
    with pytest.raises(ValueError, match=r"pip install 'diffedit\[parquet\]'"):
        table(tmp_path / "t.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.fs", None)
    with pytest.raises(ValueError, match=r"to read s3://bucket/a.png, install pyarrow"):
        opened("s3://bucket/a.png")


def test_columns_are_flags_however_they_are_written(tmp_path):
    (tmp_path / "t.csv").write_text("\ufeffImage,--Mask_Kind, source \na.png,object,x\n", encoding="utf-8")
    assert dict(rows_of(tmp_path / "t.csv")[0].values) == {"image": "a.png", "mask-kind": "object", "source": "x"}


def test_a_broken_row_costs_itself_alone(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"image": "a.png"}\n{"image":\n[1]\n\n{"image": "b.png"}\n')
    rows = rows_of(tmp_path / "t.jsonl")
    assert [row.problem[:21] for row in rows] == ["", "the row is no JSON: E", "the row is no JSON ob", ""]
    (tmp_path / "t.csv").write_bytes(b"image,source\na.png,x,y\nb.png,\xff\nc.png,z\n\nd.png\n")
    rows = rows_of(tmp_path / "t.csv")
    assert [bool(row.problem) for row in rows] == [True, True, False, False]
    assert "3 cells" in rows[0].problem and "UTF-8" in rows[1].problem
    assert dict(rows[3].values) == {"image": "d.png"}


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("t.txt", "x", "is no table: its name must end in .csv"),
        ("none.csv", None, "there is no file"),
        ("t.csv", "image,source,Image\n", "two columns 'image'"),
        ("t.csv", f"image,{'x' * 200_000}\n", "the names of the table's columns cannot be read: field larger than"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content, why):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=why):
        table(tmp_path / name)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(ValueError, match="cannot be read: it is no file but a pipe"):
        table(tmp_path / "t.csv")


def test_lists_within_lists_have_an_end(tmp_path):
    deep, good = f'{{"id": {"[" * 800}{"]" * 800}}}', '{"image": "a.png", "edit": [["a", "b"]]}'
    (tmp_path / "t.jsonl").write_text(f"{deep}\n{good}\n")
    one, two = rows_of(tmp_path / "t.jsonl")
    assert one.problem == "the row holds lists within lists, more than 20 deep"
    assert not two.problem
    assert len({job.key for job in jobs_of(tmp_path / "t.jsonl")}) == 2


def test_a_folder_holds_its_pictures_in_order_and_not_the_results(tmp_path):
    for name in ("b.png", "a.jpg", "a.webp", "x.txt", ".hidden.png", "sub/c.PNG", "out/d.png", ".git/e.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [dict(row.values) for row in table(tmp_path, without=tmp_path / "out").rows()]
    assert found == [
        {"image": "a.jpg", "out": "a.jpg.png"},
        {"image": "a.webp", "out": "a.webp.png"},
        {"image": "b.png", "out": "b.png"},
        {"image": "sub/c.PNG", "out": "sub/c.png"},
    ]


def test_a_row_is_known_by_what_it_says_and_not_by_its_place(tmp_path):
    rows = [{"image": f"{i}.png", "source": f"{i % 7}"} for i in range(50)]
    keys = {job.values["image"]: job.key for job in jobs_of(write_lines(tmp_path / "t.jsonl", rows))}
    assert len({*keys.values()}) == 50
    random.Random(0).shuffle(rows)
    rows[3]["source"] = "another"
    again = {job.values["image"]: job.key for job in jobs_of(write_lines(tmp_path / "t.jsonl", rows))}
    assert {name for name in keys if keys[name] != again[name]} == {rows[3]["image"]}
    other = jobs_of(tmp_path / "t.jsonl", settings={"steps": 5})
    assert not {job.key for job in other} & {*again.values()}


def test_equal_rows_have_names_and_keys_of_their_own(tmp_path):
    one, two, three = jobs_of(write_lines(tmp_path / "t.jsonl", [{"image": "a.png"}] * 3))
    assert len({one.key, two.key, three.key}) == len({job.files["picture"] for job in (one, two, three)}) == 3


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("../a.png", "leads out"),
        ("x/../../a.png", "leads out"),
        ("/tmp/a.png", "leads out"),
        ("C:\\a.png", "leads out"),
        ("C:a.png", "leads out"),
        ("..\\a.png", "leads out"),
        ("\\\\host\\share\\a.png", "leads out"),
        ("link/a.png", "a link leads out"),
        ("link.png", "a link leads out"),
        ("a.gif", "its name must end in"),
        ("a", "its name must end in"),
        ("sheet/a.png", "the run itself uses sheet"),
        ("Results.jsonl/a.png", "the run itself uses Results.jsonl"),
        (".diffedit/a.png", "the run itself uses .diffedit"),
        ("a\x00.png", "no name can have"),
        ("a\nb.png", "no name can have"),
        ("x\\a.png", "no name can have"),
        ("x" * 260 + ".png", "too long"),
        ("x/" * 3000 + "a.png", "too long"),
        (5, "it must be the name of a file"),
    ],
)
def test_no_result_leaves_the_folder(tmp_path, out, why):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "out" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    (job,) = jobs_of(write_lines(tmp_path / "t.jsonl", [{"image": "a.png", "out": out}]))
    assert why in job.problem


def test_the_later_of_two_rows_with_one_name_is_refused_masks_included(tmp_path):
    rows = [{"image": "a.png", "out": name} for name in ("x.png", "X.png", "y.png", "y-mask.png", "z.png", "./z.png")]
    problems = [job.problem for job in jobs_of(write_lines(tmp_path / "t.jsonl", rows), extras=("mask",))]
    assert [bool(problem) for problem in problems] == [False, True, False, True, False, True]
    assert problems[1] == "out is x.png, as in row 1; give each row its own"


def test_a_file_cannot_be_another_ones_folder(tmp_path):
    rows = [
        {"image": "a.png", "out": name} for name in ("x.png", "X.png/a.png", "b.png/c/d.png", "b.png", "b.png/e.png")
    ]
    problems = [job.problem for job in jobs_of(write_lines(tmp_path / "t.jsonl", rows))]
    assert [bool(problem) for problem in problems] == [False, True, False, True, False]


def test_addresses_are_meant_from_their_tables_place():
    assert address("a.png", Path("/data")) == Path("/data/a.png")
    assert address("/b/a.png", Path("/data")) == Path("/b/a.png")
    assert address("a.png", "s3://bucket/x") == "s3://bucket/x/a.png"
    assert address("s3://other/a.png", Path("/data")) == "s3://other/a.png"


def test_every_reader_is_of_a_suffix():
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in (*tables.READERS, *tables.PICTURES))
