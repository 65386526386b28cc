"""Large pictures: a rectangle of one, seen at the size that a model was made for, and put back at its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import torch
from torch import Tensor

from .batches import gathered
from .knobs import Settings, knob
from .shapes import boxes_of_parts, is_hard

LARGE = 1.6
"""Times the area that a model was made for: a picture of more is not given to it as it is."""

SLIM = 2.0
"""Times as long as wide, at most, where the picture leaves room."""

CLOSE = 0.6
"""Share of a view: cut-outs of more than this show hardly more than it does."""

MOST_PARTS = 4
"""More separate parts of a mask than this are edited in one cut-out: each costs a whole edit."""

SPECK = 0.05
"""Share of the largest part of a mask: a part of less gets no cut-out of its own."""

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

    def rim(self, width: float) -> float:
        """Pixels of the picture over which to blend: what is enlarged is softer than what stands around it."""
        return width * max(1.0, 2 * self.scale - 1)

    def mask_back(self, mask: Tensor) -> Tensor:
        """A mask [B, h, w] at the size of the rectangle, without stairs. A hard one stays hard."""
        large = self.back(mask)
        return (large > 0.5).float() if is_hard(mask.cpu().numpy()) else large

    def boxes(self, mask: Tensor) -> list[Box]:
        """The separate parts of a mask [1, h, w] of what is seen, in pixels of the picture."""
        down, right = self.height / mask.shape[1], self.width / mask.shape[2]
        return [
            (
                self.top + int(top * down),
                self.left + int(left * right),
                self.top + math.ceil(bottom * down),
                self.left + math.ceil(end * right),
            )
            for top, left, bottom, end in boxes_of_parts(mask[0].cpu().numpy(), SPECK)
        ]


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
        return [self.view(box) for box in apart(self._with_context(box, context) for box in boxes)]

    def closer(self, seen: View, mask: Tensor, context: float) -> list[View]:
        """Views of the parts of a mask, bool [1, h, w], in what is seen; those that meet are one.

        None where they show hardly more than is seen, unless that cuts a part off.
        """
        boxes = seen.boxes(mask)
        views = self.around(boxes if len(boxes) <= MOST_PARTS else [joined(boxes)], context)
        is_close = sum(view.height * view.width for view in views) < CLOSE * seen.height * seen.width
        return views if is_close or any(self._is_cut_off(box, seen) for box in boxes) else []

    def of_one_size(self, boxes: Sequence[Box]) -> list[View]:
        """Views that hold the boxes, of the picture's own shape and so of one size; those that meet are one."""
        whole = self.whole()
        while True:
            wide = apart(self._about(box, self._shaped(box)) for box in boxes)
            if len(wide) == len(boxes):
                return [replace(self.view(box), size=whole.size) for box in wide]
            boxes = wide

    def _shaped(self, box: Box) -> Size:
        height, width = box[2] - box[0], box[3] - box[1]
        return max(height, -(-width * self.size[0] // self.size[1])), max(
            width, -(-height * self.size[1] // self.size[0])
        )

    def _is_cut_off(self, box: Box, seen: View) -> bool:
        top, left, bottom, right = seen.corners
        return (
            (box[0] <= top > 0)
            or (box[1] <= left > 0)
            or (box[2] >= bottom < self.size[0])
            or (box[3] >= right < self.size[1])
        )

    def _with_context(self, box: Box, context: float) -> Box:
        least = self.area**0.5 / 8  # pixels: what is smaller than a few cells is not blown up to a whole view
        lengths = box[2] - box[0], box[3] - box[1]
        height, width = (length + 2 * max(context * length, least) for length in lengths)
        return self._about(box, (round(max(height, width / SLIM)), round(max(width, height / SLIM))))

    def _about(self, box: Box, sides: Size) -> Box:
        """A box of this size about the middle of another, moved into the picture."""
        height, width = (min(side, limit) for side, limit in zip(sides, self.size, strict=True))
        top = min(max(0, (box[0] + box[2] - height) // 2), self.size[0] - height)
        left = min(max(0, (box[1] + box[3] - width) // 2), self.size[1] - width)
        return top, left, top + height, left + width


def apart(boxes: Iterable[Box]) -> list[Box]:
    """Boxes that do not meet: those that do are one."""
    waiting, alone = list(boxes), []
    while waiting:
        box = waiting.pop()
        if meets := [other for other in waiting if _meet(box, other)]:
            waiting = [other for other in waiting if other not in meets] + [joined([box, *meets])]
        else:
            alone.append(box)
    return sorted(alone)


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
    each = (cv2.resize(plane, size[::-1], interpolation=how) for plane in planes.float().cpu().numpy())
    return gathered((torch.from_numpy(plane)[None] for plane in each), len(planes)).clamp_(0, 1).to(planes.device)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
