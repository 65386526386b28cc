"""Edits with their truth: two texts, two pictures, and the region in which the pictures differ."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .captions import draw_wording
from .painting import SHADOW_OPACITY, coverage_map, render, shadow_map
from .scenes import COLOURS, GROUNDS, RADII, SHAPES, TILTS, Scene, Thing, draw_ground, draw_scene

KINDS = ("colour", "shape", "both", "object", "removal", "addition", "ground")


@dataclass(frozen=True)
class Edit:
    """`region` [H,W]: 1 on what the edit concerns, less at the rim and in changed shadow, 0 where no pixel changed."""

    kind: str
    source: str
    target: str
    image: np.ndarray
    edited: np.ndarray
    region: np.ndarray
    source_scene: Scene
    target_scene: Scene


def edit(seed: int, kind: str) -> Edit:
    """The edit of this seed and kind. Its wording is one for both texts."""
    if kind not in KINDS:
        raise ValueError(f"there is no edit of kind {kind!r}; the kinds are {', '.join(KINDS)}")
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    before, after = _pair(rng, kind)
    wording = draw_wording(rng)
    image, edited = render(before), render(after)
    return Edit(
        kind=kind,
        source=wording.say(before.things, before.ground.kind),
        target=wording.say(after.things, after.ground.kind),
        image=image,
        edited=edited,
        region=_region(before, after, (image != edited).any(-1)),
        source_scene=before,
        target_scene=after,
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
    """What is in the place afterwards: colour and shape stay different from those of every object in the scene."""
    old = before.things[at]
    colour = str(rng.choice([c for c in COLOURS if c not in {thing.colour for thing in before.things}]))
    shape = str(rng.choice([s for s in SHAPES if s not in {thing.shape for thing in before.things}]))
    if kind == "colour":
        return replace(old, colour=colour)
    if kind == "shape":
        return replace(old, shape=shape)
    if kind == "both":
        return replace(old, colour=colour, shape=shape)
    # Another object has a size and a tilt of its own; no larger, since a larger one's region could not be known.
    smallest, _ = RADII[len(before.things)]
    radius = int(rng.integers(smallest, old.radius + 1))
    return replace(old, colour=colour, shape=shape, radius=radius, tilt=int(rng.choice(TILTS)))


def _region(before: Scene, after: Scene, changed: np.ndarray) -> np.ndarray:
    """What is edited, by how much each pixel belongs to it; shadow counts by its opacity, so it never reaches 0.5."""
    if before.ground != after.ground:
        soft = 1 - coverage_map(before.things)
    else:
        old, new = set(before.things) - set(after.things), set(after.things) - set(before.things)
        shade = SHADOW_OPACITY * np.abs(shadow_map(before) - shadow_map(after))
        soft = np.maximum(coverage_map((*old, *new)), shade)
    # Where neither picture shows a difference after rounding, the rim and the shadow have ended.
    return np.where(changed | (soft >= 0.5), soft, 0).astype(np.float32)
