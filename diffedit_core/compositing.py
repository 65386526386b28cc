"""Put the original pixels back, and draw masks and edits for people to look at. Pictures are [B, H, W, 3] in 0..1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .batches import check_batch
from .pictures import from_bytes
from .shapes import depth

HIGHLIGHT = (1.0, 0.45, 0.05)  # the paper paints its masks orange
INK = (40, 40, 40)
PANEL = 320  # pixels up to which a small picture is enlarged on a sheet


def paste(original: Tensor, edited: Tensor, mask: Tensor, rim: float = 0.0) -> Tensor:
    """The edited picture inside the mask [B, H, W], the original's very pixels outside it: [B, H, W, 3].

    ``rim`` pixels along the mask's edge are blended, all of them inside the mask, so that nothing changes outside it.
    """
    if original.shape[1:3] != edited.shape[1:3] or original.shape[1:3] != mask.shape[-2:]:
        raise ValueError(
            f"the original is {_size(original.shape[1:3])}, the edited picture {_size(edited.shape[1:3])} and "
            f"the mask {_size(mask.shape[-2:])}; all three must have one size"
        )
    count = check_batch({"originals": len(original), "edited pictures": len(edited), "masks": len(mask)})
    weight = soften_inwards(mask.to(original.device).float(), rim)[..., None].expand(count, -1, -1, 3)
    return torch.lerp(original.float().expand_as(weight), edited.to(original).float().expand_as(weight), weight)


def soften_inwards(mask: Tensor, radius: float) -> Tensor:
    """The mask [B, H, W] with its rim softened over ``radius`` pixels: 0 wherever it was 0, and nowhere else.

    What is thinner than the rim gets fainter and is not lost.
    """
    deep = np.stack([depth(plane > 0) for plane in mask.cpu().numpy()])
    return mask * torch.from_numpy(deep).to(mask).div(radius + 1).clamp(max=1)


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


def panels(pictures: Sequence[Tensor], labels: Sequence[str]) -> Tensor:
    """Pictures [B, H, W, 3] of one size side by side, each under its label: [B, H', W', 3]. Small ones are enlarged."""
    height, width = pictures[0].shape[1:3]
    if len(labels) != len(pictures) or any(picture.shape[1:3] != (height, width) for picture in pictures):
        sizes = ", ".join(_size(picture.shape[1:3]) for picture in pictures)
        raise ValueError(f"panels take one size and a label for each; these are {sizes} with {len(labels)} labels")
    zoom = max(1, PANEL // max(height, width))  # by whole pixels, so that people see what is there
    height, width = height * zoom, width * zoom
    gap = max(12, width // 36)
    blank, tops = _titled(labels, width, height, gap)
    sheets = blank.expand(max(len(picture) for picture in pictures), -1, -1, -1).clone()
    for i, picture in enumerate(pictures):
        left = gap + i * (width + gap)
        enlarged = picture.repeat_interleave(zoom, 1).repeat_interleave(zoom, 2)
        sheets[:, tops : tops + height, left : left + width] = enlarged.to(sheets)
    return sheets


def _titled(labels: Sequence[str], width: int, height: int, gap: int) -> tuple[Tensor, int]:
    """A white sheet [H', W', 3] with every label centred over its picture's place, and where the pictures begin."""
    size = max(14, width // 22)
    font = ImageFont.load_default(size)
    texts = [_wrapped(label, lambda text: font.getlength(text), width) for label in labels]
    tops = gap + round(1.4 * size) * max(text.count("\n") + 1 for text in texts)
    sheet = Image.new("RGB", (len(labels) * (width + gap) + gap, tops + height + gap), "white")
    pen = ImageDraw.Draw(sheet)
    for i, text in enumerate(texts):
        foot = (gap + i * (width + gap) + width / 2, tops - 0.4 * size)
        pen.multiline_text(foot, text, fill=INK, font=font, anchor="md", align="center", spacing=0.2 * size)
    return from_bytes(sheet), tops


def _wrapped(label: str, length: Callable[[str], float], width: int) -> str:
    """On two lines at most. What does not fit on them is left out."""
    lines = [""]
    for word in label.split():
        longer = f"{lines[-1]} {word}".strip()
        if length(longer) <= width or not lines[-1] or len(lines) == 2:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(_shortened(line, length, width) for line in lines)


def _shortened(line: str, length: Callable[[str], float], width: int) -> str:
    if length(line) <= width:
        return line
    while line and length(line + "…") > width:
        line = line[:-1]
    return line.rstrip() + "…"


def _size(shape: Sequence[int]) -> str:
    return "x".join(str(n) for n in reversed(shape))
