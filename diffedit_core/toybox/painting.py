"""From a scene to its picture: grounds, soft drop shadows, and objects shaded like polished wooden toys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from .scenes import COLOURS, GROUNDS, ITSELF, SIZE, Frame, Ground, Scene, Thing

OVERSAMPLING = 4
SHADOW_SHIFT = (3, 4)  # pixels right and down: the light comes from the upper left
SHADOW_BLUR = 2.5  # pixels
SHADOW_OPACITY = 0.42  # below 0.5, so that a region cut at 0.5 contains objects and no shadows
LIGHT = np.array((-0.42, -0.55, 0.72))
PADDING = 14  # pixels around an object that its shadow can reach
BEND = 9, 48  # pixels by which the ground is bent around a scene, and over how many it sets in


@dataclass(frozen=True)
class Stamp:
    """A shape of one size and tilt, without a colour: maps float32 [S, S], with the object's centre in the middle."""

    coverage: np.ndarray
    shadow: np.ndarray
    shade: np.ndarray
    gloss: np.ndarray


def render(scene: Scene, frame: Frame = ITSELF) -> np.ndarray:
    """The picture, uint8 [H, W, 3], RGB."""
    canvas = ground_picture(scene.ground, frame).copy()
    canvas *= 1 - SHADOW_OPACITY * shadow_map(scene, frame)[..., None]
    for thing in scene.things:
        stamp, here, inside = _placed(thing, frame)
        alpha = stamp.coverage[inside][..., None]
        paint = np.array(COLOURS[thing.colour], np.float32) * stamp.shade[inside][..., None]
        paint += stamp.gloss[inside][..., None] * (255 - paint)
        canvas[here] = (1 - alpha) * canvas[here] + alpha * paint  # inside an object: exactly its paint
    return np.clip(canvas + 0.5, 0, 255).astype(np.uint8)


def coverage_map(things: tuple[Thing, ...], frame: Frame = ITSELF) -> np.ndarray:
    """How much of each pixel the objects cover, float32 [H, W] in 0..1."""
    return _gather(things, "coverage", frame)


def shadow_map(scene: Scene, frame: Frame = ITSELF) -> np.ndarray:
    """How deep each pixel of the ground is in shadow, float32 [H, W] in 0..1."""
    return _gather(scene.things, "shadow", frame)


def _gather(things: tuple[Thing, ...], layer: str, frame: Frame) -> np.ndarray:
    field = np.zeros((frame.pixels, frame.pixels), np.float32)
    for thing in things:
        stamp, here, inside = _placed(thing, frame)
        field[here] = np.maximum(field[here], getattr(stamp, layer)[inside])
    return field


def _placed(thing: Thing, frame: Frame) -> tuple[Stamp, tuple[slice, slice], tuple[slice, slice]]:
    """The thing's stamp, the part of the canvas that it covers, and the part of the stamp that is on the canvas."""
    stamp = make_stamp(thing.shape, thing.radius, thing.tilt, frame.zoom)
    half = stamp.coverage.shape[0] // 2
    here, inside = [], []
    for place in (thing.y + frame.top, thing.x + frame.left):
        centre = place * frame.zoom + (frame.zoom - 1) // 2
        start, stop = max(centre - half, 0), min(centre + half + 1, frame.pixels)
        here.append(slice(start, stop))
        inside.append(slice(start - centre + half, stop - centre + half))
    return stamp, (here[0], here[1]), (inside[0], inside[1])


def forget() -> None:
    """What was painted is kept for the next pictures, some 20 MB: where few are painted, it need not stay."""
    make_stamp.cache_clear()
    ground_picture.cache_clear()


@lru_cache(maxsize=1024)
def make_stamp(shape: str, radius: int, tilt: int, zoom: int = 1) -> Stamp:
    side = 2 * (radius + PADDING) * zoom + 1
    radius *= zoom
    solid = _silhouette(shape, radius, tilt, side)  # [4S, 4S]
    height = _bulge(solid, radius)  # [S, S]
    shade, gloss = _light(height, radius)
    coverage = cv2.resize(solid, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return Stamp(coverage, cast_shadow(coverage, zoom), shade, gloss)


def cast_shadow(coverage: np.ndarray, zoom: int = 1) -> np.ndarray:
    """How deep in shadow each pixel is of the ground under what covers it, float32 [H, W] in 0..1."""
    shift = np.array([[1, 0, zoom * SHADOW_SHIFT[0]], [0, 1, zoom * SHADOW_SHIFT[1]]], np.float32)
    shadow = cv2.GaussianBlur(cv2.warpAffine(coverage, shift, coverage.shape[::-1]), (0, 0), zoom * SHADOW_BLUR)
    shadow[shadow < 0.01] = 0
    return shadow


def _silhouette(shape: str, radius: int, tilt: int, side: int) -> np.ndarray:
    """uint8 [4S, 4S], 255 inside and 0 outside. A blur and a cut round the corners."""
    size = side * OVERSAMPLING
    picture = np.zeros((size, size), np.uint8)
    for outline, value in _outlines(shape):
        angle = np.deg2rad(tilt)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        points = (outline @ turn * radius * OVERSAMPLING + (size - 1) / 2) * 16  # 4 fractional bits
        cv2.fillPoly(picture, [np.rint(points).astype(np.int32)], value, shift=4)
    blurred = cv2.GaussianBlur(picture, (0, 0), 0.06 * radius * OVERSAMPLING)
    return np.where(blurred > 127, 255, 0).astype(np.uint8)


def _outlines(shape: str) -> list[tuple[np.ndarray, int]]:
    """Outlines [N, 2] in units of the radius, y down; each is filled (255) or cut out (0)."""
    turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    unit = np.stack([np.sin(turn), -np.cos(turn)], 1)
    if shape == "circle":
        return [(0.95 * unit, 255)]
    if shape == "ring":
        return [(unit, 255), (0.5 * unit, 0)]
    if shape == "square":
        return [(0.86 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]), 255)]
    if shape == "triangle":
        return [(np.array([(0, -0.95), (1.02, 0.8), (-1.02, 0.8)]), 255)]
    if shape == "star":
        reach = np.where(np.arange(10) % 2, 0.47, 1.08)[:, None]
        angle = np.arange(10) * np.pi / 5
        return [(reach * np.stack([np.sin(angle), -np.cos(angle)], 1), 255)]
    if shape == "heart":
        x = 16 * np.sin(turn) ** 3
        y = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
        return [(np.stack([x, -y - 2.5], 1) / 16, 255)]
    raise ValueError(f"there is no shape {shape!r} in the toybox; see scenes.SHAPES")


def _bulge(solid: np.ndarray, radius: int) -> np.ndarray:
    """The height above the ground in radii, [S, S]: flat on top, and round towards the rim."""
    rim = 0.55 * radius * OVERSAMPLING
    inward = np.minimum(cv2.distanceTransform(solid, cv2.DIST_L2, 5) / rim, 1)
    height = 0.5 * np.sqrt(1 - (1 - inward) ** 2)
    side = solid.shape[0] // OVERSAMPLING
    smooth = cv2.GaussianBlur(height, (0, 0), 0.07 * radius * OVERSAMPLING)
    return cv2.resize(smooth, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)


def _light(height: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Lambert's shade and Blinn's gloss of the surface, both [S, S]."""
    down, right = np.gradient(height * radius)
    normal = np.stack([-right, -down, np.ones_like(height)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    halfway = LIGHT + np.array((0, 0, 1))
    shade = 0.5 + 0.62 * np.clip(normal @ LIGHT, 0, 1)
    gloss = 0.42 * np.clip(normal @ (halfway / np.linalg.norm(halfway)), 0, 1) ** 40
    return shade.astype(np.float32), gloss.astype(np.float32)


@lru_cache(maxsize=64)
def ground_picture(ground: Ground, frame: Frame = ITSELF) -> np.ndarray:
    """float32 [H, W, 3] in 0..255: two tones, mixed by the kind's pattern, under a soft lamp at the upper left."""
    main, second = (np.array(tone, np.float32) for tone in GROUNDS[ground.kind][ground.palette])
    sharp = OVERSAMPLING if frame.zoom == 1 else 2
    side = frame.pixels
    fine = np.arange(side * sharp, dtype=np.float32)
    columns, rows = ((fine + 0.5) / (sharp * frame.zoom) - start for start in (frame.left, frame.top))
    y, x = np.meshgrid(rows, columns, indexing="ij")
    if frame.world > SIZE:
        x, y = _bent(x, y)
    pattern = cv2.resize(_pattern(ground.kind, x, y), (side, side), interpolation=cv2.INTER_AREA)[..., None]
    near, far = -frame.top * frame.zoom, -frame.left * frame.zoom
    row, column = np.ogrid[near : near + side, far : far + side]
    row, column = (np.clip(each / (SIZE * frame.zoom), 0, 1) for each in (row, column))
    lamp = 1.1 - 0.22 * ((column - 0.35) ** 2 + (row - 0.3) ** 2)
    return ((main + (second - main) * pattern) * lamp[..., None]).astype(np.float32)


def _bent(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ground around the scene's square, slightly wavy, so that nothing repeats itself far and wide."""
    by, over = BEND
    away = np.hypot(*(np.maximum(np.maximum(-each, each - SIZE), 0) for each in (x, y)))
    set_in = by * np.clip(away / over, 0, 1)
    return x + set_in * np.sin(y / 37 + x / 91), y + set_in * np.sin(x / 41 - y / 83)


def _pattern(kind: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much of the second tone each point takes."""
    if kind == "plain":
        return np.clip((x + y) / (2 * SIZE), 0, 1)
    if kind == "striped":
        return ((x + y) // 16 % 2).astype(np.float32)
    if kind == "checkered":
        return ((x // 16 + y // 16) % 2).astype(np.float32)
    if kind == "dotted":
        return (np.hypot(x % 16 - 8, y % 16 - 8) < 3.6).astype(np.float32)
    if kind == "wooden":
        plank = y // 32
        grain = 0.5 + 0.5 * np.sin(y * 0.9 + 2.5 * np.sin(x / 24 + 2.1 * plank) + 3 * plank)
        seam = (y % 32 < 1.5).astype(np.float32)
        return np.clip(0.45 * grain + 0.12 * (plank % 2) + 1.3 * seam, 0, 1.5).astype(np.float32)
    raise ValueError(f"there is no ground {kind!r} in the toybox; see scenes.GROUNDS")
