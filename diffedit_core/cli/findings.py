"""What was found of a picture: as files, and in the report."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ..batch.addresses import Address
from ..closeup import is_focused
from ..editing import Edit
from ..focus import Focus, View
from ..hosts.diffusers import DiffusersHost
from ..kinds import in_words
from ..masks import coverage, union
from ..pictures import Margin, to_pil
from ..sheets import framed, overlay, panels
from ..stages import Look
from .files import Opened, encoded, encoded_heatmap


@dataclass(frozen=True)
class Findings:
    opened: Opened
    mask: Tensor  # [1, H, W]
    looks: Sequence[Look | None]
    margin: Margin  # what the heatmap shows beyond the picture
    views: Sequence[View] = ()
    result: Mapping[str, Tensor] = field(default_factory=dict)  # by its label on the panels

    @classmethod
    def of(
        cls,
        host: DiffusersHost,
        opened: Opened,
        focus: Focus,
        mask: Tensor,
        looks: Sequence[Look | None],
        views: Sequence[View] = (),
        result: Mapping[str, Tensor] | None = None,
    ) -> Findings:
        """A large picture was scaled, and has no margin."""
        margin = Margin.around(opened.picture, 1 if is_focused(host, opened.picture, focus) else host.multiple)
        return cls(opened, mask, looks, margin, views, result or {})

    def files(self, paths: Mapping[str, Address]) -> dict[str, bytes]:
        """Of what is wanted, what goes into the files of these names."""
        made: dict[str, bytes] = {}
        if "mask" in paths:
            made["mask"] = encoded(to_pil(self.mask), paths["mask"])
        heatmaps = [look.heatmap for look in self.looks if look]
        if "heatmap" in paths and heatmaps:
            made["heatmap"] = encoded_heatmap(union(heatmaps), paths["heatmap"], self.margin)
        if "panels" in paths:
            made["panels"] = encoded(to_pil(self.panels()), paths["panels"])
        return made

    def panels(self) -> Tensor:
        picture = self.opened.picture
        shown = framed(overlay(picture, self.mask.to(picture)), [view.corners for view in self.views])
        pictures = {"input": picture, "mask": shown, **self.result}
        return panels([*pictures.values()], [*pictures])


def facts_of(
    args: Namespace,
    opened: Opened,
    mask: Tensor,
    edits: Sequence[Edit],
    masks: Sequence[Tensor],
    looks: Sequence[Look | None],
    may_draft: bool,
) -> dict[str, Any]:
    height, width = opened.size
    return {
        "image": str(args.image),
        "model": args.model,
        "seed": args.seed,
        "size": [width, height],
        "coverage": round(float(coverage(mask)), 6),
        "edits": [_said(*each, may_draft) for each in zip(edits, masks, looks, strict=True)],
    }


def place_of(view: View) -> dict[str, Any]:
    """Where a cut-out is, in pixels of the picture, and how many of them the model saw as one."""
    place = {"left": view.left, "top": view.top, "width": view.width, "height": view.height}
    return {**place, "scale": round(view.scale, 4)}


def _said(asked: Edit, mask: Tensor, look: Look | None, may_draft: bool) -> dict[str, Any]:
    """What was asked for, and what the model made of it."""
    texts = {"source": asked.source, "target": asked.target, "coverage": round(float(coverage(mask)), 6)}
    if look is None:
        return texts
    found = {"kind": look.kinds[0], "agreement": round(float(look.agreement[0]), 4)}
    return {**texts, **found, "finding": in_words(look.kinds, look.agreement, may_draft)}
