"""What the command line's commands do: flags in, files written, a report out."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .editing import EDIT_MASK, FAST_EDIT, FAST_MASK, EditSettings, MaskSettings, edit, find_mask
from .flags import from_flags, given_flags
from .hosts.diffusers import DiffusersHost, be_quiet
from .masks import coverage
from .outputs import beside, mask_over, planned, write_heatmap, write_mask, write_panels
from .pictures import Margin, Opened, open_mask, open_picture, save
from .refine import Refinement, refine
from .reporting import Watch

logger = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
NAME_A_MODEL = (
    "name a model: --model FOLDER (in the diffusers layout) or --model NAME (on the hub), for example "
    "--model stable-diffusion-v1-5/stable-diffusion-v1-5"
)


def run_edit(args: Namespace) -> dict[str, Any]:
    opened, finding, editing = open_picture(args.image), _finding(args, EDIT_MASK), _editing(args)
    source, target = _texts(args, needs_source=args.mask is None or editing.background == "source")
    mask = _given_mask(args, opened)
    wanted = {
        "picture": args.output or beside(args.image, "edited"),
        "mask": args.save_mask,
        "heatmap": args.save_heatmap,
        "panels": args.panels,
    }
    paths = planned(wanted, [args.image, args.mask], opened.size)
    with Watch().running() as watch:
        host = _host(args, watch)
        done = edit(
            host,
            opened.picture,
            source,
            target,
            mask=mask,
            finding=finding,
            editing=editing,
            seed=args.seed,
            progress=watch.progress,
        )
        watch.begin("write")
        save(opened.edited(done.picture, done.mask), paths["picture"], opened.profile)
        _write_findings(paths, opened, done.mask, done.heatmap, host, {target[0]: done.picture})
    return {"command": "edit", **_facts(args, opened, done.mask), **costs(watch), "written": _named(paths)}


def run_mask(args: Namespace) -> dict[str, Any]:
    opened, finding = open_picture(args.image), _finding(args, MaskSettings())
    source, target = _texts(args)
    wanted = {
        "mask": args.output or beside(args.image, "mask"),
        "heatmap": args.save_heatmap or beside(args.image, "heatmap"),
        "panels": args.panels,
    }
    paths = planned(wanted, [args.image], opened.size)
    with Watch().running() as watch:
        host = _host(args, watch)
        mask, heatmap = find_mask(
            host, opened.picture, source, target, finding=finding, seed=args.seed, progress=watch.progress
        )
        watch.begin("write")
        _write_findings(paths, opened, mask, heatmap, host, {})
    return {"command": "mask", **_facts(args, opened, mask), **costs(watch), "written": _named(paths)}


def run_demo(args: Namespace) -> dict[str, Any]:
    be_quiet()
    from .demo import show  # the toybox, which the other commands have no use for

    torch.set_num_threads(1)  # a model this small gains nothing from more, and loses much where the cores are busy
    device, dtype = _where(args)
    paths = planned({"panels": args.output}, [], (1, 1))
    with Watch().running() as watch:
        shown = show(watch, args.scene, args.kind, args.seed, device, dtype)
        watch.begin("write")
        write_panels(paths["panels"], shown.pictures)
    return {"command": "demo", **shown.facts, **costs(watch), "findings": shown.findings, "written": _named(paths)}


def costs(watch: Watch) -> dict[str, Any]:
    seconds = {stage: round(value, 3) for stage, value in watch.seconds.items()}
    return {
        "seconds": {**seconds, "total": round(sum(watch.seconds.values()), 3)},
        "evaluations": {**watch.evaluations, "total": sum(watch.evaluations.values())},
    }


def _finding(args: Namespace, preset: MaskSettings) -> MaskSettings:
    finding = from_flags(args, FAST_MASK if args.fast else preset)
    if finding.draws < 1 or finding.steps < 1:
        raise ValueError(f"--mask-draws is {finding.draws} and --mask-steps {finding.steps}; both must be at least 1")
    return replace(finding, refinement=from_flags(args, finding.refinement))


def _editing(args: Namespace) -> EditSettings:
    editing = from_flags(args, FAST_EDIT if args.fast else EditSettings())
    if editing.steps < 1 or editing.iterations < 0:
        raise ValueError(f"--steps is {editing.steps} and --iterations {editing.iterations}; at least 1 and 0")
    return editing


def _texts(args: Namespace, needs_source: bool = True) -> tuple[list[str], list[str]]:
    """An empty source is the paper's empty reference; an empty target says nothing."""
    if not args.target or not all(text.strip() for text in args.target):
        raise ValueError("--target is missing or empty; say what the picture shall show")
    if needs_source and not args.source:
        raise ValueError('--source is missing; say what the picture shows now, or --source "" to leave it open')
    if needs_source and not all(text.strip() for text in args.source):
        logger.warning("the source text is empty, so the mask will be whatever the target text names")
    return args.source or [""], args.target


def _given_mask(args: Namespace, opened: Opened) -> Tensor | None:
    if args.mask is None:
        return None
    if args.save_heatmap or given_flags(args, MaskSettings()):
        raise ValueError("--mask FILE says where to edit; leave out --save-heatmap and the --mask-... that seek it")
    mask = open_mask(args.mask)
    if mask.shape[1:] != opened.size:
        (height, width), (mask_height, mask_width) = opened.size, mask.shape[1:]
        raise ValueError(
            f"the mask {args.mask} is {mask_width}x{mask_height} but the picture {args.image} is {width}x{height}; "
            "draw the mask on this picture"
        )
    how = from_flags(args, Refinement())  # a mask that is given stays as it is, unless asked otherwise
    return refine(mask, how, picture=opened.picture) if how != Refinement() else mask


def _where(args: Namespace) -> tuple[torch.device, torch.dtype]:
    name = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as cause:
        raise ValueError(f"--device {name} cannot be used here: {str(cause).splitlines()[0]}") from None
    return device, DTYPES[args.dtype or ("fp16" if device.type == "cuda" else "float32")]


def _host(args: Namespace, watch: Watch) -> DiffusersHost:
    """Loaded and counted; what follows is the picture's encoding."""
    if not args.model:
        raise ValueError(NAME_A_MODEL)
    device, dtype = _where(args)
    be_quiet()
    watch.begin("load")
    host = DiffusersHost.from_pretrained(_demo_weights() if args.model == "demo" else args.model, device, dtype)
    watch.count = lambda: host.evaluations
    watch.begin("encode")
    return host


def _demo_weights() -> Path:
    from .toybox.model import WEIGHTS

    if not (WEIGHTS / "model_index.json").exists():
        raise ValueError(f"the demo model is not part of this installation; {NAME_A_MODEL}")
    return WEIGHTS


def _write_findings(
    paths: Mapping[str, Path],
    opened: Opened,
    mask: Tensor,
    heatmap: Tensor | None,
    host: DiffusersHost,
    result: Mapping[str, Tensor],
) -> None:
    if "mask" in paths:
        write_mask(paths["mask"], mask)
    if "heatmap" in paths and heatmap is not None:
        write_heatmap(paths["heatmap"], heatmap, Margin.around(opened.picture, host.multiple))
    if "panels" in paths:
        pictures = {"input": opened.picture, "mask": mask_over(opened.picture, mask), **result}
        write_panels(paths["panels"], pictures)


def _facts(args: Namespace, opened: Opened, mask: Tensor) -> dict[str, Any]:
    height, width = opened.size
    return {
        "image": str(args.image),
        "model": args.model,
        "seed": args.seed,
        "size": [width, height],
        "coverage": round(float(coverage(mask)), 6),
    }


def _named(paths: Mapping[str, Path]) -> dict[str, str]:
    return {name: str(path) for name, path in paths.items()}
