"""Masks and edits drawn for people to look at. Pictures are [B, H, W, 3] in 0..1."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .focus import Box, resized
from .pictures import from_bytes, to_pil

HIGHLIGHT = (1.0, 0.45, 0.05)  # the paper paints its masks orange
INK = (40, 40, 40)
FRAME = (255, 115, 13)
PANEL = 320  # pixels up to which a small picture is enlarged on a sheet
MOST = 1024  # pixels of a side, of a large picture on a sheet


def overlay(picture: Tensor, mask: Tensor, opacity: float = 0.6) -> Tensor:
    """The picture in grey with the mask [B, H, W] painted over it: [B, H, W, 3]."""
    grey = picture.float() @ torch.tensor([0.299, 0.587, 0.114], device=picture.device)  # Rec. 601 luma
    colour = torch.tensor(HIGHLIGHT, device=picture.device)
    return torch.lerp(grey[..., None].expand_as(picture), colour.expand_as(picture), opacity * mask[..., None].float())


def heat(heatmap: Tensor) -> Tensor:
    """A heatmap [B, H, W] from black over red and yellow to white, each image on its own scale: [B, H, W, 3]."""
    heatmap = heatmap.float()
    low = heatmap.amin((1, 2), keepdim=True)
    scaled = (heatmap - low) / (heatmap.amax((1, 2), keepdim=True) - low).clamp_min(1e-12)
    return torch.stack([scaled * 3, scaled * 3 - 1, scaled * 3 - 2], dim=-1).clamp(0, 1)


def for_sheet(picture: Tensor) -> Tensor:
    """A picture [B, H, W, 3] no larger than a sheet needs."""
    height, width = picture.shape[1:3]
    shrink = min(1.0, MOST / max(height, width))
    return resized(picture, (max(1, round(height * shrink)), max(1, round(width * shrink))))


def framed(picture: Tensor, boxes: Sequence[Box]) -> Tensor:
    """A picture [1, H, W, 3] with boxes drawn in, no larger than a sheet needs."""
    small = for_sheet(picture)
    scale = small.shape[1] / picture.shape[1]
    image = to_pil(small)
    pen, thick = ImageDraw.Draw(image), max(1, round(max(image.size) / 160))
    for top, left, bottom, right in boxes:
        corners = [round(at * scale) for at in (left, top, right, bottom)]
        end, foot = max(corners[0], corners[2] - 1), max(corners[1], corners[3] - 1)
        pen.rectangle((corners[0], corners[1], end, foot), outline=FRAME, width=thick)
    return from_bytes(image)[None]


def panels(pictures: Sequence[Tensor], labels: Sequence[str]) -> Tensor:
    """Pictures [B, H, W, 3] of one size side by side, each under its label: [B, H', W', 3].

    Small ones are enlarged, and large ones made smaller.
    """
    if not pictures:
        raise ValueError("there are no pictures to show; give at least one, with its label")
    pictures = [for_sheet(picture) for picture in pictures]
    height, width = pictures[0].shape[1:3]
    if len(labels) != len(pictures) or any(picture.shape[1:3] != (height, width) for picture in pictures):
        sizes = ", ".join(f"{picture.shape[2]}x{picture.shape[1]}" for picture in pictures)
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
    texts = [_wrapped(label[:width], lambda text: font.getlength(text), width) for label in labels]
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
    fits = bisect_left(range(len(line)), True, key=lambda end: length(line[: end + 1] + "…") > width)
    return line[:fits].rstrip() + "…"
