"""``diffedit demo``: an edit with a known answer, by the bundled model, and how near the answer it came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import toybox
from .editing import MaskSettings, edit, mask_from
from .hosts.diffusers import DiffusersHost
from .masks import iou
from .outputs import mask_over
from .reporting import Watch
from .toybox.judge import judge
from .toybox.model import WEIGHTS, assemble, new_autoencoder, new_denoiser, new_tokenizer


@dataclass(frozen=True)
class Shown:
    pictures: dict[str, Tensor]  # by label
    facts: dict[str, Any]
    findings: list[str]  # the facts in words


def show(watch: Watch, scene: int, kind: str, seed: int, device: torch.device, dtype: torch.dtype) -> Shown:
    """A scene that the model was not trained on, edited with the default settings."""
    if not 0 <= scene < len(toybox.HELD_OUT_SEEDS):
        raise ValueError(f"--scene is {scene}; there are held-out scenes 0 to {len(toybox.HELD_OUT_SEEDS) - 1}")
    asked = toybox.edit(toybox.HELD_OUT_SEEDS[scene], kind)
    picture = torch.from_numpy(asked.image)[None].float() / 255  # [1, H, W, 3]
    trained = (WEIGHTS / "model_index.json").exists()
    watch.begin("load")
    host = DiffusersHost.from_pretrained(WEIGHTS, device, dtype) if trained else _untrained(device, dtype)
    watch.count = lambda: host.evaluations
    watch.begin("encode")
    done = edit(host, picture, asked.source, asked.target, seed=seed, progress=watch.progress)
    watch.begin("judge")
    assert done.heatmap is not None  # the mask was sought
    found = mask_from(done.heatmap, picture, MaskSettings())  # without the room that the edit gives it
    facts = {
        "scene": scene,
        "kind": kind,
        "source": asked.source,
        "target": asked.target,
        "trained": trained,
        "iou": round(float(iou(found.cpu(), torch.from_numpy(asked.region)[None])), 4),
        "success": judge(asked, (done.picture[0] * 255).round().byte().numpy()),
    }
    pictures = {"input": picture, "mask": mask_over(picture, done.mask), "result": done.picture}
    return Shown(pictures, facts, _in_words(facts))


def _untrained(device: torch.device, dtype: torch.dtype) -> DiffusersHost:
    tokenizer = new_tokenizer()
    return DiffusersHost(assemble(new_autoencoder(0), new_denoiser(0, tokenizer), tokenizer).to(device, dtype))


def _in_words(facts: dict[str, Any]) -> list[str]:
    texts = [f"from  {facts['source']}", f"to    {facts['target']}"]
    if not facts["trained"]:
        return [
            *texts,
            "the bundled model is not in this installation: its weights here are random, so the edit shows that "
            "everything runs and says nothing about quality",
        ]
    verdict = "shows" if facts["success"] else "does not show"
    return [*texts, f"mask IoU with the truth {facts['iou']:.2f}; the result {verdict} what was asked for"]
