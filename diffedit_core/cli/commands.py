"""What the commands do: flags in, files written, a report out."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from typing import Any

import torch

from ..editing import Edit, find_mask
from ..focus import Focus
from ..hosts.diffusers import DiffusersHost, be_quiet
from ..hosts.writers import Desk
from ..pictures import to_pil
from ..sheets import panels
from .asked import masks_of, texts_of
from .demo import show
from .edits import draw, read_edit
from .files import Opened, beside, open_picture, planned, save, write
from .findings import Findings, facts_of
from .flags import from_flags
from .models import check_named, control_of, host_of, where
from .presets import preset_of
from .reporting import Watch, costs
from .unused import check_mask
from .written import Written, needs_a_writer, write_texts


def run_edit(args: Namespace) -> dict[str, Any]:
    asked = read_edit(args)
    wanted = {
        "picture": args.output or beside(args.image, "edited"),
        "mask": args.save_mask,
        "heatmap": args.save_heatmap,
        "panels": args.panels,
    }
    paths = planned(wanted, [args.image, *masks_of(args), *control_of(args)], asked.opened.size)
    with Watch().running() as watch:
        written = _written(args, asked.opened, asked.edits, asked.inverts, watch)
        host = _host(args, asked.opened, watch)
        drawn = draw(replace(asked, edits=written.edits, caption=written.caption), host, watch.progress)
        watch.begin("write")
        for name, content in drawn.files(paths).items():
            write(paths[name], content)
    return {"command": "edit", **drawn.facts(), **written.facts, **drawn.places(), **costs(watch, paths)}


def run_mask(args: Namespace) -> dict[str, Any]:
    opened, how = open_picture(args.image), from_flags(args, preset_of(args).mask)
    focus = from_flags(args, Focus())
    asked = Edit(*texts_of(args), args.negative or "", args.keep or "")
    check_mask(args, how, focus)
    wanted = {
        "mask": args.output or beside(args.image, "mask"),
        "heatmap": args.save_heatmap or beside(args.image, "heatmap"),
        "panels": args.panels,
    }
    paths = planned(wanted, [args.image, *control_of(args)], opened.size)
    with Watch().running() as watch:
        written = _written(args, opened, [asked], False, watch)
        (asked,) = written.edits
        host = _host(args, opened, watch)
        given = {"how": how, "focus": focus, "seed": args.seed}
        mask, look = find_mask(host, opened.picture, asked, **given, progress=watch.progress)
        watch.begin("write")
        found = Findings.of(host, opened, focus, mask, [look])
        for name, content in found.files(paths).items():
            write(paths[name], content)
    facts = facts_of(args, opened, mask, [asked], [mask], [look], how.contrast.may_draft)
    return {"command": "mask", **facts, **written.facts, **costs(watch, paths)}


def run_demo(args: Namespace) -> dict[str, Any]:
    be_quiet()
    torch.set_num_threads(1)  # a model this small gains nothing from more, and loses much on busy cores
    device, dtype = where(args)
    paths = planned({"panels": args.output}, [], (1, 1))
    with Watch().running() as watch:
        pictures, facts = show(watch, args.scene, args.kind, args.seed, device, dtype)
        watch.begin("write")
        save(to_pil(panels([*pictures.values()], [*pictures])), paths["panels"])
    return {"command": "demo", **facts, **costs(watch, paths)}


def _host(args: Namespace, opened: Opened, watch: Watch) -> DiffusersHost:
    """Loads the model, hooks up the counter, and starts the stage "encode"."""
    check_named(args)
    where(args)
    watch.begin("load")
    host = host_of(args, opened)
    watch.count = lambda: host.evaluations
    watch.begin("encode")
    return host


def _written(args: Namespace, opened: Opened, edits: list[Edit], inverts: bool, watch: Watch) -> Written:
    if not needs_a_writer(args):
        return Written(edits)
    check_named(args)  # before the texts are made, not after
    be_quiet()
    watch.begin("texts")
    return write_texts(args, edits, opened.picture, inverts, Desk(*where(args)))
