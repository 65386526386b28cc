"""The command line as people meet it: real files, a real (random) pipeline, what is printed, what is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import families
import numpy as np
import pytest
import torch
from PIL import Image
from pipelines import random_pipeline
from writers import blip, saved, t5

from diffedit_core import Edit, EditSettings, MaskSettings, cli, edit, toybox
from diffedit_core.cli.flags import flag_of, from_flags
from diffedit_core.cli.presets import preset_of
from diffedit_core.cli.program import make_parser
from diffedit_core.hosts.diffusers import DiffusersHost, Memory
from diffedit_core.knobs import Knob, Settings
from diffedit_core.pictures import to_pil
from diffedit_core.refine import Refinement, give_room
from diffedit_core.settings import (
    BALANCED,
    FASTDIFFEDIT,
    PRESETS,
    ContrastSettings,
    DecodingSettings,
    InversionSettings,
)

TEXTS = ["--source", "a bowl of apples", "--target", "a bowl of pears"]
FIVE = ["--steps", "5", "--mask-draws", "2"]
FEW = [*FIVE, "--tries", "2"]
FEWEST = ["--steps", "2", "--mask-draws", "2"]
OBJECT = ["--mask-kind", "object"]  # left to itself, a random model says another place at every draw: an addition
ADDITION = ["--mask-kind", "addition"]
SCRIPT = Path(sys.executable).with_name("diffedit")


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model")
    random_pipeline().save_pretrained(folder, safe_serialization=True)
    return str(folder)


@pytest.fixture
def picture(tmp_path) -> Path:
    """A size that no model takes as it is."""
    return draw(tmp_path / "bowl.png", 37, 51)


def draw(path: Path, height: int, width: int, mode: str = "RGB") -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    Image.fromarray(pixels, "RGBA").convert(mode).save(path)
    return path


def half_mask(path: Path, height: int, width: int) -> Path:
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    Image.fromarray(mask).save(path)
    return path


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def run(*argv: object) -> int:
    return cli.main([str(arg) for arg in argv])


def report(capsys) -> dict:
    """The one line of JSON."""
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def only(said: dict) -> dict:
    """What is said of the only edit."""
    (edit,) = said["edits"]
    return edit


def refused(capsys, *argv: object) -> str:
    """The one line that is said of input that cannot be worked with."""
    assert run(*argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"diffedit: .+\n", err), err
    return err


def test_an_edit_from_start_to_end(model, picture, tmp_path, capsys):
    out, saved, heatmap, panels = (tmp_path / name for name in ("o.png", "m.png", "h.npy", "p.png"))
    argv = ["edit", picture, *TEXTS, *FEW, *OBJECT, "--model", model, "-o", out, "--save-mask", saved]
    assert run(*argv, "--save-heatmap", heatmap, "--panels", panels, "--json") == 0
    said = report(capsys)
    mask = pixels(saved)
    assert mask.shape == (37, 51)
    assert set(np.unique(mask)) == {0, 255}
    assert np.array_equal(pixels(out)[mask == 0], pixels(picture)[mask == 0])
    assert not np.array_equal(pixels(out)[mask > 0], pixels(picture)[mask > 0])
    assert np.load(heatmap).shape == (5, 7)
    assert pixels(panels).shape[1] > 3 * 51
    assert said["coverage"] == pytest.approx((mask > 0).mean(), abs=1e-6)
    decode = 2 * (4 + 2) + 2  # two tries through levels 4 and 3, guided, and judged; the best through 2 and 1, unguided
    assert said["evaluations"] == {"mask": 4, "invert": 4, "decode": decode, "total": 8 + decode}
    assert said["seconds"].keys() == {"load", "encode", "mask", "invert", "decode", "write", "total"}
    assert said["written"] == {"picture": str(out), "mask": str(saved), "heatmap": str(heatmap), "panels": str(panels)}
    assert said["size"] == [51, 37]
    one = only(said)
    assert (one["source"], one["target"]) == ([TEXTS[1]], [TEXTS[3]])
    assert (one["kind"], one["finding"][:19]) == ("object", "one place changes (")
    assert 0 < one["coverage"] <= said["coverage"]  # of what was found, to which the edit adds what changed around it


def test_an_addition_from_start_to_end(model, picture, tmp_path, capsys):
    """Drafted, and gone on from the draft: nothing is inverted, and what is outside the mask stays."""
    out, saved, heatmap = (tmp_path / name for name in ("o.png", "m.png", "h.npy"))
    argv = ["edit", picture, *TEXTS, *FIVE, *ADDITION, "--mask-rule", "top", "--model", model, "-o", out]
    assert run(*argv, "--save-mask", saved, "--save-heatmap", heatmap, "--json") == 0
    said = report(capsys)
    mask = pixels(saved)
    assert 0 < mask.mean() < 255
    assert np.array_equal(pixels(out)[mask == 0], pixels(picture)[mask == 0])
    assert not np.array_equal(pixels(out)[mask > 0], pixels(picture)[mask > 0])
    assert np.load(heatmap).shape == (5, 7)
    draft = 6 * 3 + 2 * 2  # source and target: at six levels guided, at two not; the last is left out
    look = 2 * 2 + 2 * (draft + 2 * 2 + 2)  # two draws; then two drafts, with two draws on each, judged
    decode = 2 + 1 + 1  # from strength .5 down, level 3 guided, in one try: the drafts were tries
    assert said["evaluations"] == {"mask": look, "decode": decode, "total": look + decode}
    assert only(said)["kind"] == "addition"
    assert only(said)["finding"].startswith("the two texts do not say where: one place was chosen, another seed")


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_a_photograph_keeps_every_pixel_outside_the_mask_in_every_lossless_format(suffix, model, tmp_path):
    """1200x900, turned by its EXIF tag."""
    photograph, mask, out = tmp_path / f"p.{suffix}", tmp_path / "m.png", tmp_path / f"o.{suffix}"
    shown = np.random.default_rng(1).integers(0, 256, (900, 1200, 3), np.uint8)
    lying = Image.fromarray(shown).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying.save(photograph, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
    place = np.zeros((900, 1200), np.uint8)
    place[100:220, 900:1100] = 255
    Image.fromarray(place).save(mask)
    argv = ["edit", photograph, *TEXTS, "--steps", 2, "--tries", 1, "--model", model, "--mask", mask, "-o", out]
    assert run(*argv, "--panels", tmp_path / "sheet.png") == 0
    assert np.array_equal(pixels(out)[place == 0], shown[place == 0])
    assert (pixels(out)[place > 0] != shown[place > 0]).mean() > 0.5
    assert pixels(tmp_path / "sheet.png").shape[1] < 3 * 1024 + 200


def test_a_large_picture_is_edited_in_cut_outs_and_the_report_says_where(model, tmp_path, capsys):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).resize((400, 300)).save(
        large := tmp_path / "large.png"
    )
    out, saved, heatmap = (tmp_path / name for name in ("o.png", "m.png", "h.png"))
    argv = ["edit", large, *TEXTS, *FEWEST, *OBJECT, "--mask-rule", "top", "--mask-value", 0.02, "--model", model]
    argv += ["--refine-keep-largest", 1, "--room", 0, "--tries", 1, "-o", out]
    assert run(*argv, "--save-mask", saved, "--save-heatmap", heatmap, "--json") == 0
    said, mask = report(capsys), pixels(saved)
    assert mask.shape == (300, 400) and pixels(heatmap).shape == (300, 400, 3)
    assert np.array_equal(pixels(out)[mask == 0], pixels(large)[mask == 0])
    (part,) = said["cut_outs"]
    assert part.keys() == {"left", "top", "width", "height", "scale"}
    rows, columns = np.nonzero(mask)
    assert part["left"] <= columns.min() and columns.max() < part["left"] + part["width"] <= 400
    assert part["top"] <= rows.min() and rows.max() < part["top"] + part["height"] <= 300
    assert part["scale"] == pytest.approx((part["width"] * part["height"]) ** 0.5 / 128, rel=0.1)
    assert run(*argv) == 0
    place = "edited {width}x{height} pixels at {left}, {top}".format(**part)
    assert place in capsys.readouterr().out
    found = run("mask", large, *TEXTS, *OBJECT, "--mask-draws", 2, "--model", model, "--json")
    assert found == 0 and pixels(tmp_path / "large-mask.png").shape == (300, 400)
    assert pixels(tmp_path / "large-heatmap.png").shape == (300, 400, 3)
    capsys.readouterr()
    assert run(*argv, "--no-focus", "--json") == 0
    assert "cut_outs" not in report(capsys)


@pytest.mark.parametrize("kind", ["object", "addition"])
def test_the_command_line_and_the_python_front_door_do_the_same(model, picture, tmp_path, kind):
    texts = ["--negative", "blurred", "--inversion-text", "fruits"]
    tries = {"object": ["--tries", 2], "addition": []}[kind]
    argv = ["edit", picture, *TEXTS, *texts, "--model", model, *FIVE, *tries, "--mask-kind", kind, "--seed", 7]
    assert run(*argv, "-o", tmp_path / "o.png") == 0
    host = DiffusersHost.from_pretrained(model)
    few = EditSettings(
        mask=MaskSettings(contrast=ContrastSettings(draws=2, kind=kind)),
        inversion=InversionSettings(steps=5),
        decoding=DecodingSettings(tries=2),
    )
    with Image.open(picture) as image:
        done = edit(host, image, Edit(TEXTS[1], TEXTS[3], "blurred"), inversion="fruits", how=few, seed=7)
    assert np.array_equal(pixels(tmp_path / "o.png"), np.asarray(to_pil(done.picture)))


# ---- several edits

PEARS, CLOTH = ["--edit", "a bowl of apples", "a bowl of pears"], ["--edit", "a table", "a blue cloth"]


def test_two_edits_from_start_to_end(model, picture, tmp_path, capsys):
    out, saved, heatmap, panels = (tmp_path / name for name in ("o.png", "m.png", "h.npy", "p.png"))
    argv = ["edit", picture, *PEARS, *CLOTH, *FIVE, *OBJECT, "--model", model, "-o", out, "--save-mask", saved]
    assert run(*argv, "--save-heatmap", heatmap, "--panels", panels, "--json") == 0
    said, mask = report(capsys), pixels(saved)
    assert mask.shape == (37, 51) and 0 < (mask > 0).mean() < 1
    assert np.array_equal(pixels(out)[mask == 0], pixels(picture)[mask == 0])
    assert not np.array_equal(pixels(out)[mask > 0], pixels(picture)[mask > 0])
    assert np.load(heatmap).shape == (5, 7)
    assert pixels(panels).shape[1] > 3 * 51
    decode = 2 * (4 + 2) + 2  # of each edit, in two tries
    assert said["evaluations"] == {"mask": 8, "invert": 4, "decode": 2 * decode, "total": 12 + 2 * decode}
    assert [(one["source"], one["target"]) for one in said["edits"]] == [tuple(PEARS[1:]), tuple(CLOTH[1:])]
    assert all(one.keys() == {"source", "target", "coverage", "kind", "agreement", "finding"} for one in said["edits"])
    assert said["coverage"] == pytest.approx((mask > 0).mean(), abs=1e-6)
    assert max(one["coverage"] for one in said["edits"]) <= said["coverage"]
    assert run(*argv) == 0
    lines = capsys.readouterr().out.splitlines()
    for number, one in enumerate(said["edits"]):
        assert lines[number] == f"edit {number + 1}, {100 * one['coverage']:.1f} %: {one['finding']}"
    assert lines[2] == f"the mask covers {100 * said['coverage']:.1f} % of the picture"


def test_the_heatmap_of_two_edits_is_what_either_says(model, picture, tmp_path):
    for name, edits in {"both": [*PEARS, *CLOTH], "one": PEARS, "other": CLOTH}.items():
        argv = ["edit", picture, *edits, *FEWEST, *OBJECT, "--model", model, "-o", tmp_path / "o.png"]
        assert run(*argv, "--save-heatmap", tmp_path / f"{name}.npy") == 0
    both, one, other = (np.load(tmp_path / f"{name}.npy") for name in ("both", "one", "other"))
    assert np.array_equal(both, np.maximum(one, other))


def test_the_command_line_does_several_edits_as_the_python_front_door_does(model, picture, tmp_path):
    """With all that an edit can say for itself, beside what is said for all."""
    left = half_mask(tmp_path / "m.png", 37, 51)
    own = [
        [*PEARS, "negative=blurred", "guidance=3", "keep=a spoon"],
        [*CLOTH, "kind=addition", "negative="],
        ["--edit", "a wall", "a red wall", f"mask={left}", "guidance=1"],
    ]
    argv = ["edit", picture, *(part for each in own for part in each), "--negative", "ugly", "--keep", "a fork"]
    argv += ["--overlap", "shared", "--inversion-text", "fruits", *FIVE, *OBJECT, "--model", model, "--seed", 7]
    assert run(*argv, "-o", tmp_path / "o.png", "--save-mask", tmp_path / "changed.png") == 0
    mask = torch.tensor(pixels(left))[None] / 255
    edits = [
        Edit(*PEARS[1:], negative="blurred", keep="a spoon", guidance=3.0),
        Edit(*CLOTH[1:], negative="", keep="a fork", kind="addition"),
        Edit("a wall", "a red wall", negative="ugly", keep="a fork", mask=mask, guidance=1.0),
    ]
    how = EditSettings(
        mask=MaskSettings(contrast=ContrastSettings(draws=2, kind="object")),
        inversion=InversionSettings(steps=5),
        decoding=DecodingSettings(tries=2, overlap="shared"),
    )
    with Image.open(picture) as image:
        done = edit(DiffusersHost.from_pretrained(model), image, edits, inversion="fruits", how=how, seed=7)
    assert np.array_equal(pixels(tmp_path / "o.png"), np.asarray(to_pil(done.picture)))
    assert np.array_equal(pixels(tmp_path / "changed.png"), np.asarray(to_pil(done.mask)))


def test_one_edit_said_either_way_is_the_same(model, picture, tmp_path):
    common = [*FEWEST, *OBJECT, "--model", model]
    for name, asked in {"flags": TEXTS, "edit": PEARS}.items():
        assert run("edit", picture, *asked, *common, "-o", tmp_path / f"{name}.png") == 0
    assert (tmp_path / "flags.png").read_bytes() == (tmp_path / "edit.png").read_bytes()


def test_several_edits_take_two_tries_and_as_many_as_a_preset_or_a_flag_says(model, picture, capsys):
    costs = {}
    for name, flags in {"": [], "balanced": ["--preset", "balanced"], "4": ["--tries", 4]}.items():
        argv = ["edit", picture, *PEARS, *CLOTH, *FIVE, *OBJECT, "--model", model, "--json", *flags]
        assert run(*argv) == 0
        costs[name] = report(capsys)["evaluations"]["decode"]
    assert costs == {name: 2 * (tries * 6 + 2) for name, tries in {"": 2, "balanced": 3, "4": 4}.items()}


OWN = {
    "negative": ["negative=blurred"],
    "keep": ["keep=a bowl of apples"],  # all that is there
    "kind": ["kind=area"],
    "guidance": ["guidance=1.5"],
    "mask": ["mask=m.png"],
}


@pytest.mark.parametrize("name", OWN)
def test_what_an_edit_says_for_itself_changes_what_is_drawn(model, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    draw(Path("a.png"), 40, 56)
    half_mask(Path("m.png"), 40, 56)
    common = ["edit", "a.png", *CLOTH, *FEWEST, "--steps", 4, "--mask-rule", "top", "--model", model]
    common += [] if name == "kind" else OBJECT
    for file, own in {"plain": [], "own": OWN[name]}.items():
        assert run(*common, *PEARS, *own, "-o", f"{file}.png", "--save-mask", f"{file}-mask.png", "--json") == 0
    said = [json.loads(line)["edits"] for line in capsys.readouterr().out.splitlines()]
    assert not np.array_equal(pixels(Path("own.png")), pixels(Path("plain.png")))
    assert said[0][0] == said[1][0]  # of the other edit
    assert ("kind" in said[1][1]) == (name != "mask")
    if name == "kind":
        assert [each[1]["kind"] for each in said] == ["addition", "area"]
    if name == "mask":
        assert (pixels(Path("own-mask.png"))[:, :28] == 255).all()


def test_masks_of_their_own_for_all_edits_are_not_sought(model, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw(Path("a.png"), 24, 32)
    half_mask(Path("left.png"), 24, 32)
    Image.fromarray(np.rot90(pixels(half_mask(Path("top.png"), 32, 24)), -1)).save("top.png")
    argv = ["edit", "a.png", *PEARS, "mask=left.png", *CLOTH, "mask=top.png", "--steps", 2, "--model", model]
    assert run(*argv, "--panels", "p.png", "--save-mask", "m.png", "--json") == 0
    said = report(capsys)
    assert "mask" not in said["evaluations"]
    assert [each.keys() for each in said["edits"]] == [{"source", "target", "coverage"}] * 2
    masks = np.maximum(pixels(Path("left.png")), pixels(Path("top.png")))
    assert np.array_equal(pixels(Path("m.png")), masks) and 0 < masks.mean() < 255
    assert np.array_equal(pixels(Path("a-edited.png"))[masks == 0], pixels(Path("a.png"))[masks == 0])
    assert run(*argv) == 0
    assert "edit 2, 50.0 %: in the mask that was given" in capsys.readouterr().out


def test_what_is_named_to_be_kept_is_looked_for_beside_the_edit(model, picture, tmp_path, capsys):
    masks = {}
    for name, keep in {"plain": [], "kept": ["--keep", "a bowl of apples"]}.items():
        argv = ["mask", picture, *TEXTS, *OBJECT, "--mask-draws", 2, "--model", model, "-o", tmp_path / f"{name}.png"]
        assert run(*argv, *keep, "--json") == 0
        masks[name] = pixels(tmp_path / f"{name}.png"), report(capsys)["evaluations"]["mask"]
    (plain, once), (kept, twice) = masks["plain"], masks["kept"]
    assert (once, twice) == (4, 8)
    assert (kept <= plain).all() and (kept < plain).any()
    argv = ["edit", picture, *TEXTS, *FEWEST, *OBJECT, "--keep", "a bowl of apples", "--room", 0, "--model", model]
    assert run(*argv, "--save-mask", tmp_path / "edit.png") == 0
    assert np.array_equal(pixels(tmp_path / "edit.png"), kept)


def test_two_edits_of_a_large_picture(model, tmp_path, capsys):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).resize((400, 300)).save(
        large := tmp_path / "large.png"
    )
    places = np.zeros((2, 300, 400), np.uint8)
    places[0, 20:60, 30:70], places[1, 220:260, 300:350] = 255, 255
    for name, place in zip("ab", places, strict=True):
        Image.fromarray(place).save(tmp_path / f"{name}.png")
    edits = [*PEARS, f"mask={tmp_path / 'a.png'}", *CLOTH, f"mask={tmp_path / 'b.png'}"]
    argv = ["edit", large, *edits, "--steps", 2, "--tries", 1, "--model", model, "-o", tmp_path / "o.png"]
    assert run(*argv, "--save-mask", tmp_path / "m.png", "--panels", tmp_path / "p.png", "--json") == 0
    said = report(capsys)
    assert len(said["cut_outs"]) == 2
    assert [each["coverage"] for each in said["edits"]] == pytest.approx(
        [(place > 0).mean() for place in places], abs=1e-6
    )
    assert np.array_equal(pixels(tmp_path / "m.png"), places.max(0))
    outside = places.max(0) == 0
    assert np.array_equal(pixels(tmp_path / "o.png")[outside], pixels(large)[outside])


@pytest.mark.parametrize(
    "how", [["--fastdiffedit"], ADDITION, [*OBJECT, *CLOTH, *PEARS]], ids=["fastdiffedit", "addition", "several"]
)
def test_seeds_reproduce_bit_for_bit(model, picture, tmp_path, how):
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        texts = [] if "--edit" in how else TEXTS
        argv = ["edit", picture, *texts, *FEWEST, "--model", model, "--seed", seed, *how]
        assert run(*argv, "-o", tmp_path / f"{name}.png") == 0
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_mask_writes_mask_and_heatmap_beside_the_picture(model, picture, capsys):
    assert run("mask", picture, *TEXTS, *OBJECT, "--model", model, "--mask-draws", 3, "--json") == 0
    said = report(capsys)
    assert pixels(picture.with_name("bowl-mask.png")).shape == (37, 51)
    assert pixels(picture.with_name("bowl-heatmap.png")).shape == (37, 51, 3)
    assert said["evaluations"] == {"mask": 6, "total": 6}
    assert said["written"].keys() == {"mask", "heatmap"}


@pytest.mark.parametrize("kind", ["object", "addition"])
def test_the_mask_of_edit_is_the_mask_of_mask(model, picture, tmp_path, kind):
    shared = [picture, *TEXTS, "--model", model, "--mask-kind", kind, "--mask-draws", 2, "--mask-rule", "top"]
    shared += ["--refine-grow", 2]
    assert run("mask", *shared, "-o", tmp_path / "a.png") == 0
    assert run("edit", *shared, "--steps", 2, "--room", 0, "--save-mask", tmp_path / "b.png") == 0
    assert run("edit", *shared[:5], *shared[5:7], "--steps", 2, "--mask", tmp_path / "a.png") == 0
    assert np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))
    assert run("edit", *shared, "--steps", 2, "--save-mask", tmp_path / "c.png", "-o", tmp_path / "o.png") == 0
    sought, changed = (pixels(tmp_path / f"{name}.png") for name in "bc")
    roomy = give_room(torch.tensor(sought)[None] / 255, EditSettings().room)[0].numpy() * 255
    assert (changed >= sought).all() and (changed > sought).any()  # an edit gives it room by itself
    assert (changed <= roomy).all()  # and takes of it what changed
    assert np.array_equal(pixels(tmp_path / "o.png")[changed == 0], pixels(picture)[changed == 0])


def test_a_mask_of_ones_own_needs_no_source_text(model, picture, tmp_path, capsys):
    mask = half_mask(tmp_path / "m.png", 37, 51)
    argv = ["edit", picture, "--mask", mask, "--target", "pears", "--steps", 5, "--model", model, "--json"]
    assert run(*argv) == 0
    said = report(capsys)
    out = pixels(picture.with_name("bowl-edited.png"))
    assert np.array_equal(out[:, 25:], pixels(picture)[:, 25:])
    assert not np.array_equal(out[:, :25], pixels(picture)[:, :25])
    assert "mask" not in said["evaluations"]
    assert only(said).keys() == {"source", "target", "coverage"}  # the texts were not asked
    assert run(*argv, "--refine-grow", 4) == 0
    assert report(capsys)["coverage"] > said["coverage"]


def test_fastdiffedit_is_its_own_mask_and_plain_inpainting(model, picture, capsys):
    assert run("edit", picture, *TEXTS, "--steps", 5, "--model", model, "--fastdiffedit", "--json") == 0
    assert report(capsys)["evaluations"] == {"mask": 40, "decode": 6, "total": 46}  # 20 draws, nothing inverted
    argv = ["--fastdiffedit", "--mask-draws", 3, "--background", "retrace", "--json"]
    assert run("edit", picture, *TEXTS, "--steps", 5, "--model", model, *argv) == 0
    assert report(capsys)["evaluations"] == {"mask": 6, "invert": 3, "decode": 6, "total": 15}


@pytest.mark.parametrize("command", ["edit", "mask"])
def test_fastdiffedit_is_a_preset_of_which_every_setting_can_still_be_set(model, tmp_path, command):
    few = [
        draw(tmp_path / "a.png", 40, 56),
        *TEXTS,
        "--model",
        model,
        "--mask-draws",
        2,
        *(["--steps", 2] if command == "edit" else []),
    ]
    name = "--save-mask" if command == "edit" else "-o"
    for file, flags in {"fast": [], "top": ["--mask-rule", "top"], "otsu": ["--mask-rule", "otsu"]}.items():
        assert run(command, *few, "--fastdiffedit", *flags, name, tmp_path / f"{file}.png") == 0
    fast, top, otsu = (pixels(tmp_path / f"{file}.png") > 0 for file in ("fast", "top", "otsu"))
    assert not np.array_equal(fast, top) and not np.array_equal(top, otsu)
    assert top.mean() == 0.2  # the rule's own share


@pytest.mark.parametrize(("preset", "tries", "drafts"), [("fast", 1, 1), ("balanced", 3, 2)])
def test_presets_are_points_of_quality_against_cost(model, picture, tmp_path, capsys, preset, tries, drafts):
    for kind in ("object", "addition"):
        common = ["edit", picture, *TEXTS, "--mask-kind", kind, "--steps", 5, "--mask-draws", 2, "--model", model]
        by_hand = ["--tries", tries] if kind == "object" else ["--mask-drafts", drafts]
        asked = {"named": ["--preset", preset], "by hand": by_hand}
        costs = []
        for name, flags in asked.items():
            assert run(*common, *flags, "-o", tmp_path / f"{name}.png", "--json") == 0
            costs.append(report(capsys)["evaluations"])
        assert costs[0] == costs[1]
        assert (tmp_path / "named.png").read_bytes() == (tmp_path / "by hand.png").read_bytes()
        if kind == "addition":
            judged = 2 if drafts > 1 else 0
            assert costs[0]["mask"] == 4 + drafts * (22 + 4 + judged)
        else:
            assert costs[0]["decode"] == tries * (4 + (2 if tries > 1 else 0)) + 2


@pytest.mark.parametrize("command", ["edit", "mask"])
def test_a_preset_is_balanced_unless_said_and_every_setting_of_it_can_still_be_set(model, picture, capsys, command):
    assert EditSettings() == PRESETS[BALANCED].settings
    common = [command, picture, *TEXTS, *ADDITION, *FEWEST[2 if command == "mask" else 0 :], "--model", model, "--json"]
    costs = {}
    for name, flags in {
        "": [],
        "balanced": ["--preset", "balanced"],
        "fast": ["--preset", "fast"],
        "the best of two": ["--preset", "fast", "--mask-drafts", 2],
    }.items():
        assert run(*common, *flags) == 0
        costs[name] = report(capsys)["evaluations"]["mask"]
    assert costs[""] == costs["balanced"] == costs["the best of two"] == 4 + 2 * 28
    assert costs["fast"] == 4 + 26


@pytest.mark.parametrize("command", ["edit", "mask"])
def test_what_was_found_is_said_in_json_and_in_words(model, picture, tmp_path, capsys, command):
    """What kind of edit the texts ask for, and how surely."""
    common = [command, picture, *TEXTS, *FEWEST[2 if command == "mask" else 0 :], "--mask-drafts", 1, "--model", model]
    assert run(*common, "--json", "--save-heatmap", tmp_path / "h.npy") == 0
    said = only(report(capsys))
    assert said["kind"] == "addition"  # two draws of a random model have nothing in common
    assert -1 <= said["agreement"] < 0.75
    words = "the two texts do not say where: one place was chosen, another seed chooses another"
    assert said["finding"] == f"{words} (the draws of noise agree to {said['agreement']:.2f})"
    assert run(*common) == 0
    assert capsys.readouterr().out.startswith(said["finding"] + "\n")
    named = {"object": "one place changes", "area": "a large area changes"}
    for kind, finding in named.items():
        assert run(*common[:-4], "--model", model, "--mask-kind", kind, "--json") == 0
        by_hand = only(report(capsys))
        assert (by_hand["kind"], by_hand["agreement"]) == (kind, said["agreement"])
        assert by_hand["finding"].startswith(f"{finding} (")


def test_equal_texts_are_no_addition_and_cost_no_drafts(model, picture, capsys):
    same = ["--source", "apples", "--target", "apples"]
    assert run("mask", picture, *same, "--model", model, "--json") == 0
    said = report(capsys)
    assert said["coverage"] == 0 and said["evaluations"]["total"] == 4
    assert "one place was chosen" not in only(said)["finding"]


def test_where_no_place_was_chosen_none_is_said_to_be(model, picture, capsys):
    assert run("mask", picture, *TEXTS, *ADDITION, "--mask-drafts", 0, "--model", model, "--json") == 0
    assert "one place was chosen" not in only(report(capsys))["finding"]


def test_several_texts_are_averaged(model, picture, tmp_path):
    twice = ["--source", "apples", "--source", "apples", "--target", "pears", "--target", "plums"]
    once = ["--source", "apples", "--target", "pears"]
    for name, texts in {"two": twice, "one": once}.items():
        argv = ["mask", picture, *texts, "--model", model, "--mask-draws", 2, "-o", tmp_path / "m.png"]
        assert run(*argv, "--save-heatmap", tmp_path / f"{name}.npy") == 0
    host = DiffusersHost.from_pretrained(model)
    averaged = (host.embed("pears") + host.embed("plums")) / 2
    assert torch.allclose(host.embed(["pears", "plums"]), averaged, atol=1e-6)
    assert not np.allclose(np.load(tmp_path / "two.npy"), np.load(tmp_path / "one.npy"), atol=1e-4)


@pytest.mark.parametrize("size", [(1, 17), (7, 90), (64, 64), (65, 33)])
def test_any_size_comes_back_as_it_came(model, tmp_path, size):
    picture = draw(tmp_path / "a.png", *size)
    assert run("edit", picture, *TEXTS, *FEW, "--model", model, "--panels", tmp_path / "p.png") == 0
    assert pixels(tmp_path / "a-edited.png").shape == (*size, 3)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tiff"])
def test_transparency_stays_and_so_does_everything_outside_the_mask(model, tmp_path, suffix):
    picture = draw(tmp_path / f"a{suffix}", 24, 32, "RGBA")
    if suffix == ".webp":
        Image.open(draw(tmp_path / "b.png", 24, 32, "RGBA")).save(picture, lossless=True, exact=True)
    mask = half_mask(tmp_path / "m.png", 24, 32)
    out = tmp_path / f"o{suffix}"
    assert run("edit", picture, "--mask", mask, "--target", "x", "--steps", 2, "--model", model, "-o", out) == 0
    before, after = pixels(picture), pixels(out)
    assert np.array_equal(after[..., 3], before[..., 3])
    assert np.array_equal(after[:, 16:], before[:, 16:])
    assert not np.array_equal(after[:, :16], before[:, :16])


def test_a_photograph_lying_on_its_side_is_edited_upright(model, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(draw(tmp_path / "a.png", 20, 40)).save(tmp_path / "side.png", exif=exif)
    mask = half_mask(tmp_path / "m.png", 40, 20)
    argv = ["edit", tmp_path / "side.png", "--mask", mask, "--target", "x", "--steps", 2, "--model", model]
    assert run(*argv) == 0
    upright = np.rot90(pixels(tmp_path / "side.png"), -1)
    assert np.array_equal(pixels(tmp_path / "side-edited.png")[:, 10:], upright[:, 10:])
    with Image.open(tmp_path / "side-edited.png") as image:
        assert image.getexif().get(0x0112, 1) == 1


def test_a_jpeg_is_written_with_a_warning(model, picture, tmp_path, capsys):
    assert run("edit", picture, *TEXTS, *FEW, "--model", model, "-o", tmp_path / "o.jpg") == 0
    assert "JPEG, which changes every pixel a little" in capsys.readouterr().err
    assert pixels(tmp_path / "o.jpg").shape == (37, 51, 3)


def test_equal_texts_give_an_empty_mask_a_warning_and_the_picture_itself(model, picture, capsys):
    same = ["--source", "apples", "--target", "apples"]
    assert run("edit", picture, *same, *FEW, "--model", model, "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["coverage"] == 0
    assert "the mask is empty" in err
    assert np.array_equal(pixels(picture.with_name("bowl-edited.png")), pixels(picture))


def test_an_empty_source_is_the_papers_empty_reference(model, picture, capsys):
    assert run("mask", picture, "--source", "", "--target", "pears", "--mask-draws", 2, "--model", model) == 0
    assert "source text is empty" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision(model, picture, dtype):
    assert run("edit", picture, *TEXTS, *FEW, "--model", model, "--dtype", dtype) == 0


def test_the_words_name_what_was_written(model, picture, capsys):
    assert run("edit", picture, *TEXTS, *FEW, *OBJECT, "--model", model) == 0
    out, err = capsys.readouterr()
    assert "22 model evaluations" in out
    assert f"{picture.with_name('bowl-edited.png')} (picture)" in out
    assert "Loading" not in err


BAD = {
    "there is no file": ["edit", "none.png", *TEXTS],
    "is not a picture that can be read": ["edit", "notes.txt", *TEXTS],
    "cannot be read": ["mask", ".", *TEXTS],
    "name a model": ["edit", "a.png", *TEXTS, "--model", ""],
    "--target is missing or empty": ["edit", "a.png", "--source", "x"],
    "--target is missing or empty; say": ["edit", "a.png", "--source", "x", "--target", " "],
    "--source is missing": ["mask", "a.png", "--target", "x"],
    "--source is missing; say": ["edit", "a.png", "--target", "x", "--mask", "m.png", "--background", "source"],
    "--strength: 1.5 is not from 0.01 to 1": ["edit", "a.png", *TEXTS, "--strength", "1.5"],
    "--mask-strength: 0 is not from 0.01 to 1": ["edit", "a.png", *TEXTS, "--mask-strength", "0"],
    "--guidance: 'x' is not a number": ["edit", "a.png", *TEXTS, "--guidance", "x"],
    "--guidance: nan is not from 0 to 30": ["edit", "a.png", *TEXTS, "--guidance", "nan"],
    "--steps: 0 is not from 1 to 1000": ["edit", "a.png", *TEXTS, "--steps", "0"],
    "--steps: 1001 is not from 1 to 1000": ["edit", "a.png", *TEXTS, "--steps", "1001"],
    "--steps: '2.5' is not a whole number": ["edit", "a.png", *TEXTS, "--steps", "2.5"],
    "--mask-draws: 0 is not from 1 to 1000": ["edit", "a.png", *TEXTS, "--mask-draws", "0"],
    "--mask-draws: -1 is not from 1 to 1000": ["mask", "a.png", *TEXTS, "--mask-draws", "-1"],
    "--tries: 0 is not from 1 to 64": ["edit", "a.png", *TEXTS, "--tries", "0"],
    "--rim: -1 is not from 0 to 256": ["edit", "a.png", *TEXTS, "--rim", "-1"],
    "--mask-value: 1e9 is not from -10 to 100": ["edit", "a.png", *TEXTS, "--mask-value", "1e9"],
    "rule 'minmax' was given 5.0": ["edit", "a.png", *TEXTS, "--mask-rule", "minmax", "--mask-value", "5"],
    "invalid choice: 'magic'": ["edit", "a.png", *TEXTS, "--mask-rule", "magic"],
    "invalid choice: 'euler'": ["edit", "a.png", *TEXTS, "--solver", "euler"],
    "--refine-snap: 0.7 is not from 0 to 0.49": ["edit", "a.png", *TEXTS, "--refine-snap", "0.7"],
    "is 8x8 but the picture a.png is 24x16": ["edit", "a.png", *TEXTS, "--mask", "other.png"],
    "its name must end in .png": ["edit", "a.png", *TEXTS, "-o", "o.gif"],
    "there is no folder": ["edit", "a.png", *TEXTS, "-o", "none/o.png"],
    "cannot write away.png: there is no folder": ["edit", "a.png", *TEXTS, "-o", "away.png"],
    "cannot write loop.png: Too many levels of symbolic links": ["edit", "a.png", *TEXTS, "-o", "loop.png"],
    "x.png: File name too long": ["edit", "a.png", *TEXTS, "-o", "x" * 300 + ".png"],
    "cannot write pipe.png: it is no file but a pipe": ["mask", "a.png", *TEXTS, "-o", "pipe.png"],
    "pipe.png cannot be read: it is no file but a pipe": ["edit", "a.png", *TEXTS, "--mask", "pipe.png"],
    "\\udcff' is no UTF-8": ["edit", "a.png", "--source", "a", "--target", "\udcff"],
    "m.png is another of the files to read": ["edit", "a.png", *TEXTS, "--control", "m.png", "-o", "m.png"],
    "m.png is another of the files to read or write": ["mask", "a.png", *TEXTS, "--control", "m.png", "-o", "m.png"],
    "--device meta cannot be used here": ["mask", "a.png", *TEXTS, "--device", "meta"],
    "--device hpu cannot be used here: this PyTorch has no such": ["mask", "a.png", *TEXTS, "--device", "hpu"],
    "another of the files": ["edit", "a.png", *TEXTS, "-o", "a.png"],
    "different one for the panels": ["edit", "a.png", *TEXTS, "-o", "o.png", "--panels", "./o.png"],
    "has no model_index.json": ["edit", "a.png", *TEXTS, "--model", "."],
    "./none is neither a folder here": ["edit", "a.png", *TEXTS, "--model", "./none"],
    "broken cannot be loaded": ["edit", "a.png", *TEXTS, "--model", "broken"],
    "--device abacus cannot be used here": ["edit", "a.png", *TEXTS, "--device", "abacus"],
    "unrecognized arguments: --frobnicate": ["edit", "a.png", *TEXTS, "--frobnicate"],
    "the following arguments are required": ["edit"],
    "invalid choice: 'paint'": ["paint"],
    "there is no edit of kind 'nope'": ["demo", "--kind", "nope"],
    "--scene is -1": ["demo", "--scene", "-1"],
    "invalid choice: 'slow'": ["edit", "a.png", *TEXTS, "--preset", "slow"],
    "--preset and --fastdiffedit exclude each other": ["mask", "a.png", *TEXTS, "--preset", "fast", "--fastdiffedit"],
    "invalid choice: 'removal'": ["mask", "a.png", *TEXTS, "--mask-kind", "removal"],
    "--mask-drafts: 65 is not from 0 to 64": ["edit", "a.png", *TEXTS, "--mask-drafts", "65"],
    "--mask-sure: 1.5 is not from -1 to 1": ["mask", "a.png", *TEXTS, "--mask-sure", "1.5"],
    "--guided-above: -1 is not from 0 to 100": ["edit", "a.png", *TEXTS, "--guided-above", "-1"],
    "--edit pears: say what is there, and then what should be there instead": ["edit", "a.png", "--edit", "pears"],
    "--edit apples ' ': say what is there": ["edit", "a.png", "--edit", "apples", " "],
    "expected at least one argument": ["edit", "a.png", "--edit"],
    "arguments are required: IMAGE; name it first, before the flags": ["edit", *PEARS, "a.png"],
    "unrecognized arguments: --edit": ["mask", "a.png", *PEARS],
    "--edit ... green: after the two texts, each of them in quotes, may come": ["edit", "a.png", *PEARS, "green"],
    "--edit ... mask: after the two texts": ["edit", "a.png", *PEARS, "mask"],
    "--edit ... colour: after the two texts": ["edit", "a.png", *PEARS, "colour=red"],
    "kind=area kind=object: each name may be given once": ["edit", "a.png", *PEARS, "kind=area", "kind=object"],
    "--edit ... guidance=x: it must be a number from 0 to 30": ["edit", "a.png", *PEARS, "guidance=x"],
    "--edit ... guidance=31: it must be a number from 0 to 30": ["edit", "a.png", *PEARS, "guidance=31"],
    "--edit ... guidance=nan: it must be": ["edit", "a.png", *PEARS, "guidance=nan"],
    "--edit ... kind=thing: it must be one of auto, object, area, addition": ["edit", "a.png", *PEARS, "kind=thing"],
    "--source, --target cannot stand beside --edit": ["edit", "a.png", *PEARS, *TEXTS],
    "--mask cannot stand beside --edit; write --edit SOURCE TARGET mask=FILE": [
        "edit",
        "a.png",
        *PEARS,
        "--mask",
        "m.png",
    ],
    "there is no file none.png": ["edit", "a.png", *CLOTH, *PEARS, "mask=none.png"],
    "--edit ... mask=: name a file": ["edit", "a.png", *CLOTH, *PEARS, "mask="],
    "the mask other.png is 8x8 but the picture a.png is 24x16": ["edit", "a.png", *CLOTH, *PEARS, "mask=other.png"],
    "m.png is another of the files": ["edit", "a.png", *PEARS, "mask=m.png", "-o", "m.png"],
    "--edit ... keep=, kind= would change nothing: mask=FILE says where to edit": [
        "edit",
        "a.png",
        *PEARS,
        "mask=m.png",
        "kind=area",
        "keep=x",
    ],
    "--overlap: invalid choice: 'best'": ["edit", "a.png", *PEARS, *CLOTH, "--overlap", "best"],
    "unrecognized arguments: --rounds": ["edit", "a.png", *TEXTS, "--rounds", "2"],
    "unrecognized arguments: --fast": ["edit", "a.png", *TEXTS, "--fast"],
}


@pytest.mark.parametrize("why", BAD)
def test_bad_input_is_refused_in_one_line_and_leaves_nothing(model, tmp_path, capsys, monkeypatch, why):
    monkeypatch.chdir(tmp_path)
    draw(Path("a.png"), 16, 24)
    half_mask(Path("m.png"), 16, 24)
    half_mask(Path("other.png"), 8, 8)
    Path("notes.txt").write_text("not a picture")
    os.mkfifo("pipe.png")
    Path("loop.png").symlink_to("loop.png")
    Path("away.png").symlink_to("none/away.png")
    shutil.copytree(model, "broken")
    Path("broken/unet/diffusion_pytorch_model.safetensors").write_bytes(b"torn")
    before = sorted(Path().iterdir())
    argv = BAD[why]
    if argv[0] in ("edit", "mask") and "--model" not in argv:
        argv = [*argv, "--model", model]
    assert why in refused(capsys, *argv)
    assert sorted(Path().iterdir()) == before


NOTHING_INVERTED = "noised inverts nothing"
NOTHING_SOUGHT = "--mask FILE says where to edit, so no mask is sought"
NO_GUIDANCE = "single predictions are compared without guidance; use --mask-steps 2 or more"
NOTHING_GUIDED = "nothing is guided away from it"
PURIST = "the purist mask takes all its draws and drafts nothing"
NO_FOCUS = "--no-focus gives the picture to the model as it is"
USELESS = [
    ("edit", ["--background", "noised"], ["--iterations", "2"], NOTHING_INVERTED),
    ("edit", ["--background", "noised"], ["--inversion-guidance", "2"], NOTHING_INVERTED),
    ("edit", ["--background", "noised"], ["--inversion-text", "x"], NOTHING_INVERTED),
    ("edit", ["--fastdiffedit"], ["--iterations", "2"], NOTHING_INVERTED),
    ("edit", ["--guidance", "1"], ["--guided-above", "0.5"], "guidance 1 guides nowhere"),
    ("edit", ["--mask", "m.png"], ["--mask-strength", "0.4"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--mask-draws", "3"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--mask-kind", "area"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--mask-statistic", "signed"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--mask-paired"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--mask-sure", "0.5"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--mask-drafts", "1"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--mask-steps", "2"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--mask-guidance", "2"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--mask-rule", "top"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--mask-value", "1"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--room", "3"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--windows", "3"], NOTHING_SOUGHT),
    ("edit", ["--mask", "m.png"], ["--save-heatmap", "h.npy"], NOTHING_SOUGHT),
    ("edit", ["--mask-drafts", "0"], ["--mask-guidance", "2"], NO_GUIDANCE),
    ("mask", ["--mask-kind", "object"], ["--mask-guidance", "2"], NO_GUIDANCE),
    ("mask", ["--mask-kind", "area"], ["--mask-guidance", "2"], NO_GUIDANCE),
    ("mask", ["--fastdiffedit"], ["--mask-guidance", "2"], NO_GUIDANCE),
    ("edit", ["--mask-kind", "object"], ["--mask-drafts", "3"], "kind object adds nothing"),
    ("mask", ["--mask-kind", "area"], ["--mask-drafts", "3"], "kind area adds nothing"),
    ("mask", ["--fastdiffedit"], ["--mask-drafts", "3"], "kind object adds nothing"),
    ("edit", ["--mask-steps", "2"], ["--mask-sure", "0.5"], PURIST),
    ("mask", ["--mask-steps", "2"], ["--mask-drafts", "3"], PURIST),
    ("mask", ["--mask-draws", "2"], ["--mask-sure", "0.5"], "2 draws are the fewest"),
    ("edit", ["--mask-kind", "addition"], ["--tries", "4"], "of an added thing several places are drafted"),
    ("edit", ["--guidance", "1", "--mask-drafts", "0"], ["--negative", "blurred"], NOTHING_GUIDED),
    ("edit", ["--guidance", "1", "--mask-kind", "object"], ["--negative", "blurred"], NOTHING_GUIDED),
    ("edit", ["--guidance", "1", "--mask-guidance", "1"], ["--negative", "blurred"], NOTHING_GUIDED),
    ("edit", ["--guidance", "1", "--mask", "m.png"], ["--negative", "blurred"], NOTHING_GUIDED),
    ("mask", ["--mask-kind", "area"], ["--negative", "blurred"], NOTHING_GUIDED),
    ("mask", ["--mask-guidance", "1"], ["--negative", "blurred"], NOTHING_GUIDED),
    ("mask", ["--fastdiffedit"], ["--negative", "blurred"], NOTHING_GUIDED),
    ("mask", ["--mask-steps", "2", "--mask-guidance", "1"], ["--negative", "x"], NOTHING_GUIDED),
    ("edit", [], ["--overlap", "shared"], "one edit meets no other"),
    ("edit", ["--mask", "m.png"], ["--keep", "x"], NOTHING_SOUGHT),
    ("edit", ["--no-focus"], ["--context", "0.5"], NO_FOCUS),
    ("edit", ["--no-focus"], ["--area", "0.5"], NO_FOCUS),
    ("mask", ["--no-focus"], ["--windows", "3"], NO_FOCUS),
    ("edit", ["--refine-edge-snap", "none"], ["--refine-edge-radius", "3"], "no edges are looked for"),
    ("edit", ["--mask", "m.png"], ["--refine-edge-radius", "3"], "no edges are looked for"),
    ("mask", ["--fastdiffedit"], ["--refine-edge-radius", "3"], "no edges are looked for"),
]


@pytest.mark.parametrize(
    ("command", "others", "useless", "why"), USELESS, ids=[" ".join([u[0], *u[1], u[2][0]]) for u in USELESS]
)
def test_a_flag_that_would_change_nothing_is_refused_by_its_name(
    model, tmp_path, capsys, monkeypatch, command, others, useless, why
):
    monkeypatch.chdir(tmp_path)
    draw(Path("a.png"), 16, 24)
    half_mask(Path("m.png"), 16, 24)
    said = refused(capsys, command, "a.png", *TEXTS, "--model", model, *others, *useless)
    assert f"{useless[0]} would change nothing: {why}" in said
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "m.png"]


EVERY_MASK = "every --edit has its mask=FILE, so no mask is sought"
USELESS_FOR_SEVERAL = [
    (PEARS, ["--overlap", "shared"], "one edit meets no other"),
    ([*PEARS, "negative=x", *CLOTH, "negative="], ["--negative", "y"], "every --edit says negative= for itself"),
    ([*PEARS, "guidance=2", *CLOTH, "guidance=1"], ["--guidance", "3"], "every --edit says guidance= for itself"),
    ([*PEARS, "kind=area", *CLOTH, "mask=m.png"], ["--mask-kind", "area"], "every --edit says kind= for itself"),
    ([*PEARS, "keep=x", *CLOTH, "mask=m.png"], ["--keep", "y"], "every --edit says keep= for itself"),
    ([*PEARS, "mask=m.png", *CLOTH, "mask=m.png"], ["--room", "3"], EVERY_MASK),
    ([*PEARS, "mask=m.png", *CLOTH, "mask=m.png"], ["--save-heatmap", "h.npy"], EVERY_MASK),
    ([*PEARS, "kind=addition", *CLOTH, "kind=addition"], ["--tries", "4"], "of an added thing several places"),
    ([*PEARS, "kind=area", *CLOTH, "kind=object"], ["--mask-drafts", "3"], "kind area or object adds nothing"),
    ([*PEARS, "guidance=1", *CLOTH, "guidance=1"], ["--guided-above", "1"], "guidance 1 guides nowhere"),
    ([*PEARS, "kind=area", *CLOTH, "--guidance", "1", *OBJECT], ["--negative", "x"], NOTHING_GUIDED),
]


@pytest.mark.parametrize(
    ("edits", "useless", "why"), USELESS_FOR_SEVERAL, ids=[" ".join(u[1]) + ": " + u[2] for u in USELESS_FOR_SEVERAL]
)
def test_a_flag_that_would_change_nothing_for_any_of_the_edits_is_refused(
    model, tmp_path, capsys, monkeypatch, edits, useless, why
):
    monkeypatch.chdir(tmp_path)
    draw(Path("a.png"), 16, 24)
    half_mask(Path("m.png"), 16, 24)
    said = refused(capsys, "edit", "a.png", *edits, "--model", model, *useless)
    assert f"{useless[0]} would change nothing: {why}" in said
    assert sorted(path.name for path in Path().iterdir()) == ["a.png", "m.png"]


USEFUL_FOR_ONE = [
    ([*PEARS, "negative=x", *CLOTH], ["--negative", "y"]),
    ([*PEARS, "guidance=2", *CLOTH], ["--guidance", "3"]),
    ([*PEARS, "kind=area", *CLOTH], [*OBJECT]),
    ([*PEARS, "mask=m.png", *CLOTH], ["--room", "0"]),
    ([*PEARS, "mask=m.png", *CLOTH], ["--keep", "a table"]),
    ([*PEARS, "guidance=4", *CLOTH, "--guidance", "1"], ["--negative", "x"]),
    ([*PEARS, "guidance=4", *CLOTH, "--guidance", "1"], ["--guided-above", "0"]),
    ([*PEARS, "kind=object", *CLOTH, *ADDITION], ["--tries", "1"]),
    ([*PEARS, "kind=addition", *CLOTH, *OBJECT], ["--mask-drafts", "1"]),
]


@pytest.mark.parametrize(("edits", "useful"), USEFUL_FOR_ONE, ids=[" ".join(u[1]) for u in USEFUL_FOR_ONE])
def test_a_flag_that_changes_something_for_one_of_the_edits_is_taken(model, tmp_path, monkeypatch, edits, useful):
    monkeypatch.chdir(tmp_path)
    draw(Path("a.png"), 37, 51)
    half_mask(Path("m.png"), 37, 51)
    found = []
    for flags in ([], useful):
        argv = ["edit", "a.png", *edits, *FEWEST, "--steps", 4, "--mask-rule", "top", "--model", model, *flags]
        assert run(*argv, "-o", "o.png", "--save-mask", "o-mask.png") == 0
        found.append((pixels(Path("o.png")), pixels(Path("o-mask.png"))))
    assert any(not np.array_equal(*pair) for pair in zip(*found, strict=True))


def test_flags_that_would_change_nothing_are_all_named(picture, capsys):
    argv = ["--background", "noised", "--iterations", "2", "--inversion-guidance", "2", "--inversion-text", "x"]
    said = refused(capsys, "edit", picture, *TEXTS, *argv)
    assert "--iterations, --inversion-guidance, --inversion-text would change nothing" in said


USEFUL = {
    "tries of a random solver": (["--solver", "ancestral", "--tries", "1"], ["--tries", "4"]),
    "tries of a solver that adds no noise": (["--solver", "ddim", "--tries", "1"], ["--tries", "4"]),
    "tries of fastdiffedit": (["--fastdiffedit"], ["--tries", "16"]),
    "the negative text of the inversion": (["--guidance", "1", "--inversion-guidance", "2"], ["--negative", "blurred"]),
    "the negative text of the purist mask": (["--guidance", "1", "--mask-steps", "2"], ["--negative", "blurred"]),
    "the guidance of the purist mask": (["--mask-steps", "2"], ["--mask-guidance", "2"]),
    "the negative text of the mask's drafts": (["--guidance", "1", *ADDITION], ["--negative", "blurred"]),
    "the guidance of the mask's drafts": (ADDITION, ["--mask-guidance", "2"]),
    "more drafts for the mask": (["--mask-drafts", "1", *ADDITION], ["--mask-drafts", "4"]),
    "no draft for the mask": (ADDITION, ["--mask-drafts", "0"]),
    "the kind of the mask": ([], ADDITION),
    "draws that the mask is spared": (["--mask-draws", "4"], ["--mask-sure", "-1"]),
    "fixed points of another background than fast's": (
        ["--fastdiffedit", "--background", "retrace"],
        ["--iterations", "2"],
    ),
    "guided-above": ([], ["--guided-above", "0"]),
    "rim": ([], ["--rim", "0"]),
    "room": ([], ["--room", "0"]),
    "solver": ([], ["--solver", "multistep"]),
}


@pytest.mark.parametrize("what", USEFUL)
def test_a_flag_that_is_taken_changes_something(model, picture, tmp_path, what):
    others, useful = USEFUL[what]
    has_tries = "--tries" in useful or "--fastdiffedit" in others or "addition" in [*others, *useful]
    one_try = [] if has_tries else ["--tries", "1"]
    common = ["edit", picture, *TEXTS, *FEWEST, *OBJECT, "--steps", 4, "--mask-rule", "top", *one_try, "--model", model]
    for name, flags in {"without": [], "with": useful}.items():
        written = ["-o", tmp_path / f"{name}.png", "--save-heatmap", tmp_path / f"{name}.npy"]
        assert run(*common, *others, *flags, *written) == 0
    found = [(pixels(tmp_path / f"{name}.png"), np.load(tmp_path / f"{name}.npy")) for name in ("without", "with")]
    changed = [not np.array_equal(*pair) for pair in zip(*found, strict=True)]
    assert changed[1] if "mask" in what else changed == [True, False]


def test_without_the_demo_model_one_is_told_so(picture, capsys, monkeypatch):
    monkeypatch.setattr(toybox, "WEIGHTS", picture.parent)
    for argv in (["edit", picture, *TEXTS, "--model", "demo"], ["demo", "-o", picture.parent / "demo.png"]):
        assert "the demo model is not part of this installation" in refused(capsys, *argv)
    assert sorted(picture.parent.iterdir()) == [picture]


def test_a_picture_that_cannot_be_written_after_all_leaves_nothing(model, picture, capsys, monkeypatch):
    def full_disk(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    said = refused(capsys, "edit", picture, *TEXTS, *FEW, *OBJECT, "--room", 0, "--model", model)
    assert "No space left on device" in said
    assert sorted(picture.parent.iterdir()) == [picture]


def leaves(settings: Settings, prefix: str = "", path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """(path, knob, default, flag) of every knob, however deep."""
    for name, knob in settings.knobs():
        yield (*path, name), knob, getattr(settings, name), f"--{flag_of(name, knob, prefix)}"
    for field in fields(settings):
        if "prefix" in field.metadata:
            yield from leaves(getattr(settings, field.name), field.metadata["prefix"], (*path, field.name))


def another(knob: Knob, default: Any) -> str:
    """A value that the knob takes and that is not the default."""
    if knob.names:
        return next(name for name in knob.names if name != default)
    return next(str(value) for value in (1, 2, 0.3) if value != default and knob.low <= value <= knob.high)


NO_KNOBS = {"--help", "--source", "--target", "--negative", "--model", "--output", "--panels", "--save-heatmap"}
NO_KNOBS |= {"--caption", "--vary", "--instruction", "--writer"}
NO_KNOBS |= {"--keep", "--preset", "--fastdiffedit", "--seed", "--device", "--dtype", "--json"}
NO_KNOBS |= {"--controlnet", "--control", "--control-scale"}
NO_KNOBS |= {prefix + name for name, _ in Memory.knobs() for prefix in ("--", "--no-")} - {"--no-offload"}
NO_KNOBS = {flag.replace("_", "-") for flag in NO_KNOBS}
NO_KNOBS_OF_EDIT = {"--edit", "--mask", "--save-mask", "--inversion-text", "--inpaint-model"}
FOCUS = {"--focus", "--no-focus", "--area", "--context", "--windows"}  # of mask, beside the settings of the mask


START_FROM = {
    **{name: (preset.settings, ["--preset", name]) for name, preset in PRESETS.items()},
    "": (EditSettings(), []),
    "fastdiffedit": (FASTDIFFEDIT, ["--fastdiffedit"]),
}


@pytest.mark.parametrize("command", ["edit", "mask"])
@pytest.mark.parametrize("name", START_FROM)
def test_every_knob_of_the_method_is_a_flag_with_help_and_reaches_its_setting(command, name, capsys):
    preset, flags_of_preset = START_FROM[name]
    assert preset_of(make_parser().parse_args([command, "a.png", *flags_of_preset])) == preset
    preset = preset if command == "edit" else preset.mask
    parser, flags = make_parser(), []
    with pytest.raises(SystemExit):
        parser.parse_args([command, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert from_flags(parser.parse_args([command, "a.png"]), preset) == preset
    for path, knob, default, flag in leaves(preset):
        flags.append(flag)
        assert f" {flag} " in shown.replace(",", " ") and knob.help in shown
        if isinstance(default, bool):
            given = [flag.replace("--", "--no-", 1) if default else flag]
        else:
            given = [flag, another(knob, default)]
        turned = from_flags(parser.parse_args([command, "a.png", *given]), preset)
        before, after = ({leaf[0]: leaf[2] for leaf in leaves(settings)} for settings in (preset, turned))
        assert {name for name in before if before[name] != after[name]} == {path}, flag
    for meaning in (f"{name}: {preset.meaning}" for name, preset in PRESETS.items()):
        assert meaning in shown
    assert len(set(flags)) == len(flags)
    others = set(re.findall(r"--[a-z-]+", shown)) - {flag.replace("--", "--no-", 1) for flag in flags} - set(flags)
    assert others == NO_KNOBS | (NO_KNOBS_OF_EDIT if command == "edit" else FOCUS)


@pytest.mark.parametrize("command", ["edit", "mask"])
def test_every_number_out_of_its_knobs_limits_is_refused_with_the_flags_name(picture, command, capsys):
    for _, knob, default, flag in leaves(EditSettings() if command == "edit" else MaskSettings()):
        if isinstance(default, bool) or knob.names:
            continue
        for value in (knob.low - 1, knob.high + 1, "nan"):
            said = refused(capsys, command, picture, *TEXTS, f"{flag}={value:g}" if value != "nan" else f"{flag}=nan")
            assert f"argument {flag}: " in said
            assert f"not from {knob.low:g} to {knob.high:g}" in said or "'nan' is not a whole number" in said


def test_refining_a_mask_of_ones_own_takes_the_same_flags_and_does_nothing_by_default():
    parser = make_parser()
    assert from_flags(parser.parse_args(["edit", "a.png"]), Refinement(), "refine-") == Refinement()
    args = parser.parse_args(["edit", "a.png", "--refine-grow", "2", "--refine-edge-snap", "grabcut"])
    assert from_flags(args, Refinement(), "refine-") == Refinement(grow=2, edge_snap="grabcut")


def start(*argv: object, **options) -> subprocess.Popen:
    """The installed command."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [str(SCRIPT), *map(str, argv)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, **options)


def test_the_installed_command_keeps_stdout_for_the_json(model, picture):
    flags = [*FEW, *OBJECT, "--room", 0, "--model", model, "--json"]
    process = start("edit", picture, *TEXTS, *flags, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0
    assert json.loads(out)["evaluations"]["total"] == 22
    assert err == ""  # no bars where nobody looks on, no chatter from libraries


class Screen:
    """A terminal of 24 x 80 and what it shows."""

    def __init__(self) -> None:
        pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
        self.screen, self.terminal = pty.openpty()
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.shown = b""

    def watch(self, process: subprocess.Popen, until: bytes | None = None) -> None:
        """To the end, or until it shows what is waited for."""
        if self.terminal is not None:
            os.close(self.terminal)  # the process has it now; its end is the end of what we read
            self.terminal = None
        with contextlib.suppress(OSError):  # which is how a terminal ends
            while (until is None or until not in self.shown) and (part := os.read(self.screen, 4096)):
                self.shown += part


def test_bars_where_somebody_looks_on(model, picture):
    screen = Screen()
    process = start("edit", picture, *TEXTS, *FEW, *OBJECT, "--model", model, stderr=screen.terminal)
    screen.watch(process)
    assert process.wait(timeout=600) == 0
    shown = screen.shown
    for stage in (b"mask", b"invert", b"decode"):
        assert stage in shown
    assert b"100%" in shown


def test_control_c_leaves_nothing_behind(model, tmp_path):
    picture, screen = draw(tmp_path / "a.png", 64, 64), Screen()
    argv = ["edit", picture, *TEXTS, *OBJECT, "--steps", 900, "--model", model]
    process = start(*argv, stderr=screen.terminal)
    screen.watch(process, until=b"invert")  # in the middle of the work
    process.send_signal(signal.SIGINT)
    screen.watch(process)
    assert process.wait(timeout=600) == 130
    assert b"diffedit: interrupted" in screen.shown
    assert b"Traceback" not in screen.shown
    assert list(tmp_path.iterdir()) == [picture]


PRESSED = """
import signal, sys

class Pressed:
    def find_spec(self, name, *_):
        if name == "torch":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Pressed())
from diffedit_core.cli import main
sys.exit(main(["demo"]))
"""


def test_control_c_is_heard_while_torch_is_imported():
    ended = subprocess.run([sys.executable, "-c", PRESSED], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (130, "diffedit: interrupted\n")


class Pressed:
    """Ctrl-C, while torch looks at what it is to make a tensor of."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, place: int) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["edit", "a.png", *TEXTS], "diffedit: interrupted\n"),
        (
            ["batch", "pictures", *TEXTS, "--out", "out"],
            "interrupted: 0 of 1 pictures are done; the same command goes on",
        ),
    ],
    ids=["edit", "batch"],
)
def test_ctrl_c_is_heard_where_torch_takes_it_for_a_broken_file(model, tmp_path, monkeypatch, capsys, argv, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    draw(tmp_path / "a.png", 64, 64), draw(tmp_path / "pictures" / "a.png", 64, 64)
    monkeypatch.setattr("safetensors.torch.load_file", lambda *_, **__: torch.tensor(Pressed(), dtype=torch.uint8))
    with pytest.raises(ValueError, match="could not determine the shape"), heeding():
        torch.tensor(Pressed(), dtype=torch.uint8)
    with heeding():
        assert run(*argv, "--model", model) == 130
    assert said in capsys.readouterr().err
    assert not [*tmp_path.rglob("*-edited.png"), *tmp_path.rglob("out/a.png")]


@contextlib.contextmanager
def heeding() -> Iterator[None]:
    """A background job ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_demo_draws_its_panels(tmp_path, capsys):
    assert run("demo", "-o", tmp_path / "demo.png", "--json") == 0
    said = report(capsys)
    assert pixels(tmp_path / "demo.png").shape[1] > 3 * 128
    # two sure draws, 9 of the inversion, then three times six guided levels and a judgement; three levels of the best
    assert said["evaluations"]["total"] == 4 + 9 + 3 * (2 * 6 + 2) + 3
    assert said["found"] == "object"
    assert said["source"] != said["target"]
    assert 0 <= said["iou"] <= 1
    verdict = "shows" if said["success"] else "does not show"
    found = said["findings"].pop(2)
    assert re.fullmatch(r"one place changes \(the draws of noise agree to 0\.\d\d\)", found)
    assert said["findings"] == [
        f"from  {said['source']}",
        f"to    {said['target']}",
        f"mask IoU with the truth {said['iou']:.2f}; the result {verdict} what was asked for",
    ]


ROOT = Path(__file__).parent.parent
PAPERS = [ROOT / "README.md", ROOT / "docs" / "command_line.md"]


def section(paper: Path, title: str) -> str:
    return ("\n" + paper.read_text(encoding="utf-8")).split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.stem)
def test_the_readmes_python_works(model, folders, tmp_path, monkeypatch, paper):
    """All of its snippets, one after the other, as somebody would who reads on."""
    snippets = re.findall(r"```python\n(.*?)```", section(paper, "Python"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    draw(Path("bowl.png"), 24, 32)
    here = {"stable-diffusion-v1-5": model, "stable-diffusion-inpainting": folders["inpainting"]}
    named = r'from_pretrained\("stable-diffusion-v1-5/(.*?)"'
    whole, count = re.subn(named, lambda match: f"from_pretrained({here[match[1]]!r}", "\n".join(snippets))
    assert count == whole.count("DiffusersHost.from_pretrained(") >= 1
    for name, small in {"blip": blip, "flan-t5": t5}.items():
        if name in whole:
            folder = saved(small(), tmp_path / name)
            whole, count = re.subn(
                rf'Writer.from_pretrained\(".*?{name}.*?"', f"Writer.from_pretrained({folder!r}", whole
            )
            assert count == 1
    exec(compile(whole, paper.name, "exec"), {})
    assert pixels(tmp_path / "pears.png").shape == (24, 32, 3)
    assert pixels(tmp_path / "mask.png").shape == (24, 32)


OTHERS = {"--refine", "--help", "--head", "--address"}
"""What begins with --refine-, what every command has, and what Ray's own has."""


def test_the_readmes_flags_exist(capsys):
    for command in ("edit", "keep", "batch"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
    listed = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    sections = " ".join(section(paper, "Command line") for paper in PAPERS)
    named = set(re.findall(r"--[a-z][a-z-]*[a-z]", sections)) - OTHERS
    assert {"--source", "--target", "--model"} < named <= listed


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, str]:
    """An inpainting model, SDXL and a ControlNet, in folders."""
    root, named = tmp_path_factory.mktemp("models"), {"inpainting": families.inpainting(), "sdxl": families.sdxl()}
    named["controlnet"] = families.controlled().controlnet
    for name, model in named.items():
        model.save_pretrained(root / name, safe_serialization=True)
    return {name: str(root / name) for name in named}


def test_an_inpainting_model_fills_a_mask_that_is_given(folders, picture, tmp_path):
    mask = half_mask(tmp_path / "half.png", 37, 51)
    argv = ["edit", picture, "--mask", mask, "--target", "pears", "--background", "noised", "--steps", 4, "--tries", 1]
    assert run(*argv, "--model", folders["inpainting"], "-o", tmp_path / "o.png") == 0
    inside = pixels(mask) > 0
    assert np.array_equal(pixels(tmp_path / "o.png")[~inside], pixels(picture)[~inside])
    assert not np.array_equal(pixels(tmp_path / "o.png")[inside], pixels(picture)[inside])


def test_fastdiffedit_with_its_two_models(model, folders, picture, tmp_path, capsys):
    """The mask is the first one's; the second one fills it, and counts as well."""
    few = [picture, *TEXTS, "--fastdiffedit", "--model", model, "--json"]
    assert run("edit", *few, "--steps", 4, "-o", tmp_path / "one.png", "--save-mask", tmp_path / "m1.png") == 0
    one = report(capsys)
    two = ["--inpaint-model", folders["inpainting"], "-o", tmp_path / "two.png", "--save-mask", tmp_path / "m2.png"]
    assert run("edit", *few, "--steps", 4, *two) == 0
    assert report(capsys)["evaluations"] == one["evaluations"]
    assert np.array_equal(pixels(tmp_path / "m1.png"), pixels(tmp_path / "m2.png"))
    assert not np.array_equal(pixels(tmp_path / "one.png"), pixels(tmp_path / "two.png"))


def test_sdxl_with_less_memory(folders, picture, tmp_path):
    argv = ["edit", picture, *TEXTS, *FEWEST, *OBJECT, "--tries", 1, "--mask-rule", "top", "--model", folders["sdxl"]]
    slim = ["--attention-slicing", "--vae-slicing", "--vae-tiling"]
    for name, flags in {"without": [], "with": slim}.items():
        assert run(*argv, *flags, "-o", tmp_path / f"{name}.png", "--save-mask", tmp_path / "mask.png") == 0
        outside = pixels(tmp_path / "mask.png") == 0
        assert np.array_equal(pixels(tmp_path / f"{name}.png")[outside], pixels(picture)[outside])
    drawn, slimmer = (pixels(tmp_path / f"{name}.png").astype(int) for name in ("without", "with"))
    assert abs(drawn - slimmer).mean() < 1


def test_a_controlnet_is_shown_edges_or_a_file(model, folders, picture, tmp_path):
    common = ["edit", picture, *TEXTS, *FEWEST, *OBJECT, "--mask-rule", "top", "--tries", 1, "--model", model]
    led = ["--controlnet", folders["controlnet"], "--control"]
    other = draw(tmp_path / "other.png", 37, 51)
    shown = {
        "none": [],
        "canny": [*led, "canny"],
        "faint": [*led, "canny", "--control-scale", 0],
        "file": [*led, other],
    }
    for name, flags in shown.items():
        assert run(*common, *flags, "-o", tmp_path / f"{name}.png") == 0
    made = {name: pixels(tmp_path / f"{name}.png") for name in shown}
    assert np.array_equal(made["none"], made["faint"])
    assert not np.array_equal(made["none"], made["canny"]) and not np.array_equal(made["canny"], made["file"])


def test_what_a_model_cannot_do_is_refused(model, folders, picture, tmp_path, capsys):
    argv = ["edit", picture, *TEXTS, "--device", "cpu", "--model", model]
    small = draw(tmp_path / "small.png", 16, 16)
    for flags, said in (
        (["--offload", "model"], "offload model needs a GPU; on a CPU all of the model is in main memory anyway"),
        (["--control", "canny"], "takes no control picture; leave it out, or use a model with a ControlNet"),
        (["--controlnet", folders["controlnet"]], "a ControlNet is shown something, such as the picture's edges"),
        (["--control-scale", "0.5"], "--control-scale would change nothing: there is no --control"),
        (["--control", small], f"the control {small} is 16x16 but the picture {picture} is 51x37"),
        (["--inpaint-model", model], "StableDiffusionPipeline is no inpainting model"),
    ):
        assert said in refused(capsys, *argv, *flags), flags
