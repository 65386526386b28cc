"""Files in, files out: what a person sees is what is read, and what was not edited is written as it was."""

from __future__ import annotations

import io
import logging
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from diffedit_core.cli.files import check_writable, open_mask, open_picture, save, written_whole
from diffedit_core.pictures import Margin, from_pil, to_pil

LOSSLESS = [".png", ".webp", ".tif", ".tiff"]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_every_pixel_survives_a_lossless_file(tmp_path, suffix):
    pixels = noise(13, 17, 3)
    save(Image.fromarray(pixels), tmp_path / f"a{suffix}")
    read = open_picture(tmp_path / f"a{suffix}")
    assert np.array_equal((read.picture[0] * 255).round().byte().numpy(), pixels)
    assert read.alpha is None


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_transparency_and_the_colours_under_it_survive(tmp_path, suffix):
    pixels = noise(13, 17, 4)
    pixels[:5, :, 3] = 0
    save(Image.fromarray(pixels), tmp_path / f"a{suffix}")
    opened = open_picture(tmp_path / f"a{suffix}")
    unchanged = opened.edited(opened.picture, torch.zeros(1, 13, 17))
    assert np.array_equal(np.asarray(unchanged), pixels)


def test_transparency_is_seen_over_white():
    red = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    red.putpixel((1, 0), (255, 0, 0, 0))
    assert from_pil(red)[0, 0].tolist() == [[1, 0, 0], [1, 1, 1]]


def test_an_edit_under_transparency_looks_as_it_was_edited(tmp_path):
    """What was painted on the white-backed picture is what one sees when the file is laid on white again."""
    pixels = noise(12, 12, 4)
    pixels[..., 3] = 100 + pixels[..., 3] // 2
    Image.fromarray(pixels).save(tmp_path / "a.png")
    opened = open_picture(tmp_path / "a.png")
    reachable = 1 - opened.alpha[..., None] * 0.5  # nothing darker shows through this alpha
    edited = opened.edited(reachable.expand(-1, -1, -1, 3), torch.ones(1, 12, 12))
    assert np.array_equal(np.asarray(edited)[..., 3], pixels[..., 3])
    assert (from_pil(edited) - reachable).abs().max() < 1.5 / 255


# where the upper left corner of the upright picture lies in a file of each EXIF orientation: (row, column)
CORNERS = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)}


@pytest.mark.parametrize("orientation", CORNERS)
def test_pictures_are_turned_as_their_exif_says(tmp_path, orientation):
    upright = (6, 4) if orientation < 5 else (4, 6)
    stored = np.zeros((*upright, 3), np.uint8)
    stored[CORNERS[orientation]] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    picture = open_picture(tmp_path / "a.png").picture
    assert picture.shape == (1, 6, 4, 3)
    assert picture[0, 0, 0].tolist() == [1, 1, 1]
    assert picture.sum() == 3


def test_sixteen_bits_are_scaled_not_clipped(tmp_path, caplog):
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png").picture
    assert torch.equal((picture[0, ..., 0] * 255).round(), torch.arange(256.0).view(16, 16))
    assert "more than 8 bits" in caplog.text


def test_cmyk_is_read_as_its_colours(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", icc_profile=b"not a profile")
    red = open_picture(tmp_path / "a.jpg")
    assert torch.allclose(red.picture, torch.tensor([1.0, 0.0, 0.0]), atol=0.02)
    assert red.profile is None


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "I", "F", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_of_pillow_is_a_picture(tmp_path, mode):
    suffix = ".tif" if mode in ("F", "CMYK", "YCbCr", "I") else ".png"
    Image.fromarray(noise(9, 7)).convert(mode).save(tmp_path / f"a{suffix}")
    picture = open_picture(tmp_path / f"a{suffix}").picture
    assert picture.shape == (1, 9, 7, 3)
    assert 0 <= picture.min() < picture.max() <= 1


def test_a_colour_profile_goes_along(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(noise(8, 8, 3)).save(tmp_path / "a.png", icc_profile=profile)
    opened = open_picture(tmp_path / "a.png")
    save(to_pil(opened.picture), tmp_path / "b.png", opened.profile)
    with Image.open(tmp_path / "b.png") as image:
        assert image.info["icc_profile"] == profile


def test_an_animation_gives_its_first_frame_and_says_so(tmp_path, caplog):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert open_picture(tmp_path / "a.gif").picture[0, 0, 0].tolist() == [1, 0, 0]
    assert "only its first frame" in caplog.text


def test_masks_are_white_where_the_picture_may_change(tmp_path):
    grey = noise(5, 6)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert torch.equal(open_mask(tmp_path / "grey.png"), torch.from_numpy(grey)[None].float() / 255)
    sixteen = grey.astype(np.uint16) * 257
    Image.fromarray(sixteen).save(tmp_path / "sixteen.png")
    assert torch.equal(open_mask(tmp_path / "sixteen.png"), open_mask(tmp_path / "grey.png"))


def test_a_mask_may_be_drawn_in_transparency(tmp_path):
    pixels = np.zeros((5, 6, 4), np.uint8)
    pixels[1:3, 2:4, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert torch.equal(open_mask(tmp_path / "a.png")[0], torch.from_numpy(pixels[..., 3]).float() / 255)


def broken(folder) -> dict[str, str]:
    """Files that are no pictures, and what is said of them."""
    (folder / "text.png").write_text("hello")
    (folder / "empty.png").touch()
    whole = io.BytesIO()
    Image.fromarray(noise(64, 64, 3)).save(whole, "PNG")
    (folder / "half.png").write_bytes(whole.getvalue()[:6000])
    (folder / "folder.png").mkdir()
    return {
        "none.png": "there is no file",
        "text.png": "not a picture",
        "empty.png": "not a picture",
        "half.png": "cannot be read",
        "folder.png": "cannot be read",
    }


@pytest.mark.parametrize("open_file", [open_picture, open_mask])
def test_files_that_are_no_pictures_are_named_in_one_line(tmp_path, open_file):
    for name, why in broken(tmp_path).items():
        with pytest.raises(ValueError, match=why) as caught:
            open_file(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_jpeg_says_that_it_changes_pixels_and_loses_transparency(tmp_path, caplog):
    save(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), tmp_path / "a.jpg")
    assert "JPEG has no transparency" in caplog.text
    assert "changes every pixel a little" in caplog.text
    assert open_picture(tmp_path / "a.jpg").picture.min() > 0.98  # over white, not black


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError, SystemExit])
def test_what_is_not_finished_is_not_there(tmp_path, interruption):
    (tmp_path / "a.txt").write_text("before")
    for name in ("a.txt", "b.txt"):
        with pytest.raises(interruption), written_whole(tmp_path / name) as draft:
            draft.write_text("half")
            raise interruption
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "before"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    save(Image.new("RGB", (4, 4), "red"), tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert open_picture(tmp_path / "real.png").picture[0, 0, 0].tolist() == [1, 0, 0]


def test_written_files_have_the_mode_of_any_new_file(tmp_path):
    save(Image.new("RGB", (4, 4)), tmp_path / "a.png")
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("name", "size", "why"),
    [
        ("a.gif", (8, 8), "its name must end in .png"),
        ("a", (8, 8), "its name must end in .png"),
        ("none/a.png", (8, 8), "there is no folder"),
        ("folder.png", (8, 8), "it is a folder"),
        ("a.webp", (8, 20000), "takes at most 16383 pixels a side and this has 20000"),
    ],
)
def test_where_nothing_can_be_written_is_said_beforehand(tmp_path, name, size, why):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=why):
        check_writable(tmp_path / name, size)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.skipif(not os.access("/proc/self", os.R_OK), reason="a folder that not even root can write to")
def test_a_folder_that_takes_no_files():
    with pytest.raises(ValueError, match="cannot write into /proc/self"):
        check_writable("/proc/self/a.png")


def test_an_unwritable_disk_is_told_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"cannot write .*a\.png"), written_whole(tmp_path / "a.png") as draft:
        draft.with_name("none").joinpath("x").write_text("")


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 8, 16, 64]))
@settings(max_examples=40, deadline=None)
def test_a_margin_comes_off_as_it_went_on(height, width, multiple):
    picture = torch.rand(2, height, width, 3, generator=torch.Generator().manual_seed(height * 64 + width))
    margin = Margin.around(picture, multiple)
    padded = margin.add(picture)
    assert padded.shape[1] % multiple == padded.shape[2] % multiple == 0
    assert padded.shape[1] - height < multiple
    assert torch.equal(margin.remove(padded), picture)
    assert torch.equal(margin.add_to_mask(picture[..., 0]), padded[..., 0])


def test_warnings_are_for_jpeg_alone(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "diffedit_core")
    for suffix in LOSSLESS:
        save(Image.new("RGBA", (4, 4)), tmp_path / f"a{suffix}")
    assert not caplog.records


def test_transparency_of_any_kind_is_opened():
    image = Image.new("LA", (3, 2), (128, 128))
    assert torch.allclose(from_pil(image.convert("La")), from_pil(image), atol=2 / 255)


@pytest.mark.parametrize("mode", ["RGB", "F", "I;16"])
def test_a_picture_of_nothing_is_refused(mode):
    with pytest.raises(ValueError, match="the picture is 0x0; there is nothing in it"):
        from_pil(Image.new(mode, (0, 0)))


@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (1, 4, 4, 1), (1, 4, 4, 2), (4, 4), (1, 0, 4)])
def test_what_is_no_picture_is_not_written(shape):
    with pytest.raises(ValueError, match="the picture is"):
        to_pil(torch.ones(shape))
