"""Drifted edits with known answers, and pairs of pictures with nothing in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.cases import pictures_of
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.pictures import to_bytes
from diffedit_core.toybox import KINDS, Task, render, scene, task, weights
from diffedit_core.toybox.drifting import DRIFTS, Drift, draw_drift, draw_names, drifted
from diffedit_core.toybox.scenes import SIZE, Frame

SIZES = {128: 8, 256: 5, 512: 4, 1024: 2, 2048: 1}
"""Of twenty pictures so many have this side."""

WIDEST = {128: 128, 256: 256, 512: 256, 1024: 512, 2048: 512}
"""How much of the world such a picture may show: things are small in a wide one."""

SLOW = 1024
"""Pixels a side beyond which large things would take minutes to draw."""

TOGETHER = "together"


@dataclass(frozen=True)
class Drifted:
    """An edit, what came of it elsewhere, and how."""

    task: Task
    names: tuple[str, ...]
    drift: Drift
    picture: np.ndarray  # uint8 [h, w, 3]: the true edited picture, drifted

    @property
    def way(self) -> str:
        return self.names[0] if len(self.names) == 1 else TOGETHER


def drifted_edit(seed: int, kind: str) -> Drifted:
    """Of two, one has a drift alone, in turn, and the other several together.

    The autoencoder was trained on things of the scene's own size, and draws larger ones anew. So it is spared those.
    """
    rng = np.random.default_rng((seed, KINDS.index(kind), 9))
    number = seed + KINDS.index(kind)
    alone = [*DRIFTS][number // 2 % len(DRIFTS)] if number % 2 else None
    frame = _frame(rng, SIZE if alone == "autoencoder" else None)
    among = [name for name in DRIFTS if frame.zoom == 1 or name != "autoencoder"]
    names = (alone,) if alone else draw_names(seed * len(KINDS) + number, among)
    made = task(seed, kind, frame)
    drift = draw_drift(seed * len(KINDS) + number, (frame.pixels, frame.pixels), names)
    return Drifted(made, names, drift, drifted(made.edited, drift, seed, autoencoder()))


def strangers(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures with nothing in common: other grounds, other things in other places, of two sizes."""
    rng = np.random.default_rng((seed, 10))
    first, other = scene(seed), seed + 1
    while scene(other).ground.kind == first.ground.kind or set(_names(other)) & set(_names(seed)):
        other += 1
    sizes = [int(each) for each in rng.choice([128, 256, 512], 2)]
    one, two = (render(scene(each), Frame(side, SIZE)) for each, side in zip((seed, other), sizes, strict=True))
    names = [name for name in draw_names(seed, [*DRIFTS]) if name != "autoencoder"]
    return one, drifted(two, draw_drift(seed, two.shape[:2], names), seed)


def _names(seed: int) -> list[tuple[str, str]]:
    return [(thing.colour, thing.shape) for thing in scene(seed).things]


def _frame(rng: np.random.Generator, world: int | None = None) -> Frame:
    """The scene stands anywhere in a world that is sometimes wider than it. One of a given width is shown as it is."""
    pixels = world or int(rng.choice(list(SIZES), p=np.array([*SIZES.values()]) / sum(SIZES.values())))
    world = WIDEST[pixels] if rng.random() < 0.4 or pixels > SLOW else SIZE
    left, top = (int(at) // 32 * 32 for at in rng.integers(0, world - SIZE + 1, 2))
    return Frame(pixels, world, left, top)


@lru_cache(maxsize=1)
def autoencoder() -> Callable[[np.ndarray], np.ndarray]:
    """The bundled model's, there and back."""
    host = DiffusersHost.from_pretrained(weights(), "cpu")

    def through(picture: np.ndarray) -> np.ndarray:
        return to_bytes(host.decode(host.encode(pictures_of([picture])))[0])

    return through
