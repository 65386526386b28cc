"""Pictures as they lie on people's disks: odd ones, broken ones, bombs, and names that are no pictures at all."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms

HEIGHT, WIDTH = 24, 32
ORIENTATION = 0x0112
TURNS = {
    1: lambda shown: shown,
    2: lambda shown: shown[:, ::-1],
    3: lambda shown: shown[::-1, ::-1],
    4: lambda shown: shown[::-1],
    5: lambda shown: shown.swapaxes(0, 1),
    6: lambda shown: np.rot90(shown, 1),
    7: lambda shown: shown[::-1, ::-1].swapaxes(0, 1),
    8: lambda shown: np.rot90(shown, -1),
}
"""By the orientation in the EXIF: how a picture lies in its file, of how it is shown."""

Make = Callable[[Path], Any]


def scene(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Something to see: [H, W, 3], no two corners alike."""
    rng = np.random.default_rng(height * 10_000 + width)
    coarse = rng.integers(0, 256, (min(height, 4), min(width, 5), 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST))


def encoded(image: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    content = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(content, kind, **options)
    return content.getvalue()


@cache
def readable() -> dict[str, bytes]:
    """By name: what can be opened, however strange it is."""
    shown = Image.fromarray(scene())
    return {
        "rgb.png": encoded(shown, "PNG"),
        "rgb.jpg": encoded(shown, "JPEG", quality=95),
        "progressive.jpg": encoded(shown, "JPEG", progressive=True),
        "rgb.webp": encoded(shown, "WEBP", lossless=True),
        "rgb.bmp": encoded(shown, "BMP"),
        "rgb.ppm": encoded(shown, "PPM"),
        "rgb.tga": encoded(shown, "TGA"),
        "lzw.tif": encoded(shown, "TIFF", compression="tiff_lzw"),
        "deflate.tif": encoded(shown, "TIFF", compression="tiff_deflate"),
        "jpeg called.png": encoded(shown, "JPEG"),
        "png called.jpg": encoded(shown, "PNG"),
        "more after the end.png": encoded(shown, "PNG") + bytes(1000),
        **_sizes(),
        **_modes(shown),
        **_animations(shown),
        **_rotations(),
        **_profiles(shown),
    }


def _sizes() -> dict[str, bytes]:
    sizes = [(1, 1), (1, 2), (2, 3), (1, 5000), (5000, 1), (9, 257)]
    return {f"{width}x{height}.png": encoded(scene(height, width), "PNG") for height, width in sizes}


def _modes(shown: Image.Image) -> dict[str, bytes]:
    seen_through = shown.copy()
    seen_through.putalpha(Image.linear_gradient("L").resize(shown.size))
    palette, deep = shown.quantize(16), np.asarray(shown).astype(np.uint16) * 257
    grey = np.asarray(shown.convert("L")).astype(np.float32)
    holes = grey / 255
    holes[0], holes[1], holes[2] = np.nan, np.inf, -np.inf
    return {
        "grey.png": encoded(shown.convert("L"), "PNG"),
        "grey and alpha.png": encoded(seen_through.convert("LA"), "PNG"),
        "alpha.png": encoded(seen_through, "PNG"),
        "alpha.webp": encoded(seen_through, "WEBP", lossless=True, exact=True),
        "alpha.tif": encoded(seen_through, "TIFF"),
        "all seen through.png": encoded(Image.new("RGBA", shown.size), "PNG"),
        "1 bit.png": encoded(shown.convert("1"), "PNG"),
        "1 bit.tif": encoded(shown.convert("1"), "TIFF", compression="group4"),
        "16 bit.png": encoded(Image.fromarray(deep[..., 0]), "PNG"),
        "16 bit.tif": encoded(Image.fromarray(deep[..., 0]), "TIFF"),
        "16 bit colour.png": cv2.imencode(".png", deep)[1].tobytes(),
        "16 bit colour.tif": cv2.imencode(".tif", deep)[1].tobytes(),
        "32 bit.tif": encoded(Image.fromarray(deep[..., 0].astype(np.int32) * 9000), "TIFF"),
        "float.tif": encoded(Image.fromarray(grey / 255), "TIFF"),
        "float to 255.tif": encoded(Image.fromarray(grey), "TIFF"),
        "nan and inf.tif": encoded(Image.fromarray(holes), "TIFF"),
        "all nan.tif": encoded(Image.fromarray(np.full_like(grey, np.nan)), "TIFF"),
        "cmyk.jpg": encoded(shown.convert("CMYK"), "JPEG"),
        "cmyk.tif": encoded(shown.convert("CMYK"), "TIFF"),
        "lab.tif": encoded(_in_lab(shown), "TIFF"),
        "ycbcr.tif": encoded(shown.convert("YCbCr"), "TIFF"),
        "palette.png": encoded(palette, "PNG"),
        "palette, one seen through.png": encoded(palette, "PNG", transparency=3),
        "palette, some seen through.png": encoded(palette, "PNG", transparency=bytes(range(0, 256, 16))),
        "palette of one.png": encoded(Image.new("P", shown.size), "PNG"),
        "colour as transparent.png": encoded(shown, "PNG", transparency=shown.getpixel((0, 0))),
    }


def _in_lab(shown: Image.Image) -> Image.Image:
    own, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(shown, own, lab, outputMode="LAB")
    assert image
    return image


def _animations(shown: Image.Image) -> dict[str, bytes]:
    frames = [shown, shown.rotate(180), shown.convert("L").convert("RGB")]
    more: Mapping[str, Any] = {"save_all": True, "append_images": frames[1:]}
    return {
        "animated.gif": encoded(frames[0], "GIF", duration=50, **more),
        "animated.webp": encoded(frames[0], "WEBP", lossless=True, duration=50, **more),
        "animated.png": encoded(frames[0], "PNG", duration=50, **more),
        "pages.tif": encoded(frames[0], "TIFF", **more),
        "preview.jpg": encoded(frames[0], "MPO", **more),
        "still.gif": encoded(frames[0], "GIF"),
    }


def turned(orientation: int, kind: str, **options: Any) -> bytes:
    """A picture that lies in its file as its EXIF says."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    lying = TURNS[orientation](scene()) if orientation in TURNS else scene()
    return encoded(np.ascontiguousarray(lying), kind, exif=exif, **options)


def _rotations() -> dict[str, bytes]:
    return {
        **{f"exif {turn}.jpg": turned(turn, "JPEG", quality=100, subsampling=0) for turn in TURNS},
        **{f"exif {turn}.png": turned(turn, "PNG") for turn in TURNS},
        **{f"exif {turn}.webp": turned(turn, "WEBP", lossless=True) for turn in TURNS},
        **{f"exif {turn}.tif": turned(turn, "TIFF") for turn in TURNS},
        "exif 9.jpg": turned(9, "JPEG"),
        "exif 0.png": turned(0, "PNG"),
    }


def _profiles(shown: Image.Image) -> dict[str, bytes]:
    whole = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profiles = {"none": b"no profile", "cut": whole[:100], "whole": whole, "zeros": bytes(5000)}
    cmyk = whole[:16] + b"CMYK" + whole[20:]
    return {
        **{f"icc {name}.png": encoded(shown, "PNG", icc_profile=profile) for name, profile in profiles.items()},
        **{f"icc {name}.jpg": encoded(shown, "JPEG", icc_profile=profile) for name, profile in profiles.items()},
        **{f"icc {name}.tif": encoded(shown, "TIFF", icc_profile=profile) for name, profile in profiles.items()},
        "icc of cmyk.png": encoded(shown, "PNG", icc_profile=cmyk),
        "icc of cmyk.jpg": encoded(shown.convert("CMYK"), "JPEG", icc_profile=cmyk),
        "icc of rgb, cmyk.jpg": encoded(shown.convert("CMYK"), "JPEG", icc_profile=whole),
    }


@cache
def doubtful() -> dict[str, bytes]:
    """Damaged beside the pixels: whether they can be opened is the decoder's affair."""
    png, jpeg = encoded(scene(), "PNG"), encoded(scene(), "JPEG")
    endless = b"II*\x00\x08\x00\x00\x00" + struct.pack("<HHHLLL", 1, ORIENTATION, 3, 1, 6, 8)
    words = b"MM\x00*\x00\x00\x00\x08" + struct.pack(">HHHLLL", 1, ORIENTATION, 2, 400_000_000, 26, 0)
    many = b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", 65535) + bytes(300)
    exifs = {
        "garbage": b"\xff" * 60,
        "empty": b"",
        "endless": endless,
        "words": words,
        "many": many,
        "cut": endless[:11],
    }
    return {
        **{f"exif {name}.jpg": _with_exif(jpeg, exif) for name, exif in exifs.items()},
        **{f"exif {name}.png": _with_chunk(png, b"eXIf", exif) for name, exif in exifs.items()},
        "text bomb.png": _with_chunk(png, b"zTXt", b"a\0\0" + zlib.compress(bytes(20_000_000), 9)),
        "profile bomb.png": _with_chunk(png, b"iCCP", b"a\0\0" + zlib.compress(bytes(20_000_000), 9)),
        "no end.png": png[:-12],
        "wrong sum.png": png[:-20] + bytes([png[-20] ^ 255]) + png[-19:],
        "twice.png": png + png,
        "no end.jpg": jpeg[:-2],
    }


def _with_exif(jpeg: bytes, exif: bytes) -> bytes:
    part = b"Exif\0\0" + exif
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part + jpeg[2:]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    """Behind the header, which takes 33 bytes."""
    return png[:33] + chunk(kind, content) + png[33:]


@cache
def broken() -> dict[str, bytes]:
    """What must be refused, and at once."""
    return {
        **{f"{width}x{height} {name}": head(width, height) for name, head in HEADERS.items() for width, height in HUGE},
        **{f"{width}x{height} {name}": head(width, height) for name, head in HEADERS.items() for width, height in NONE},
        "bomb.png": png_of(20_000, 20_000, bytes(20_000 * 2501), bits=1),
        "thin bomb.tif": _tiff(32, 4_000_000, rows=24).ljust(1000, b"\xff"),
        "many digits.ppm": b"P6\n" + b"9" * 5000 + b" 2\n255\n" + bytes(100),
        "empty.png": b"",
        "empty.jpg": b"",
        "byte.png": b"\x89",
        "text.png": b"no picture\n" * 20,
        "page.png": b"<!doctype html><title>404</title>",
        "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "paper.png": b"%PDF-1.7\n1 0 obj\n",
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n",
        "numbers.png": numbers(np.zeros((8, 8), np.float32)),
        "nan.npy": numbers(np.full((8, 8), np.nan, np.float32)),
        "inf.npy": numbers(np.full((8, 8), np.inf, np.float32)),
        "pickled.npy": numbers(np.array([{"a": 1}], object)),
        "zeros.png": bytes(5000),
    }


HUGE = [(60_000, 60_000), (13_000, 13_000)]
"""Of a header with next to nothing behind it: beyond what may be opened at all, and within it."""

NONE = [(0, 10), (10, 0), (0, 0)]


def png_of(width: int, height: int, rows: bytes, bits: int = 8) -> bytes:
    """A grey picture: what the header says, and the rows that are there."""
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def _tiff(width: int, height: int, rows: int | None = None) -> bytes:
    """Of which the first strip holds so many rows."""
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 200), (277, 1), (278, rows or height)]
    tags.append((279, width * rows if rows else 100))
    listed = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in tags)
    return (b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + listed + bytes(4)).ljust(300, b"\0")


def _bmp(width: int, height: int) -> bytes:
    header = struct.pack("<LllHHLLllLL", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<LHHL", 200, 0, 0, 54) + header + bytes(100)


def _webp(width: int, height: int) -> bytes:
    size = b"".join(struct.pack("<L", max(0, side - 1))[:3] for side in (width, height))
    part = b"VP8X" + struct.pack("<L", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<L", len(part) + 4) + b"WEBP" + part


def _jpeg(width: int, height: int) -> bytes:
    whole = encoded(scene(), "JPEG")
    at = whole.index(b"\xff\xc0") + 5
    return whole[:at] + struct.pack(">HH", height, width) + whole[at + 4 : at + 200]


def _gif(width: int, height: int) -> bytes:
    size = struct.pack("<HH", width, height)
    return b"GIF89a" + size + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + size + b"\0\x02\x02\x44\x01\0;"


HEADERS: dict[str, Callable[[int, int], bytes]] = {
    "a.png": lambda width, height: png_of(width, height, bytes(100)),
    "a.tif": _tiff,
    "a.bmp": _bmp,
    "a.webp": _webp,
    "a.jpg": _jpeg,
    "a.ppm": lambda width, height: f"P6 {width} {height} 255\n".encode() + bytes(100),
}
"""By kind of file: a header that says this size, with next to nothing behind it."""


def numbers(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, values, allow_pickle=True)
    return content.getvalue()


def cut(content: bytes, parts: int = 8) -> Iterator[bytes]:
    """At so many places."""
    yield from (content[: len(content) * part // parts] for part in range(1, parts))
    yield content[:-1]


def flipped(content: bytes, rng: random.Random) -> bytes:
    """With some bytes that are others: anywhere, or where the headers are."""
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        changed[rng.randrange(min(len(changed), rng.choice([60, 400, len(changed)])))] = rng.randrange(256)
    return bytes(changed)


def _listening(path: Path) -> None:
    """A socket, by a name that may be longer than a socket's can be."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{folder}/s")
        os.rename("s", path.name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        os.close(folder)


PLACES: dict[str, Make] = {
    "folder.png": lambda path: path.mkdir(),
    "pipe.png": lambda path: os.mkfifo(path),
    "socket.png": _listening,
    "null.png": lambda path: path.symlink_to("/dev/null"),
    "zero.png": lambda path: path.symlink_to("/dev/zero"),
    "random.png": lambda path: path.symlink_to("/dev/urandom"),
    "full.png": lambda path: path.symlink_to("/dev/full"),
    "dangling.png": lambda path: path.symlink_to("nowhere.png"),
    "itself.png": lambda path: path.symlink_to("itself.png"),
    "up.png": lambda path: path.symlink_to(".."),
    "process.png": lambda path: path.symlink_to("/proc/self/mem"),
}
"""Names like pictures' that lead to something else. All of them must be refused, and none may be waited for."""

NAMES = [
    "a b.png", "a\nb.png", "\u00fc\u0308.png", "\u9580.png", "\U0001f34e.png", "\udcff\udc80.png", "-a.png", "--help",
    "a" * 251 + ".png", "\u9580" * 83 + ".png", "a=b.png", "%s{0}.png", "'\";$(x)`.png", ".png", " .png", "a.PNG", "a",
    "\x1b[31mred.png", "\u202egnp.a.png", "a\tb.png", "a.png.png", "~", "mask=.png",
]  # fmt: skip
"""That a picture can have. The bytes of one are no UTF-8."""


def corpus(rng: random.Random) -> dict[str, Make]:
    """All of it, by name, with pictures that are cut off and such with flipped bytes."""
    good = readable()
    damaged = {
        f"cut {number} {name}": content
        for name in ("rgb.png", "rgb.jpg", "rgb.webp", "lzw.tif", "animated.gif", "rgb.bmp", "16 bit.png", "cmyk.jpg")
        for number, content in enumerate(cut(good[name]))
    }
    flips = {f"flip {number} {name}": flipped(content, rng) for name, content in good.items() for number in range(4)}
    contents = {**good, **damaged, **flips, **doubtful(), **broken()}
    named = dict.fromkeys(NAMES, good["rgb.png"])
    return {**{name: _holding(content) for name, content in (contents | named).items()}, **PLACES}


def _holding(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)
