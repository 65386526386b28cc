"""How well every way to find a mask finds the true region: rules, statistics, noise levels, draws, and the peers'."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from bench.cases import Batch, leak
from bench.peers import diffusers_mask
from diffedit_core.contrast import STATISTICS, Tally
from diffedit_core.draws import Noise, seeded_noise
from diffedit_core.editing import Edit, find_mask
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.masks import RULES, iou
from diffedit_core.refine import Refinement
from diffedit_core.run import mask_of
from diffedit_core.settings import ContrastSettings, CutSettings, MaskSettings
from diffedit_core.strength import sigma_at
from diffedit_core.toybox.painting import coverage_map

STRENGTHS = (0.3, 0.5, 0.7)
DRAWS = (1, 2, 4, 10)
SNAPS = ("none", "guided", "grabcut")
PURIST = MaskSettings(
    contrast=ContrastSettings(steps=25, draws=4, statistic="mean_abs", paired=False), cut=CutSettings(rule="zscore")
)
DEFAULT = ContrastSettings()


@dataclass(frozen=True)
class Score:
    """One way to find a mask on one task."""

    way: str
    kind: str
    iou: float
    leak: float
    evaluations: int
    seconds: float


def scores(host: DiffusersHost, batch: Batch, seed: int) -> Iterator[Score]:
    """Every way, on every task of the batch. The predictions are made once and summed in every way."""
    yield from _compare(batch, _outlines(batch), "the old object's true outline (a bound)", 0, 0.0)
    yield from _scores_of(host, batch, "the default", lambda: _found(host, batch, MaskSettings(), seed))
    for strength in STRENGTHS:
        yield from _contrast_scores(host, batch, strength, seeded_noise(seed))
    yield from _scores_of(host, batch, "purist, 4 draws of 12 steps", lambda: _found(host, batch, PURIST, seed))
    yield from _scores_of(host, batch, "diffusers generate_mask", lambda: _diffusers(host, batch, seed))


def _outlines(batch: Batch) -> Tensor:
    """What the task does away with, as a perfect eye would cut it from the picture. The new shape is not in it."""
    gone = [set(task.source_scene.things) - set(task.target_scene.things) for task in batch.tasks]
    ground = [task.source_scene.ground != task.target_scene.ground for task in batch.tasks]
    outlines = torch.from_numpy(np.stack([coverage_map(tuple(things)) for things in gone]))
    return torch.where(torch.tensor(ground)[:, None, None], batch.regions, outlines)


def _contrast_scores(host: DiffusersHost, batch: Batch, strength: float, noise: Noise) -> Iterator[Score]:
    began = time.perf_counter()
    plain = list(_differences(host, batch, strength, noise, max(DRAWS)))
    a_draw = (time.perf_counter() - began) / max(DRAWS) / len(batch.tasks)
    mirrored = _differences(host, batch, strength, lambda i, shape: -noise(i, shape), max(DRAWS) // 2)
    pairs = [difference for both in zip(plain, mirrored, strict=False) for difference in both]
    for order, differences in (("", plain), (", pairs", pairs)):
        for draws in DRAWS[1:] if order else DRAWS:
            for statistic in STATISTICS:
                heatmap = _summed(islice(differences, draws), statistic, batch.x0)
                way = f"{statistic}, strength {strength}, {draws} draws{order}"
                snaps = SNAPS if (strength, draws) == (DEFAULT.strength, DEFAULT.draws) else SNAPS[:1]
                yield from _cut(batch, heatmap, way, snaps, 2 * draws, draws * a_draw)


def _summed(differences: Iterator[Tensor], statistic: str, x0: Tensor) -> Tensor:
    tally = Tally(statistic, x0)
    for difference in differences:
        tally.add(difference)
    return tally.contrast().heatmap


def _cut(
    batch: Batch, heatmap: Tensor, way: str, snaps: Sequence[str], evaluations: int, seconds: float
) -> Iterator[Score]:
    for rule in RULES:
        for snap in snaps:
            began = time.perf_counter()
            how = MaskSettings(cut=CutSettings(rule=rule), refinement=Refinement(edge_snap=snap))
            mask = mask_of(heatmap, batch.pictures, how)
            cost = seconds + (time.perf_counter() - began) / len(batch.tasks)
            name = f"{rule}, {way}" + (f", {snap}" if snap != "none" else "")
            yield from _compare(batch, mask, name, evaluations, cost)


def _compare(batch: Batch, mask: Tensor, way: str, evaluations: int, seconds: float) -> Iterator[Score]:
    overlaps, leaks = iou(mask, batch.regions).tolist(), leak(mask, batch.regions).tolist()
    for task, overlap, leaked in zip(batch.tasks, overlaps, leaks, strict=True):
        yield Score(way, task.kind, overlap, leaked, evaluations, seconds)


def _scores_of(host: DiffusersHost, batch: Batch, way: str, find: Callable[[], Tensor]) -> Iterator[Score]:
    began, before = time.perf_counter(), host.evaluations
    mask = find()
    count = len(batch.tasks)
    seconds = (time.perf_counter() - began) / count
    yield from _compare(batch, mask, way, (host.evaluations - before) // count, seconds)


def _differences(host: DiffusersHost, batch: Batch, strength: float, noise: Noise, draws: int) -> Iterator[Tensor]:
    """The contrast's summands, draw by draw: [B, C, h, w]."""
    sigma = sigma_at(host.process, strength)
    denoise_pair = host.bind({"source": batch.source, "target": batch.target}).denoiser_pair("source", "target")
    for draw in range(draws):
        source, target = denoise_pair(host.process.add(batch.x0, noise(draw, batch.x0.shape[1:]), sigma), sigma)
        yield (source - target) / sigma


def _diffusers(host: DiffusersHost, batch: Batch, seed: int) -> Tensor:
    return torch.cat([diffusers_mask(host, batch, i, seed) for i in range(len(batch.tasks))])


def _found(host: DiffusersHost, batch: Batch, how: MaskSettings, seed: int) -> Tensor:
    return find_mask(host, batch.pictures, Edit(batch.source, batch.target), how=how, seed=seed)[0]
