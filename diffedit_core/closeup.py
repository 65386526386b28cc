"""An edit of a large picture: look at the whole, look closer where something was found, and edit cut-outs of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from .compositing import paste
from .focus import Canvas, Focus, View
from .greys import GREYS
from .kinds import AGREEMENT
from .masks import TOO_LARGE, coarse, coverage, union
from .run import Opened, Part, Run
from .settings import EditSettings, MaskSettings
from .shapes import parts_touching
from .stages import Look

LOOKS = 4
"""Times to look closer at one place, at most: a view that cuts its mask off could move on and on."""


class Sized(Protocol):
    """A model that was made for pictures of some size."""

    @property
    def area(self) -> int: ...  # in pixels
    @property
    def multiple(self) -> int: ...  # of which both sides must be multiples


class Finder(Sized, Protocol):
    """A model with two texts bound."""

    def open(self, picture: Tensor) -> Opened: ...
    def find(self, opened: Opened, how: MaskSettings) -> tuple[Tensor, Look]: ...  # the mask [B, H, W]
    def decode(self, latent: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Cutout:
    """A part of a picture as the model sees it, and what is to change there."""

    view: View
    opened: Opened
    mask: Tensor  # [1, h, w]
    seen: Look | None  # None where the mask was given
    given: Tensor | None = None  # [1, H, W]: that mask, of the whole picture

    @property
    def full(self) -> Tensor:
        """The mask at the size of the view's rectangle. One that was given stays as it is, to the pixel."""
        return self.view.mask_back(self.mask) if self.given is None else self.given[self.view.box]

    def part(self, number: int) -> Part:
        return Part(number, self.mask, self.seen, None if self.seen is None else self.seen.draft - self.opened.x0)


def cut_outs(run: Run, picture: Tensor, how: MaskSettings, focus: Focus) -> tuple[Look, list[list[Cutout]]]:
    """What the two texts say of the whole pictures [B, H, W, 3], and of each picture the cut-outs to edit."""
    view = canvas_of(run, picture, focus).whole()
    opened = run.open(view.of(picture))
    mask, seen = run.find(opened, how)
    found = []
    for i in range(len(picture)):
        one = picture[i : i + 1]
        far = Cutout(view, opened.one(i), mask[i : i + 1], seen.one(i))
        if focus.windows > 1 and float(seen.agreement[i]) < AGREEMENT:
            far = _searched(run, one, how, focus)
        found.append(closer(run, one, far, how, focus))
    return seen, found


def cut_outs_of(run: Run, picture: Tensor, mask: Tensor, focus: Focus) -> list[Cutout]:
    """The cut-outs of one picture [1, H, W, 3] that a mask [1, H, W] asks for."""
    if not mask.any():
        return []
    canvas = canvas_of(run, picture, focus)
    views = canvas.closer(canvas.whole(), mask > 0, focus.context) or [canvas.whole()]
    return [Cutout(view, run.open(view.of(picture)), view.of(mask), None, mask) for view in views]


def redraw_cut_outs(
    run: Run, picture: Tensor, found: Sequence[Sequence[Cutout]], how: EditSettings
) -> tuple[Tensor, Tensor]:
    """One picture [1, H, W, 3] with the cut-outs of each edit redrawn, and where it differs: [1, H, W].

    Edits in one and the same cut-out are drawn together. Those in others follow one another, the farthest view first,
    and each sees what was drawn before it.
    """
    result, changed = picture.clone(), picture.new_zeros(picture.shape[:3])
    for view, numbered in _by_view(found):
        parts, cut = [each.part(number) for number, each in numbered], [each for _, each in numbered]
        here = view.of(result)
        opened = cut[0].opened if torch.equal(here, cut[0].opened.picture) else run.open(here)
        edited, mask = run.redraw(opened, parts, how)
        are_given = all(each.given is not None for each in cut)
        pasted = GREYS[how.decoding.greys].pasted
        full = union(pasted(each.full) for each in cut).to(result) if are_given else view.mask_back(mask)
        result[view.box] = paste(result[view.box], view.back(edited), full, view.rim(how.rim))
        changed[view.box] = torch.maximum(changed[view.box], full)
    return result, changed


def _by_view(found: Sequence[Sequence[Cutout]]) -> list[tuple[View, list[tuple[int, Cutout]]]]:
    """The cut-outs of all edits with their edits' numbers, those that show the same together."""
    numbered = [(number, each) for number, parts in enumerate(found) for each in parts]
    numbered.sort(key=lambda pair: (-pair[1].view.scale, pair[1].view.corners))
    grouped = itertools.groupby(numbered, key=lambda pair: pair[1].view.corners)
    return [(together[0][1].view, together) for together in (list(group) for _, group in grouped)]


def whole_mask(picture: Tensor, parts: Sequence[Cutout]) -> Tensor:
    """The masks of the cut-outs in one picture [1, H, W, 3]: [1, H, W]."""
    mask = picture.new_zeros(picture.shape[:3])
    for part in parts:
        mask[part.view.box] = torch.maximum(mask[part.view.box], part.full.to(mask))
    return mask


def closer(
    model: Finder, picture: Tensor, far: Cutout, how: MaskSettings, focus: Focus, looks: int = LOOKS
) -> list[Cutout]:
    """Cut-outs around what was found in one picture [1, H, W, 3], and closer ones within them, as long as they show
    more.
    """
    assert far.seen
    kind, canvas = far.seen.kinds[0], canvas_of(model, picture, focus)
    views = [] if kind == "area" or looks == 0 else canvas.closer(far.view, far.mask > 0.5, focus.context)
    cut = _cut_out_of_draft if kind == "addition" else _cut_out
    near = [cut(model, picture, view, far, how) for view in views]
    found = [each for part in near for each in closer(model, picture, part, how, focus, looks - 1)]
    return found or [far]


def is_focused(model: Sized, picture: Tensor, focus: Focus) -> bool:
    """Whether a picture is too large for the model, and to be looked at in parts."""
    return focus.focus and canvas_of(model, picture, focus).is_large


def canvas_of(model: Sized, picture: Tensor, focus: Focus) -> Canvas:
    return Canvas((picture.shape[1], picture.shape[2]), round(1e6 * focus.area) or model.area, model.multiple)


def _searched(run: Run, picture: Tensor, how: MaskSettings, focus: Focus) -> Cutout:
    """The window in which one place stands out most."""
    views = canvas_of(run, picture, focus).windows(focus.windows)
    opened = run.open(torch.cat([view.of(picture) for view in views]))
    mask, seen = run.find(opened, _of_a_thing(how))
    heat = coarse(seen.heatmap)
    best = int((heat.amax(1) - heat.mean(1)).argmax())
    return Cutout(views[best], opened.one(best), mask[best : best + 1], seen.one(best))


def _cut_out(model: Finder, picture: Tensor, view: View, far: Cutout, how: MaskSettings) -> Cutout:
    """Looked at again. Where that shows nothing of what was found, the mask stays as it is."""
    opened, hint = model.open(view.of(picture)), view.within(far.mask, far.view) > 0.5
    mask, seen = model.find(opened, _of_a_thing(how))
    held = torch.from_numpy(parts_touching(mask[0].cpu().numpy() > 0.5, hint[0].cpu().numpy()))[None].to(mask)
    is_good = held.any() and bool(coverage(held) < TOO_LARGE)
    return Cutout(view, opened, held if is_good else hint.float(), seen)


def _cut_out_of_draft(model: Finder, picture: Tensor, view: View, far: Cutout, how: MaskSettings) -> Cutout:
    """What is added is there in the draft alone."""
    assert far.seen
    mask = (view.within(far.mask, far.view) > 0.5).float()
    drafted = model.open(view.within(model.decode(far.seen.draft), far.view)).x0
    return Cutout(view, model.open(view.of(picture)), mask, replace(far.seen, draft=drafted))


def _of_a_thing(how: MaskSettings) -> MaskSettings:
    return replace(how, contrast=replace(how.contrast, kind="object"))
