"""The whole edit, on any host: a picture and pairs of texts in; picture, masks and heatmaps out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from .closeup import Cutout, cut_outs, cut_outs_of, is_focused, redraw_cut_outs, whole_mask
from .compositing import paste
from .focus import Focus, View
from .host import Host, Progress, Text
from .masks import warn_if_unlikely
from .pictures import from_pil
from .run import Edit, Part, Run
from .settings import SEVERAL, EditSettings, MaskSettings
from .stages import Look, levels_of_climb


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
    levels_of_climb(host, how.inversion)  # refuses an impossible schedule before the work
    _check(edits, original)
    run = Run.of(host, edits, inversion, seed, progress)
    if is_focused(host, original, how.focus):
        return _edited_closely(run, original, how)
    opened = run.open(original)
    parts = []
    for number, asked in enumerate(edits):
        if asked.mask is None:
            mask, seen = run.one(number).find(opened, how.mask)
            parts.append(Part(number, mask, seen, seen.draft - opened.x0))
        else:
            parts.append(Part(number, asked.mask.to(original), None))
    masks, looks = tuple(part.mask for part in parts), tuple(part.seen for part in parts)
    _warn(masks, looks)
    edited, mask = run.redraw(opened, parts, how)
    return Edited(paste(original, edited, mask, how.rim), mask, masks, looks)


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


def _edited_closely(run: Run, original: Tensor, how: EditSettings) -> Edited:
    """A large picture: only cut-outs of it go through the model."""
    pictures = original.split(1)
    looks, found = zip(*(_closely(run.one(number), original, how) for number in range(len(run.edits))), strict=True)
    masks = tuple(_whole(original, each) for each in found)
    _warn(masks, looks)
    of_pictures = list(zip(*found, strict=True))  # of each picture the cut-outs of each edit
    done = [redraw_cut_outs(run, one, parts, how) for one, parts in zip(pictures, of_pictures, strict=True)]
    edited, changed = (torch.cat(each) for each in zip(*done, strict=True))
    views = tuple(tuple(dict.fromkeys(part.view for each in parts for part in each)) for parts in of_pictures)
    return Edited(edited, changed, masks, looks, views)


def _closely(run: Run, original: Tensor, how: EditSettings) -> tuple[Look | None, list[list[Cutout]]]:
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
        if mask.shape[-2:] != original.shape[1:3]:
            raise ValueError(
                f"the mask is {mask.shape[-1]}x{mask.shape[-2]} but the picture is {original.shape[2]}x"
                f"{original.shape[1]}; draw the mask on this picture"
            )
        if mask.ndim != 3 or (len(edits) > 1 and len(mask) not in (1, len(original))):
            raise ValueError(
                f"the mask is {list(mask.shape)} and the pictures are {list(original.shape)}; "
                "give masks [1, height, width] for all pictures, or one for each"
            )


def _warn(masks: Sequence[Tensor], looks: Sequence[Look | None]) -> None:
    for number, (mask, seen) in enumerate(zip(masks, looks, strict=True), start=1):
        warn_if_unlikely(mask, seen.kinds if seen else (), f"edit {number}: " if len(masks) > 1 else "")


def _opened(picture: Tensor | Image.Image) -> Tensor:
    return from_pil(picture) if isinstance(picture, Image.Image) else picture
