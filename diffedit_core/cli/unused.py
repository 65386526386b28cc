"""A flag that would change nothing is an error: whoever gave it expects something of it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from ..contrast import FEWEST
from ..decoding import BACKGROUNDS
from ..focus import Focus
from ..settings import ContrastSettings, CutSettings, EditSettings, MaskSettings
from .flags import flags_of, given_flags


def check_edit(args: Namespace, how: EditSettings) -> None:
    decoding, inverts = how.decoding, BACKGROUNDS[how.decoding.background].needs_inversion
    if not inverts:
        _refuse(args, ["iterations", "inversion-guidance", "inversion-text"], f"{decoding.background} inverts nothing")
    if decoding.guidance == 1:
        _refuse(args, ["guided-above"], "guidance 1 guides nowhere")
    if args.mask:
        sought = [*flags_of(ContrastSettings, "mask-"), *flags_of(CutSettings, "mask-")]
        _refuse(
            args, [*sought, "windows", "room", "save-heatmap"], "--mask FILE says where to edit, so no mask is sought"
        )
    if how.mask.contrast.kind == "addition" and how.mask.contrast.may_draft:
        _refuse(args, ["tries"], "of an added thing several places are drafted; use --mask-drafts")
    check_mask(args, how.mask, how.focus, decoding.guidance != 1 or (inverts and how.inversion.guidance != 1))


def check_mask(args: Namespace, how: MaskSettings, focus: Focus, is_guided: bool = False) -> None:
    _check_focus(args, focus)
    contrast = how.contrast
    if contrast.is_purist:
        _refuse(args, ["mask-sure", "mask-drafts"], "the purist mask takes all its draws and drafts nothing")
    if contrast.draws <= FEWEST:
        _refuse(args, ["mask-sure"], f"{FEWEST} draws are the fewest to stop after")
    if contrast.kind in ("object", "area"):
        _refuse(args, ["mask-drafts"], f"kind {contrast.kind} adds nothing")
    if not contrast.is_purist and not contrast.may_draft:
        _refuse(args, ["mask-guidance"], "single predictions are compared without guidance; use --mask-steps 2 or more")
    if not is_guided and (contrast.guidance == 1 or not (contrast.is_purist or contrast.may_draft)):
        _refuse(args, ["negative"], "nothing is guided away from it")
    if how.refinement.edge_snap == "none":
        _refuse(args, ["refine-edge-radius"], "no edges are looked for; use --refine-edge-snap as well")


def _check_focus(args: Namespace, focus: Focus) -> None:
    if not focus.focus:
        _refuse(args, ["area", "context", "windows"], "--no-focus gives the picture to the model as it is")


def _refuse(args: Namespace, flags: Sequence[str], why: str) -> None:
    if given := given_flags(args, flags):
        raise ValueError(f"{', '.join(given)} would change nothing: {why}")
