"""Files <-> pictures [1, H, W, 3] in 0..1, and the margins that models need, put on and taken off again."""

from __future__ import annotations

import io
import logging
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

logger = logging.getLogger(__name__)

FORMATS: dict[str, dict[str, Any]] = {
    ".png": {},
    ".webp": {"lossless": True, "exact": True},  # exact: the colours under full transparency as well
    ".tif": {},
    ".tiff": {},
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
}
"""What can be written, and how. All but JPEG give back every pixel as it was."""

LONGEST_SIDE = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500}


@dataclass(frozen=True)
class Opened:
    """A picture file as people see it, and what belongs back into a file that is made of it."""

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


def open_picture(path: str | Path) -> Opened:
    """Any picture file that Pillow reads; 16 bit and CMYK become 8 bit RGB."""
    with _one_line(path):
        image = _opened(path)
        if _is_deep(image):
            logger.warning("%s has more than 8 bits a pixel; it is worked on, and written, in 8", path)
        profile = image.info.get("icc_profile")
        rgba = _rgba(image)
        own = _tensor(rgba)  # [1, H, W, 4]
        return Opened(
            picture=from_pil(image),
            colours=own[..., :3],
            alpha=own[..., 3] if _is_transparent(image) else None,
            # the profile of another colour space went with it
            profile=profile if profile and profile[16:20] == b"RGB " else None,
        )


def open_mask(path: str | Path) -> Tensor:
    """A mask file, white where the picture may change: [1, H, W] in 0..1. Transparency alone counts as a mask too."""
    with _one_line(path):
        rgba = _rgba(_opened(path))
        alpha = rgba.getchannel("A")
        has_alpha = np.asarray(alpha).min() < 255
        return _tensor(alpha if has_alpha else rgba.convert("L"))


def from_pil(image: Image.Image) -> Tensor:
    """[1, H, W, 3] in 0..1, transparency over white."""
    rgba = _rgba(ImageOps.exif_transpose(image))
    return _tensor(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))


def to_pil(picture: Tensor) -> Image.Image:
    """The first picture [B, H, W, 3 or 4], or mask [B, H, W], as an 8-bit image."""
    return Image.fromarray((picture[0].float().clamp(0, 1) * 255).round().byte().cpu().numpy())


def save(image: Image.Image, path: str | Path, profile: bytes | None = None) -> None:
    """All of the file or none of it: what stands at the path is never half-written."""
    suffix = Path(path).suffix.lower()
    if suffix in (".jpg", ".jpeg"):
        if image.mode == "RGBA":
            logger.warning("%s is written over white: JPEG has no transparency", path)
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
        logger.warning("%s is JPEG, which changes every pixel a little; name it .png or .webp to keep them", path)
    with written_whole(path) as draft:
        image.save(draft, icc_profile=profile, **FORMATS[suffix])


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A path beside this one to write to; moved here when all is written, gone when it was not."""
    target = Path(path).resolve()  # a link stays a link
    draft = target.with_name(f".diffedit-{secrets.token_hex(8)}{target.suffix}")
    try:
        yield draft
        draft.replace(target)
    except OSError as cause:
        raise ValueError(f"cannot write {path}: {cause.strerror or cause}") from cause
    finally:
        draft.unlink(missing_ok=True)


def check_writable(path: str | Path, size: tuple[int, int] | None = None, others: tuple[str, ...] = ()) -> None:
    """Fails now rather than after minutes of work. ``size`` is the picture's (H, W), ``others`` more suffixes."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (*FORMATS, *others):
        raise ValueError(f"cannot write {path}: its name must end in {', '.join((*FORMATS, *others))}")
    if size and max(size) > (limit := LONGEST_SIDE.get(suffix, 2**31)):
        raise ValueError(f"{suffix} takes at most {limit} pixels a side and this has {max(size)}; name it .png")
    if path.is_dir():
        raise ValueError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise ValueError(f"cannot write {path}: there is no folder {path.parent}")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as cause:
        raise ValueError(f"cannot write into {path.parent}: {cause.strerror}") from None


@dataclass(frozen=True)
class Margin:
    """Pixels added right and below so that a size becomes a multiple of what the model needs."""

    height: int
    width: int
    multiple: int

    @classmethod
    def around(cls, picture: Tensor, multiple: int) -> Margin:
        return cls(picture.shape[1], picture.shape[2], multiple)

    def add(self, picture: Tensor) -> Tensor:
        """[B, H, W, 3] -> [B, H', W', 3]: the rim is repeated, nothing is stretched or moved."""
        bottom, right = -self.height % self.multiple, -self.width % self.multiple
        return F.pad(picture.movedim(-1, 1), (0, right, 0, bottom), mode="replicate").movedim(1, -1)

    def add_to_mask(self, mask: Tensor) -> Tensor:
        """[B, H, W] -> [B, H', W']: the margin continues the mask as it continues the picture."""
        return self.add(mask[..., None])[..., 0]

    def remove(self, images: Tensor) -> Tensor:
        """[B, H', W', ...] -> [B, H, W, ...]."""
        return images[:, : self.height, : self.width]


@contextmanager
def _one_line(path: str | Path) -> Iterator[None]:
    """Whatever Pillow finds wrong with a file, said in one line that names it."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture that can be read") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as broken:
        raise ValueError(f"{path} cannot be read: {getattr(broken, 'strerror', None) or broken}") from None


def _opened(path: str | Path) -> Image.Image:
    with Image.open(path) as image:
        if getattr(image, "is_animated", False) and image.format != "MPO":  # an MPO is a JPEG with a preview
            logger.warning("%s is animated; only its first frame is read", path)
        image.load()
        return ImageOps.exif_transpose(image)


def _is_transparent(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _rgba(image: Image.Image) -> Image.Image:
    if image.mode == "CMYK" and (profile := image.info.get("icc_profile")):
        with suppress(OSError, ImageCms.PyCMSError):  # a profile that cannot be read is as good as none
            own, screen = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            image = ImageCms.profileToProfile(image, own, screen, outputMode="RGB") or image
    if _is_deep(image):
        image = _eight_bits(image)
    return image.convert("RGBA")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pillow clips 16-bit, 32-bit and float greys instead of scaling them."""
    values = np.nan_to_num(np.asarray(image, np.float64))
    if image.mode.startswith("I;16") or values.max() > 255:
        values = values / 65535
    elif image.mode == "I" or values.max() > 1:
        values = values / 255
    return Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8))


def _tensor(image: Image.Image) -> Tensor:
    """[1, H, W, C], or [1, H, W] of a grey image, in 0..1."""
    return torch.from_numpy(np.asarray(image, np.float32) / 255)[None]
