"""Works on the rows of a table: edits, and pairs of which the rest is kept. The model is loaded once."""

from __future__ import annotations

import io
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from ..batch.addresses import Address
from ..batch.jobs import Job
from ..batch.sheet import thumbnail_of
from ..batch.work import HopelessError
from ..hosts.diffusers import DiffusersHost
from ..hosts.writers import Desk, Writer
from ..pictures import to_pil
from ..sheets import overlay
from ..stopping import may_stop
from .edits import Asked, Drawn, draw, read_edit
from .files import check_size
from .keep import KeptPair, Pair, read_pair
from .models import host_of, where
from .reporting import Watch, costs, what_is_full
from .rows import Rows, rows_of
from .streams import heed_warnings
from .written import needs_a_writer, write_texts

THUMBNAIL = 256
"""Pixels of a side, on the sheet."""


@dataclass(frozen=True)
class Maker:
    """Of the workers of a run, in whatever process and on whatever machine."""

    common: Namespace  # what was said for all rows
    base: Address
    out: Path
    threads: int | None

    def __call__(self, number: int) -> FileWorker:
        heed_warnings()
        if self.threads:
            torch.set_num_threads(self.threads)
        common = Namespace(**vars(self.common))
        if common.device in (None, "cuda") and torch.cuda.device_count() > 1:
            common.device = f"cuda:{number % torch.cuda.device_count()}"
        return FileWorker(common, rows_of(common, self.base), self.out)


@dataclass(frozen=True)
class Ready:
    job: Job
    asked: Asked | Pair


@dataclass(frozen=True)
class Done:
    job: Job
    made: Drawn | KeptPair
    watch: Watch
    facts: Mapping[str, Any] = field(default_factory=dict)


class FileWorker:
    def __init__(self, common: Namespace, rows: Rows, out: Path) -> None:
        self.common, self.rows, self.out = common, rows, os.path.realpath(out)
        self.staff: Staff | None = None
        self._host: DiffusersHost | None = None

    def read(self, job: Job) -> Ready:
        args = self.rows.args(job.values)
        for place in (args.image, args.edited, args.mask):
            if isinstance(place, Path) and Path(os.path.realpath(place)).is_relative_to(self.out):
                raise ValueError(f"{place} is in the output folder; take pictures from elsewhere")
        asked = read_pair(args) if args.edited else read_edit(args)
        check_size(job.files["picture"], asked.opened.size)
        return Ready(job, asked)

    def work(self, ready: Ready) -> Done:
        job, asked = ready.job, ready.asked
        with Watch(shows=False).running() as watch:
            if isinstance(asked, Pair):
                watch.begin("keep")
                return Done(job, asked.kept(), watch)
            host = self.host()
            watch.count = lambda: host.evaluations
            facts: dict[str, Any] = {}
            if self.staff and needs_a_writer(asked.args):
                watch.begin("texts")
                written = write_texts(asked.args, asked.edits, asked.opened.picture, asked.inverts, self.staff)
                asked, facts = replace(asked, edits=written.edits, caption=written.caption), written.facts
            watch.begin("encode")
            return Done(job, draw(asked, host, watch.progress), watch, facts)

    def finish(self, done: Done) -> tuple[Mapping[str, Any], Mapping[str, bytes]]:
        job, made = done.job, done.made
        files = made.files(job.files)
        names = {name: job.files[name] for name in files}
        line = {**made.facts(), **done.facts, **made.places(), "image": job.values["image"], **costs(done.watch, names)}
        before, mask, after = made.shown()
        seen = [before, overlay(before, mask.to(before)), after.to(before)]
        sheet = {thumbnail_of(job.key): side_by_side([to_pil(each) for each in seen])}
        return line, {**{names[name]: content for name, content in files.items()}, **sheet}

    def explain(self, error: Exception) -> str:
        may_stop()  # where a library took Ctrl-C for a fault of the row
        if full := what_is_full(error):
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return full
        return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"

    def host(self) -> DiffusersHost:
        """What is wrong with a model is wrong for every row."""
        if self._host is None:
            try:
                self._host = host_of(self.common)
                if needs_a_writer(self.common) or self.common.writer is not None:  # a row may have the instruction
                    self.staff = Staff(self.common)
            except Exception as error:
                raise HopelessError(self.explain(error)) from error
        return self._host


class Staff(Desk):
    """All writers stay, beside the model: of a table, each writes for every row."""

    def __init__(self, common: Namespace) -> None:
        super().__init__(*where(common))
        names = dict.fromkeys(name for name in (common.caption, common.writer, common.vary) if name is not None)
        self.writers = {name: Writer.from_pretrained(name, self.device, self.dtype) for name in names}

    def seat(self, name: str) -> Writer:
        return self.writers[name]

    def clear(self) -> None:
        """Nobody leaves."""


def side_by_side(images: Sequence[Image.Image]) -> bytes:
    """A small JPEG."""
    small = [image.convert("RGB") for image in images]
    for image in small:
        image.thumbnail((THUMBNAIL, THUMBNAIL))
    width, height = small[0].size
    row = Image.new("RGB", (width * len(small), height))
    for number, image in enumerate(small):
        row.paste(image, (number * width, 0))
    content = io.BytesIO()
    row.save(content, "JPEG", quality=85)
    return content.getvalue()
