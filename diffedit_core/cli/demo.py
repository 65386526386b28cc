"""``diffedit demo``: an edit with a known answer, by the bundled model, and how close it came."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import toybox
from ..editing import Edit, edit
from ..hosts.diffusers import DiffusersHost
from ..kinds import in_words
from ..masks import iou
from ..pictures import from_bytes, to_bytes
from ..sheets import overlay
from .reporting import Watch


def show(
    watch: Watch, scene: int, kind: str, seed: int, device: torch.device, dtype: torch.dtype
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A scene that the model was not trained on, edited with the default settings: labelled pictures, and the facts."""
    if not 0 <= scene < len(toybox.HELD_OUT_SEEDS):
        raise ValueError(f"--scene is {scene}; there are held-out scenes 0 to {len(toybox.HELD_OUT_SEEDS) - 1}")
    asked = toybox.task(toybox.HELD_OUT_SEEDS[scene], kind)
    picture = from_bytes(asked.image)[None]  # [1, H, W, 3]
    watch.begin("load")
    host = DiffusersHost.from_pretrained(toybox.weights(), device, dtype)
    watch.count = lambda: host.evaluations
    watch.begin("encode")
    done = edit(host, picture, Edit(asked.source, asked.target), seed=seed, progress=watch.progress)
    watch.begin("judge")
    (look,) = done.looks
    assert look  # a mask was sought
    facts = {
        "scene": scene,
        "kind": kind,
        "source": asked.source,
        "target": asked.target,
        "iou": round(float(iou(done.mask.cpu(), torch.from_numpy(asked.region)[None])), 4),
        "found": look.kinds[0],
        "success": toybox.judge(asked, to_bytes(done.picture[0])),
    }
    pictures = {"input": picture, "mask": overlay(picture, done.mask.to(picture)), "result": done.picture}
    said = in_words(look.kinds, look.agreement, may_draft=True)
    verdict = "shows" if facts["success"] else "does not show"
    score = f"mask IoU with the truth {facts['iou']:.2f}; the result {verdict} what was asked for"
    return pictures, {**facts, "findings": [f"from  {asked.source}", f"to    {asked.target}", said, score]}
