"""How people describe a scene: every caption names all objects and the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .scenes import COLOURS, GROUNDS, SHAPES, Scene, Thing

NOUNS = ("table", "floor", "cloth")
TEMPLATES = (
    "{things} on a {ground} {noun}",
    "a picture of {things} on a {ground} {noun}",
    "{things}, on a {ground} {noun}",
    "a {ground} {noun} with {things}",
    "on a {ground} {noun}, {things}",
    "{beside} on a {ground} {noun}",
)


@dataclass(frozen=True)
class Wording:
    """The words of a caption that the scene leaves open. In one wording, two texts differ only where the scenes do."""

    template: str
    noun: str

    def say(self, things: tuple[Thing, ...], ground: str) -> str:
        names = [f"a {thing.colour} {thing.shape}" for thing in things]
        listed = _listed(names)
        beside = f"{names[0]} next to {_listed(names[1:])}" if len(names) > 1 else listed
        return self.template.format(things=listed, beside=beside, ground=ground, noun=self.noun)


def caption(scene: Scene, variant: int = 0) -> str:
    """One of many ways to describe the scene."""
    rng = np.random.default_rng(variant)
    order = rng.permutation(len(scene.things))
    return draw_wording(rng).say(tuple(scene.things[i] for i in order), scene.ground.kind)


def draw_wording(rng: np.random.Generator) -> Wording:
    return Wording(str(rng.choice(TEMPLATES)), str(rng.choice(NOUNS)))


def vocabulary() -> list[str]:
    """Every word that a caption can contain, in a fixed order."""
    slots = {"things": "", "beside": "", "ground": "", "noun": ""}
    spoken = " ".join(template.format(**slots) for template in TEMPLATES).replace(",", " , ").split()
    words = [*spoken, "and", "next", "to", ",", *NOUNS, *COLOURS, *SHAPES, *GROUNDS]
    return list(dict.fromkeys(words))


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
