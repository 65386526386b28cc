"""The whole edit, on any host: picture and two texts in; picture, mask and heatmap out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from .batches import per_image
from .changes import tighten
from .compositing import paste
from .decoding import BACKGROUNDS
from .draws import Draws
from .host import Denoisers, Host, Progress, Text
from .inversion import Trajectory
from .masks import cells, cut, warn_if_unlikely
from .pictures import Margin, from_pil
from .refine import give_room, refine
from .settings import EditSettings, MaskSettings
from .stages import Look, climb, levels_of_climb, look, redraw


@dataclass(frozen=True)
class Edit:
    """Pictures are [B, H, W, 3] and masks [B, H, W], in 0..1, at the size of the picture that came in."""

    picture: Tensor
    mask: Tensor  # where the picture differs from the one that came in
    look: Look | None  # what the texts said, at the latent's size; None where a mask was given


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
    opened = _open(host, picture)
    original = opened.picture
    if mask is not None and mask.shape[-2:] != original.shape[1:3]:
        raise ValueError(
            f"the mask is {mask.shape[-1]}x{mask.shape[-2]} but the picture is {original.shape[2]}x"
            f"{original.shape[1]}; draw the mask on this picture"
        )
    model = host.bind(source=source, target=target, negative=negative, inversion=inversion)
    seen, room = None, 0
    if mask is None:
        mask, seen = _found(host, model, opened, how.mask, seed, progress)
        room = how.room
    else:
        warn_if_unlikely(mask)
    roomy = give_room(mask, room)
    latent = _edited(model, opened.x0, opened.margin.add_to_mask(roomy), seen, how, seed, progress)
    edited = opened.margin.remove(host.decode(latent)).to(original.device)
    if room:
        mask = tighten(mask, roomy, original, edited)
    return Edit(paste(original, edited, mask, how.rim), mask, seen)


def find_mask(
    host: Host,
    picture: Tensor | Image.Image,
    source: Text,
    target: Text,
    *,
    negative: Text = "",
    how: MaskSettings = MaskSettings(),
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Tensor, Look]:
    """The first step alone: the mask [B, H, W], and what it was cut from."""
    opened = _open(host, picture)
    return _found(host, host.bind(source=source, target=target, negative=negative), opened, how, seed, progress)


def mask_of(heatmap: Tensor, picture: Tensor, how: MaskSettings) -> Tensor:
    """A heatmap [B, h, w] cut and refined: [B, H, W] of the picture [B, H, W, 3]."""
    cut_how = how.cut_by_hand
    mask = cut(heatmap, (picture.shape[1], picture.shape[2]), cut_how.rule, cut_how.value)
    return refine(mask, how.refinement, picture=picture, heatmap=heatmap)


@dataclass(frozen=True)
class _Opened:
    """A picture as it came in, and as the model sees it."""

    picture: Tensor  # [B, H, W, 3]
    margin: Margin
    padded: Tensor
    x0: Tensor  # [B, C, h, w]


def _open(host: Host, picture: Tensor | Image.Image) -> _Opened:
    original = from_pil(picture) if isinstance(picture, Image.Image) else picture
    margin = Margin.around(original, host.multiple)
    padded = margin.add(original)
    return _Opened(original, margin, padded, host.encode(padded))


def _found(
    host: Host, model: Denoisers, opened: _Opened, how: MaskSettings, seed: int, progress: Progress | None
) -> tuple[Tensor, Look]:
    """A draft's mask follows the draft's edges: what is added has none in the picture."""
    seen, picture = look(model, opened.x0, how.contrast, Draws.of(seed), progress and progress("mask")), opened.padded
    has_draft = seen.has_draft(opened.x0)
    if has_draft.any():
        picture = torch.where(per_image(has_draft, picture), host.decode(seen.draft).to(picture), picture)
    mask = opened.margin.remove(mask_of(seen.heatmap, picture, how))
    warn_if_unlikely(mask, seen.kinds)
    return mask, seen


def _edited(
    model: Denoisers,
    x0: Tensor,
    mask: Tensor,
    seen: Look | None,
    how: EditSettings,
    seed: int,
    progress: Progress | None,
) -> Tensor:
    """Invert where the background asks for it, then decode: [B, C, h, w]. Drafts need no inversion."""
    is_drafted = seen is not None and bool(seen.has_draft(x0).all())
    if BACKGROUNDS[how.decoding.background].needs_inversion and not is_drafted:
        trajectory = climb(model, x0, how.inversion, progress and progress("invert"))
    else:
        trajectory = Trajectory(x0[None], levels_of_climb(model, how.inversion))
    planes = cells(mask, (x0.shape[-2], x0.shape[-1]), how.decoding.soft)[:, None]
    on_step = progress and progress("decode")
    return redraw(model, trajectory, planes, how.decoding, Draws.of(seed), on_step, draft=seen and seen.draft)
