"""Everything that can be turned, by stage: look, invert, decode. ``Refinement`` stands beside what it does."""

from __future__ import annotations

from dataclasses import dataclass

from .contrast import STATISTICS
from .decoding import BACKGROUNDS
from .focus import Focus
from .greys import GREYS
from .kinds import KINDS
from .knobs import Settings, knob, part
from .masks import RULES, checked_value
from .refine import Refinement
from .seams import SEAMS
from .sharing import OVERLAPS
from .solvers import SOLVERS

GUIDANCE = {"low": 0, "high": 30, "step": 0.1}


@dataclass(frozen=True)
class ContrastSettings(Settings):
    """How the two texts are compared."""

    strength: float = knob(
        0.5, "Noise to compare the texts at. Lower sees details, higher sees larger things.", low=0.01, high=1
    )
    draws: int = knob(4, "Noise draws to average. More make a cleaner heatmap and take longer.", low=1, high=1000)
    kind: str = knob("auto", "What the texts ask for.", names=KINDS)
    statistic: str = knob("signed", "How the draws are averaged.", names=STATISTICS, advanced=True)
    paired: bool = knob(True, "Draws noise in +/- pairs. Use an even number of draws.", advanced=True)
    sure: float = knob(
        0.8, "Stops after two draws that agree more than this. 1 takes all draws.", low=-1, high=1, advanced=True
    )
    drafts: int = knob(
        2,
        "Where something is added: places to try. The one that the model judges closest to the target is kept.",
        low=0,
        high=64,
        advanced=True,
    )
    steps: int = knob(
        1, "Above 1, denoises each draw in full, in this schedule: the purist mask.", low=1, high=1000, advanced=True
    )
    guidance: float = knob(
        7.5, "How strongly drafts, and the purist mask, follow their texts.", **GUIDANCE, advanced=True
    )

    @property
    def is_purist(self) -> bool:
        return self.steps > 1

    @property
    def may_draft(self) -> bool:
        return self.drafts > 0 and not self.is_purist and self.kind in ("auto", "addition")


@dataclass(frozen=True)
class CutSettings(Settings):
    """How the heatmap becomes a mask."""

    rule: str = knob("auto", "How the heatmap becomes a mask.", names=RULES, advanced=True)
    value: float | None = knob(None, "What the rule goes by, instead of its own default.", low=-10, high=100)

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_value(self.rule, self.value)


@dataclass(frozen=True)
class MaskSettings(Settings):
    """How a mask is found."""

    contrast: ContrastSettings = part(ContrastSettings(), "comparing the two texts", "mask-")
    cut: CutSettings = part(CutSettings(), "cutting the mask from the heatmap", "mask-")
    refinement: Refinement = part(Refinement(edge_snap="grabcut"), "refining the mask", "refine-")

    @property
    def cut_by_hand(self) -> CutSettings:
        """The cut, where "auto" gives way to a kind that was set by hand."""
        factor = KINDS[self.contrast.kind].factor
        if self.cut.rule != "auto" or factor is None:
            return self.cut
        return CutSettings("otsu", factor * (1 if self.cut.value is None else self.cut.value))


@dataclass(frozen=True)
class InversionSettings(Settings):
    """How far up to noise the picture goes, and how."""

    steps: int = knob(
        10, "Steps of the full schedule; at strength 0.9, 9 of 10 are run. Large models like 25.", low=1, high=1000
    )
    strength: float = knob(
        0.9, "How far the picture is turned into noise. Higher lets the edit change more.", low=0.01, high=1
    )
    guidance: float = knob(
        1.0,
        "How strongly the inversion follows its text. 1 is no guidance, and inverts best.",
        **GUIDANCE,
        advanced=True,
        flag="inversion-guidance",
    )
    iterations: int = knob(
        0,
        "Fixed-point iterations per step, each one prediction. With 2 or 3 the way back is exact.",
        low=0,
        high=20,
        advanced=True,
    )


@dataclass(frozen=True)
class DecodingSettings(Settings):
    """How the picture is denoised again."""

    guidance: float = knob(7.5, "How strongly the target text is followed. 1 takes half the time.", **GUIDANCE)
    guided_above: float = knob(
        0.6,
        "Times as much noise as picture, above which guidance is on: below, only details are left. 0: always on.",
        low=0,
        high=100,
        advanced=True,
    )
    tries: int = knob(
        3, "Attempts with different noise. The one that the model judges closest to the target is kept.", low=1, high=64
    )
    background: str = knob("retrace", "What stands outside the mask on the way down.", names=BACKGROUNDS)
    greys: str = knob("blend", "What grey in a mask means, and its rim.", names=GREYS, advanced=True)
    solver: str = knob("ancestral", "How to step from one noise level to the next.", names=SOLVERS, advanced=True)
    overlap: str = knob("stronger", "Where the masks of several edits meet.", names=OVERLAPS, advanced=True)


@dataclass(frozen=True)
class EditSettings(Settings):
    """A whole edit."""

    mask: MaskSettings = part(MaskSettings(), "finding the mask")
    inversion: InversionSettings = part(InversionSettings(), "inverting the picture")
    decoding: DecodingSettings = part(DecodingSettings(), "drawing the edit")
    focus: Focus = part(Focus(), "looking at large pictures")
    room: int = knob(6, "Pixels to grow a mask that was found, for a new thing of another shape.", low=0, high=256)
    rim: float = knob(1.0, "Pixels of the mask's inner edge over which to blend.", low=0, high=256, step=0.5)
    seam: str = knob("colour", "Fits what was drawn to the picture around it.", names=SEAMS)


@dataclass(frozen=True)
class Preset:
    settings: EditSettings
    meaning: str


BALANCED = "balanced"
PRESETS: dict[str, Preset] = {
    "fast": Preset(
        EditSettings(mask=MaskSettings(ContrastSettings(drafts=1)), decoding=DecodingSettings(tries=1)), "one try"
    ),
    BALANCED: Preset(EditSettings(), "the best of three tries, or of two drafts"),
}
"""Points on the curve of quality against cost. Beyond the second it is flat: eight tries do no better than three."""

SEVERAL = EditSettings(decoding=DecodingSettings(tries=2))
"""Several edits at once: a third try at each of them gains nothing that can be measured."""

FASTDIFFEDIT = EditSettings(
    mask=MaskSettings(
        ContrastSettings(draws=20, kind="object", statistic="mean_abs", paired=False, sure=1),
        CutSettings("fast"),
        Refinement(),
    ),
    inversion=InversionSettings(steps=20, strength=0.7),
    decoding=DecodingSettings(background="noised", guided_above=0, tries=1, greys="none", solver="ddim"),
    room=0,
    seam="none",
)
"""FastDiffEdit: its own mask as it is, and plain inpainting with the settings of its blog."""
