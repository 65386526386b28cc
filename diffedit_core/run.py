"""One edit under way, on a picture of a size that the model takes: find the mask, redraw what is inside."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .batches import per_image
from .changes import worth_pasting
from .decoding import BACKGROUNDS
from .denoiser import OnStep
from .draws import Draws
from .host import Denoisers, Host, Progress
from .inversion import Trajectory
from .masks import cells, cut
from .pictures import Margin
from .refine import give_room, refine
from .settings import EditSettings, MaskSettings
from .stages import Look, climb, levels_of_climb, look, redraw


@dataclass(frozen=True)
class Opened:
    """Pictures as they came in, and as the model sees them."""

    picture: Tensor  # [B, H, W, 3]
    margin: Margin
    x0: Tensor  # [B, C, h, w]

    def one(self, i: int) -> Opened:
        return Opened(self.picture[i : i + 1], self.margin, self.x0[i : i + 1])


@dataclass(frozen=True)
class Run:
    host: Host
    model: Denoisers
    seed: int
    progress: Progress | None = None

    @property
    def area(self) -> int:
        return self.host.area

    @property
    def multiple(self) -> int:
        return self.host.multiple

    def decode(self, latent: Tensor) -> Tensor:
        return self.host.decode(latent)

    def open(self, picture: Tensor) -> Opened:
        margin = Margin.around(picture, self.host.multiple)
        return Opened(picture, margin, self.host.encode(margin.add(picture)))

    def find(self, opened: Opened, how: MaskSettings) -> tuple[Tensor, Look]:
        """The mask [B, H, W]. That of a draft follows the draft's edges: what is added has none in the picture."""
        seen = look(self.model, opened.x0, how.contrast, Draws.of(self.seed), self._steps("mask"))
        picture, has_draft = opened.margin.add(opened.picture), seen.has_draft(opened.x0)
        if has_draft.any():
            drafted = self.host.decode(seen.draft).to(picture)
            picture = torch.where(per_image(has_draft, picture), drafted, picture)
        return opened.margin.remove(mask_of(seen.heatmap, picture, how)), seen

    def redraw(self, opened: Opened, mask: Tensor, seen: Look | None, how: EditSettings) -> tuple[Tensor, Tensor]:
        """The pictures [B, H, W, 3] redrawn in the mask, and the part of it to paste. A mask found gets room."""
        room = how.room if seen else 0
        latent = self._decoded(opened.x0, opened.margin.add_to_mask(give_room(mask, room)), seen, how)
        edited = opened.margin.remove(self.host.decode(latent)).to(opened.picture.device)
        return worth_pasting(opened.picture, edited, mask, room, how.seam)

    def _decoded(self, x0: Tensor, mask: Tensor, seen: Look | None, how: EditSettings) -> Tensor:
        """Inverted where the background asks for it, then decoded: [B, C, h, w]. Drafts need no inversion."""
        is_drafted = seen is not None and bool(seen.has_draft(x0).all())
        if BACKGROUNDS[how.decoding.background].needs_inversion and not is_drafted:
            trajectory = climb(self.model, x0, how.inversion, self._steps("invert"))
        else:
            trajectory = Trajectory(x0[None], levels_of_climb(self.model, how.inversion))
        planes = cells(mask, (x0.shape[-2], x0.shape[-1]), how.decoding.soft)[:, None]
        draws, draft = Draws.of(self.seed), seen and seen.draft
        return redraw(self.model, trajectory, planes, how.decoding, draws, self._steps("decode"), draft=draft)

    def _steps(self, stage: str) -> OnStep | None:
        return self.progress and self.progress(stage)


def mask_of(heatmap: Tensor, picture: Tensor, how: MaskSettings) -> Tensor:
    """A heatmap [B, h, w] cut and refined: [B, H, W] of the picture [B, H, W, 3]."""
    cut_how = how.cut_by_hand
    mask = cut(heatmap, (picture.shape[1], picture.shape[2]), cut_how.rule, cut_how.value)
    return refine(mask, how.refinement, picture=picture, heatmap=heatmap)
