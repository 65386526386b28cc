"""The whole edit, on any host: a picture and pairs of texts in; picture, masks and heatmaps out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from .checks import check_finite, check_pictures
from .closeup import Cutout, cut_outs, cut_outs_of, is_focused, redraw_cut_outs, whole_mask
from .compositing import paste
from .focus import Focus, View
from .host import Host, Progress, Text
from .masks import union, warn_if_unlikely
from .pictures import from_pil
from .run import Edit, Part, Run
from .settings import SEVERAL, EditSettings, MaskSettings
from .stages import Look
from .waiting import edits_that_wait


@dataclass(frozen=True)
class Edited:
    """Pictures are [B, H, W, 3] and masks [B, H, W], in 0..1, at the size of the picture that came in."""

    picture: Tensor
    mask: Tensor  # where the picture differs from the one that came in
    masks: tuple[Tensor, ...]  # where each of the edits belongs
    looks: tuple[Look | None, ...]  # what each one's texts said of the whole picture; None where a mask was given
    views: tuple[tuple[View, ...], ...] = ()  # of each large picture the cut-outs that were edited


def edit(
    host: Host,
    picture: Tensor | Image.Image,
    edits: Edit | Sequence[Edit],
    *,
    inversion: Text = "",
    how: EditSettings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Edited:
    """Change what the texts of each edit describe differently, all in one go; leave every other pixel untouched.

    ``inversion`` is the text to invert under (the paper uses none). The settings are ``EditSettings()`` where none are
    given, or ``SEVERAL`` for several edits.
    """
    original, edits = _opened(picture), [edits] if isinstance(edits, Edit) else list(edits)
    how = how or (EditSettings() if len(edits) == 1 else SEVERAL)
    _check(edits, original)
    edits = [_for_each(asked, len(original)) for asked in edits]
    done = _edited(Run.of(host, edits, inversion, seed, progress), original, how)
    _warn(done.masks, done.looks)
    return done


def find_mask(
    host: Host,
    picture: Tensor | Image.Image,
    asked: Edit,
    *,
    how: MaskSettings = MaskSettings(),
    focus: Focus = Focus(),
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Tensor, Look]:
    """The first step alone: the mask [B, H, W], and what the texts said of the whole picture."""
    original = _opened(picture)
    run = Run.of(host, [asked], seed=seed, progress=progress)
    if is_focused(host, original, focus):
        seen, found = cut_outs(run, original, how, focus)
        mask = _whole(original, found)
    else:
        mask, seen = run.find(run.open(original), how)
    _warn([mask], [seen])
    return mask, seen


Drawn = tuple[Tensor, Tensor, tuple[tuple[View, ...], ...]]
"""The pictures with some of the edits done, where they differ, and the cut-outs that were edited."""


@dataclass(frozen=True)
class Found:
    """Where each of the edits belongs, and the way to draw those of some numbers."""

    masks: tuple[Tensor, ...]
    looks: tuple[Look | None, ...]
    drawn: Callable[[Sequence[int]], Drawn]


def _edited(run: Run, original: Tensor, how: EditSettings) -> Edited:
    """All edits at once, but for those that wait for the others."""
    found = (_closely if is_focused(run.host, original, how.focus) else _at_once)(run, original, how)
    later = edits_that_wait(run.edits, found.masks, found.looks)
    picture, mask, views = found.drawn([number for number in range(len(run.edits)) if number not in later])
    done = Edited(picture, mask, found.masks, found.looks, views)
    return _followed(done, [*later], _edited(run.again([*later.values()]), picture, how)) if later else done


def _followed(done: Edited, numbers: Sequence[int], later: Edited) -> Edited:
    """With the edits of these numbers, which were done after the others."""
    masks, looks = dict(zip(numbers, later.masks, strict=True)), dict(zip(numbers, later.looks, strict=True))
    views = zip(done.views, later.views, strict=True)
    return Edited(
        later.picture,
        union([done.mask, later.mask]),
        tuple(masks.get(number, mask) for number, mask in enumerate(done.masks)),
        tuple(looks.get(number, look) for number, look in enumerate(done.looks)),
        tuple(tuple(dict.fromkeys((*first, *then))) for first, then in views),
    )


def _at_once(run: Run, original: Tensor, how: EditSettings) -> Found:
    opened, parts = run.open(original), []
    for number, asked in enumerate(run.edits):
        if asked.mask is None:
            mask, seen = run.one(number).find(opened, how.mask)
            parts.append(Part(number, mask, seen, seen.draft - opened.x0))
        else:
            parts.append(Part(number, asked.mask.to(original), None))

    def drawn(numbers: Sequence[int]) -> Drawn:
        edited, mask = run.redraw(opened, [parts[number] for number in numbers], how)
        return paste(original, edited, mask, how.rim), mask, ()

    return Found(tuple(part.mask for part in parts), tuple(part.seen for part in parts), drawn)


def _closely(run: Run, original: Tensor, how: EditSettings) -> Found:
    """In large pictures, of which only cut-outs go through the model."""
    pictures = original.split(1)
    looks, found = zip(*(_cut_out(run.one(number), original, how) for number in range(len(run.edits))), strict=True)

    def drawn(numbers: Sequence[int]) -> Drawn:
        of_pictures = [[found[number][i] for number in numbers] for i in range(len(pictures))]
        done = [redraw_cut_outs(run, *each, how) for each in zip(pictures, of_pictures, strict=True)]
        edited, changed = (torch.cat(each) for each in zip(*done, strict=True))
        return edited, changed, tuple(_views(parts) for parts in of_pictures)

    return Found(tuple(_whole(original, each) for each in found), looks, drawn)


def _views(parts: Sequence[Sequence[Cutout]]) -> tuple[View, ...]:
    return tuple(dict.fromkeys(part.view for each in parts for part in each))


def _cut_out(run: Run, original: Tensor, how: EditSettings) -> tuple[Look | None, list[list[Cutout]]]:
    """What the texts of one edit say of the whole pictures, and of each picture the cut-outs to edit."""
    given = run.edits[run.number].mask
    if given is None:
        return cut_outs(run, original, how.mask, how.focus)
    masks = given.expand(len(original), -1, -1).split(1)
    return None, [cut_outs_of(run, *each, how.focus) for each in zip(original.split(1), masks, strict=True)]


def _whole(original: Tensor, found: Sequence[Sequence[Cutout]]) -> Tensor:
    return torch.cat([whole_mask(*each) for each in zip(original.split(1), found, strict=True)])


def _check(edits: Sequence[Edit], original: Tensor) -> None:
    if not edits:
        raise ValueError("there is nothing to edit; give at least one pair of texts")
    for mask in (asked.mask for asked in edits if asked.mask is not None):
        if mask.ndim != 3 or not len(mask) or (len(edits) > 1 and len(mask) not in (1, len(original))):
            raise ValueError(
                f"the mask is {list(mask.shape)} and the pictures are {list(original.shape)}; "
                "give masks [1, height, width] for all pictures, or one for each"
            )
        if mask.shape[-2:] != original.shape[1:3]:
            raise ValueError(
                f"the mask is {mask.shape[-1]}x{mask.shape[-2]} but the picture is {original.shape[2]}x"
                f"{original.shape[1]}; draw the mask on this picture"
            )
        check_finite(mask, "the mask contains")
        if mask.min() < 0 or mask.max() > 1:
            raise ValueError(f"the mask goes from {mask.min():g} to {mask.max():g}; give one from 0 to 1")


def _for_each(asked: Edit, count: int) -> Edit:
    """With a mask for each picture, where one is given for all."""
    if asked.mask is None:
        return asked
    mask = asked.mask.float()
    return replace(asked, mask=mask.expand(count, -1, -1) if len(mask) == 1 else mask)


def _warn(masks: Sequence[Tensor], looks: Sequence[Look | None]) -> None:
    for number, (mask, seen) in enumerate(zip(masks, looks, strict=True), start=1):
        warn_if_unlikely(mask, seen.kinds if seen else (), f"edit {number}: " if len(masks) > 1 else "")


def _opened(picture: Tensor | Image.Image) -> Tensor:
    if isinstance(picture, Image.Image):
        return from_pil(picture)
    check_pictures(picture, "the picture")
    return picture.float()
