"""The whole edit, on any host: picture and two texts in, picture, mask and heatmap out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from PIL import Image
from torch import Tensor

from . import decoding
from .choosing import decode_best
from .compositing import paste
from .contrast import contrast, purist_contrast
from .denoiser import (
    Denoise,
    DenoisePair,
    NoiseProcess,
    OnStep,
    check_strength,
    levels_up_to,
    paired_noise,
    seeded_noise,
)
from .inversion import invert
from .masks import cells, checked_value, fast_mask, fit, threshold, warn_if_unlikely
from .pictures import Margin, from_pil
from .refine import Refinement, refine

Text = str | Sequence[str] | Tensor
"""One text; several for the same thing, whose embeddings are averaged; or embeddings [1 or B, tokens, width]."""

Progress = Callable[[str], OnStep]
"""Names the stage that begins ("mask", "invert" or "decode") and gets the callback for its steps."""


class Denoisers(Protocol):
    """A text-to-image model as the method sees it, on latents."""

    @property
    def process(self) -> NoiseProcess: ...
    @property
    def chunk(self) -> int: ...
    def sigmas(self, steps: int) -> tuple[float, ...]: ...
    def denoiser(self, text: Text, negative: Text = "", guidance: float = 1.0) -> Denoise: ...
    def denoiser_pair(self, source: Text, target: Text, negative: Text = "", guidance: float = 1.0) -> DenoisePair: ...


class Host(Denoisers, Protocol):
    """The same with everything around it that an edit of a picture needs."""

    @property
    def multiple(self) -> int: ...
    def encode(self, picture: Tensor) -> Tensor: ...
    def decode(self, latent: Tensor) -> Tensor: ...


ALONG_EDGES = Refinement(edge_snap="grabcut")


@dataclass(frozen=True)
class MaskSettings:
    """How the mask is found."""

    strength: float = 0.5  # noise level of the contrast
    draws: int = 10  # noise draws
    paired: bool = False  # draws in +noise/-noise pairs
    statistic: str = "signed"  # "signed" or "mean_abs"
    rule: str = "otsu"  # otsu, ratio, minmax, zscore or top
    value: float | None = None  # of the rule; None is the rule's own
    steps: int = 1  # above 1: denoise every draw in full (the purist mask)
    guidance: float = 7.5  # of the purist mask
    fast: bool = False  # FastDiffEdit's mask: mean_abs, above the mean, grown by one cell
    refinement: Refinement = ALONG_EDGES

    def __post_init__(self) -> None:  # before minutes of work, not after them
        check_strength(self.strength)
        checked_value(self.rule, self.value)


@dataclass(frozen=True)
class EditSettings:
    """How the picture is edited, once the mask is there."""

    steps: int = 10  # of the full schedule; strength 0.9 of 10 runs 9
    strength: float = 0.9  # how far the picture is taken apart: higher changes more
    guidance: float = 7.5  # towards the target text
    negative: Text = ""  # what guidance leads away from
    rounds: int = 3  # through each of the noisier half of the levels; more fit what is drawn to what surrounds it
    tries: int = 4  # with other noise; the model keeps the one most like the target text (with 1 round there is 1)
    background: str = "retrace"  # retrace, noised (plain inpainting) or source
    soft: bool = True  # blend along the mask's rim in the latent; else a cell changes wherever a pixel in it may
    inversion_text: Text = ""  # the paper inverts without a text
    inversion_guidance: float = 1.0
    iterations: int = 0  # fixed-point iterations of the inversion
    feather: float = 1.0  # pixels of rim, inside the mask, over which the original is blended back

    def __post_init__(self) -> None:
        check_strength(self.strength)
        if self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds}; it must be at least 1, which goes through every level once")
        if self.tries < 1:
            raise ValueError(f"tries is {self.tries}; it must be at least 1, which is kept as it comes")
        if self.background not in decoding.BACKGROUNDS:
            raise ValueError(f"background is {self.background!r}; it must be one of {', '.join(decoding.BACKGROUNDS)}")


EDIT_MASK = MaskSettings(refinement=replace(ALONG_EDGES, grow=6))
"""For an edit: the place that is found, and around it room for something of another shape."""

FAST_MASK = MaskSettings(fast=True, draws=20, refinement=Refinement())
FAST_EDIT = EditSettings(background="noised", steps=20, strength=0.7, rounds=1, soft=False)
"""FastDiffEdit: its mask as it is, and plain inpainting with the settings of its blog."""


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
    mask: Tensor | None = None,
    finding: MaskSettings = EDIT_MASK,
    editing: EditSettings = EditSettings(),
    seed: int = 0,
    progress: Progress | None = None,
) -> Edit:
    """Change what the target text says otherwise than the source text, and nothing else, to the pixel."""
    original = from_pil(picture) if isinstance(picture, Image.Image) else picture
    sigmas = levels_up_to(editing.strength, host.sigmas(editing.steps))  # refuses what cannot be before the work
    margin = Margin.around(original, host.multiple)
    padded = margin.add(original)
    x0 = host.encode(padded)
    heatmap = None
    if mask is None:
        heatmap = find_heatmap(host, x0, source, target, finding, seed, progress)
        mask = margin.remove(mask_from(heatmap, padded, finding))
    elif mask.shape[-2:] != original.shape[1:3]:
        raise ValueError(
            f"the mask is {mask.shape[-1]}x{mask.shape[-2]} but the picture is {original.shape[2]}x"
            f"{original.shape[1]}; draw the mask on this picture"
        )
    warn_if_unlikely(mask)
    latent = decode_latent(host, x0, sigmas, margin.add_to_mask(mask), target, source, editing, seed, progress)
    edited = margin.remove(host.decode(latent)).to(original.device)
    return Edit(paste(original, edited, mask, editing.feather), mask, heatmap)


def find_mask(
    host: Host,
    picture: Tensor | Image.Image,
    source: Text,
    target: Text,
    *,
    finding: MaskSettings = MaskSettings(),
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Tensor, Tensor]:
    """The first step alone: the mask [1, H, W], and the heatmap [1, h, w] that it was cut from."""
    original = from_pil(picture) if isinstance(picture, Image.Image) else picture
    margin = Margin.around(original, host.multiple)
    padded = margin.add(original)
    heatmap = find_heatmap(host, host.encode(padded), source, target, finding, seed, progress)
    mask = margin.remove(mask_from(heatmap, padded, finding))
    warn_if_unlikely(mask)
    return mask, heatmap


def find_heatmap(
    host: Denoisers, x0: Tensor, source: Text, target: Text, how: MaskSettings, seed: int, progress: Progress | None
) -> Tensor:
    """[B, ...], at the latent's size."""
    noise = paired_noise(seeded_noise(seed)) if how.paired else seeded_noise(seed)
    statistic = "mean_abs" if how.fast else how.statistic
    on_step = progress("mask") if progress else None
    if how.steps > 1:
        return purist_contrast(
            host.denoiser(source, guidance=how.guidance),
            host.denoiser(target, guidance=how.guidance),
            x0,
            host.process,
            levels_up_to(how.strength, host.sigmas(how.steps)),
            noise=noise,
            draws=how.draws,
            statistic=statistic,
            on_step=on_step,
        )
    return contrast(
        host.denoiser_pair(source, target),
        x0,
        host.process,
        host.process.sigma_at(how.strength),
        noise=noise,
        draws=how.draws,
        statistic=statistic,
        chunk=host.chunk,
        on_step=on_step,
    )


def mask_from(heatmap: Tensor, picture: Tensor, how: MaskSettings) -> Tensor:
    """[B, H, W] of the picture [B, H, W, 3]. The heatmap is upsampled first, then cut: no stairs."""
    mask = cut(heatmap, (picture.shape[1], picture.shape[2]), how)
    return refine(mask, how.refinement, picture=picture, heatmap=heatmap) if how.refinement != Refinement() else mask


def cut(heatmap: Tensor, size: tuple[int, int], how: MaskSettings) -> Tensor:
    """[B, h, w] -> [B, H, W] of 0 and 1, not refined."""
    if how.fast:
        return (fit(fast_mask(heatmap), size) > 0.5).float()
    return threshold(fit(heatmap, size), how.rule, how.value)


def decode_latent(
    host: Host,
    x0: Tensor,
    sigmas: tuple[float, ...],
    mask: Tensor,
    target: Text,
    source: Text,
    how: EditSettings,
    seed: int,
    progress: Progress | None,
) -> Tensor:
    """Invert where the background asks for it, then decode under the target text: [B, C, h, w]."""
    background = _background(host, x0, sigmas, source, how, seed, progress)
    planes = cells(mask, (x0.shape[-2], x0.shape[-1]), how.soft)
    denoise = host.denoiser(target, how.negative, how.guidance)
    rounds = decoding.Rounds(how.rounds, host.process, seeded_noise(seed))
    on_step = progress("decode") if progress else None
    pair = host.denoiser_pair(source, target)
    return decode_best(denoise, pair, planes[:, None], background, rounds=rounds, tries=how.tries, on_step=on_step)


def _background(
    host: Host,
    x0: Tensor,
    sigmas: tuple[float, ...],
    source: Text,
    how: EditSettings,
    seed: int,
    progress: Progress | None,
) -> decoding.Background:
    if how.background == "noised":
        return decoding.noised(x0, sigmas, host.process, seeded_noise(seed))
    denoise = host.denoiser(how.inversion_text, guidance=how.inversion_guidance)
    on_step = progress("invert") if progress else None
    trajectory = invert(denoise, x0, host.process, sigmas, iterations=how.iterations, on_step=on_step)
    if how.background == "source":
        return decoding.source(trajectory, host.denoiser(source, how.negative, how.guidance))
    return decoding.retrace(trajectory)
