"""An edit of a large picture: look at the whole, look closer where something was found, and edit cut-outs of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from .compositing import paste
from .focus import Box, Canvas, Focus, View, joined
from .host import Host
from .kinds import AGREEMENT
from .masks import TOO_LARGE, coarse, coverage
from .run import Opened, Run
from .settings import EditSettings, MaskSettings
from .shapes import parts_touching
from .stages import Look

CLOSE = 0.6
"""Share of a view: cut-outs of more than this show hardly more than it does."""

LOOKS = 4
"""Times to look closer at one place, at most: a view that cuts its mask off could move on and on."""

MOST_PARTS = 4
"""More separate parts of a mask than this are edited in one cut-out: each costs a whole edit."""

SPECK = 0.05
"""Share of the largest part of a mask: a part of less gets no cut-out of its own."""


@dataclass(frozen=True)
class Cutout:
    """A part of a picture as the model sees it, and what is to change there."""

    view: View
    opened: Opened
    mask: Tensor  # [1, h, w]
    seen: Look | None  # None where the mask was given


def cut_outs(run: Run, picture: Tensor, how: MaskSettings, focus: Focus) -> tuple[Look, list[list[Cutout]]]:
    """What the two texts say of the whole pictures [B, H, W, 3], and of each picture the cut-outs to edit."""
    view = canvas_of(run.host, picture, focus).whole()
    opened = run.open(view.of(picture))
    mask, seen = run.find(opened, how)
    found = []
    for i in range(len(picture)):
        one = picture[i : i + 1]
        far = Cutout(view, opened.one(i), mask[i : i + 1], seen.one(i))
        if focus.windows > 1 and float(seen.agreement[i]) < AGREEMENT:
            far = _searched(run, one, how, focus)
        found.append(_closer(run, one, far, how, focus))
    return seen, found


def cut_outs_of(run: Run, picture: Tensor, mask: Tensor, focus: Focus) -> list[Cutout]:
    """The cut-outs of one picture [1, H, W, 3] that a mask [1, H, W] asks for."""
    if not mask.any():
        return []
    canvas = canvas_of(run.host, picture, focus)
    views = _views(canvas, canvas.whole(), mask > 0, focus) or [canvas.whole()]
    return [Cutout(view, run.open(view.of(picture)), view.of(mask), None) for view in views]


def redraw_cut_outs(
    run: Run, picture: Tensor, parts: list[Cutout], how: EditSettings, given: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One picture [1, H, W, 3] with its cut-outs redrawn, and where it differs: [1, H, W], at most the mask given."""
    result, changed = picture.clone(), picture.new_zeros(picture.shape[:3])
    for part in parts:
        edited, mask = run.redraw(part.opened, part.mask, part.seen, how)
        full = part.view.mask_back(mask) if given is None else given[part.view.box].to(result)
        rim = how.rim * max(1.0, part.view.scale)
        result[part.view.box] = paste(result[part.view.box], part.view.back(edited), full, rim)
        changed[part.view.box] = torch.maximum(changed[part.view.box], full)
    return result, changed


def whole_mask(picture: Tensor, parts: list[Cutout]) -> Tensor:
    """The masks of the cut-outs in one picture [1, H, W, 3]: [1, H, W]."""
    mask = picture.new_zeros(picture.shape[:3])
    for part in parts:
        mask[part.view.box] = torch.maximum(mask[part.view.box], part.view.mask_back(part.mask))
    return mask


def is_focused(host: Host, picture: Tensor, focus: Focus) -> bool:
    """Whether a picture is too large for the model, and to be looked at in parts."""
    return focus.focus and canvas_of(host, picture, focus).is_large


def canvas_of(host: Host, picture: Tensor, focus: Focus) -> Canvas:
    return Canvas((picture.shape[1], picture.shape[2]), round(1e6 * focus.area) or host.area, host.multiple)


def _searched(run: Run, picture: Tensor, how: MaskSettings, focus: Focus) -> Cutout:
    """The window in which one place stands out most."""
    views = canvas_of(run.host, picture, focus).windows(focus.windows)
    opened = run.open(torch.cat([view.of(picture) for view in views]))
    mask, seen = run.find(opened, _of_a_thing(how))
    heat = coarse(seen.heatmap)
    best = int((heat.amax(1) - heat.mean(1)).argmax())
    return Cutout(views[best], opened.one(best), mask[best : best + 1], seen.one(best))


def _closer(
    run: Run, picture: Tensor, far: Cutout, how: MaskSettings, focus: Focus, looks: int = LOOKS
) -> list[Cutout]:
    """Cut-outs around what was found, and closer ones within them, as long as they show more."""
    assert far.seen
    kind, canvas = far.seen.kinds[0], canvas_of(run.host, picture, focus)
    views = [] if kind == "area" or looks == 0 else _views(canvas, far.view, far.mask > 0.5, focus)
    cut = _cut_out_of_draft if kind == "addition" else _cut_out
    near = [cut(run, picture, view, far, how) for view in views]
    return [closer for part in near for closer in _closer(run, picture, part, how, focus, looks - 1)] or [far]


def _views(canvas: Canvas, seen: View, mask: Tensor, focus: Focus) -> list[View]:
    """Of the parts of a mask [1, h, w] in a view, with context.

    None where they show hardly more than it does, unless the view cuts a part off.
    """
    boxes = _boxes(mask, seen)
    views = canvas.around(boxes if len(boxes) <= MOST_PARTS else [joined(boxes)], focus.context)
    is_close = sum(view.height * view.width for view in views) < CLOSE * seen.height * seen.width
    return views if is_close or any(_is_cut_off(box, seen, canvas) for box in boxes) else []


def _is_cut_off(box: Box, seen: View, canvas: Canvas) -> bool:
    top, left, bottom, right = seen.corners
    return (
        (box[0] <= top > 0)
        or (box[1] <= left > 0)
        or (box[2] >= bottom < canvas.size[0])
        or (box[3] >= right < canvas.size[1])
    )


def _cut_out(run: Run, picture: Tensor, view: View, far: Cutout, how: MaskSettings) -> Cutout:
    """Looked at again. Where that shows nothing of what was found, the mask stays as it is."""
    opened, hint = run.open(view.of(picture)), view.within(far.mask, far.view) > 0.5
    mask, seen = run.find(opened, _of_a_thing(how))
    held = torch.from_numpy(parts_touching(mask[0].cpu().numpy() > 0.5, hint[0].cpu().numpy()))[None].to(mask)
    is_good = held.any() and bool(coverage(held) < TOO_LARGE)
    return Cutout(view, opened, held if is_good else hint.float(), seen)


def _cut_out_of_draft(run: Run, picture: Tensor, view: View, far: Cutout, how: MaskSettings) -> Cutout:
    """What is added is there in the draft alone."""
    assert far.seen
    mask = (view.within(far.mask, far.view) > 0.5).float()
    drafted = run.open(view.within(run.host.decode(far.seen.draft), far.view)).x0
    return Cutout(view, run.open(view.of(picture)), mask, replace(far.seen, draft=drafted))


def _of_a_thing(how: MaskSettings) -> MaskSettings:
    return replace(how, contrast=replace(how.contrast, kind="object"))


def _boxes(mask: Tensor, view: View) -> list[Box]:
    """The separate parts of a mask [1, h, w] in a view, in pixels of the picture."""
    plane = mask[0].cpu().numpy()
    _, _, stats, _ = cv2.connectedComponentsWithStats(plane.view(np.uint8))
    parts, most = stats[1:].tolist(), stats[1:, cv2.CC_STAT_AREA].max(initial=0)
    down, right = view.height / plane.shape[0], view.width / plane.shape[1]
    return [
        (
            view.top + int(y * down),
            view.left + int(x * right),
            view.top + math.ceil((y + height) * down),
            view.left + math.ceil((x + width) * right),
        )
        for x, y, width, height, pixels in parts
        if pixels >= SPECK * most
    ]
