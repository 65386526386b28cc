"""Picture files -> what people see, and back, each written whole or not at all."""

from __future__ import annotations

import io
import logging
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

from ..batch.addresses import NO_FILE, Address, opened
from ..batch.whole import writing, written_whole
from ..masks import fit
from ..pictures import Margin, as_rgba, from_bytes, from_pil, is_deep, to_pil
from ..sheets import heat
from ..shortage import is_out_of_memory

logger = logging.getLogger(__name__)

FORMATS: dict[str, dict[str, Any]] = {
    ".png": {},
    ".webp": {"lossless": True, "exact": True},  # exact: the colours under full transparency as well
    ".tif": {},
    ".tiff": {},
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
}
"""What can be written, and how. All but JPEG keep every pixel as it is."""

FILLED, DENSEST = 2**24, 10_000
"""So many pixels any file may hold. More of them only where there is a byte for so many of them."""

LONGEST_SIDE = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500}


@dataclass(frozen=True)
class Opened:
    """A picture file as people see it, and what goes back into a file made from it."""

    picture: Tensor  # [1, H, W, 3], turned as its EXIF says, transparency over white
    colours: Tensor  # [1, H, W, 3], its own, whatever their transparency
    alpha: Tensor | None  # [1, H, W]
    profile: bytes | None  # ICC

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return self.picture.shape[1], self.picture.shape[2]

    def edited(self, picture: Tensor, mask: Tensor) -> Image.Image:
        """The edited picture with the file's own transparency: outside the mask every pixel is the file's own."""
        if self.alpha is None:
            return to_pil(picture)
        alpha = self.alpha[..., None]
        seen_through = (picture.to(alpha) - (1 - alpha)) / alpha.clamp_min(1 / 255)  # the white taken off again
        inside = (mask.to(alpha)[..., None] > 0) & (alpha > 0)
        return to_pil(torch.cat([torch.where(inside, seen_through, self.colours), alpha], dim=-1))


def open_picture(path: Address) -> Opened:
    """Any picture file that Pillow reads; 16 bit and CMYK become 8 bit RGB."""
    with _one_line(path):
        image = _opened(path)
        if is_deep(image):
            logger.warning("%s has more than 8 bits a channel; it is edited and written in 8", path)
        profile = image.info.get("icc_profile")
        picture = from_pil(image)
        own = from_bytes(as_rgba(image))[None] if _is_transparent(image) else None  # [1, H, W, 4]
        return Opened(
            picture=picture,
            colours=picture if own is None else own[..., :3],
            alpha=None if own is None else own[..., 3],
            # the profile of another colour space went with it
            profile=profile if profile and profile[16:20] == b"RGB " else None,
        )


def in_colours_of(opened: Opened, other: Opened) -> Tensor:
    """The picture in the other's colour space. Without a profile of its own it is taken as it is."""
    if opened.profile not in (None, other.profile):
        with suppress(OSError, ImageCms.PyCMSError):  # a profile that cannot be read is ignored
            own, wanted = (_profile(each.profile) for each in (opened, other))
            image = to_pil(opened.picture)
            return from_pil(ImageCms.profileToProfile(image, own, wanted, outputMode="RGB") or image)
    return opened.picture


def _profile(profile: bytes | None) -> Any:
    return ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else ImageCms.createProfile("sRGB")


def open_mask(path: Address) -> Tensor:
    """A mask file, white where the picture may change: [1, H, W] in 0..1. Transparency alone counts as a mask too."""
    with _one_line(path):
        rgba = as_rgba(_opened(path))
        alpha = rgba.getchannel("A")
        has_alpha = np.asarray(alpha).min() < 255
        return from_bytes(alpha if has_alpha else rgba.convert("L"))[None]


def save(image: Image.Image, path: str | Path, profile: bytes | None = None) -> None:
    """The whole file or nothing: no half-written file is ever at the path."""
    write(path, encoded(image, path, profile))


def write(path: str | Path, content: bytes) -> None:
    with written_whole(path) as draft:
        draft.write_bytes(content)


def encoded(image: Image.Image, path: str | Path, profile: bytes | None = None) -> bytes:
    """What is to be in a file of this name."""
    suffix = Path(path).suffix.lower()
    if suffix in (".jpg", ".jpeg"):
        if image.mode == "RGBA":
            logger.warning("%s is written on white, because JPEG has no transparency", path)
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        logger.warning("%s is JPEG, which changes every pixel a little; name it .png or .webp to keep them", path)
    content = io.BytesIO()
    image.save(content, Image.registered_extensions()[suffix], icc_profile=profile, **FORMATS[suffix])
    return content.getvalue()


def encoded_heatmap(heatmap: Tensor, path: str | Path, margin: Margin) -> bytes:
    """The numbers [h, w] themselves as .npy, or a picture of them at the picture's size."""
    if Path(path).suffix.lower() == ".npy":
        content = io.BytesIO()
        np.save(content, heatmap[0].float().cpu().numpy())
        return content.getvalue()
    height, width = (side + -side % margin.multiple for side in (margin.height, margin.width))
    return encoded(to_pil(heat(margin.remove(fit(heatmap.cpu(), (height, width))))), path)


def check_writable(path: str | Path, size: tuple[int, int] | None = None, others: tuple[str, ...] = ()) -> None:
    """Fails now rather than after minutes of work. ``size`` is the picture's (H, W); ``others`` are more suffixes."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (*FORMATS, *others):
        raise ValueError(f"cannot write {path}: its name must end in {', '.join((*FORMATS, *others))}")
    if size:
        check_size(path, size)
    folder = Path(os.path.realpath(path)).parent  # where a link leads
    if not _is_folder(folder):
        raise ValueError(f"cannot write {path}: there is no folder {folder if path.is_symlink() else path.parent}")
    if why := _hindrance(path):
        raise ValueError(f"cannot write {path}: {why}")
    with writing(f"into {path.parent}"), tempfile.TemporaryFile(dir=folder):
        pass


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, or one behind a door that is shut
        return False


def _hindrance(path: Path) -> str:
    """Why what is there already cannot be replaced."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return ""
    except OSError as cause:  # a name that is too long, or a link to itself
        return str(cause.strerror)
    if stat.S_ISDIR(kind):
        return "it is a folder"
    if not stat.S_ISREG(kind):
        return NO_FILE
    return "" if os.access(path, os.W_OK) else "it is read-only"


def check_size(path: str | Path, size: tuple[int, int]) -> None:
    suffix = Path(path).suffix.lower()
    if max(size) > (limit := LONGEST_SIDE.get(suffix, 2**31)):
        raise ValueError(f"{suffix} takes at most {limit} pixels a side and this has {max(size)}; name it .png")


def planned(paths: Mapping[str, Path | None], inputs: Iterable[Path | None], size: tuple[int, int]) -> dict[str, Path]:
    """The wanted paths, by what goes there. One that cannot or should not be written is an error."""
    wanted = {name: path for name, path in paths.items() if path}
    taken = {os.path.realpath(path) for path in inputs if path}
    for name, path in wanted.items():
        check_writable(path, size, others=(".npy",) if name == "heatmap" else ())
        if (real := os.path.realpath(path)) in taken:
            raise ValueError(f"{path} is another of the files to read or write; name a different one for the {name}")
        taken.add(real)
    return wanted


def beside(image: Path, what: str) -> Path:
    """cat.jpg -> cat-mask.png"""
    return image.with_name(f"{image.stem}-{what}.png")


@contextmanager
def _one_line(path: str | Path) -> Iterator[None]:
    """Whatever Pillow finds wrong with a file becomes one line that names it."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture that can be read") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as broken:
        raise ValueError(f"{path} cannot be read: {getattr(broken, 'strerror', None) or broken}") from None
    except Exception as broken:  # of a damaged file, a decoder may raise anything
        if is_out_of_memory(broken):
            raise
        raise ValueError(f"{path} cannot be read: it is damaged ({broken})") from None


def _opened(path: Address) -> Image.Image:
    with opened(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return _loaded(file, size, path)


def _loaded(file: BinaryIO, size: int, path: Address) -> Image.Image:
    with Image.open(file, formats=_formats()) as image:
        if image.width * image.height > max(FILLED, size * DENSEST):
            raise ValueError(f"its {size:,} bytes hold no {image.width}x{image.height} pixels")
        if getattr(image, "is_animated", False) and image.format != "MPO":  # an MPO is a JPEG with a preview
            logger.warning("%s is animated; only its first frame is read", path)
        image.load()
        return _upright(image, path)


def _formats() -> list[str]:
    """All but programs, which another program would have to run."""
    Image.init()
    return [each for each in Image.ID if each != "EPS"]


def _upright(image: Image.Image, path: Address) -> Image.Image:
    """And without its EXIF, of which nothing else is needed."""
    try:
        image = ImageOps.exif_transpose(image)
    except MemoryError:
        raise
    except Exception:
        logger.warning("the EXIF of %s is damaged, so the picture is taken as it lies in its file", path)
        image = image.copy()
    for name in ("exif", "Raw profile type exif"):
        image.info.pop(name, None)
    return image


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
