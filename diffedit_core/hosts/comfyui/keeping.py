"""What was edited anywhere, put into ComfyUI's pictures [B, H, W, 3 or 4] with the rest as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...keeping import KeepSettings, Report, keep_rest
from ...masks import fit
from .clips import check_clip, left_over
from .pictures import is_crop, place_centred
from .wires import pictures_of, planes_of

SHOWN = 5
"""Of how many pictures the node itself says what was found."""

NO_ROOM = "the mask is empty, so nothing may change; draw one on the original, or disconnect it"


@dataclass(frozen=True)
class Kept:
    picture: Tensor  # [B, H, W, 3], or 4 where the originals have transparency
    changed: Tensor  # [B, H, W]: how much of the edited picture is in it
    aligned: Tensor  # [n, H, W, 3]: without what a clip lacks at its end
    reports: tuple[Report, ...]  # of the same n
    left_over: int  # pictures at the end of a clip that were not edited
    may_change: bool  # unless the mask is empty

    @property
    def report(self) -> str:
        return "\n".join(_numbered([str(each) for each in self.reports]))

    @property
    def in_short(self) -> list[str]:
        """For the node itself, where there is little room: what could not be kept comes first."""
        lines = _numbered([_short(each) for each in self.reports])
        first = sorted(
            range(len(lines)), key=lambda i: self.reports[i].refusal is None and self.reports[i].doubt is None
        )
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        return [*([] if self.may_change else [NO_ROOM]), *(lines[i] for i in first[:SHOWN]), *more]


def keep(original: Tensor, edited: Tensor, mask: Tensor | None, heatmap: Tensor | None, how: KeepSettings) -> Kept:
    """The originals with what was meant to change. Those that an edited clip lacks at its end stay as they are."""
    pictures, edited = pictures_of(original, "original"), pictures_of(edited, "edited picture")
    masks = None if mask is None else planes_of(mask)
    heat = None if heatmap is None else planes_of(heatmap, "heatmap")
    given = {"originals": original, "edited pictures": edited, "masks": masks, "heatmaps": heat}
    counts = {name: len(each) for name, each in given.items() if each is not None}
    count = check_clip(counts)
    rows = count - max(left_over(len(original), each) for each in counts.values())
    masks = None if masks is None else _on(pictures, masks, edited)
    some = {"mask": masks, "heatmap": heat}
    few = {name: None if each is None else each[:rows] for name, each in some.items()}
    done = keep_rest(pictures[:rows], edited[:rows], **few, how=how)
    whole = _with(done.picture.to(original), pictures[rows:])
    if original.shape[-1] == 4:
        whole = torch.cat([whole, original[..., 3:].expand(len(whole), -1, -1, -1)], -1)
    changed = _with(done.mask, torch.zeros_like(pictures[rows:, ..., 0]))
    may_change = masks is None or bool((masks > 0).any())
    return Kept(whole, changed, done.aligned, done.report, count - rows, may_change)


def _on(original: Tensor, masks: Tensor, edited: Tensor) -> Tensor:
    """Masks of the original's size, of what VAE Encode left of it, or of the edited picture's: on the original."""
    blank = torch.zeros_like(original[:1, ..., 0])
    size, own, other = ((each.shape[1], each.shape[2]) for each in (masks, blank, edited))
    drawn_on_edited = size == other and not is_crop(size, own)
    return fit(masks, own) if drawn_on_edited else place_centred(masks, blank, "mask")


def _with(kept: Tensor, rest: Tensor) -> Tensor:
    return torch.cat([kept, rest]) if len(rest) else kept


def _numbered(lines: Sequence[str]) -> list[str]:
    return [f"{i}: {line}" for i, line in enumerate(lines, start=1)] if len(lines) > 1 else list(lines)


def _short(report: Report) -> str:
    (x, y), (r, g, b) = (map(_signed, each) for each in (report.shift, report.tint))
    moved = f"{x} {y} px, zoom {report.zoom:.3f}, turn {_signed(report.rotation)}°"
    wrong = report.refusal or report.doubt
    return wrong or f"{100 * report.changed:.1f} % changed; undone: {moved}, tint {r} {g} {b}"


def _signed(value: float) -> str:
    """Nothing is never less than nothing."""
    return f"{round(value, 1) + 0.0:+.1f}"
