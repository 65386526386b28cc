"""Large pictures: a rectangle of one, seen at the size that a model was made for, and put back at its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .knobs import Settings, knob

LARGE = 1.6
"""Times the area that a model was made for: a picture of more is not given to it as it is."""

SLIM = 2.0
"""Times as long as wide, at most, where the picture leaves room."""

Size = tuple[int, int]
"""(height, width)"""

Box = tuple[int, int, int, int]
"""(top, left, bottom, right), in pixels of the picture"""


@dataclass(frozen=True)
class Focus(Settings):
    """How a picture that is larger than the model's own size is looked at."""

    focus: bool = knob(True, "Looks at a large picture at the model's size, and edits a cut-out of it.")
    area: float = knob(0.0, "Megapixels that the model was made for. 0: as the model says.", low=0, high=64)
    context: float = knob(
        1.0, "What the cut-out shows around the mask, on each side: a share of the mask's own size.", low=0, high=10
    )
    windows: int = knob(
        0, "Looks for small things in so many windows along each side. 0 looks at the whole picture.", low=0, high=16
    )


@dataclass(frozen=True)
class View:
    """A rectangle of a picture, in its own pixels, and the size at which the model sees it."""

    top: int
    left: int
    height: int
    width: int
    size: Size

    @property
    def scale(self) -> float:
        """Pixels of the picture to one that the model sees."""
        return (self.height * self.width / (self.size[0] * self.size[1])) ** 0.5

    @property
    def corners(self) -> Box:
        return self.top, self.left, self.top + self.height, self.left + self.width

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Of a batch of pictures [B, H, W, ...]."""
        return slice(None), slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def of(self, planes: Tensor) -> Tensor:
        """What the model sees of pictures or masks [B, H, W, ...]: [B, h, w, ...]."""
        return resized(planes[self.box], self.size)

    def within(self, planes: Tensor, whole: View) -> Tensor:
        """The same of what ``whole`` sees, [B, h', w', ...]; 0 where that ends."""
        down, right = whole.size[0] / whole.height, whole.size[1] / whole.width
        top, left = math.floor((self.top - whole.top) * down), math.floor((self.left - whole.left) * right)
        bottom = max(top + 1, round((self.top + self.height - whole.top) * down))
        end = max(left + 1, round((self.left + self.width - whole.left) * right))
        part = planes.new_zeros(len(planes), bottom - top, end - left, *planes.shape[3:])
        shown = planes[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(end, 0)]
        below, beside = max(-top, 0), max(-left, 0)
        part[:, below : below + shown.shape[1], beside : beside + shown.shape[2]] = shown
        return resized(part, self.size)

    def back(self, planes: Tensor) -> Tensor:
        """[B, h, w, ...] at the size of the rectangle."""
        return resized(planes, (self.height, self.width))

    def mask_back(self, mask: Tensor) -> Tensor:
        """A mask [B, h, w] at the size of the rectangle, of 0 and 1, without stairs."""
        return (self.back(mask) > 0.5).float()


@dataclass(frozen=True)
class Canvas:
    """A picture's size beside the model's: the views that can be taken."""

    size: Size
    area: int  # pixels that the model was made for
    multiple: int  # of which both sides of a view must be multiples

    @property
    def is_large(self) -> bool:
        return self.size[0] * self.size[1] > LARGE * self.area

    def view(self, box: Box) -> View:
        top, left, bottom, right = box
        height, width = bottom - top, right - left
        return View(top, left, height, width, fitted((height, width), self.area, self.multiple))

    def whole(self) -> View:
        return self.view((0, 0, *self.size))

    def windows(self, count: int) -> list[View]:
        """``count`` x ``count`` views of one size that overlap by half."""
        lengths, last = [-(-2 * side // (count + 1)) for side in self.size], max(1, count - 1)
        tops, lefts = (
            [(side - length) * at // last for at in range(count)]
            for side, length in zip(self.size, lengths, strict=True)
        )
        return [self.view((top, left, top + lengths[0], left + lengths[1])) for top in tops for left in lefts]

    def around(self, boxes: Sequence[Box], context: float) -> list[View]:
        """Views around boxes, with context; those that meet are one."""
        waiting, apart = [self._with_context(box, context) for box in boxes], []
        while waiting:
            box = waiting.pop()
            if meets := [other for other in waiting if _meet(box, other)]:
                waiting = [other for other in waiting if other not in meets] + [joined([box, *meets])]
            else:
                apart.append(box)
        return [self.view(box) for box in sorted(apart)]

    def _with_context(self, box: Box, context: float) -> Box:
        least = self.area**0.5 / 8  # pixels: what is smaller than a few cells is not blown up to a whole view
        lengths = box[2] - box[0], box[3] - box[1]
        wanted = [length + 2 * max(context * length, least) for length in lengths]
        spans = []
        for start, length, side, limit in zip(box, lengths, wanted, self.size, strict=False):
            side = min(round(max(side, max(wanted) / SLIM)), limit)
            begin = min(max(0, start + (length - side) // 2), limit - side)
            spans.append((begin, begin + side))
        (top, bottom), (left, right) = spans
        return top, left, bottom, right


def joined(boxes: Sequence[Box]) -> Box:
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return min(tops), min(lefts), max(bottoms), max(rights)


def fitted(size: Size, area: int, multiple: int) -> Size:
    """About this area with the same aspect, in multiples of what the model needs."""
    shrink = (area / (size[0] * size[1])) ** 0.5
    height, width = (max(1, round(side * shrink / multiple)) * multiple for side in size)
    return height, width


def resized(planes: Tensor, size: Size) -> Tensor:
    """Pictures or masks [B, H, W, ...] at another size: by area where they shrink, else smoothly and within 0..1."""
    if tuple(planes.shape[1:3]) == size:
        return planes
    shrinks = size[0] * size[1] < planes.shape[1] * planes.shape[2]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC if planes.ndim == 4 else cv2.INTER_LINEAR
    each = [cv2.resize(plane, size[::-1], interpolation=how) for plane in planes.float().cpu().numpy()]
    return torch.from_numpy(np.stack(each)).clamp_(0, 1).to(planes.device)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
