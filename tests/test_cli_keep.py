"""``diffedit keep`` as people meet it: real files, what is printed, what is left behind."""

from __future__ import annotations

import io
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from test_cli import pixels, refused, report, run

from diffedit_core import cli, keeping, toybox
from diffedit_core.cli.flags import flags_of, from_flags
from diffedit_core.cli.keep import run_keep
from diffedit_core.cli.program import make_parser
from diffedit_core.keeping import KeepSettings
from diffedit_core.knobs import Knob
from diffedit_core.toybox.drifting import Drift, drifted
from diffedit_core.toybox.scenes import Frame

SIDE = 192
RIGHT, DOWN, TINT = 4, -3, (12, 0, -9)


def task() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture, the same with one thing of another colour, and where that is, generously."""
    made = toybox.task(toybox.HELD_OUT_SEEDS[1], "colour", Frame(SIDE))
    return made.image, made.edited, cv2.dilate(made.region, np.ones((5, 5))) > 0


def drift(picture: np.ndarray) -> np.ndarray:
    red, green, blue = (level / 255 for level in TINT)
    return drifted(picture, Drift((SIDE, SIDE), shift=(RIGHT, DOWN), offset=(red, green, blue)))


@pytest.fixture
def region(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """a.png, what it became (b.png) in the folder, and where it was meant to change."""
    monkeypatch.chdir(tmp_path)
    picture, edited, where = task()
    Image.fromarray(picture).save("a.png")
    Image.fromarray(drift(edited)).save("b.png")
    return where


def test_an_edit_from_anywhere_comes_in_and_the_rest_stays(region, capsys):
    assert (
        run("keep", "a.png", "b.png", "-o", "o.png", "--save-mask", "m.png", "--save-aligned", "l.png", "--json") == 0
    )
    said, mask = report(capsys), pixels("m.png")
    assert mask.shape == (SIDE, SIDE)
    assert np.array_equal(pixels("o.png")[mask == 0], pixels("a.png")[mask == 0])
    assert (mask > 0)[region].mean() > 0.5 and (mask > 0)[~region].mean() < 0.02
    _, edited, _ = task()
    inside = (mask == 255) & region
    assert np.median(np.abs(pixels("o.png")[inside].astype(int) - edited[inside])) <= 3
    assert np.median(np.abs(pixels("l.png").astype(int) - edited)) <= 3  # laid on, and in the original's colours
    assert np.allclose(said["shift"], (RIGHT, DOWN), atol=0.3) and said["zoom"] == pytest.approx(1, abs=0.01)
    assert np.allclose(said["tint"], TINT, atol=3)
    assert 0 < said["changed"] < 0.3 and said["refusal"] is None
    assert said["size"] == said["edited_size"] == [SIDE, SIDE]
    assert said["written"] == {"picture": "o.png", "mask": "m.png", "aligned": "l.png"}
    assert said["seconds"].keys() == {"keep", "write", "total"} and said["evaluations"] == {"total": 0}


def test_the_words_say_what_was_undone_and_name_what_was_written(region, capsys):
    assert run("keep", "a.png", "b.png") == 0
    found, took, written = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"shift \+\d.* px, zoom .*, rotation .* degrees, tint .* levels, .* % changed", found)
    assert re.fullmatch(r"\d+\.\d seconds \(keep .*, write .*\)", took)
    assert written == "a-kept.png (picture)"
    assert pixels("a-kept.png").shape == (SIDE, SIDE, 3)


def test_the_command_line_and_python_do_the_same(region):
    assert run("keep", "a.png", "b.png", "-o", "o.png", "--seam", "none", "--grow", 3) == 0
    opened = [cli.keep.open_picture(name).picture for name in ("a.png", "b.png")]
    kept = keeping.keep_rest(*opened, how=KeepSettings(seam="none", grow=3))
    assert np.array_equal(pixels("o.png"), (kept.picture[0] * 255).round().byte().numpy())


def test_an_edited_picture_of_another_size_comes_back_at_the_originals(region, capsys):
    larger = Image.open("b.png").resize((SIDE * 4 // 3, SIDE * 4 // 3), Image.Resampling.BICUBIC)
    larger.save("c.webp", lossless=True)
    assert run("keep", "a.png", "c.webp", "-o", "o.png", "--save-mask", "m.png", "--json") == 0
    assert report(capsys)["edited_size"] == [SIDE * 4 // 3] * 2
    mask = pixels("m.png")
    assert np.array_equal(pixels("o.png")[mask == 0], pixels("a.png")[mask == 0])
    assert (mask > 0)[region].mean() > 0.5


def test_nothing_changes_outside_a_mask_of_ones_own(region, capsys):
    allowed = np.zeros((SIDE, SIDE), np.uint8)
    allowed[: SIDE // 2] = 255
    Image.fromarray(allowed).save("allowed.jpg", quality=40)  # whose black is not quite black
    assert run("keep", "a.png", "b.png", "-o", "o.png", "--mask", "allowed.jpg") == 0
    below = slice(SIDE // 2 + 8, None)
    assert np.array_equal(pixels("o.png")[below], pixels("a.png")[below])
    assert region[below].any()
    Image.fromarray(0 * allowed).save("none.png")
    capsys.readouterr()
    assert run("keep", "a.png", "b.png", "-o", "o.png", "--mask", "none.png") == 0
    assert "the mask none.png is black, so nothing changes" in capsys.readouterr().err
    assert np.array_equal(pixels("o.png"), pixels("a.png"))


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_transparency_stays_and_that_of_the_edited_picture_is_laid_on_white(region, suffix):
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    alpha[:20], alpha[20:40] = 0, 128
    own = np.dstack([pixels("a.png"), alpha])
    Image.fromarray(own, "RGBA").save(f"a.{suffix}", **({"lossless": True, "exact": True} if suffix == "webp" else {}))
    assert run("keep", f"a.{suffix}", "b.png", "-o", "o.png", "--save-mask", "m.png") == 0
    result, mask = pixels("o.png"), pixels("m.png")
    assert result.shape == (SIDE, SIDE, 4) and np.array_equal(result[..., 3], alpha)
    assert np.array_equal(result[mask == 0], own[mask == 0])
    clear = np.dstack([pixels("b.png"), np.full((SIDE, SIDE), 255, np.uint8)])
    Image.fromarray(clear, "RGBA").save("c.png")
    assert run("keep", "a.png", "c.png", "-o", "p.png") == run("keep", "a.png", "b.png", "-o", "q.png") == 0
    assert np.array_equal(pixels("p.png"), pixels("q.png"))


def test_sixteen_bits_come_back_in_eight_with_a_warning(region, capsys):
    grey = np.asarray(Image.open("a.png").convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save("deep.png")
    assert run("keep", "deep.png", "b.png", "-o", "o.png", "--save-mask", "m.png") == 0
    assert "deep.png has more than 8 bits a channel" in capsys.readouterr().err
    result, mask = pixels("o.png"), pixels("m.png")
    assert np.array_equal(result[mask == 0], np.repeat(grey[..., None] // 257, 3, -1)[mask == 0])


def wide() -> bytes:
    """The profile of a colour space with more colourful primaries than sRGB's."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for number in range(int.from_bytes(profile[128:132], "big")):
        entry = 132 + 12 * number
        if profile[entry : entry + 4] == b"rXYZ":
            at = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
            x, y, z = np.frombuffer(bytes(profile[at : at + 12]), ">i4")
            profile[at : at + 12] = np.array([x * 1.2, y * 0.9, z], ">i4").tobytes()
    return bytes(profile)


def test_the_edited_picture_comes_into_the_originals_colour_space(region):
    """The same colours, said in other numbers: then nothing was edited."""
    Image.blend(Image.open("a.png"), Image.new("RGB", (SIDE, SIDE), "#888"), 0.5).save("a.png")  # sRGB has them all
    own, srgb = wide(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    said = ImageCms.profileToProfile(
        Image.open("a.png"), *(ImageCms.ImageCmsProfile(io.BytesIO(each)) for each in (own, srgb)), outputMode="RGB"
    )
    Image.open("a.png").save("wide.png", icc_profile=own)
    said.save("said.png", icc_profile=srgb)
    for colour in ("curve", "none"):
        argv = ["keep", "wide.png", "said.png", "-o", "o.png", "--save-aligned", "l.png", "--alignment", "none"]
        assert run(*argv, "--colour", colour) == 0
        assert np.abs(pixels("l.png").astype(int) - pixels("a.png")).mean() < 1.5
        assert np.array_equal(pixels("o.png"), pixels("a.png"))
        for name in ("o.png", "l.png"):
            assert Image.open(name).info["icc_profile"] == own
    assert np.abs(pixels("said.png").astype(int) - pixels("a.png")).mean() > 3


def test_a_photograph_lying_on_its_side_is_laid_on_upright(region):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open("a.png").transpose(Image.Transpose.ROTATE_90).save("lying.png", exif=exif)
    for name in ("a.png", "lying.png"):
        assert run("keep", name, "b.png", "-o", f"o-{name}") == 0
    assert np.array_equal(pixels("o-lying.png"), pixels("o-a.png"))


def test_pictures_with_nothing_in_common_are_refused_or_laid_on_without_a_paste(region, capsys):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save("c.png")
    before = sorted(Path().iterdir())
    refused(capsys, "keep", "a.png", "c.png")
    assert sorted(Path().iterdir()) == before
    argv = ["keep", "a.png", "c.png", "--refused", "edited", "-o", "o.png", "--save-mask", "m.png"]
    assert run(*argv, "--save-aligned", "l.png", "--json") == 0
    said = report(capsys)
    assert said["refusal"] and said["refusal"] in said["findings"][0]
    assert np.array_equal(pixels("o.png"), pixels("l.png")) and pixels("m.png").all()


BAD = {
    "there is no file none.png": ["none.png", "b.png"],
    "there is no file other.png": ["a.png", "other.png"],
    "notes.txt is not a picture that can be read": ["a.png", "notes.txt"],
    ". cannot be read": [".", "b.png"],
    "the edited picture is 1x1; it takes 16 pixels a side": ["a.png", "dot.png"],
    "the original is 1x1; it takes 16 pixels a side": ["dot.png", "b.png"],
    "the mask dot.png is 1x1 but the picture a.png is 192x192; draw the mask": ["a.png", "b.png", "--mask", "dot.png"],
    "a.png is another of the files to read or write": ["a.png", "b.png", "-o", "a.png"],
    "b.png is another of the files": ["a.png", "b.png", "-o", "b.png"],
    "m.png is another of the files": ["a.png", "b.png", "--mask", "m.png", "-o", "m.png"],
    "different one for the aligned": ["a.png", "b.png", "-o", "o.png", "--save-aligned", "./o.png"],
    "its name must end in .png": ["a.png", "b.png", "--save-mask", "m.gif"],
    "there is no folder": ["a.png", "b.png", "-o", "none/o.png"],
    "the following arguments are required: EDITED": ["a.png"],
    "unrecognized arguments: --clip": ["a.png", "b.png", "--clip"],
    "unrecognized arguments: --source x": ["a.png", "b.png", "--source", "x"],
    "invalid choice: 'magic'": ["a.png", "b.png", "--alignment", "magic"],
    "--sensitivity: 0 is not from 0.1 to 10": ["a.png", "b.png", "--sensitivity", "0"],
    "--grow: '2.5' is not a whole number": ["a.png", "b.png", "--grow", "2.5"],
}


@pytest.mark.parametrize("why", BAD)
def test_bad_input_is_refused_in_one_line_and_leaves_nothing(region, capsys, why):
    Path("notes.txt").write_text("not a picture")
    Image.new("RGB", (1, 1)).save("dot.png")
    Image.new("L", (SIDE, SIDE), 255).save("m.png")
    before = sorted(Path().iterdir())
    assert why in refused(capsys, "keep", *BAD[why])
    assert sorted(Path().iterdir()) == before


def another(knob: Knob, default: object) -> str:
    """A value that the knob takes and that is not the default."""
    names = knob.names or [str(value) for value in (2, 3)]
    return next(name for name in names if name != default)


def test_every_knob_is_a_flag_with_help_and_reaches_its_setting(capsys):
    parser, given = make_parser(), ["keep", "a.png", "b.png"]
    assert from_flags(parser.parse_args(given), KeepSettings()) == KeepSettings()
    assert parser.parse_args(given).run is run_keep
    with pytest.raises(SystemExit):
        parser.parse_args(["keep", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    knobs = {name: knob for name, knob in KeepSettings.knobs() if name != "clip"}
    for name, knob in knobs.items():
        flag = ["--" + name.replace("_", "-"), another(knob, knob.default)]
        turned = from_flags(parser.parse_args([*given, *flag]), KeepSettings())
        assert [each for each in knobs if getattr(turned, each) != knobs[each].default] == [name]
        assert knob.help in shown
    own = {"--help", "--output", "--mask", "--save-mask", "--save-aligned", "--json"}
    listed = set(re.findall(r"--[a-z-]+", shown))
    assert listed == own | {f"--{flag}" for flag in flags_of(KeepSettings)} - {"--clip"}
