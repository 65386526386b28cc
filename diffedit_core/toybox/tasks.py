"""Tasks with known answers: two texts, two pictures, and the region where the pictures differ."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .captions import draw_wording
from .painting import SHADOW_OPACITY, coverage_map, render, shadow_map
from .scenes import COLOURS, GROUNDS, ITSELF, RADII, SHAPES, TILTS, Frame, Scene, Thing, draw_ground, draw_scene

KINDS = ("colour", "shape", "both", "object", "removal", "addition", "ground")


@dataclass(frozen=True)
class Task:
    """What to change in a picture, and the true result. Pictures are uint8 [H, W, 3]."""

    kind: str
    source: str
    target: str
    image: np.ndarray
    edited: np.ndarray
    region: np.ndarray  # [H, W]: 1 on what changes, less on its rim and in changed shadow, 0 where no pixel changed
    source_scene: Scene
    target_scene: Scene
    frame: Frame = ITSELF


def task(seed: int, kind: str, frame: Frame = ITSELF) -> Task:
    """The task of this seed and kind. Both texts use the same wording."""
    if kind not in KINDS:
        raise ValueError(f"there is no edit of kind {kind!r}; the kinds are {', '.join(KINDS)}")
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    before, after = _pair(rng, kind)
    wording = draw_wording(rng)
    image, edited = render(before, frame), render(after, frame)
    return Task(
        kind=kind,
        source=wording.say(before.things, before.ground.kind),
        target=wording.say(after.things, after.ground.kind),
        image=image,
        edited=edited,
        region=_region(before, after, (image != edited).any(-1), frame),
        source_scene=before,
        target_scene=after,
        frame=frame,
    )


def _pair(rng: np.random.Generator, kind: str) -> tuple[Scene, Scene]:
    fewest = 2 if kind in ("removal", "addition") else 1
    whole = draw_scene(rng, count=int(rng.integers(fewest, 4)))
    at = int(rng.integers(len(whole.things)))
    if kind == "ground":
        others = tuple(name for name in GROUNDS if name != whole.ground.kind)
        return whole, replace(whole, ground=draw_ground(rng, others))
    if kind in ("removal", "addition"):
        without = replace(whole, things=whole.things[:at] + whole.things[at + 1 :])
        return (whole, without) if kind == "removal" else (without, whole)
    changed = _changed(rng, whole, at, kind)
    return whole, replace(whole, things=(*whole.things[:at], changed, *whole.things[at + 1 :]))


def _changed(rng: np.random.Generator, before: Scene, at: int, kind: str) -> Thing:
    """The object that takes the old one's place. A new colour or shape is one that the scene did not have."""
    old = before.things[at]
    colour = str(rng.choice([c for c in COLOURS if c not in {thing.colour for thing in before.things}]))
    shape = str(rng.choice([s for s in SHAPES if s not in {thing.shape for thing in before.things}]))
    if kind == "colour":
        return replace(old, colour=colour)
    if kind == "shape":
        return replace(old, shape=shape)
    if kind == "both":
        return replace(old, colour=colour, shape=shape)
    # another object has its own size and tilt, but is never larger: the picture cannot say how far it would reach
    smallest, _ = RADII[len(before.things)]
    radius = int(rng.integers(smallest, old.radius + 1))
    return replace(old, colour=colour, shape=shape, radius=radius, tilt=int(rng.choice(TILTS)))


def _region(before: Scene, after: Scene, changed: np.ndarray, frame: Frame) -> np.ndarray:
    """How much each pixel belongs to what changes, [H, W]. Shadow counts by its opacity, which is below 0.5."""
    if before.ground != after.ground:
        soft = 1 - coverage_map(before.things, frame)
    else:
        old, new = set(before.things) - set(after.things), set(after.things) - set(before.things)
        shade = SHADOW_OPACITY * np.abs(shadow_map(before, frame) - shadow_map(after, frame))
        soft = np.maximum(coverage_map((*old, *new), frame), shade)
    # the rim and the shadow end where rounding leaves no difference between the pictures
    return np.where(changed | (soft >= 0.5), soft, 0).astype(np.float32)
