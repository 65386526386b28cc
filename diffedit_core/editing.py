"""The whole edit, on any host: picture and two texts in; picture, mask and heatmap out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from .closeup import cut_outs, cut_outs_of, is_focused, redraw_cut_outs, whole_mask
from .compositing import paste
from .focus import Focus, View
from .host import Host, Progress, Text
from .masks import warn_if_unlikely
from .pictures import from_pil
from .run import Run
from .settings import EditSettings, MaskSettings
from .stages import Look, levels_of_climb


@dataclass(frozen=True)
class Edit:
    """Pictures are [B, H, W, 3] and masks [B, H, W], in 0..1, at the size of the picture that came in."""

    picture: Tensor
    mask: Tensor  # where the picture differs from the one that came in
    look: Look | None  # what the texts said of the whole picture, at the latent's size; None where a mask was given
    views: tuple[tuple[View, ...], ...] = ()  # of each large picture the cut-outs that were edited


def edit(
    host: Host,
    picture: Tensor | Image.Image,
    source: Text,
    target: Text,
    *,
    negative: Text = "",
    inversion: Text = "",
    mask: Tensor | None = None,
    how: EditSettings = EditSettings(),
    seed: int = 0,
    progress: Progress | None = None,
) -> Edit:
    """Edit what the target text describes differently; leave every other pixel untouched.

    ``negative`` is what guidance leads away from, ``inversion`` the text to invert under (the paper uses none). Where a
    ``mask`` is given, it is used as it is, and none is sought.
    """
    levels_of_climb(host, how.inversion)  # refuses an impossible schedule before the work
    original = _opened(picture)
    if mask is not None and mask.shape[-2:] != original.shape[1:3]:
        raise ValueError(
            f"the mask is {mask.shape[-1]}x{mask.shape[-2]} but the picture is {original.shape[2]}x"
            f"{original.shape[1]}; draw the mask on this picture"
        )
    model = host.bind(source=source, target=target, negative=negative, inversion=inversion)
    run = Run(host, model, seed, progress)
    if is_focused(host, original, how.focus):
        return _edited_closely(run, original, mask, how)
    opened, seen = run.open(original), None
    if mask is None:
        mask, seen = run.find(opened, how.mask)
    warn_if_unlikely(mask, seen.kinds if seen else ())
    edited, mask = run.redraw(opened, mask, seen, how)
    return Edit(paste(original, edited, mask, how.rim), mask, seen)


def find_mask(
    host: Host,
    picture: Tensor | Image.Image,
    source: Text,
    target: Text,
    *,
    negative: Text = "",
    how: MaskSettings = MaskSettings(),
    focus: Focus = Focus(),
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Tensor, Look]:
    """The first step alone: the mask [B, H, W], and what the texts said of the whole picture."""
    original = _opened(picture)
    run = Run(host, host.bind(source=source, target=target, negative=negative), seed, progress)
    if is_focused(host, original, focus):
        seen, found = cut_outs(run, original, how, focus)
        mask = torch.cat([whole_mask(original[i : i + 1], parts) for i, parts in enumerate(found)])
    else:
        mask, seen = run.find(run.open(original), how)
    warn_if_unlikely(mask, seen.kinds)
    return mask, seen


def _edited_closely(run: Run, original: Tensor, given: Tensor | None, how: EditSettings) -> Edit:
    """A large picture: only cut-outs of it go through the model."""
    pictures, seen, masks = original.split(1), None, [given] * len(original)
    if given is None:
        seen, found = cut_outs(run, original, how.mask, how.focus)
        warn_if_unlikely(torch.cat([whole_mask(*each) for each in zip(pictures, found, strict=True)]), seen.kinds)
    else:
        warn_if_unlikely(given)
        masks = list(given.expand(len(original), -1, -1).split(1))
        found = [cut_outs_of(run, *each, how.focus) for each in zip(pictures, masks, strict=True)]
    done = [
        redraw_cut_outs(run, picture, parts, how, mask)
        for picture, parts, mask in zip(pictures, found, masks, strict=True)
    ]
    edited, changed = (torch.cat(each) for each in zip(*done, strict=True))
    return Edit(edited, changed, seen, tuple(tuple(part.view for part in parts) for parts in found))


def _opened(picture: Tensor | Image.Image) -> Tensor:
    return from_pil(picture) if isinstance(picture, Image.Image) else picture
