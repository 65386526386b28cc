"""What kind of edit two texts ask for, read off their contrast: each kind is cut and drawn in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from .contrast import Contrast
from .masks import AREA_FACTOR, is_wide

AGREEMENT = 0.75
"""Below it the draws of noise disagree about where: the texts add something, and each draw puts it elsewhere."""

FAINT = 0.2
"""Wide heat that nowhere reaches this much, in units of the noise, is a new thing that could be anywhere."""


@dataclass(frozen=True)
class Kind:
    meaning: str
    finding: str = ""  # what a user is told
    factor: float | None = None  # on Otsu's threshold, where the kind was set by hand


KINDS: dict[str, Kind] = {
    "auto": Kind("goes by how the draws of noise agree"),
    "object": Kind("a thing changes or goes", "one place changes", factor=1.0),
    "area": Kind("the ground, the sky or most of the picture changes", "a large area changes", factor=AREA_FACTOR),
    "addition": Kind(
        "a thing is added, and the model picks a place for it",
        "the two texts do not say where: one place was chosen, another seed chooses another",
    ),
}


def in_words(kinds: Sequence[str], agreement: Tensor, may_draft: bool) -> str:
    """What a user is told of a batch. Without drafts no place is chosen."""
    findings = [KINDS[kind].finding for kind in dict.fromkeys(kinds)]
    findings = findings if may_draft else [finding.split(":")[0] for finding in findings]
    return f"{'; '.join(findings)} (the draws of noise agree to {float(agreement.mean()):.2f})"


def kinds_of(found: Contrast, signal: float) -> tuple[str, ...]:
    """The kind of each image. ``signal`` is how much picture a latent holds at the level of the contrast, times the
    gain of the pictures' size.
    """
    wide = is_wide(found.heatmap)
    is_faint = signal * found.heatmap.flatten(1).amax(1) < FAINT
    adds = (found.agreement < AGREEMENT) | (wide & is_faint)
    return tuple("addition" if add else "area" if area else "object" for add, area in zip(adds, wide, strict=True))
