"""What each knob does, for the nodes' help pages: ``python -m bench.knob_pictures [which]``, on held-out scenes.

A sheet is named after its file in ``web/docs``: the node, and the knob.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.cases import CHOICE, pictures_of
from diffedit_core.compositing import paste
from diffedit_core.editing import Edit, edit, find_mask
from diffedit_core.focus import Canvas, resized
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.keeping import KeepSettings, keep_rest
from diffedit_core.masks import cut, fit
from diffedit_core.pictures import to_pil
from diffedit_core.refine import Refinement, refine
from diffedit_core.seams import SEAMS, fit_seam
from diffedit_core.settings import (
    FASTDIFFEDIT,
    ContrastSettings,
    CutSettings,
    DecodingSettings,
    EditSettings,
    InversionSettings,
    MaskSettings,
)
from diffedit_core.sheets import framed, heat, overlay, panels
from diffedit_core.toybox import Task, task, weights
from diffedit_core.toybox.drifting import Drift, drifted
from diffedit_core.toybox.scenes import SIZE, Frame

OUT = Path(__file__).parents[1] / "web" / "docs"
SEED = CHOICE[0] + 970
LARGE = 480
DRIFT = Drift(
    (LARGE, LARGE), shift=(14.0, -9.0), zoom=1.06, rotation=-1.5, gain=(1.07, 1.0, 0.86), gamma=(0.92, 0.95, 1.0),
    noise=2.0, jpeg=85,
)  # fmt: skip
PLAIN = MaskSettings(ContrastSettings(sure=1, draws=10), CutSettings("otsu"), Refinement())

Shown = dict[str, Tensor]
"""{label: picture [1, H, W, 3]}"""


@dataclass(frozen=True)
class Scene:
    """A scene whose edit is known, and what the small model makes of it."""

    kind: str
    number: int

    @property
    def task(self) -> Task:
        return task(SEED + self.number, self.kind)

    @property
    def picture(self) -> Tensor:
        return pictures_of([self.task.image])

    @property
    def asked(self) -> Edit:
        return Edit(self.task.source, self.task.target)

    def found(self, how: MaskSettings) -> tuple[Tensor, Tensor]:
        """The mask and the heatmap, [1, H, W]."""
        mask, seen = find_mask(host(), self.picture, self.asked, how=how, seed=self.number)
        return mask, fit(seen.heatmap, (SIZE, SIZE))

    def masked(self, how: MaskSettings) -> Tensor:
        return overlay(self.picture, self.found(how)[0])

    def edited(self, how: EditSettings) -> Tensor:
        return edit(host(), self.picture, self.asked, how=how, seed=self.number).picture

    @property
    def before(self) -> Shown:
        return {f"{self.task.source} -> {self.task.target}": self.picture}


@cache
def host() -> DiffusersHost:
    return DiffusersHost.from_pretrained(weights(), "cpu")


def each(knob: str, values: tuple[Any, ...], shown: Callable[[Any], Tensor]) -> Shown:
    return {f"{knob} {value}": shown(value) for value in values}


def of_contrast(scene: Scene, knob: str, *values: Any) -> Shown:
    def heated(value: Any) -> Tensor:
        return heat(scene.found(replace(PLAIN, contrast=replace(PLAIN.contrast, **{knob: value})))[1])

    return scene.before | each(knob, values, heated)


def of_kind() -> Shown:
    scenes = {"object": Scene("colour", 3), "area": Scene("ground", 5), "addition": Scene("addition", 2)}
    return {f"{kind}: {scene.task.target}": scene.masked(MaskSettings()) for kind, scene in scenes.items()}


def of_cut(scene: Scene, knob: str, *cuts: CutSettings) -> Shown:
    def masked(how: CutSettings) -> Tensor:
        return overlay(scene.picture, cut(scene.found(PLAIN)[1], (SIZE, SIZE), how.rule, how.value))

    return scene.before | {f"{knob} {getattr(how, knob)}": masked(how) for how in cuts}


def of_refinement(scene: Scene, knob: str, *values: Any, rule: str = "otsu") -> Shown:
    mask = cut(scene.found(PLAIN)[1], (SIZE, SIZE), rule)

    def masked(value: Any) -> Tensor:
        return overlay(scene.picture, refine(mask, Refinement(**{knob: value}), picture=scene.picture))

    return each(knob, values, masked)


def of_fast_mask(scene: Scene) -> Shown:
    fast = scene.masked(FASTDIFFEDIT.mask)
    return scene.before | {"DiffEdit Mask": scene.masked(PLAIN), "Fast Mask": fast}


def of_edit(scene: Scene, part: str, knob: str, *values: Any, **more: Any) -> Shown:
    """A knob of the inversion, of the decoding, or of the whole edit."""

    def edited(value: Any) -> Tensor:
        how = EditSettings(decoding=DecodingSettings(**more), inversion=InversionSettings())
        inner = how if not part else replace(getattr(how, part), **{knob: value})
        return scene.edited(replace(how, **({part: inner} if part else {knob: value})))

    return scene.before | each(knob, values, edited)


def of_context(*values: float) -> Shown:
    made = task(SEED + 4, "colour", Frame(1200, LARGE, 256, 224))
    picture, region = pictures_of([made.image]), torch.from_numpy(made.region)[None] > 0.5
    canvas = Canvas((picture.shape[1], picture.shape[2]), host().area, host().multiple)
    boxes = canvas.whole().boxes(region)

    def boxed(value: float) -> Tensor:
        return resized(framed(picture, [view.corners for view in canvas.around(boxes, value)]), (LARGE, LARGE))

    return each("context", values, boxed)


def of_seam() -> Shown:
    scene = Scene("object", 6)
    mask = torch.from_numpy(scene.task.region)[None].float()
    drawn = pictures_of([scene.task.edited]) * torch.tensor([1.12, 1.0, 0.82])
    mask = refine(mask, Refinement(grow=6))

    def pasted(seam: str) -> Tensor:
        return paste(scene.picture, fit_seam(scene.picture, drawn.clamp(0, 1), mask, seam), mask, 1.0)

    return {"edited": drawn.clamp(0, 1)} | each("seam", tuple(SEAMS), pasted)


@cache
def elsewhere() -> tuple[Tensor, Tensor]:
    made = task(SEED + 1, "both", Frame(LARGE, SIZE))
    return pictures_of([made.image]), pictures_of([drifted(made.edited, DRIFT, 1)])


def of_keeping() -> Shown:
    original, edited = elsewhere()
    kept = keep_rest(original, edited)
    return {"original": original, "edited": edited, "aligned": kept.aligned, "picture": kept.picture}


def of_sensitivity(*values: float) -> Shown:
    def masked(value: float) -> Tensor:
        return overlay(elsewhere()[0], keep_rest(*elsewhere(), how=KeepSettings(sensitivity=value)).mask)

    return each("sensitivity", values, masked)


RULES = tuple(CutSettings(rule) for rule in ("otsu", "ratio", "top", "grey"))
FACTORS = tuple(CutSettings("otsu", value) for value in (0.5, 1.0, 2.0))
THING, SHAPE, OTHER, HARD = Scene("colour", 3), Scene("shape", 8), Scene("object", 0), Scene("object", 13)
SHEETS: Mapping[str, Callable[[], Shown]] = {
    "DiffEditMask/strength": partial(of_contrast, THING, "strength", 0.2, 0.5, 0.9),
    "DiffEditMask/draws": partial(of_contrast, THING, "draws", 1, 4, 20),
    "DiffEditMask/kind": of_kind,
    "DiffEditMask/value": partial(of_cut, THING, "value", *FACTORS),
    "FastMask/mask": partial(of_fast_mask, THING),
    "MaskRefine/rule": partial(of_cut, THING, "rule", *RULES),
    "MaskRefine/edge_snap": partial(of_refinement, THING, "edge_snap", "none", "guided", "grabcut"),
    "MaskRefine/grow": partial(of_refinement, THING, "grow", -4, 0, 8),
    "MaskRefine/feather": partial(of_refinement, THING, "feather", 0.0, 4.0, 12.0),
    "MaskRefine/keep_largest": partial(of_refinement, HARD, "keep_largest", 0, 1, rule="top"),
    "DDIMInvert/strength": partial(of_edit, OTHER, "inversion", "strength", 0.2, 0.5, 0.9),
    "MaskedDenoise/guidance": partial(of_edit, OTHER, "decoding", "guidance", 1.0, 3.0, 7.5),
    "MaskedDenoise/tries": partial(of_edit, HARD, "decoding", "tries", 1, 2, 3),
    "MaskedDenoise/room": partial(of_edit, SHAPE, "", "room", 0, 6, 16),
    "MaskedDenoise/background": partial(of_edit, SHAPE, "decoding", "background", "retrace", "noised", "source"),
    "Focus/context": partial(of_context, 0.2, 1.0, 3.0),
    "PasteBack/seam": of_seam,
    "KeepTheRest/picture": of_keeping,
    "KeepTheRest/sensitivity": partial(of_sensitivity, 0.3, 1.0, 5.0),
}


def main(which: str = "") -> None:
    torch.set_num_threads(1)
    for name, make in SHEETS.items():
        if which in name:
            shown, path = make(), OUT / f"DiffEdit_{name}.jpg"
            path.parent.mkdir(exist_ok=True)
            to_pil(panels(list(shown.values()), list(shown))).save(path, quality=85)
            print(path.relative_to(OUT), *shown, sep="; ")


if __name__ == "__main__":
    main(*sys.argv[1:])
