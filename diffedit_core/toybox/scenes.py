"""What a toybox scene is made of, and how one is drawn at random from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np

SIZE = 128
SHAPES = ("circle", "square", "triangle", "star", "ring", "heart")
COLOURS = {
    "red": (216, 44, 46),
    "yellow": (252, 204, 40),
    "green": (44, 164, 78),
    "blue": (38, 98, 222),
    "purple": (146, 66, 196),
    "white": (247, 246, 242),
}
"""sRGB. They are far apart in hue (white: in chroma), so that shading never turns one into another."""

GROUNDS = {
    "plain": (
        ((150, 170, 186), (118, 138, 158)),
        ((186, 160, 150), (154, 128, 122)),
        ((156, 176, 152), (122, 144, 122)),
    ),
    "striped": (
        ((196, 180, 150), (160, 142, 116)),
        ((164, 184, 196), (128, 148, 166)),
        ((186, 164, 176), (152, 126, 144)),
    ),
    "checkered": (
        ((190, 190, 184), (132, 134, 136)),
        ((194, 176, 146), (136, 112, 92)),
        ((158, 186, 178), (104, 132, 130)),
    ),
    "dotted": (
        ((150, 138, 152), (198, 186, 190)),
        ((126, 150, 148), (186, 200, 186)),
        ((142, 146, 166), (194, 194, 196)),
    ),
    "wooden": (((186, 142, 100), (148, 106, 72)), ((158, 118, 88), (122, 86, 62)), ((200, 166, 122), (166, 128, 88))),
}
"""The palettes of each ground, (main tone, second tone) in sRGB: all muted and of medium brightness."""

TRAIN_SEEDS = range(0, 1_000_000)
HELD_OUT_SEEDS = range(1_000_000, 1_100_000)  # training never draws from here

MARGIN = 4  # pixels between an object and the border
GAP = 6  # pixels between two objects
TILTS = (-16, -8, 0, 8, 16)  # degrees
RADII = {1: (17, 28), 2: (17, 27), 3: (16, 22)}  # smallest and largest, in pixels, by the number of objects


@dataclass(frozen=True)
class Thing:
    """One object: a shape in one colour. Its centre and radius are in pixels, its tilt in degrees."""

    colour: str
    shape: str
    x: int
    y: int
    radius: int
    tilt: int


@dataclass(frozen=True)
class Ground:
    kind: str
    palette: int


@dataclass(frozen=True)
class Frame:
    """How much of the world a picture shows around a scene, and how sharply.

    A scene is a square of ``SIZE``. In a larger world its ground goes on around it, a little bent, without objects.
    """

    pixels: int = SIZE  # a side of the picture
    world: int = SIZE  # what the picture shows of the world, in the scene's own pixels
    left: int = 0  # where in it the scene's square is
    top: int = 0

    @property
    def zoom(self) -> int:
        """Pixels of the picture to one of the scene's."""
        return self.pixels // self.world

    @property
    def square(self) -> tuple[slice, slice]:
        """The rows and columns of the picture that show the scene's square."""
        rows, columns = (slice(start * self.zoom, (start + SIZE) * self.zoom) for start in (self.top, self.left))
        return rows, columns


ITSELF = Frame()


@dataclass(frozen=True)
class Scene:
    things: tuple[Thing, ...]
    ground: Ground


def scene(seed: int) -> Scene:
    """The scene of this seed: one to three objects that do not overlap, each with a colour and a shape of its own."""
    rng = np.random.default_rng(seed)
    return draw_scene(rng, count=int(rng.choice(3, p=(0.3, 0.45, 0.25))) + 1)


def draw_scene(rng: np.random.Generator, count: int) -> Scene:
    colours = rng.permutation(list(COLOURS))[:count]
    shapes = rng.permutation(SHAPES)[:count]
    tilts = rng.choice(TILTS, size=count)
    things = tuple(
        Thing(str(colour), str(shape), x, y, radius, int(tilt))
        for colour, shape, tilt, (x, y, radius) in zip(colours, shapes, tilts, _draw_places(rng, count), strict=True)
    )
    return Scene(things, draw_ground(rng, tuple(GROUNDS)))


def draw_ground(rng: np.random.Generator, kinds: tuple[str, ...]) -> Ground:
    kind = str(rng.choice(kinds))
    return Ground(kind, int(rng.integers(len(GROUNDS[kind]))))


def _draw_places(rng: np.random.Generator, count: int) -> list[tuple[int, int, int]]:
    """(x, y, radius) of each object. When one does not fit, all are drawn again, so that no layout is favoured."""
    while True:
        places: list[tuple[int, int, int]] = []
        for _ in range(count):
            low, high = RADII[count]
            radius = int(rng.integers(low, high + 1))
            reach = radius + MARGIN
            x, y = (int(v) for v in rng.integers(reach, SIZE - reach, size=2))
            if any(hypot(x - ox, y - oy) < radius + other + GAP for ox, oy, other in places):
                break
            places.append((x, y, radius))
        if len(places) == count:
            return places
