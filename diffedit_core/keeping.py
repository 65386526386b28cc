"""Keep the rest: a picture that was edited anywhere, with everything that was not meant to change as it was.

An edit model moves, zooms and tints what it was not asked to touch. So the edited picture is laid onto the original and
brought to its colours, both by what did not change; what still differs was meant, and is pasted into the original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .batches import check_batch
from .checks import check_masks, check_pictures
from .clips import steadied
from .comparing import Compared, compare, laid_in_colour
from .compositing import paste, soften_inwards
from .knobs import Settings, knob
from .masks import cut
from .matching import MATCHES
from .meant import at_full_size
from .pairing import Pair, registered, steadied_pairs
from .placing import Placement, after, scale_of, size_of, stretched
from .registering import ALIGNMENTS
from .seams import SEAMS, fit_seam
from .shapes import around, grow, parts_touching
from .stopping import may_stop

LEAST_SIDE = 16
"""Pixels: in a smaller picture nothing can be recognised."""

MOST_SIDE = 32_766
"""Pixels: OpenCV lays no longer ones."""

MOST_OBLONG = 40
"""Times as long as wide: of a longer strip nothing is left in the small pictures that are compared first."""

FAR = 0.25
"""Share of the longer side: no model moves a picture by more."""

RING = 64
"""Pixels around what is pasted that are looked at for its seam."""


FAR_OFF = "the edited picture lies far off the original; look whether it shows the same"


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
    rim: float = knob(
        1.0, "Pixels of the mask's inner edge over which to blend.", low=0, high=256, step=0.5, advanced=True
    )
    seam: str = knob(
        "none", "Fits what is pasted, in the original's colours, to what is around it.", names=SEAMS, advanced=True
    )
    refused: str = knob(
        "error", "What to do if the two pictures have too little in common.", names=REFUSALS, advanced=True
    )
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
    common: float  # share of the picture that shows something, and the same in both
    refusal: str | None  # one sentence on why the rest could not be kept; None where it was
    doubt: str | None = None  # one sentence on what to look at; None where all is well

    def __str__(self) -> str:
        x, y = self.shift
        r, g, b = self.tint
        said = f"shift {x:+.1f} {y:+.1f} px, zoom {self.zoom:.3f}, rotation {self.rotation:+.2f} degrees, "
        said += f"tint {r:+.0f} {g:+.0f} {b:+.0f} levels, {100 * self.changed:.1f} % changed"
        wrong = self.refusal or self.doubt
        return said if wrong is None else f"{wrong} ({said})"


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
    originals, pictures = (_in_range(each).cpu().numpy() for each in (original, edited))
    masks = [None] * count if mask is None else list((mask > 0).expand(count, -1, -1).cpu().numpy())
    pairs = [
        registered(originals[i % len(originals)], pictures[i % len(pictures)], masks[i], how.alignment)
        for i in range(count)
    ]
    pairs = steadied_pairs(pairs) if how.clip else pairs
    compared = [_compared(pair, how, f"pair {i}: " if count > 1 else "") for i, pair in enumerate(pairs, start=1)]
    if how.clip:
        shares = steadied(np.stack([each.colouring.shares for each in compared]))
        compared = [
            replace(each, colouring=replace(each.colouring, shares=own))
            for each, own in zip(compared, shares, strict=True)
        ]
    hot = [None] * count if heatmap is None else list(_hot(heatmap, original).expand(count, -1, -1).cpu().numpy())
    done = [_pasted(*each, how) for each in zip(pairs, compared, hot, strict=True)]
    return Kept(
        *(_together(each).to(original.device) for each in zip(*(each[:3] for each in done), strict=True)),
        report=tuple(each[3] for each in done),
        placements=tuple(pair.whole for pair in pairs),
    )


def _compared(pair: Pair, how: KeepSettings, which: str) -> Compared:
    may_stop()
    compared = compare(pair.original, pair.edited, pair.placement, pair.still, how.colour, how.sensitivity)
    if compared.refusal and how.refused == "error":
        raise ValueError(which + compared.refusal)
    return compared


def _pasted(
    pair: Pair, compared: Compared, hot: np.ndarray | None, how: KeepSettings
) -> tuple[Tensor, Tensor, Tensor, Report]:
    """The picture, the mask, the edited picture laid on the original, and the report."""
    may_stop()
    original, size = pair.original, size_of(pair.original)
    aligned = laid_in_colour(pair.edited, pair.placement, compared.colouring, size)
    laid_on = torch.from_numpy(aligned)[None]
    if compared.refusal:
        return laid_on, torch.ones(1, *size), laid_on, _report(pair, compared, 1.0)
    may_stop()
    found = at_full_size(compared.found, original, aligned)
    may_stop()
    if hot is not None:
        found = parts_touching(found > 0, hot).astype(np.float32)
    covered = pair.placement.covers(size, size_of(pair.edited))
    if pair.still is not None:
        covered &= ~pair.still
    may_stop()
    weight = soften_inwards(torch.from_numpy(grow(found, how.grow) * covered)[None], how.rim)
    own = torch.from_numpy(original)[None]
    may_stop()
    return _in_place(own, laid_on, weight, how.seam), weight, laid_on, _report(pair, compared, float(found.mean()))


def _in_place(original: Tensor, laid_on: Tensor, weight: Tensor, seam: str) -> Tensor:
    """The pasted picture [1, H, W, 3]. Only around what is pasted there is anything to do."""
    part = around(weight[0].numpy() > 0, RING)
    result = original.clone()
    if part is not None:
        here = (slice(None), *part)
        fitted = fit_seam(original[here], laid_on[here], weight[here], seam)
        may_stop()
        result[here] = paste(original[here], fitted, weight[here])
    return result


def _report(pair: Pair, compared: Compared, changed: float) -> Report:
    size = size_of(pair.original)
    moves = after(stretched(size_of(pair.edited), size), pair.placement.matrix)
    (a, b, _), (c, d, _) = moves.tolist()
    middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    right, down = (moves @ [*middle, 1] - middle).tolist()
    red, green, blue = (255 * compared.tint).tolist()
    doubt = compared.doubt or (FAR_OFF if np.hypot(right, down) > FAR * max(size) else None)
    return Report(
        (right, down), scale_of(moves), float(np.rad2deg(np.arctan2(c - b, a + d))), pair.placement.most_bent,
        (red, green, blue), changed, compared.common, compared.refusal, None if compared.refusal else doubt,
    )  # fmt: skip


def _in_range(picture: Tensor) -> Tensor:
    """In 0..1, without a copy of what is."""
    is_within = bool(picture.min() >= 0 and picture.max() <= 1)
    return picture.float() if is_within else picture.float().clamp(0, 1)


def _together(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


def _hot(heatmap: Tensor, original: Tensor) -> Tensor:
    """Where a heatmap [B, h, w] is hot in the original: bool [B, H, W]."""
    return cut(heatmap, (original.shape[1], original.shape[2])) > 0.5


def _check_size(what: str, height: int, width: int) -> None:
    short, long = sorted((height, width))
    if short < LEAST_SIDE:
        raise ValueError(f"{what} is {width}x{height}; it takes {LEAST_SIDE} pixels a side to recognise anything")
    if long > MOST_SIDE:
        raise ValueError(f"{what} is {width}x{height}; give one of at most {MOST_SIDE} pixels a side")
    if long > MOST_OBLONG * short:
        raise ValueError(f"{what} is {width}x{height}; give a piece of it, at most {MOST_OBLONG} times as long as wide")


def _check(original: Tensor, edited: Tensor, mask: Tensor | None, heatmap: Tensor | None) -> int:
    """How many pairs there are."""
    for name, picture in (("original", original), ("edited picture", edited)):
        check_pictures(picture, f"the {name}")
        _check_size(f"the {name}", *picture.shape[1:3])
    for name, planes in (("mask", mask), ("heatmap", heatmap)):
        if planes is not None:
            check_masks(planes, f"the {name}")
    if mask is not None and mask.shape[-2:] != original.shape[1:3]:
        raise ValueError(
            f"the mask is {mask.shape[-1]}x{mask.shape[-2]} but the original is {original.shape[2]}x"
            f"{original.shape[1]}; draw the mask on the original"
        )
    counts = {"originals": len(original), "edited pictures": len(edited)}
    counts |= {} if mask is None else {"masks": len(mask)}
    counts |= {} if heatmap is None else {"heatmaps": len(heatmap)}
    return check_batch(counts)
