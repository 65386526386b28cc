"""Put the original pixels back, and draw masks and edits for people to look at. Pictures are [B, H, W, 3] in 0..1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

HIGHLIGHT = (1.0, 0.45, 0.05)  # the paper paints its masks orange


def paste(original: Tensor, edited: Tensor, mask: Tensor, feather: float = 0.0) -> Tensor:
    """The edited picture inside the mask [B, H, W], the original's very pixels outside it: [B, H, W, 3].

    ``feather`` pixels of rim are blended, all of them inside the mask, so that outside it nothing changes.
    """
    if original.shape[1:3] != edited.shape[1:3] or original.shape[1:3] != mask.shape[-2:]:
        raise ValueError(
            f"the original is {_size(original.shape[1:3])}, the edited picture {_size(edited.shape[1:3])} and "
            f"the mask {_size(mask.shape[-2:])}; all three must have one size"
        )
    count = max(len(original), len(edited), len(mask))
    for name, images in {"originals": original, "edited pictures": edited, "masks": mask}.items():
        if len(images) not in (1, count):
            raise ValueError(f"{len(images)} {name} in a batch of {count}; give one for all, or one for each")
    weight = feather_inwards(mask.float(), feather)[..., None].expand(count, -1, -1, 3)
    return torch.lerp(original.float().expand_as(weight), edited.to(original).float().expand_as(weight), weight)


def feather_inwards(mask: Tensor, radius: float) -> Tensor:
    """The mask [B, H, W] with its rim softened over ``radius`` pixels, and 0 wherever it was 0."""
    if radius <= 0:
        return mask
    reach = max(1, round(radius))
    planes = F.pad(mask[:, None], [2 * reach] * 4, mode="replicate")
    eroded = -F.max_pool2d(-planes, 2 * reach + 1, stride=1)
    soft = F.avg_pool2d(eroded, 2 * reach + 1, stride=1)
    return torch.minimum(soft[:, 0], mask)


def overlay(picture: Tensor, mask: Tensor, opacity: float = 0.6) -> Tensor:
    """The picture in grey with the mask [B, H, W] painted over it: [B, H, W, 3]."""
    grey = picture.float() @ torch.tensor([0.299, 0.587, 0.114], device=picture.device)  # Rec. 601 luma
    colour = torch.tensor(HIGHLIGHT, device=picture.device)
    return torch.lerp(grey[..., None].expand_as(picture), colour.expand_as(picture), opacity * mask[..., None].float())


def heat(heatmap: Tensor) -> Tensor:
    """A heatmap [B, H, W] from black over red and yellow to white, each image on its own scale: [B, H, W, 3]."""
    low = heatmap.amin((1, 2), keepdim=True)
    scaled = (heatmap - low) / (heatmap.amax((1, 2), keepdim=True) - low).clamp_min(1e-12)
    return torch.stack([scaled * 3, scaled * 3 - 1, scaled * 3 - 2], dim=-1).clamp(0, 1)


def panels(pictures: Sequence[Tensor], labels: Sequence[str], gap: int = 8) -> Tensor:
    """Pictures [B, H, W, 3] of one size side by side, each under its label: [B, H', W', 3]."""
    count = max(len(picture) for picture in pictures)
    height, width = pictures[0].shape[1:3]
    title = max(18, height // 16)
    font = ImageFont.load_default(title * 0.7)
    sheet = Image.new("RGB", (len(pictures) * (width + gap) + gap, height + title + gap), "white")
    pen = ImageDraw.Draw(sheet)
    for i, label in enumerate(labels):
        middle = gap + i * (width + gap) + width // 2
        pen.text((middle, title // 2), _shortened(label, pen, font, width), fill="black", font=font, anchor="mm")
    blank = torch.from_numpy(np.asarray(sheet, np.float32) / 255)
    sheets = blank.expand(count, -1, -1, -1).clone()
    for i, picture in enumerate(pictures):
        left = gap + i * (width + gap)
        sheets[:, title : title + height, left : left + width] = picture.to(sheets)
    return sheets


def _shortened(
    label: str, pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> str:
    if pen.textlength(label, font=font) <= width:
        return label
    while label and pen.textlength(label + "...", font=font) > width:
        label = label[:-1]
    return label.rstrip() + "..."


def _size(shape: Sequence[int]) -> str:
    return "x".join(str(n) for n in reversed(shape))
