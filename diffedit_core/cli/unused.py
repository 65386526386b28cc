"""A flag that would change nothing is an error: whoever gave it expects something of it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from ..contrast import FEWEST
from ..decoding import BACKGROUNDS
from ..focus import Focus
from ..run import Edit
from ..settings import ContrastSettings, CutSettings, EditSettings, MaskSettings
from .asked import is_all_given, is_said_by_all
from .flags import flags_of, given_flags


def check_edit(args: Namespace, how: EditSettings, edits: Sequence[Edit]) -> None:
    decoding, inverts = how.decoding, BACKGROUNDS[how.decoding.background].needs_inversion
    guided = [(decoding.guidance if asked.guidance is None else asked.guidance) != 1 for asked in edits]
    sought = [replace(how.mask.contrast, kind=asked.kind or how.mask.contrast.kind) for asked in edits]
    for flag, name in {"negative": "negative", "keep": "keep", "guidance": "guidance", "mask-kind": "kind"}.items():
        if is_said_by_all(args, name):
            _refuse(args, [flag], f"every --edit says {name}= for itself")
    if not inverts:
        _refuse(args, ["iterations", "inversion-guidance", "inversion-text"], f"{decoding.background} inverts nothing")
    if not any(guided):
        _refuse(args, ["guided-above"], "guidance 1 guides nowhere")
    if not args.edit or len(args.edit) == 1:
        _refuse(args, ["overlap"], "one edit meets no other")
    if is_all_given(args):
        seeking = [*flags_of(ContrastSettings, "mask-"), *flags_of(CutSettings, "mask-")]
        given = "every --edit has its mask=FILE" if args.edit else "--mask FILE says where to edit"
        _refuse(args, [*seeking, "windows", "room", "save-heatmap", "keep"], f"{given}, so no mask is sought")
    elif all(asked.mask is None and _drafts(each) for asked, each in zip(edits, sought, strict=True)):
        _refuse(args, ["tries"], "of an added thing several places are drafted; use --mask-drafts")
    needs_source = BACKGROUNDS[decoding.background].needs_source or not args.mask
    _check_caption(args, "" if inverts else decoding.background, needs_source)
    is_guided = any(guided) or (inverts and how.inversion.guidance != 1)
    _check_sought(args, how.mask, how.focus, sought, is_guided)


def check_mask(args: Namespace, how: MaskSettings, focus: Focus) -> None:
    _check_caption(args, "finding a mask", True)
    _check_sought(args, how, focus, [how.contrast])


def _check_sought(
    args: Namespace, how: MaskSettings, focus: Focus, sought: Sequence[ContrastSettings], is_guided: bool = False
) -> None:
    """Of several edits, each compared in its own way."""
    _check_focus(args, focus)
    contrast, may_draft = how.contrast, any(each.may_draft for each in sought)
    if contrast.is_purist:
        _refuse(args, ["mask-sure", "mask-drafts"], "the purist mask takes all its draws and drafts nothing")
    if contrast.draws <= FEWEST:
        _refuse(args, ["mask-sure"], f"{FEWEST} draws are the fewest to stop after")
    kinds = sorted({each.kind for each in sought})
    if {*kinds} <= {"object", "area"}:
        _refuse(args, ["mask-drafts"], f"kind {' or '.join(kinds)} adds nothing")
    if not contrast.is_purist and not may_draft:
        _refuse(args, ["mask-guidance"], "single predictions are compared without guidance; use --mask-steps 2 or more")
    if not is_guided and (contrast.guidance == 1 or not (contrast.is_purist or may_draft)):
        _refuse(args, ["negative"], "nothing is guided away from it")
    if how.refinement.edge_snap == "none":
        _refuse(args, ["refine-edge-radius"], "no edges are looked for; use --refine-edge-snap as well")


def _check_caption(args: Namespace, inverts_nothing: str, needs_source: bool) -> None:
    """A caption is inverted under, serves as a missing source, and is told to the writer."""
    if args.instruction is None:
        _refuse(args, ["writer"], "it writes the texts of an --instruction")
    if args.instruction is not None or (needs_source and not args.source and not getattr(args, "edit", None)):
        return
    if inverts_nothing:
        _refuse(args, ["caption"], f"{inverts_nothing} inverts nothing, and what the picture shows is said")
    elif args.inversion_text:
        _refuse(args, ["caption"], "--inversion-text says what to invert under, and what the picture shows is said")


def _drafts(contrast: ContrastSettings) -> bool:
    return contrast.kind == "addition" and contrast.may_draft


def _check_focus(args: Namespace, focus: Focus) -> None:
    if not focus.focus:
        _refuse(args, ["area", "context", "windows"], "--no-focus gives the picture to the model as it is")


def _refuse(args: Namespace, flags: Sequence[str], why: str) -> None:
    """What was said for all rows of a table may be of no use to some of them."""
    for_all = getattr(args, "for_all", ())
    if given := [flag for flag in given_flags(args, flags) if flag not in for_all]:
        raise ValueError(f"{', '.join(given)} would change nothing: {why}")
