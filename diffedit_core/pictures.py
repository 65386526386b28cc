"""Pictures [B, H, W, 3] in 0..1: from bytes and PIL's images and back, with the margins that models need."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms, ImageOps
from torch import Tensor


def from_bytes(pixels: np.ndarray | Image.Image) -> Tensor:
    """0..255 -> 0..1, float32, of any shape."""
    return torch.from_numpy(np.divide(np.asarray(pixels), 255, dtype=np.float32))


def to_bytes(picture: Tensor) -> np.ndarray:
    """0..1 -> 0..255, uint8, of any shape."""
    return picture.float().clamp(0, 1).mul_(255).round_().byte().cpu().numpy()


def from_pil(image: Image.Image) -> Tensor:
    """[1, H, W, 3] in 0..1, transparency over white."""
    if not all(image.size):
        raise ValueError(f"the picture is {image.width}x{image.height}; there is nothing in it")
    rgba = as_rgba(ImageOps.exif_transpose(image))
    return from_bytes(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))[None]


def to_pil(picture: Tensor) -> Image.Image:
    """The first picture [B, H, W, 3 or 4], or mask [B, H, W], as an 8-bit image."""
    if not picture.numel() or not (picture.ndim == 3 or (picture.ndim == 4 and picture.shape[-1] in (3, 4))):
        raise ValueError(
            f"the picture is {list(picture.shape)}; give [batch, height, width, 3], or a mask without the 3"
        )
    return Image.fromarray(to_bytes(picture[0]))


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


def is_deep(image: Image.Image) -> bool:
    """More than 8 bits a channel."""
    return image.mode.startswith("I") or image.mode == "F"


def as_rgba(image: Image.Image) -> Image.Image:
    if image.mode == "CMYK" and (profile := image.info.get("icc_profile")):
        with suppress(OSError, ImageCms.PyCMSError):  # a profile that cannot be read is ignored
            own, screen = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            image = ImageCms.profileToProfile(image, own, screen, outputMode="RGB") or image
    if is_deep(image):
        image = _eight_bits(image)
    if image.mode == "La":  # which Pillow turns into nothing else
        image = image.convert("LA")
    return image.convert("RGBA")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Pillow clips 16-bit, 32-bit and float greys instead of scaling them."""
    values = np.nan_to_num(np.asarray(image, np.float64))
    if image.mode.startswith("I;16") or values.max() > 255:
        values = values / 65535
    elif image.mode == "I" or values.max() > 1:
        values = values / 255
    return Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8))
