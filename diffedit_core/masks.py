"""Heatmap -> mask: the published rules and better ones, by name, each image by itself."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .batches import per_image
from .checks import check_finite

logger = logging.getLogger(__name__)

NO_CONTRAST = 1e-5
"""A heatmap whose range is below this, in units of the noise, holds rounding and nothing else."""

GRID = 16
"""Heatmaps are compared on a grid of at most this many cells a side, so that large latents seem no noisier."""

WIDE = 4.0
"""The heat of a thing peaks at more than this many times its mean; the heat of a ground or a sky does not."""

AREA_FACTOR = 0.5
"""On Otsu's threshold for an area, whose heat is uneven."""

KEPT = 0.6
"""Of Otsu's threshold: where two texts differ less than that, they speak of the same thing."""

MOST_SORTED = 2**18

TOO_SMALL, TOO_LARGE = 0.005, 0.60


@dataclass(frozen=True)
class Rule:
    """``apply(plane [h, w], value) -> [h, w]`` for one image: bool, or shades from 0 to 1."""

    apply: Callable[[Tensor, float], Tensor]
    default: float
    meaning: str
    value: str  # what its value means
    low: float = -math.inf
    high: float = math.inf
    sees_cells: bool = False  # applied at the latent's size; the others to the heatmap at the picture's size


def _ratio(v: Tensor, ratio: float) -> Tensor:
    return v > 0.5 * (ratio * v.mean())  # clamped at c = ratio * mean and divided by it, above 0.5


def _minmax(v: Tensor, threshold: float) -> Tensor:
    low, high = _quantile(v, 0.01), _quantile(v, 0.99)
    return v > low + threshold * (high - low)


def _zscore(v: Tensor, deviations: float) -> Tensor:
    return v - v.mean() > deviations * v.std(correction=0)


def _otsu(v: Tensor, factor: float) -> Tensor:
    return v > factor * otsu_threshold(v)


def _auto(v: Tensor, factor: float) -> Tensor:
    return _otsu(v, factor * (AREA_FACTOR if bool(is_wide(v[None])) else 1.0))


def _top(v: Tensor, share: float) -> Tensor:
    mask = torch.zeros(v.numel(), dtype=torch.bool, device=v.device)
    mask[v.flatten().topk(round(share * v.numel())).indices] = True
    return mask.view(v.shape)


def _fast(v: Tensor, deviations: float) -> Tensor:
    above = _zscore(v, deviations).float().reshape(-1, 1, *v.shape[-2:])
    return (F.max_pool2d(above, 3, stride=1, padding=1) > 0).view_as(v)  # the blog's 3x3 blur > 0


def _grey(v: Tensor, factor: float) -> Tensor:
    return (v / (2 * factor * otsu_threshold(v)).clamp_min(torch.finfo(v.dtype).tiny)).clamp(0, 1)


RULES: dict[str, Rule] = {
    "auto": Rule(_auto, 1.0, "otsu, lower for an area", "factor on the threshold: higher is smaller", low=0),
    "otsu": Rule(_otsu, 1.0, "the two classes that differ most", "factor on the threshold: higher is smaller", low=0),
    "ratio": Rule(_ratio, 3.0, "above half of a multiple of the mean (diffusers)", "that multiple", low=0),
    "minmax": Rule(_minmax, 0.5, "above a share of the range, outliers off (the paper)", "that share", low=0, high=1),
    "zscore": Rule(_zscore, 0.0, "some standard deviations above the mean", "how many"),
    "top": Rule(_top, 0.2, "a share of the picture, the hottest first", "that share: higher is larger", low=0, high=1),
    "grey": Rule(_grey, 1.0, "no cut: the heat itself, white from twice otsu's threshold on", "factor on it", low=0),
    "fast": Rule(_fast, 0.0, "zscore on latent cells, grown by one (FastDiffEdit)", "how many", sees_cells=True),
}


def threshold(heatmap: Tensor, rule: str = "otsu", value: float | None = None) -> Tensor:
    """[B, ...] -> [B, ...] of 0 and 1, or shades between, float32. A heatmap without contrast gives an empty mask."""
    value, heatmap = checked_value(rule, value), _checked(heatmap)
    masks = [RULES[rule].apply(plane, value) if _has_contrast(plane) else torch.zeros_like(plane) for plane in heatmap]
    return torch.stack([mask.float() for mask in masks])


def cut(heatmap: Tensor, size: tuple[int, int], rule: str = "otsu", value: float | None = None) -> Tensor:
    """The heatmap [B, h, w] -> a mask [B, H, W]. It is enlarged before it is cut, so there are no stairs."""
    value, heatmap = checked_value(rule, value), _checked(heatmap)
    if RULES[rule].sees_cells:
        return (fit(threshold(heatmap, rule, value), size) > 0.5).float()
    return threshold(fit(heatmap, size), rule, value)


def checked_value(rule: str, value: float | None) -> float:
    """The value, or the rule's own value for None. An unknown rule or a value outside the rule's limits is an error."""
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; it must be one of {', '.join(RULES)}")
    limits = RULES[rule]
    value = limits.default if value is None else value
    if not limits.low <= value <= limits.high:
        raise ValueError(
            f"rule {rule!r} was given {value}; it must be from {limits.low:g} to {limits.high:g} ({limits.value})"
        )
    return value


def fit(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A heatmap or mask [B, ..., h, w] at another size, float32: antialiased when it shrinks, centres kept aligned."""
    if mask.shape[-2:] == size:
        return mask.float()
    planes = mask.reshape(-1, 1, *mask.shape[-2:])
    fitted = F.interpolate(planes.float(), size=size, mode="bilinear", antialias=True)
    return fitted.view(*mask.shape[:-2], *size)


def cover(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A pixel mask [B, ..., H, W] at the latent's size: each cell takes the largest value of its pixels."""
    planes = mask.reshape(-1, 1, *mask.shape[-2:])
    return F.adaptive_max_pool2d(planes.float(), size).view(*mask.shape[:-2], *size)


def cells(mask: Tensor, size: tuple[int, int], soft: bool) -> Tensor:
    """A pixel mask [B, ..., H, W] at the latent's size: blended along its rim, or hard (1 where any pixel may change).

    A mask too thin to fill half of any cell would change nothing when blended, so it stays hard.
    """
    hard = (cover(mask, size) > 0.5).float()
    if not soft:
        return hard
    blended = fit(mask, size)
    is_thin = blended.flatten(1).amax(1) < 0.5  # [B]
    return torch.where(per_image(is_thin, mask), hard, blended)


def union(masks: Iterable[Tensor]) -> Tensor:
    """What any of the masks [B or 1, H, W] holds."""
    return reduce(torch.maximum, masks)


def spared(mask: Tensor, heatmap: Tensor) -> Tensor:
    """The mask [B, H, W] without what a text names: where it differs least from the source text, by the heatmap of the
    two [B, h, w].
    """
    heats = fit(heatmap, (mask.shape[-2], mask.shape[-1]))
    limits = torch.stack([KEPT * otsu_threshold(plane) for plane in heats])
    return torch.where(heats <= per_image(limits, heats), 0, mask)


def otsu_threshold(values: Tensor) -> Tensor:
    """The split of the values with the greatest variance between its two sides (Otsu 1979), without bins: []."""
    if values.numel() == 1:
        return values.flatten()[0]
    v = torch.from_numpy(np.sort(_sample(values).cpu().numpy())).double()  # three times as fast as torch's sort
    n = torch.arange(1, v.numel(), device=v.device, dtype=v.dtype)
    low = v.cumsum(0)[:-1]
    gap = (v.sum() - low) / (v.numel() - n) - low / n  # between the two means
    split = (n * (v.numel() - n) * gap.square()).argmax()
    return (0.5 * (v[split] + v[split + 1])).to(values)


def coarse(planes: Tensor) -> Tensor:
    """Maps [B, ..., h, w] on a grid of at most GRID cells a side, flat: [B, cells]."""
    h, w = (min(side, GRID) for side in planes.shape[-2:])
    return F.adaptive_avg_pool2d(planes.reshape(-1, 1, *planes.shape[-2:]), (h, w)).reshape(len(planes), -1)


def is_wide(heatmap: Tensor) -> Tensor:
    """Whether each heatmap [B, ...] is that of an area, and not of a thing: [B]."""
    cells = coarse(heatmap.float())
    return cells.amax(1) < WIDE * cells.mean(1)


def coverage(mask: Tensor) -> Tensor:
    """The share of each picture that may change: [B]."""
    return mask.flatten(1).float().mean(1)


def iou(mask: Tensor, region: Tensor) -> Tensor:
    """Pixels in both over pixels in either: [B]."""
    mask, region = mask.flatten(1) > 0.5, region.flatten(1) > 0.5
    return (mask & region).sum(1) / (mask | region).sum(1).clamp_min(1)


def advice(mask: Tensor, is_area: bool = False) -> str | None:
    """What to change when a mask is empty, tiny or nearly everything. None when it looks like an edit."""
    shares = coverage(mask)
    empty = int((shares == 0).sum())
    if 0 < empty < len(shares):
        return f"{empty} of {len(shares)} masks are empty: where the two texts make no difference, nothing changes"
    if empty:
        return (
            "the mask is empty: the two texts make no difference to this picture; "
            "say in the source text what is there, and in the target text what should be there instead"
        )
    if (shares < TOO_SMALL).any():
        share = 100 * float(shares.min())
        return f"the mask covers only {share:.2f} % of the picture; cut the heatmap at a lower value, or grow the mask"
    if (shares > TOO_LARGE).any() and not is_area:
        share = 100 * float(shares.max())
        return (
            f"the mask covers {share:.0f} % of the picture; let the two texts differ in fewer words, "
            "or cut the heatmap at a higher value"
        )
    return None


def warn_if_unlikely(mask: Tensor, kinds: Sequence[str] = (), which: str = "") -> None:
    text = advice(mask, "area" in kinds)
    if text:
        logger.warning("%s%s", which, text)


def _checked(heatmap: Tensor) -> Tensor:
    if heatmap.ndim < 2 or not heatmap.numel():
        raise ValueError(f"a heatmap is [batch, ..., height, width], this one is {list(heatmap.shape)}")
    check_finite(heatmap, "the heatmap contains")
    return heatmap.float()


def _has_contrast(values: Tensor) -> bool:
    return bool(values.max() - values.min() > NO_CONTRAST)


def _quantile(values: Tensor, q: float) -> Tensor:
    """torch.quantile without its limit of 16 million values."""
    values = _sample(values)
    k = 1 + round(q * (values.numel() - 1))
    return values.kthvalue(k).values


def _sample(values: Tensor) -> Tensor:
    """Of very many values as many as are worth sorting, evenly chosen: [N]."""
    return values.flatten()[:: -(-values.numel() // MOST_SORTED)]
