"""The command line with texts that models write: what reaches the edit, what is shown, what is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import writers as small
from PIL import Image
from test_batch_tables import write_lines
from test_cli import CLOTH, FEWEST, OBJECT, PEARS, TEXTS, draw, half_mask, model, only, pixels, refused, report, run
from test_writers import BLUE, RED

from diffedit_core.hosts.writers import Writer
from diffedit_core.wording import texts_asked

__all__ = ["model"]  # a fixture
SIDES = ["--source", "a bowl", "--target", "a basket"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    makers = {"blip": small.blip, "t5": small.t5, "llama": small.llama}
    return {kind: small.saved(make(), tmp_path_factory.mktemp(kind)) for kind, make in makers.items()}


@pytest.fixture
def picture(tmp_path) -> Path:
    return draw(tmp_path / "bowl.png", 37, 51)


def same_files(*paths: Path) -> bool:
    return len({path.read_bytes() for path in paths}) == 1


def test_the_caption_is_inverted_under_and_serves_as_a_missing_source(model, folders, picture, tmp_path, capsys):
    a, b, c = (tmp_path / f"{name}.png" for name in "abc")
    common = ["edit", picture, "--target", "pears", *FEWEST, *OBJECT, "--model", model, "--json"]
    assert run(*common, "--caption", folders["blip"], "-o", a) == 0
    said = report(capsys)
    with Image.open(picture) as image:
        assert said["caption"] == Writer.from_pretrained(folders["blip"]).caption(image)
    assert (only(said)["source"], only(said)["target"]) == ([said["caption"]], ["pears"])
    assert said["seconds"]["texts"] > 0
    capsys.readouterr()
    assert run(*common, f"--source={said['caption']}", f"--inversion-text={said['caption']}", "-o", b) == 0
    assert "caption" not in report(capsys)
    assert same_files(a, b)
    assert run(*common, f"--source={said['caption']}", "-o", c) == 0
    assert not same_files(a, c)


def test_a_source_text_is_left_as_it_is_by_the_caption(model, folders, picture, capsys):
    argv = ["edit", picture, *TEXTS, *FEWEST, *OBJECT, "--model", model, "--json", "--caption", folders["blip"]]
    assert run(*argv) == 0
    said = report(capsys)
    assert only(said)["source"] == [TEXTS[1]] and said["caption"] not in TEXTS


def test_where_nothing_is_inverted_the_caption_is_a_source_alone(model, folders, picture, tmp_path, capsys):
    a, b = (tmp_path / f"{name}.png" for name in "ab")
    common = ["edit", picture, "--target=pears", *FEWEST, *OBJECT, "--model", model, "--background", "noised"]
    assert run(*common, "--caption", folders["blip"], "-o", a, "--json") == 0
    said = report(capsys)
    flags = [shlex.split(line) for line in said["findings"]]
    assert [flag for flag, _ in flags] == ["--source", "--target"] and flags[0][1] == said["caption"]
    assert run(*common, f"--source={said['caption']}", "-o", b) == 0
    assert same_files(a, b)


def test_what_was_written_is_shown_as_the_flags_that_give_the_same_picture(model, folders, picture, tmp_path, capsys):
    a, b = (tmp_path / f"{name}.png" for name in "ab")
    common = ["edit", picture, *FEWEST, *OBJECT, "--model", model, "--seed", 3]
    assert run(*common, *SIDES, "--vary", folders["t5"], "--caption", folders["blip"], "-o", a) == 0
    shown = [shlex.split(line) for line in capsys.readouterr().out.splitlines() if line.startswith("--")]
    flags = [part for line in shown for part in (f"{line[0]}={line[1]}",)]
    writer = Writer.from_pretrained(folders["t5"])
    counts = {flag: sum(line[0] == flag for line in shown) for flag in ("--inversion-text", "--source", "--target")}
    assert counts == {
        "--inversion-text": 1,
        "--source": len(writer.wordings("a bowl", 3)),
        "--target": len(writer.wordings("a basket", 3)),
    }
    assert min(counts["--source"], counts["--target"]) > 10
    assert run(*common, *flags, "-o", b) == 0
    assert same_files(a, b)


def test_wordings_follow_the_seed_and_an_open_source_stays_open(model, folders, picture, capsys):
    found = []
    for seed in (1, 1, 2):
        argv = ["mask", picture, "--source", "", "--target", "a basket", "--mask-draws", 2, "--model", model, "--json"]
        assert run(*argv, "--vary", folders["t5"], "--seed", seed) == 0
        found.append(only(report(capsys)))
    assert [each["source"] for each in found] == [[""]] * 3
    assert found[0] == found[1] and found[0]["target"] != found[2]["target"]
    assert len(found[0]["target"]) > 10


def test_each_of_several_edits_is_worded(model, folders, picture, capsys):
    argv = ["edit", picture, *PEARS, *CLOTH, *FEWEST, *OBJECT, "--model", model, "--vary", folders["t5"], "--json"]
    assert run(*argv) == 0
    said = report(capsys)
    writer = Writer.from_pretrained(folders["t5"])
    assert [(each["source"], each["target"]) for each in said["edits"]] == [
        (writer.wordings(source), writer.wordings(target)) for _, source, target in (PEARS, CLOTH)
    ]
    assert said["findings"][0].startswith("edit 1: --source ")


@pytest.fixture(scope="module")
def taught(folders, tmp_path_factory) -> tuple[str, str]:
    """A writer that learned to answer for one picture's caption, and that caption."""
    folder = tmp_path_factory.mktemp("taught")
    draw(folder / "bowl.png", 37, 51)
    writer = Writer.from_pretrained(folders["llama"])
    with Image.open(folder / "bowl.png") as image:
        caption = Writer.from_pretrained(folders["blip"]).caption(image)
    inputs = dict(writer._asked(texts_asked("make the dress blue", caption)))
    small.taught(writer, inputs, json.dumps({"source": RED, "target": BLUE}))
    return small.saved((writer.model, writer.tokenizer), folder / "model"), caption


@pytest.mark.parametrize("command", ["edit", "mask"])
def test_an_instruction_becomes_both_texts(model, folders, taught, picture, tmp_path, capsys, command):
    writer, caption = taught
    common = [command, picture, *FEWEST[2 if command == "mask" else 0 :], *OBJECT, "--model", model, "--json"]
    a, b = (tmp_path / f"{name}.png" for name in "ab")
    asked = ["--instruction", "make the dress blue", "--writer", writer, "--caption", folders["blip"]]
    assert run(*common, *asked, "-o", a) == 0
    said = report(capsys)
    assert (only(said)["source"], only(said)["target"], said["caption"]) == ([RED], [BLUE], caption)
    assert ("--inversion-text" in said["findings"][0]) == (command == "edit")
    assert said["findings"][-2:] == [f"--source '{RED}'", f"--target '{BLUE}'"]
    inverted = [f"--inversion-text={caption}"] if command == "edit" else []
    assert run(*common, "--source", RED, "--target", BLUE, *inverted, "-o", b) == 0
    assert same_files(a, b)


def test_an_instruction_and_wordings_and_a_mask_go_together(model, folders, taught, picture, tmp_path, capsys):
    mask = half_mask(tmp_path / "m.png", 37, 51)
    asked = ["--instruction", "make the dress blue", "--writer", taught[0], "--caption", folders["blip"]]
    argv = ["edit", picture, *asked, "--vary", folders["t5"], "--mask", mask, "--steps", 2, "--model", model, "--json"]
    assert run(*argv) == 0
    assert only(report(capsys))["target"] == Writer.from_pretrained(folders["t5"]).wordings(BLUE)
    assert np.array_equal(pixels(tmp_path / "bowl-edited.png")[:, 25:], pixels(picture)[:, 25:])


SAID = "and what the picture shows is said"
INSTRUCTION = ["--instruction", "make it blue"]
REFUSED = {
    f"--caption would change nothing: --inversion-text says what to invert under, {SAID}": [
        *TEXTS, "--caption", "blip", "--inversion-text", "x",
    ],
    f"--caption would change nothing: noised inverts nothing, {SAID}": [
        *TEXTS, "--caption", "blip", "--background", "noised",
    ],
    "--writer would change nothing: it writes the texts of an --instruction": [*TEXTS, "--writer", "llama"],
    "--instruction needs --writer MODEL": INSTRUCTION,
    "--instruction is empty": ["--instruction", " ", "--writer", "llama"],
    "--target cannot stand beside --instruction": [*INSTRUCTION, "--writer", "llama", "--target", "x"],
    "--source, --target cannot stand beside --instruction": [*INSTRUCTION, "--writer", "llama", *TEXTS],
    "--instruction cannot stand beside --edit": [*PEARS, *INSTRUCTION, "--writer", "llama"],
    "sees no pictures; give it a caption": [*INSTRUCTION, "--writer", "llama"],
    "wrote no two texts that can be used in 4 answers": [*INSTRUCTION, "--writer", "llama", "--caption", "blip"],
    "it has no chat template; take a model that chats": [*TEXTS, "--vary", "blip"],
    "sees no pictures; take a model that does": [*TEXTS, "--caption", "t5"],
    "none is neither a folder here nor a model on the hub": [*TEXTS, "--caption", "./none"],
    "writes nothing": [*TEXTS, "--vary", "text_encoder"],
    "name a model": [*TEXTS, "--vary", "t5", "--model", ""],
    "--target is missing": ["--caption", "blip"],
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_written_is_refused_in_one_line_and_leaves_nothing(
    model, folders, picture, monkeypatch, capsys, why
):
    monkeypatch.chdir(picture.parent)
    places = {**folders, "text_encoder": f"{model}/text_encoder"}
    argv = [places.get(part, part) for part in REFUSED[why]]
    said = refused(capsys, "edit", picture, *argv, *([] if "--model" in argv else ["--model", model]))
    assert why in said
    assert [*Path().iterdir()] == [Path(picture.name)]


def same_as_edit(line: dict, out: Path, told: dict, one: Path) -> bool:
    same = ("caption", "findings", "edits", "evaluations", "seed")
    assert {name: line.get(name) for name in same} == {name: told.get(name) for name in same}
    return same_files(out / line["written"]["picture"], one)


def test_a_batch_writes_what_edit_writes(model, folders, taught, picture, tmp_path, capsys):
    """An instruction, a source that is said, and one that is not; each of them worded."""
    writer, _ = taught
    few = [*FEWEST, *OBJECT, "--model", model, "--caption", folders["blip"], "--vary", folders["t5"]]
    asked = [
        {"instruction": "make the dress blue"},
        {"source": "a bowl", "target": "a basket", "seed": 3},
        {"target": "pears"},
    ]
    rows = [{"image": "bowl.png", "out": f"{number}.png", **each} for number, each in enumerate(asked)]
    path, out = write_lines(tmp_path / "t.jsonl", rows), tmp_path / "out"
    assert run("batch", path, "--out", out, *few, "--writer", writer, "--json") == 0
    assert report(capsys)["done"] == 3
    for each, line in zip(asked, map(json.loads, (out / "results.jsonl").read_text().splitlines()), strict=True):
        flags = [part for name, value in each.items() for part in (f"--{name}", value)]
        flags += ["--writer", writer] if "instruction" in each else []
        assert run("edit", picture, *few, *flags, "-o", one := tmp_path / "one.png", "--json") == 0
        assert same_as_edit(line, out, report(capsys), one)


def test_the_instruction_of_a_row_is_put_to_the_writer_though_nothing_else_is_written(
    model, folders, picture, tmp_path, capsys
):
    """One that sees no pictures and is given no caption says so."""
    rows = [
        {"image": "bowl.png", "instruction": "make it blue", "out": "a.png"},
        {"image": "bowl.png", "source": "a bowl"},
    ]
    rows[1] |= {"target": "a basket", "out": "b.png"}
    path, out = write_lines(tmp_path / "t.jsonl", rows), tmp_path / "out"
    assert run("batch", path, "--out", out, *FEWEST, *OBJECT, "--model", model, "--writer", folders["llama"]) == 3
    one, two = map(json.loads, (out / "results.jsonl").read_text().splitlines())
    assert "sees no pictures; give it a caption" in one["error"]
    assert "error" not in two and "findings" not in two
    capsys.readouterr()


def test_a_mask_needs_no_caption_beside_its_source(model, folders, picture, capsys):
    said = refused(capsys, "mask", picture, *TEXTS, "--model", model, "--caption", folders["blip"])
    assert f"--caption would change nothing: finding a mask inverts nothing, {SAID}" in said
    argv = ["mask", picture, "--target", "pears", "--mask-draws", 2, "--model", model, "--caption", folders["blip"]]
    assert run(*argv, "--json") == 0
    said = report(capsys)
    assert only(said)["source"] == [said["caption"]]
