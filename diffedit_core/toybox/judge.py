"""Reads a picture back by fixed rules: its ground, and the colour and shape of each object. Nothing is learned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from .painting import SHADOW_OPACITY, cast_shadow, coverage_map, ground_picture, make_stamp
from .scenes import COLOURS, GROUNDS, SHAPES, SIZE, TILTS, Frame, Ground, Scene, Thing
from .tasks import Several, Task

SMALLEST = 200  # pixels: less is a highlight or a flaw; the smallest object, a star of radius 16, has about 290
SHARE = 0.3  # share of a patch: a second colour that has this much is an object that touches the first
SHADES = (0.55, 1.15)  # how dark and how bright the light makes a colour
GLOSS = (0.0, 0.15, 0.3)  # how much white a highlight mixes in
REMNANT = 0.15  # share of the old object's place that may still show its colour
SAME_PLACE = 0.5  # share of the smaller silhouette, found or true, that lies in the other
SAME_SIZE = 0.3  # IoU of the two


@dataclass(frozen=True)
class Seen:
    """An object found in a picture."""

    colour: str
    shape: str
    mask: np.ndarray  # bool [H, W]


@dataclass(frozen=True)
class Reading:
    """What a picture shows."""

    ground: Ground
    labels: np.ndarray  # [H, W]: the index of each pixel's nearest colour, -1 for the ground
    objects: tuple[Seen, ...]


def judge(task: Task, image: np.ndarray, same_size: bool = False) -> bool:
    """Whether the picture, uint8 [H, W, 3] in the task's frame, shows what the task asked for.

    The texts do not say how large a thing is, nor where a new one goes. So a changed object must be in its place, and
    with ``same_size`` about as large as in the true picture; an added object may be anywhere.
    """
    image = scene_square(image, task.frame)
    if task.kind == "addition" and not names_of(task.source_scene) <= _names_in(image):
        return False
    return _shows(task, image, task.source_scene.things, same_size)


def judge_several(task: Several, image: np.ndarray, same_size: bool = False) -> tuple[bool, ...]:
    """Which of the edits the picture shows, each judged by itself, whatever became of the others."""
    image = scene_square(image, task.frame)
    things = (*task.source_scene.things, *task.target_scene.things)
    return tuple(_shows(each, image, things, same_size) for each in task.together)


def _shows(task: Task, image: np.ndarray, things: tuple[Thing, ...], same_size: bool) -> bool:
    """Whether the scene's square shows the one edit. The ground is read where none of the things are."""
    before, after = task.source_scene, task.target_scene
    if task.kind == "ground":
        return read_ground(image, outside=things).kind == after.ground.kind
    if task.kind == "addition":
        return names_of(after) - names_of(before) <= _names_in(image)
    reading = read(image)
    if task.kind == "removal":
        (gone,) = _only_in(before, after)
        return not any(_overlap(seen.mask, gone) > 0.1 for seen in reading.objects)
    (old,), (wanted,) = _only_in(before, after), _only_in(after, before)
    alike, least = (_overlap, SAME_SIZE) if same_size else (_shared, SAME_PLACE)
    found = max(reading.objects, key=lambda seen: alike(seen.mask, wanted), default=None)
    if found is None or alike(found.mask, wanted) < least or remnant(reading, old, wanted) > REMNANT:
        return False
    return (found.colour, found.shape) == (wanted.colour, wanted.shape)


def region_used(task: Task | Several, image: np.ndarray) -> np.ndarray:
    """The task's region, [H, W]; with additions, also where the picture has the new objects and their shadows."""
    edits = task.together if isinstance(task, Several) else (task,)
    additions = [edit for edit in edits if edit.kind == "addition"]
    new = {name for edit in additions for name in names_of(edit.target_scene) - names_of(edit.source_scene)}
    if not new:
        return task.region
    seen = read(scene_square(image, task.frame)).objects
    placed = [each.mask.astype(np.float32) for each in seen if (each.colour, each.shape) in new]
    soft = np.max([np.zeros((SIZE, SIZE)), *(part for mask in placed for part in _with_shadow(mask))], axis=0)
    region, square, zoom = task.region.copy(), task.frame.square, task.frame.zoom
    region[square] = np.maximum(region[square], soft.repeat(zoom, 0).repeat(zoom, 1))
    return region


def _with_shadow(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return mask, SHADOW_OPACITY * cast_shadow(mask)


def scene_square(image: np.ndarray, frame: Frame) -> np.ndarray:
    """What a picture of the frame, uint8 [H, W, 3], shows of the scene's square, at the scene's own size."""
    square = np.ascontiguousarray(image[frame.square])
    return square if frame.zoom == 1 else cv2.resize(square, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def remnant(reading: Reading, old: Thing, new: Thing) -> float:
    """The share of the old object's place that still has its colour; 0 if the new object has the same colour."""
    if old.colour == new.colour:
        return 0.0
    place = coverage_map((old,)) >= 0.5
    return float((reading.labels[place] == list(COLOURS).index(old.colour)).mean())


def follows(scene: Scene, image: np.ndarray) -> bool:
    """Whether the picture shows exactly the scene's objects, wherever they are."""
    seen = [(thing.colour, thing.shape) for thing in read(image).objects]
    return sorted(seen) == sorted(names_of(scene))


def names_of(scene: Scene) -> set[tuple[str, str]]:
    return {(thing.colour, thing.shape) for thing in scene.things}


def _names_in(image: np.ndarray) -> set[tuple[str, str]]:
    return {(seen.colour, seen.shape) for seen in read(image).objects}


def read(image: np.ndarray) -> Reading:
    return _read(image.tobytes())


@lru_cache(maxsize=4)  # one picture is read for several questions
def _read(pixels: bytes) -> Reading:
    image = np.frombuffer(pixels, np.uint8).reshape(SIZE, SIZE, 3)
    ground = read_ground(image)
    labels = _labels(image, ground)
    return Reading(ground, labels, tuple(seen for patch in _patches(labels) for seen in _read_patch(labels, patch)))


def read_ground(image: np.ndarray, outside: tuple[Thing, ...] = ()) -> Ground:
    """The nearest ground. Errors are clipped, so objects count little; those in ``outside`` do not count at all."""
    weight = 1 - coverage_map(outside)
    grounds = [Ground(kind, i) for kind, palettes in GROUNDS.items() for i in range(len(palettes))]
    errors = [np.abs(image - ground_picture(ground)).mean(-1).clip(max=32) for ground in grounds]
    return grounds[int(np.argmin([(weight * error).mean() for error in errors]))]


def _labels(image: np.ndarray, ground: Ground) -> np.ndarray:
    """The index of each pixel's nearest colour, or -1 for the ground, lit or in shadow: [H, W]."""
    pixels = image.astype(np.float32)
    distances = [_distance(pixels, ground_picture(ground), (0.55, 1.1))]
    for colour in COLOURS.values():
        glosses = [(np.array(colour, np.float32), gloss) for gloss in GLOSS]
        distances.append(np.min([_distance((pixels - 255 * g) / (1 - g), c, SHADES) for c, g in glosses], axis=0))
    return np.argmin(distances, axis=0) - 1


def _distance(pixels: np.ndarray, tone: np.ndarray, shades: tuple[float, float]) -> np.ndarray:
    """The distance of each pixel to the line of a tone's shades, from dark to bright: [H, W]."""
    shade = (pixels * tone).sum(-1) / np.square(tone).sum(-1)
    return np.linalg.norm(pixels - shade.clip(*shades)[..., None] * tone, axis=-1)


def _patches(labels: np.ndarray) -> list[np.ndarray]:
    """The connected regions off the ground that are large enough to be objects, each bool [H, W]."""
    covered = cv2.morphologyEx((labels >= 0).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, patches = cv2.connectedComponents(covered, connectivity=4)
    masks = [patches == i for i in range(1, count)]
    return [mask for mask in masks if mask.sum() >= SMALLEST]


def _read_patch(labels: np.ndarray, patch: np.ndarray) -> list[Seen]:
    """One object, or several where colours touch."""
    counts = np.bincount(labels[patch].clip(min=0), minlength=len(COLOURS))
    large = [i for i in np.argsort(-counts) if counts[i] >= max(SMALLEST, SHARE * patch.sum())]
    if len(large) < 2:
        return [_see(int(np.argmax(counts)), patch)]
    return [_see(int(i), patch & (labels == i)) for i in large]


def _see(colour: int, mask: np.ndarray) -> Seen:
    fits = {shape: max(_fit(mask, shape, tilt) for tilt in TILTS) for shape in SHAPES}
    return Seen(tuple(COLOURS)[colour], max(fits, key=fits.__getitem__), mask)


def _fit(mask: np.ndarray, shape: str, tilt: int) -> float:
    """The IoU of the mask with a silhouette of the same area and centre of mass."""
    area, right, down = _measures(shape, tilt)
    radius = float(np.sqrt(mask.sum() / area))
    y, x = (float(index.mean()) for index in np.nonzero(mask))
    whole = max(8, round(radius))
    place = Thing("", shape, round(x - right * radius), round(y - down * radius), min(whole, SIZE // 2), tilt)
    sizes = [replace(place, radius=place.radius + more) for more in (-2, -1, 0, 1)]
    return max(max(_iou(mask, silhouette) for silhouette in _silhouettes(thing)) for thing in sizes)


def _silhouettes(thing: Thing) -> tuple[np.ndarray, np.ndarray]:
    """As it is drawn, and as an autoencoder leaves it: a blurred star without its tips is still a star."""
    coverage = coverage_map((thing,))
    return coverage >= 0.5, cv2.GaussianBlur(coverage, (0, 0), 2) >= 0.4


@lru_cache(maxsize=64)
def _measures(shape: str, tilt: int) -> tuple[float, float, float]:
    """A silhouette's area and centre of mass (right, down) at radius 1."""
    radius = 24
    coverage = make_stamp(shape, radius, tilt).coverage
    middle = coverage.shape[0] // 2
    total = coverage.sum()
    rows, columns = coverage.sum(1), coverage.sum(0)
    steps = np.arange(coverage.shape[0]) - middle
    return total / radius**2, columns @ steps / total / radius, rows @ steps / total / radius


def _only_in(scene: Scene, other: Scene) -> set[Thing]:
    return set(scene.things) - set(other.things)


def _shared(mask: np.ndarray, thing: Thing) -> float:
    """What a mask and the thing's silhouette share, holes filled, over the smaller of the two."""
    mask, silhouette = (_filled(each) for each in (mask, coverage_map((thing,)) >= 0.5))
    return float((mask & silhouette).sum() / max(1, min(mask.sum(), silhouette.sum())))


def _filled(mask: np.ndarray) -> np.ndarray:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros(mask.shape, np.uint8), outlines, -1, 1, cv2.FILLED) > 0


def _overlap(mask: np.ndarray, thing: Thing) -> float:
    """The IoU of a mask with the thing's silhouette."""
    return _iou(mask, coverage_map((thing,)) >= 0.5)


def _iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / max(1, (first | second).sum()))
