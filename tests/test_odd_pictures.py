"""Odd and broken pictures: what opens, opens as people see it, and the rest is refused at once and in one line."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from soak import odd_pictures
from soak.forked import Conditions, ran
from soak.odd_pictures import HEIGHT, HUGE, PLACES, TURNS, WIDTH, scene

from diffedit_core.cli.files import open_mask, open_picture
from diffedit_core.pictures import to_bytes

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")  # of Pillow


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """What waits is ended, and fails."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ValueError) as caught:
        open_picture(path)
    return str(caught.value)


def test_every_odd_picture_opens_at_its_size(tmp_path):
    for name, content in odd_pictures.readable().items():
        path = put(tmp_path, name, content)
        width, height = map(int, name[:-4].split("x")) if name[0].isdigit() and "x" in name else (WIDTH, HEIGHT)
        opened, mask = open_picture(path), open_mask(path)
        assert opened.size == (height, width) == mask.shape[1:], name
        assert opened.picture.isfinite().all() and opened.picture.min() >= 0 and opened.picture.max() <= 1, name
        assert mask.isfinite().all(), name


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "jpg"])
@pytest.mark.parametrize("turn", TURNS)
def test_a_picture_is_turned_as_its_exif_says(tmp_path, turn, suffix):
    name = f"exif {turn}.{suffix}"
    opened = open_picture(put(tmp_path, name, odd_pictures.readable()[name]))
    apart = np.abs(to_bytes(opened.picture[0]).astype(int) - scene())
    assert apart.max() <= (3 if suffix == "jpg" else 0)


ALIKE = [
    *["rgb.png", "rgb.webp", "rgb.bmp", "rgb.ppm", "rgb.tga", "lzw.tif", "deflate.tif", "png called.jpg"],
    *["16 bit colour.png", "16 bit colour.tif", "more after the end.png", "animated.webp", "animated.png", "pages.tif"],
    *["icc none.png", "icc cut.png", "icc zeros.tif", "exif 0.png"],
]


@pytest.mark.parametrize("name", ALIKE)
def test_what_holds_every_pixel_shows_every_pixel(tmp_path, name):
    pixels = to_bytes(open_picture(put(tmp_path, name, odd_pictures.readable()[name])).picture[0])
    own = scene() if "colour" not in name else scene()[..., ::-1]  # OpenCV writes blue first
    assert np.array_equal(pixels, own)


def test_damage_beside_the_pixels_costs_none_of_them(tmp_path, caplog):
    """An orientation that cannot be read is said, and the picture taken as it lies."""
    for name, content in odd_pictures.doubtful().items():
        if name.startswith("exif") and name.endswith(".png") and "endless" not in name:  # whose orientation is whole
            pixels = to_bytes(open_picture(put(tmp_path, name, content)).picture[0])
            assert np.array_equal(pixels, scene())
    said = "the EXIF of {} is damaged, so the picture is taken as it lies in its file"
    assert said.format(tmp_path / "exif garbage.png") in caplog.text


def test_what_is_no_picture_is_refused_by_its_name(tmp_path):
    for name, content in odd_pictures.broken().items():
        path = put(tmp_path, name, content)
        assert refusal(path).startswith((f"{path} cannot be read: ", f"{path} is not a picture that can be read")), name


@pytest.mark.parametrize("name", PLACES)
def test_no_place_is_waited_for(tmp_path, name):
    PLACES[name](tmp_path / name)
    said = refusal(tmp_path / name)
    assert str(tmp_path / name) in said
    if name in ("pipe.png", "socket.png", "null.png", "zero.png", "random.png", "full.png"):
        assert "it is no file but a pipe, a socket or a device" in said


def test_a_picture_that_is_a_program_is_not_run(tmp_path):
    script = odd_pictures.broken()["script.png"]
    assert "is not a picture that can be read" in refusal(put(tmp_path, "script.png", script))


def test_a_damaged_picture_costs_one_line_whatever_its_decoder_raises(tmp_path):
    """Of a GIF that is cut in the middle of its colours, Pillow looks beyond the end of a list."""
    gif = odd_pictures.readable()["animated.gif"]
    assert "cannot be read: it is damaged" in refusal(put(tmp_path, "a.gif", [*odd_pictures.cut(gif)][2]))
    rng = random.Random(0)
    for name, content in odd_pictures.readable().items():
        for _ in range(3):
            path = put(tmp_path, f"flipped {name}", odd_pictures.flipped(content, rng))
            try:
                assert open_picture(path).picture.isfinite().all()
            except ValueError as refused:
                assert str(path) in str(refused)


def test_a_bomb_is_refused_before_it_takes_memory(tmp_path):
    names = [name for name in odd_pictures.broken() if "bomb" in name or any(f"{w}x{h}" in name for w, h in HUGE)]
    names += [name for name in odd_pictures.doubtful() if "bomb" in name]
    assert len(names) == 16, names
    for name in names:
        put(tmp_path, name, {**odd_pictures.broken(), **odd_pictures.doubtful()}[name])
        ended = ran(["keep", name, name, "-o", "o.png"], tmp_path, Conditions())
        assert ended.code == 2, name
        assert ended.memory < 300e6 and ended.seconds < 10, name
