"""Edits under way, on a picture of a size that the model takes: find the masks, redraw what is inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .batches import in_turn, per_image
from .changes import worth_pasting
from .decoding import BACKGROUNDS
from .denoiser import OnStep
from .draws import Draws
from .greys import GREYS
from .host import BoundEdits, Host, Progress, Text, Texts, seeing
from .inversion import Trajectory
from .masks import cut, fit, spared, union
from .pictures import Margin
from .refine import give_room, refine
from .settings import ContrastSettings, DecodingSettings, EditSettings, MaskSettings
from .sharing import Drawn, joined
from .stages import Look, climb, levels_of_climb, look, redraw


@dataclass(frozen=True)
class Edit:
    """One thing to change: what is there, and what should be there instead."""

    source: Text
    target: Text
    negative: Text = ""  # what guidance leads away from
    keep: Text = ""  # names what the edit must not touch
    mask: Tensor | None = None  # [B or 1, H, W]: taken as it is; without it the place is sought
    kind: str | None = None  # a name of KINDS
    guidance: float | None = None  # None, here and for the kind: as the settings say for all edits

    def __post_init__(self) -> None:
        """What cannot be is refused when it is made, as the settings refuse it."""
        ContrastSettings(kind="auto" if self.kind is None else self.kind)
        DecodingSettings(guidance=1.0 if self.guidance is None else self.guidance)

    @property
    def texts(self) -> Texts:
        return {"source": self.source, "target": self.target, "negative": self.negative}


@dataclass(frozen=True)
class Opened:
    """Pictures as they came in, and as the model sees them."""

    picture: Tensor  # [B, H, W, 3]
    margin: Margin
    x0: Tensor  # [B, C, h, w]

    @property
    def shown(self) -> Tensor:
        """What the model sees, with the margin: [B, H', W', 3]."""
        return self.margin.add(self.picture)

    def one(self, i: int) -> Opened:
        return Opened(self.picture[i : i + 1], self.margin, self.x0[i : i + 1])


@dataclass(frozen=True)
class Part:
    """What one of the edits changes in pictures that are open."""

    number: int  # of the edit
    mask: Tensor  # [B, H, W]
    seen: Look | None  # None where the mask was given
    change: Tensor | None = None  # [B, C, h, w]: what a draft adds; where it is 0 there is none

    @property
    def is_drafted(self) -> bool:
        """Whether all pictures go on from drafts, so that none need be inverted for it."""
        return self.change is not None and bool(self.change.flatten(1).any(1).all())


@dataclass(frozen=True)
class Place:
    """Where a part is redrawn: all but the hole are [B or 1, 1, h, w], at the latent's size."""

    part: Part
    mask: Tensor
    room: Tensor  # the mask with the room around it
    hole: Tensor  # the same, at the size of what the model is shown: [B or 1, H', W']


@dataclass(frozen=True)
class Run:
    host: Host
    edits: tuple[Edit, ...]
    model: BoundEdits  # with the texts of all edits, and after them as many with what each must not touch
    inversion: Text
    seed: int
    progress: Progress | None = None
    number: int = 0  # of the edit whose place is sought

    @classmethod
    def of(
        cls, host: Host, edits: Sequence[Edit], inversion: Text = "", seed: int = 0, progress: Progress | None = None
    ) -> Run:
        first: Texts = {**edits[0].texts, "inversion": inversion}
        kept: list[Texts] = [{"source": asked.source, "target": asked.keep} for asked in edits]
        bound = host.bind(first, *(asked.texts for asked in edits[1:]), *kept)
        return cls(host, tuple(edits), bound, inversion, seed, progress)

    def again(self, edits: Sequence[Edit]) -> Run:
        """For other edits, under the same seed."""
        return Run.of(self.host, edits, self.inversion, self.seed, self.progress)

    def one(self, number: int) -> Run:
        return replace(self, number=number)

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
        asked = self.edits[self.number]
        how = how if asked.kind is None else replace(how, contrast=replace(how.contrast, kind=asked.kind))
        seen = self._look(self.number, opened, how.contrast)
        picture, has_draft = opened.shown, seen.has_draft(opened.x0)
        if has_draft.any():
            drafted = self.host.decode(seen.draft).to(picture)
            picture = torch.where(per_image(has_draft, picture), drafted, picture)
        mask = mask_of(seen.heatmap, picture, how)
        if not (isinstance(asked.keep, str) and asked.keep == ""):
            kept = self._look(len(self.edits) + self.number, opened, replace(how.contrast, kind="object"))
            mask = spared(mask, kept.heatmap)
        return opened.margin.remove(mask), seen

    def redraw(self, opened: Opened, parts: Sequence[Part], how: EditSettings) -> tuple[Tensor, Tensor]:
        """The pictures [B, H, W, 3] redrawn in all masks, and the part to paste. A mask that was found gets room."""
        rooms = [give_room(part.mask, how.room if part.seen else 0) for part in parts]
        latent = self._decoded(opened, parts, rooms, how)
        edited = opened.margin.remove(self.host.decode(latent)).to(opened.picture.device)
        pasted = GREYS[how.decoding.greys].pasted
        mask, room = (union(pasted(each) for each in planes) for planes in ([part.mask for part in parts], rooms))
        return worth_pasting(opened.picture, edited, mask, room, how.seam)

    def _decoded(self, opened: Opened, parts: Sequence[Part], rooms: Sequence[Tensor], how: EditSettings) -> Tensor:
        """Inverted once, where any background asks for it, then decoded: [B, C, h, w]."""
        x0, decoding, size = opened.x0, how.decoding, (opened.x0.shape[-2], opened.x0.shape[-1])

        def place(part: Part, room: Tensor) -> Place:
            mask, hole = (opened.margin.add_to_mask(each) for each in (part.mask, room))
            on_cells = GREYS[decoding.greys].cells
            return Place(part, on_cells(mask, size)[:, None], on_cells(hole, size)[:, None], hole)

        every = [place(*each) for each in zip(parts, rooms, strict=True)]
        places = [each for each in every if each.room.any()] or every[:1]  # an empty mask changes nothing for the rest
        trajectory = Trajectory(x0[None], levels_of_climb(self.model, x0, how.inversion))
        if BACKGROUNDS[decoding.background].needs_inversion and not all(each.part.is_drafted for each in places):
            trajectory = climb(seeing(self.model, opened.shown), x0, how.inversion, self._steps("invert"))
        latents = self._drawn(opened, trajectory, places, decoding)
        heats = [seen and fit(seen.heatmap, size)[:, None] for seen in (each.part.seen for each in places)]
        drawn = zip(latents, places, heats, strict=True)
        return joined(x0, [Drawn(latent, each.mask, each.room, heat) for latent, each, heat in drawn], decoding.overlap)

    def _drawn(
        self, opened: Opened, trajectory: Trajectory, places: Sequence[Place], how: DecodingSettings
    ) -> list[Tensor]:
        """Each part as if it were the only one. Those alike go through the model together, as far as memory allows."""
        drawn: dict[int, Tensor] = {}
        count = len(trajectory.clean)
        rooms, holes = (
            [each.expand(max(len(each), count), *each.shape[1:]) for each in planes]  # one may serve all
            for planes in ([place.room for place in places], [place.hole for place in places])
        )
        parts = [place.part for place in places]
        for guidance, together in self._alike(parts, how):
            model = self.model.of(*(parts[i].number for i in together))
            shown = opened.shown.repeat_interleave(len(together), dim=0)
            latents = redraw(
                seeing(model, shown, in_turn([holes[i] for i in together])),
                trajectory.repeated(len(together)),
                in_turn([rooms[i] for i in together]),
                replace(how, guidance=guidance),
                Draws.of(self.seed),
                self._steps("decode"),
                change=_changes([parts[i] for i in together]),
            )
            drawn |= {i: latents[place :: len(together)] for place, i in enumerate(together)}
        return [drawn[i] for i in range(len(parts))]

    def _alike(self, parts: Sequence[Part], how: DecodingSettings) -> list[tuple[float, list[int]]]:
        """Parts with one guidance, from drafts or not: as many at a time as the model takes draws of noise."""
        groups: dict[tuple[float, bool, bool], list[int]] = {}
        for i, part in enumerate(parts):
            own = self.edits[part.number].guidance
            alike = how.guidance if own is None else own, part.change is None, part.is_drafted
            groups.setdefault(alike, []).append(i)
        size = self.model.chunk
        return [
            (key[0], group[start : start + size])
            for key, group in groups.items()
            for start in range(0, len(group), size)
        ]

    def _look(self, number: int, opened: Opened, how: ContrastSettings) -> Look:
        model = seeing(self.model.of(number), opened.shown)
        return look(model, opened.x0, how, Draws.of(self.seed), self._steps("mask"))

    def _steps(self, stage: str) -> OnStep | None:
        return self.progress and self.progress(stage)


def _changes(parts: Sequence[Part]) -> Tensor | None:
    """What the drafts of parts that are alike add, in turn."""
    changes = [part.change for part in parts if part.change is not None]
    return in_turn(changes) if changes else None


def mask_of(heatmap: Tensor, picture: Tensor, how: MaskSettings) -> Tensor:
    """A heatmap [B, h, w] cut and refined: [B, H, W] of the picture [B, H, W, 3]."""
    cut_how = how.cut_by_hand
    mask = cut(heatmap, (picture.shape[1], picture.shape[2]), cut_how.rule, cut_how.value)
    return refine(mask, how.refinement, picture=picture, heatmap=heatmap)
