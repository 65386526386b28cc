"""Keep the rest: a picture that was edited anywhere, with everything that was not meant to change as it was.

An edit model moves, zooms and tints what it was not asked to touch. So the edited picture is laid onto the original and
brought to its colours, both by what did not change; what still differs was meant, and is pasted into the original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from .batches import check_batch
from .checks import check_finite
from .compositing import paste, soften_inwards
from .knobs import Settings, knob
from .masks import cut
from .matching import MATCHES, Colouring, match_colours
from .meant import at_full_size, meant
from .placing import Placement, Size, after, laid, scale_of, shrunk, size_of, stretched
from .registering import ALIGNMENTS, Level, agreement, explained, register
from .seams import SEAMS, fit_seam
from .shapes import grow, parts_touching

LEAST_SIDE = 16
"""Pixels: in a smaller picture nothing can be recognised."""

NEAR = 0.15
"""A difference of colours that a tint may have made."""

CHANGE = 2.0
"""How much more of the picture a map of colours must explain that moves them by their whole range."""

WORK = 640
"""Pixels of the longer side on which changes are looked for."""

ROWS = 256
"""That are laid on at a time."""


@dataclass(frozen=True)
class Choice:
    meaning: str


REFUSALS: Mapping[str, Choice] = {
    "error": Choice("stops and says why"),
    "edited": Choice("gives the edited picture, laid onto the original and in its colours, with nothing pasted"),
}


@dataclass(frozen=True)
class KeepSettings(Settings):
    """How the rest is kept."""

    sensitivity: float = knob(
        1.0, "How faint a change still counts as meant. Higher finds fainter ones.", low=0.1, high=10
    )
    alignment: str = knob("local", "How the edited picture may be moved onto the original.", names=ALIGNMENTS)
    colour: str = knob("curve", "How the edited picture is brought to the original's colours.", names=MATCHES)
    grow: int = knob(1, "Pixels to grow what was found by.", low=0, high=256)
    rim: float = knob(1.0, "Pixels of the mask's inner edge over which to blend.", low=0, high=256, step=0.5)
    seam: str = knob("colour", "Fits what is pasted to the picture around it.", names=SEAMS)
    refused: str = knob("error", "What to do if the two pictures have too little in common.", names=REFUSALS)
    clip: bool = knob(False, "The pictures are frames of a clip: what moves them is smoothed over time.", advanced=True)


@dataclass(frozen=True)
class Report:
    """What was found of one pair. Lengths are in pixels of the original."""

    shift: tuple[float, float]  # right and down, of the picture's middle
    zoom: float  # 1.02: things are 2 % larger in the edited picture, beyond the pictures' own sizes
    rotation: float  # degrees, clockwise
    bend: float  # the most that any place moves beyond that
    tint: tuple[float, float, float]  # levels of 255 that the edited picture has too much of red, green and blue
    changed: float  # share of the picture that was meant to change
    common: float  # share of the original's structure that is there again
    refusal: str | None  # one sentence on why the rest could not be kept; None where it was

    def __str__(self) -> str:
        x, y = self.shift
        r, g, b = self.tint
        said = f"shift {x:+.1f} {y:+.1f} px, zoom {self.zoom:.3f}, rotation {self.rotation:+.2f} degrees, "
        said += f"tint {r:+.0f} {g:+.0f} {b:+.0f} levels, {100 * self.changed:.1f} % changed"
        return said if self.refusal is None else f"{self.refusal} ({said})"


@dataclass(frozen=True)
class Kept:
    """Pictures [B, H, W, 3] and masks [B, H, W] in 0..1, at the original's size."""

    picture: Tensor  # the original with what was meant to change
    mask: Tensor  # how much of the edited picture is in it: 0 where it is the original, bit for bit
    aligned: Tensor  # the edited picture, laid onto the original and in its colours
    report: tuple[Report, ...]  # of each pair
    placements: tuple[Placement, ...]  # where each place of the original is in the edited picture


def keep_rest(
    original: Tensor,
    edited: Tensor,
    *,
    mask: Tensor | None = None,
    heatmap: Tensor | None = None,
    how: KeepSettings = KeepSettings(),
) -> Kept:
    """The originals [B, H, W, 3] with what was meant to change in the edited pictures [B, h, w, 3], of any size.

    Nothing changes outside a ``mask`` [B, H, W], where one is given. With a ``heatmap`` [B, h, w] only changes that
    touch something hot count as meant. One of any serves all of the others.
    """
    count = _check(original, edited, mask, heatmap)
    originals, pictures = (each.float().clamp(0, 1).cpu().numpy() for each in (original, edited))
    masks = [None] * count if mask is None else list((mask > 0).expand(count, -1, -1).cpu().numpy())
    hot = [None] * count if heatmap is None else list(_hot(heatmap, original).expand(count, -1, -1).cpu().numpy())
    done = [
        _kept(originals[i % len(originals)], pictures[i % len(pictures)], masks[i], hot[i], how) for i in range(count)
    ]
    placements, aligned, weights, reports = zip(*done, strict=True)
    laid_on, weight = (torch.from_numpy(np.stack(each)).to(original.device) for each in (aligned, weights))
    fitted = fit_seam(original, laid_on, weight, how.seam)
    return Kept(paste(original, fitted, weight), weight, laid_on, reports, placements)


def _kept(
    original: np.ndarray, edited: np.ndarray, mask: np.ndarray | None, hot: np.ndarray | None, how: KeepSettings
) -> tuple[Placement, np.ndarray, np.ndarray, Report]:
    """Of one pair: the placement, the edited picture laid on, how much of it to paste, and the report."""
    size = size_of(original)
    placement = register(original, edited, None if mask is None else ~mask, how.alignment)
    found, colouring, common = _found(original, edited, placement, mask, how)
    aligned = _aligned(edited, placement, colouring, size)
    full = at_full_size(found, original, aligned)
    if mask is not None:
        full = full * mask
    if hot is not None:
        full = parts_touching(full > 0, hot).astype(np.float32)
    covered = placement.covers(size, size_of(edited))
    weight = soften_inwards(torch.from_numpy(grow(full, how.grow) * covered)[None], how.rim)[0].numpy()
    report = Report((0, 0), 1.0, 0.0, 0.0, (0, 0, 0), float(full.mean()), common, None)
    return placement, aligned, weight, report


def _found(
    original: np.ndarray, edited: np.ndarray, placement: Placement, mask: np.ndarray | None, how: KeepSettings
) -> tuple[np.ndarray, Colouring, float]:
    """What was meant to change, on a smaller picture, the map of colours, and the share of structure that is the same."""
    level = Level.of(original, edited, placement.matrix, WORK)
    size = size_of(level.own)
    small = Placement(level.down(placement.matrix))
    lain, covered = laid(level.copy, small, size), small.covers(size, size_of(level.copy))
    alike = agreement(level.own, lain)
    trust = np.clip(2 * alike - 0.8, 0, 1) * covered
    still = None if mask is None else cv2.resize((~mask).astype(np.uint8), size[::-1]) > 0
    if still is not None:
        trust = trust * still
    near = np.exp(-np.square(lain - level.own).sum(-1) / NEAR**2) * covered
    every = covered if still is None else covered & still
    colouring = _likeliest(lain, level.own, (trust, near, trust * near, every.astype(np.float32)), covered, how.colour)
    matched = colouring(lain)
    trust = trust * np.exp(-np.square(matched - level.own).sum(-1) / NEAR**2)
    found = meant(level.own, matched, trust, covered, how.sensitivity)
    trust = np.where(grow(found, 3) > 0, 0, every).astype(np.float32)
    colouring = match_colours(lain, level.own, trust, how.colour)
    found = meant(level.own, colouring(lain), trust, covered, how.sensitivity)
    return found, colouring, 1.0


def _likeliest(
    lain: np.ndarray, own: np.ndarray, trusts: Sequence[np.ndarray], covered: np.ndarray, how: str
) -> Colouring:
    """Of the maps of colours that may be, the one that explains most and changes least."""
    maps = [match_colours(lain, own, trust, how) for trust in trusts]
    return max(maps, key=lambda each: explained(own, lain, each(lain), covered) - CHANGE * _change(each, lain, covered))


def _change(colouring: Colouring, lain: np.ndarray, covered: np.ndarray) -> float:
    return float(np.abs(colouring(lain) - lain)[covered].mean())


def _aligned(edited: np.ndarray, placement: Placement, colouring: Colouring, size: Size) -> np.ndarray:
    """The edited picture laid onto the original and in its colours, some rows at a time."""
    small = shrunk(edited, 1 / scale_of(placement.matrix))
    own = Placement(after(stretched(size_of(edited), size_of(small)), placement.matrix), placement.bend)
    result = np.empty((*size, 3), np.float32)
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in size)
    for start in range(0, size[0], ROWS):
        rows = slice(start, start + ROWS)
        lain = cv2.remap(small, *own.at(size, rows), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        result[rows] = colouring.rows(lain, x[None, :, None], y[rows, None, None])
    return result


def _hot(heatmap: Tensor, original: Tensor) -> Tensor:
    """Where a heatmap [B, h, w] is hot in the original: bool [B, H, W]."""
    return cut(heatmap, (original.shape[1], original.shape[2])) > 0.5


def _check(original: Tensor, edited: Tensor, mask: Tensor | None, heatmap: Tensor | None) -> int:
    """How many pairs there are."""
    for name, picture in (("original", original), ("edited picture", edited)):
        if picture.ndim != 4 or picture.shape[-1] != 3:
            raise ValueError(f"the {name} is {list(picture.shape)}; give pictures [batch, height, width, 3]")
        if min(picture.shape[1:3]) < LEAST_SIDE:
            raise ValueError(
                f"the {name} is {picture.shape[2]}x{picture.shape[1]}; it takes {LEAST_SIDE} pixels a side to "
                "recognise anything"
            )
        check_finite(picture, f"the {name} contains")
    if mask is not None and mask.shape[-2:] != original.shape[1:3]:
        raise ValueError(
            f"the mask is {mask.shape[-1]}x{mask.shape[-2]} but the original is {original.shape[2]}x"
            f"{original.shape[1]}; draw the mask on the original"
        )
    counts = {"originals": len(original), "edited pictures": len(edited)}
    counts |= {} if mask is None else {"masks": len(mask)}
    counts |= {} if heatmap is None else {"heatmaps": len(heatmap)}
    return check_batch(counts)
