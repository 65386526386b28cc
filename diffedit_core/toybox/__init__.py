"""A small world where every answer is known: scenes, captions, tasks, and a judge that works by fixed rules."""

from pathlib import Path

from .captions import caption
from .judge import follows, judge, judge_several, read
from .painting import forget, render
from .scenes import HELD_OUT_SEEDS, TRAIN_SEEDS, scene
from .tasks import KINDS, Several, Task, several, task

__all__ = ["HELD_OUT_SEEDS", "KINDS", "TRAIN_SEEDS", "WEIGHTS", "Several", "Task", "caption", "follows", "forget"]
__all__ += ["judge", "judge_several", "read", "render", "scene", "several", "task", "weights"]

WEIGHTS = Path(__file__).parent / "weights"


def weights() -> Path:
    """The bundled model's folder, in the diffusers layout."""
    if not (WEIGHTS / "model_index.json").exists():
        raise ValueError("the demo model is not part of this installation; install this package again, whole")
    return WEIGHTS
