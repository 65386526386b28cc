"""Tasks with known answers: two texts, two pictures, and the region where the pictures differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .captions import Wording, draw_wording
from .painting import SHADOW_OPACITY, coverage_map, render, shadow_map
from .scenes import COLOURS, GROUNDS, ITSELF, RADII, SHAPES, TILTS, Frame, Ground, Scene, Thing, draw_ground, draw_scene

KINDS = ("colour", "shape", "both", "object", "removal", "addition", "ground")
MOST = max(RADII)  # things in a scene

Step = tuple[tuple[Thing, ...], tuple[Thing, ...]]
"""What stands in one place before and after an edit: a thing, or nothing."""


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


@dataclass(frozen=True)
class Several:
    """Two or three edits of one picture, and the true result of doing them all. Fields are named as in ``Task``."""

    source: str
    target: str
    image: np.ndarray
    edited: np.ndarray
    region: np.ndarray
    source_scene: Scene
    target_scene: Scene
    alone: tuple[Task, ...]  # each edit by itself: from the source scene to the one with this edit only
    together: tuple[Task, ...]  # each edit among the others: from the target scene without it to the target scene
    in_turn: tuple[Task, ...]  # one after the other: from the scene with those before it to the one with it
    frame: Frame = ITSELF


def task(seed: int, kind: str, frame: Frame = ITSELF) -> Task:
    """The task of this seed and kind. Both texts use the same wording."""
    if kind not in KINDS:
        raise ValueError(f"there is no edit of kind {kind!r}; the kinds are {', '.join(KINDS)}")
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    before, after = _pair(rng, kind)
    return Task(kind=kind, **_between(before, after, draw_wording(rng), frame))


def several(seed: int, count: int = 2, frame: Frame = ITSELF) -> Several:
    """The task of this seed with so many edits, each of another thing or of the ground. All texts use one wording."""
    if count not in (2, 3):
        raise ValueError(f"the toybox does 2 or 3 edits at once, not {count}; for one edit take task()")
    rng = np.random.default_rng((seed, 100 + count))  # no kind has such an index
    kinds = _draw_kinds(rng, count)
    whole = draw_scene(rng, count=int(rng.integers(_fewest(kinds), MOST + 1)))
    where = _draw_where(rng, kinds, len(whole.things))
    steps = _draw_steps(rng, whole, dict(zip(where, kinds, strict=True)))
    grounds, wording = (whole.ground, _another_ground(rng, whole)), draw_wording(rng)

    def scene(done: set[int]) -> Scene:
        things = (thing for at, step in enumerate(steps) for thing in step[at in done])
        return Scene(tuple(things), grounds[len(steps) in done])

    def between(before: set[int], after: set[int]) -> dict[str, Any]:
        return _between(scene(before), scene(after), wording, frame)

    every = set(where)
    return Several(
        **between(set(), every),
        alone=tuple(Task(kind=kind, **between(set(), {at})) for kind, at in zip(kinds, where, strict=True)),
        together=tuple(Task(kind=kind, **between(every - {at}, every)) for kind, at in zip(kinds, where, strict=True)),
        in_turn=tuple(Task(kind=kind, **between(set(where[:i]), set(where[: i + 1]))) for i, kind in enumerate(kinds)),
    )


def _between(before: Scene, after: Scene, wording: Wording, frame: Frame) -> dict[str, Any]:
    """What a task says and shows of its two scenes, by the names of its fields."""
    image, edited = render(before, frame), render(after, frame)
    return {
        "source": wording.say(before.things, before.ground.kind),
        "target": wording.say(after.things, after.ground.kind),
        "image": image,
        "edited": edited,
        "region": _region(before, after, (image != edited).any(-1), frame),
        "source_scene": before,
        "target_scene": after,
        "frame": frame,
    }


def _pair(rng: np.random.Generator, kind: str) -> tuple[Scene, Scene]:
    whole = draw_scene(rng, count=int(rng.integers(_fewest((kind,)), MOST + 1)))
    at = int(rng.integers(len(whole.things)))
    if kind == "ground":
        return whole, replace(whole, ground=_another_ground(rng, whole))
    first, last = whole.things[:at], whole.things[at + 1 :]
    old, new = _step(rng, whole, at, kind, whole.things)
    return replace(whole, things=(*first, *old, *last)), replace(whole, things=(*first, *new, *last))


def _draw_kinds(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """About as many of each kind in the long run: at most one ground, and no more than the things have room for."""
    ground = ("ground",) if rng.random() < count / len(KINDS) else ()
    of_things = [kind for kind in KINDS if kind != "ground"]
    while True:
        kinds = (*rng.choice(of_things, size=count - len(ground)), *ground)
        if _fewest(kinds) <= MOST:
            return tuple(str(kind) for kind in rng.permutation(kinds))


def _fewest(kinds: tuple[str, ...]) -> int:
    """How many things, those to come and those to go among them, leave one in the scene whichever edits are done."""
    come, gone = kinds.count("addition"), kinds.count("removal")
    edited = len(kinds) - kinds.count("ground")
    return max(edited, come + (2 if gone else 1), gone + (2 if come else 1))


def _draw_where(rng: np.random.Generator, kinds: tuple[str, ...], count: int) -> tuple[int, ...]:
    """Which thing each edit is of, each of another; the ground is counted after the things."""
    things = iter(rng.permutation(count))
    return tuple(count if kind == "ground" else int(next(things)) for kind in kinds)


def _draw_steps(rng: np.random.Generator, whole: Scene, kinds: dict[int, str]) -> list[Step]:
    """The step of each thing, by the kinds of edits at their places. No two share a new colour or shape."""
    steps: list[Step] = []
    known = whole.things
    for at, thing in enumerate(whole.things):
        steps.append(_step(rng, whole, at, kinds[at], known) if at in kinds else ((thing,), (thing,)))
        known = (*known, *steps[at][1])
    return steps


def _step(rng: np.random.Generator, whole: Scene, at: int, kind: str, known: tuple[Thing, ...]) -> Step:
    old = (whole.things[at],)
    if kind == "removal":
        return old, ()
    return ((), old) if kind == "addition" else (old, (_changed(rng, whole, at, kind, known),))


def _changed(rng: np.random.Generator, before: Scene, at: int, kind: str, known: tuple[Thing, ...]) -> Thing:
    """The object that takes the old one's place. A new colour or shape is one that no known thing has."""
    old = before.things[at]
    colour = str(rng.choice([c for c in COLOURS if c not in {thing.colour for thing in known}]))
    shape = str(rng.choice([s for s in SHAPES if s not in {thing.shape for thing in known}]))
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


def _another_ground(rng: np.random.Generator, before: Scene) -> Ground:
    return draw_ground(rng, tuple(name for name in GROUNDS if name != before.ground.kind))


def _region(before: Scene, after: Scene, changed: np.ndarray, frame: Frame) -> np.ndarray:
    """How much each pixel belongs to what changes, [H, W]. Shadow counts by its opacity, which is below 0.5."""
    if before.ground != after.ground:
        around = 1 - coverage_map(tuple(thing for thing in before.things if thing in after.things), frame)
    else:
        around = SHADOW_OPACITY * np.abs(shadow_map(before, frame) - shadow_map(after, frame))
    soft = np.maximum(coverage_map(tuple({*before.things} ^ {*after.things}), frame), around)
    # the rim and the shadow end where rounding leaves no difference between the pictures
    return np.where(changed | (soft >= 0.5), soft, 0).astype(np.float32)
