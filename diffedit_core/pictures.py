"""Files <-> pictures [1, H, W, 3] in 0..1, and the margins that models need, put on and taken off again."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor


def open_picture(path: str | Path) -> Tensor:
    """A picture file as people see it: turned as its EXIF says, transparency over white, 16 bit and CMYK as sRGB."""
    return from_pil(_opened(path))


def open_mask(path: str | Path) -> Tensor:
    """A mask file, white where the picture may change: [1, H, W] in 0..1. Transparency alone counts as a mask too."""
    image = _opened(path)
    if "A" in image.getbands() and np.asarray(image.getchannel("A")).min() < 255:
        band = image.getchannel("A")
    else:
        band = _eight_bits(image).convert("L")
    return torch.from_numpy(np.asarray(band, np.float32) / 255)[None]


def from_pil(image: Image.Image) -> Tensor:
    """[1, H, W, 3] in 0..1."""
    image = _eight_bits(ImageOps.exif_transpose(image))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return torch.from_numpy(np.asarray(image.convert("RGB"), np.float32) / 255)[None]


def to_pil(picture: Tensor) -> Image.Image:
    """The first picture [B, H, W, 3], or mask [B, H, W], as an 8-bit image."""
    return Image.fromarray((picture[0].float().clamp(0, 1) * 255).round().byte().cpu().numpy())


def save(image: Image.Image, path: str | Path) -> None:
    """Written beside the path first, then moved there whole: what stands at the path is always a finished file."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in Image.registered_extensions():
        raise ValueError(f"cannot write {path.name}: name it .png, .jpg or .webp")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        image.save(temporary, quality=95, subsampling=0)  # formats without these ignore them
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise


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


def _opened(path: str | Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture that can be read") from None
    except (OSError, SyntaxError, Image.DecompressionBombError) as broken:
        raise ValueError(f"{path} cannot be read: {broken}") from None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pillow clips 16-bit, 32-bit and float greys instead of scaling them."""
    if not (image.mode.startswith("I") or image.mode == "F"):
        return image
    values = np.asarray(image, np.float64)
    if image.mode.startswith("I;16") or values.max() > 255:
        values = values / 65535
    elif image.mode == "I" or values.max() > 1:
        values = values / 255
    return Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
