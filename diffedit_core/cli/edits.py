"""An edit of a file in three steps, alone or among many: read it, draw it, make files of it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from ..batch.addresses import Address
from ..decoding import BACKGROUNDS
from ..editing import Edit, Edited, edit
from ..host import Progress
from ..hosts.diffusers import DiffusersHost
from ..refine import Refinement
from ..settings import ContrastSettings, EditSettings, MaskSettings
from .asked import edits_of, is_all_given
from .files import Opened, encoded, open_picture
from .findings import Findings, facts_of, place_of
from .flags import from_flags
from .presets import preset_of
from .unused import check_edit
from .written import listed


@dataclass(frozen=True)
class Asked:
    """All that an edit needs but the model, read and checked."""

    args: Namespace
    opened: Opened
    how: EditSettings
    edits: list[Edit]
    caption: str = ""

    @property
    def inverts(self) -> bool:
        return BACKGROUNDS[self.how.decoding.background].needs_inversion


def read_edit(args: Namespace) -> Asked:
    opened, how = open_picture(args.image), from_flags(args, preset_of(args))
    drawn = from_flags(args, Refinement(), "refine-")  # a mask from a file stays as it is, unless a flag says otherwise
    if is_all_given(args):
        how = replace(how, mask=MaskSettings(ContrastSettings(drafts=0), refinement=drawn))
    edits = edits_of(args, opened, drawn, BACKGROUNDS[how.decoding.background].needs_source)
    check_edit(args, how, edits)
    return Asked(args, opened, how, edits)


@dataclass(frozen=True)
class Drawn:
    asked: Asked
    done: Edited
    findings: Findings

    def files(self, paths: Mapping[str, Address]) -> dict[str, bytes]:
        """Of what is wanted, what goes into the files of these names."""
        opened, done = self.asked.opened, self.done
        picture = encoded(opened.edited(done.picture, done.mask), paths["picture"], opened.profile)
        return {"picture": picture, **self.findings.files(paths)}

    def shown(self) -> tuple[Tensor, Tensor, Tensor]:
        """Before [1, H, W, 3], the mask [1, H, W], and after."""
        return self.asked.opened.picture, self.done.mask, self.done.picture

    def facts(self) -> dict[str, Any]:
        asked, done = self.asked, self.done
        may_draft = asked.how.mask.contrast.may_draft
        return facts_of(asked.args, asked.opened, done.mask, asked.edits, done.masks, done.looks, may_draft)

    def places(self) -> dict[str, Any]:
        views = self.findings.views
        return {"cut_outs": [place_of(view) for view in views]} if views else {}


def draw(asked: Asked, host: DiffusersHost, progress: Progress | None = None) -> Drawn:
    done = edit(
        host,
        asked.opened.picture,
        asked.edits,
        inversion=asked.args.inversion_text or asked.caption,
        how=asked.how,
        seed=asked.args.seed,
        progress=progress,
    )
    result = {", ".join(listed(each.target)[0] for each in asked.edits): done.picture}
    views = done.views[0] if done.views else ()
    return Drawn(asked, done, Findings.of(host, asked.opened, asked.how.focus, done.mask, done.looks, views, result))
