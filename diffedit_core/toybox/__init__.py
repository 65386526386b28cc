"""A small world with known answers: scenes, captions, edits with their truth, and a judge that goes by rules."""

from .captions import caption
from .edits import KINDS, Edit, edit
from .judge import follows, judge, read
from .painting import render
from .scenes import COLOURS, GROUNDS, HELD_OUT_SEEDS, SHAPES, TRAIN_SEEDS, Ground, Scene, Thing, scene

__all__ = [
    "COLOURS",
    "GROUNDS",
    "HELD_OUT_SEEDS",
    "KINDS",
    "SHAPES",
    "TRAIN_SEEDS",
    "Edit",
    "Ground",
    "Scene",
    "Thing",
    "caption",
    "edit",
    "follows",
    "judge",
    "read",
    "render",
    "scene",
]
