"""What the commands do: flags in, files written, a report out."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..closeup import is_focused
from ..decoding import BACKGROUNDS
from ..editing import Edit, edit, find_mask
from ..focus import Focus, View
from ..hosts.diffusers import DiffusersHost, be_quiet
from ..kinds import in_words
from ..masks import coverage, union
from ..pictures import Margin, to_pil
from ..refine import Refinement
from ..settings import BALANCED, FASTDIFFEDIT, PRESETS, SEVERAL, ContrastSettings, EditSettings, MaskSettings
from ..sheets import framed, overlay, panels
from ..stages import Look
from .asked import edits_of, is_all_given, masks_of, texts_of
from .demo import show
from .files import Opened, beside, open_picture, planned, save, save_heatmap
from .flags import from_flags
from .models import host_of
from .reporting import Watch, costs
from .unused import check_edit, check_mask
from .written import Written, listed, needs_a_writer, write_texts

DTYPES = {"float32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
NAME_A_MODEL = (
    "name a model: --model FOLDER (in the diffusers layout) or --model NAME (on the hub), for example "
    "--model stable-diffusion-v1-5/stable-diffusion-v1-5"
)


def run_edit(args: Namespace) -> dict[str, Any]:
    opened, how = open_picture(args.image), from_flags(args, _preset(args))
    drawn = from_flags(args, Refinement(), "refine-")  # a mask from a file stays as it is, unless a flag says otherwise
    if is_all_given(args):
        how = replace(how, mask=MaskSettings(ContrastSettings(drafts=0), refinement=drawn))
    edits = edits_of(args, opened, drawn, BACKGROUNDS[how.decoding.background].needs_source)
    check_edit(args, how, edits)
    wanted = {
        "picture": args.output or beside(args.image, "edited"),
        "mask": args.save_mask,
        "heatmap": args.save_heatmap,
        "panels": args.panels,
    }
    paths = planned(wanted, [args.image, *masks_of(args)], opened.size)
    with Watch().running() as watch:
        inverts = BACKGROUNDS[how.decoding.background].needs_inversion
        written = _written(args, opened, edits, inverts, watch)
        edits, inversion = written.edits, args.inversion_text or written.caption
        host = _host(args, opened, watch)
        done = edit(
            host,
            opened.picture,
            edits,
            inversion=inversion,
            how=how,
            seed=args.seed,
            progress=watch.progress,
        )
        watch.begin("write")
        save(opened.edited(done.picture, done.mask), paths["picture"], opened.profile)
        margin = _margin(host, opened, how.focus)
        views = done.views[0] if done.views else ()
        result = {", ".join(listed(asked.target)[0] for asked in edits): done.picture}
        _save_findings(paths, opened, done.mask, done.looks, margin, result, views)
    said = [_said(*each, how.mask.contrast.may_draft) for each in zip(edits, done.masks, done.looks, strict=True)]
    return {
        "command": "edit",
        **_facts(args, opened, done.mask, said),
        **written.facts,
        **({"cut_outs": [_place(view) for view in views]} if views else {}),
        **costs(watch, paths),
    }


def run_mask(args: Namespace) -> dict[str, Any]:
    opened, how = open_picture(args.image), from_flags(args, _preset(args).mask)
    focus = from_flags(args, Focus())
    asked = Edit(*texts_of(args), args.negative or "", args.keep or "")
    check_mask(args, how, focus)
    wanted = {
        "mask": args.output or beside(args.image, "mask"),
        "heatmap": args.save_heatmap or beside(args.image, "heatmap"),
        "panels": args.panels,
    }
    paths = planned(wanted, [args.image], opened.size)
    with Watch().running() as watch:
        written = _written(args, opened, [asked], False, watch)
        (asked,) = written.edits
        host = _host(args, opened, watch)
        given = {"how": how, "focus": focus, "seed": args.seed}
        mask, look = find_mask(host, opened.picture, asked, **given, progress=watch.progress)
        watch.begin("write")
        _save_findings(paths, opened, mask, [look], _margin(host, opened, focus), {})
    said = [_said(asked, mask, look, how.contrast.may_draft)]
    facts = {**_facts(args, opened, mask, said), **written.facts}
    return {"command": "mask", **facts, **costs(watch, paths)}


def run_demo(args: Namespace) -> dict[str, Any]:
    be_quiet()
    torch.set_num_threads(1)  # a model this small gains nothing from more, and loses much on busy cores
    device, dtype = _where(args)
    paths = planned({"panels": args.output}, [], (1, 1))
    with Watch().running() as watch:
        pictures, facts = show(watch, args.scene, args.kind, args.seed, device, dtype)
        watch.begin("write")
        save(to_pil(panels([*pictures.values()], [*pictures])), paths["panels"])
    return {"command": "demo", **facts, **costs(watch, paths)}


def _preset(args: Namespace) -> EditSettings:
    if args.fastdiffedit and args.preset:
        raise ValueError("--preset and --fastdiffedit exclude each other; give one of them")
    if args.fastdiffedit:
        return FASTDIFFEDIT
    if args.preset is None and len(getattr(args, "edit", None) or ()) > 1:
        return SEVERAL
    return PRESETS[args.preset or BALANCED].settings


def _where(args: Namespace) -> tuple[torch.device, torch.dtype]:
    name = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as cause:
        raise ValueError(f"--device {name} cannot be used here: {str(cause).splitlines()[0]}") from None
    return device, DTYPES[args.dtype or ("fp16" if device.type == "cuda" else "float32")]


def _host(args: Namespace, opened: Opened, watch: Watch) -> DiffusersHost:
    """Loads the model, hooks up the counter, and starts the stage "encode"."""
    if not args.model:
        raise ValueError(NAME_A_MODEL)
    device, dtype = _where(args)
    be_quiet()
    watch.begin("load")
    host = host_of(args, opened, device, dtype)
    watch.count = lambda: host.evaluations
    watch.begin("encode")
    return host


def _written(args: Namespace, opened: Opened, edits: list[Edit], inverts: bool, watch: Watch) -> Written:
    if not needs_a_writer(args):
        return Written(edits)
    if not args.model:
        raise ValueError(NAME_A_MODEL)  # before the texts are made, not after
    be_quiet()
    watch.begin("texts")
    return write_texts(args, edits, opened.picture, inverts, *_where(args))


def _save_findings(
    paths: dict[str, Path],
    opened: Opened,
    mask: Tensor,
    looks: Sequence[Look | None],
    margin: Margin,
    result: dict[str, Tensor],
    views: Sequence[View] = (),
) -> None:
    if "mask" in paths:
        save(to_pil(mask), paths["mask"])
    heatmaps = [look.heatmap for look in looks if look]
    if "heatmap" in paths and heatmaps:
        save_heatmap(union(heatmaps), paths["heatmap"], margin)
    if "panels" in paths:
        shown = framed(overlay(opened.picture, mask.to(opened.picture)), [view.corners for view in views])
        pictures = {"input": opened.picture, "mask": shown, **result}
        save(to_pil(panels([*pictures.values()], [*pictures])), paths["panels"])


def _margin(host: DiffusersHost, opened: Opened, focus: Focus) -> Margin:
    """What the heatmap shows beyond the picture. A large picture was scaled instead."""
    return Margin.around(opened.picture, 1 if is_focused(host, opened.picture, focus) else host.multiple)


def _place(view: View) -> dict[str, Any]:
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


def _facts(args: Namespace, opened: Opened, mask: Tensor, edits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    height, width = opened.size
    return {
        "image": str(args.image),
        "model": args.model,
        "seed": args.seed,
        "size": [width, height],
        "coverage": round(float(coverage(mask)), 6),
        "edits": list(edits),
    }
