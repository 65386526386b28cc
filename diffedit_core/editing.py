"""The whole edit, on any host: picture and two texts in; picture, mask and heatmap out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PIL import Image
from torch import Tensor

from .compositing import paste
from .decoding import BACKGROUNDS
from .draws import Draws
from .host import Denoisers, Host, Progress, Text
from .inversion import Trajectory
from .masks import cells, cut, warn_if_unlikely
from .pictures import Margin, from_pil
from .refine import refine
from .settings import EditSettings, MaskSettings
from .stages import climb, levels_of_climb, look, redraw


@dataclass(frozen=True)
class Edit:
    """Pictures are [1, H, W, 3] and masks [1, H, W], in 0..1, at the size of the picture that came in."""

    picture: Tensor
    mask: Tensor
    heatmap: Tensor | None  # [1, h, w] at the latent's size, in units of the noise; None where a mask was given


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
    original, margin = _opened(picture, host)
    if mask is not None and mask.shape[-2:] != original.shape[1:3]:
        raise ValueError(
            f"the mask is {mask.shape[-1]}x{mask.shape[-2]} but the picture is {original.shape[2]}x"
            f"{original.shape[1]}; draw the mask on this picture"
        )
    model = host.bind(source=source, target=target, negative=negative, inversion=inversion)
    padded = margin.add(original)
    x0, heatmap = host.encode(padded), None
    if mask is None:
        refinement = how.mask.refinement
        found = replace(how.mask, refinement=replace(refinement, grow=refinement.grow + how.room))
        mask, heatmap = _find(model, x0, padded, found, seed, progress)
        mask = margin.remove(mask)
    warn_if_unlikely(mask)
    latent = _edited(model, x0, margin.add_to_mask(mask), how, seed, progress)
    edited = margin.remove(host.decode(latent)).to(original.device)
    return Edit(paste(original, edited, mask, how.rim), mask, heatmap)


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
) -> tuple[Tensor, Tensor]:
    """The first step alone: the mask [1, H, W], and the heatmap [1, h, w] that it was cut from."""
    original, margin = _opened(picture, host)
    padded = margin.add(original)
    model = host.bind(source=source, target=target, negative=negative)
    mask, heatmap = _find(model, host.encode(padded), padded, how, seed, progress)
    mask = margin.remove(mask)
    warn_if_unlikely(mask)
    return mask, heatmap


def mask_of(heatmap: Tensor, picture: Tensor, how: MaskSettings) -> Tensor:
    """A heatmap [B, h, w] cut and refined: [B, H, W] of the picture [B, H, W, 3]."""
    mask = cut(heatmap, (picture.shape[1], picture.shape[2]), how.cut.rule, how.cut.value)
    return refine(mask, how.refinement, picture=picture, heatmap=heatmap)


def _opened(picture: Tensor | Image.Image, host: Host) -> tuple[Tensor, Margin]:
    original = from_pil(picture) if isinstance(picture, Image.Image) else picture
    return original, Margin.around(original, host.multiple)


def _find(
    model: Denoisers, x0: Tensor, picture: Tensor, how: MaskSettings, seed: int, progress: Progress | None
) -> tuple[Tensor, Tensor]:
    heatmap = look(model, x0, how.contrast, Draws.of(seed), progress and progress("mask"))
    return mask_of(heatmap, picture, how), heatmap


def _edited(
    model: Denoisers, x0: Tensor, mask: Tensor, how: EditSettings, seed: int, progress: Progress | None
) -> Tensor:
    """Invert where the background asks for it, then decode: [B, C, h, w]."""
    if BACKGROUNDS[how.decoding.background].needs_inversion:
        trajectory = climb(model, x0, how.inversion, progress and progress("invert"))
    else:
        trajectory = Trajectory(x0[None], levels_of_climb(model, how.inversion))
    planes = cells(mask, (x0.shape[-2], x0.shape[-1]), how.decoding.soft)[:, None]
    return redraw(model, trajectory, planes, how.decoding, Draws.of(seed), progress and progress("decode"))
