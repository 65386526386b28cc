"""Less memory, for more time: diffusers' own ways, switched on by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ...knobs import Settings, knob


@dataclass(frozen=True)
class Offload:
    place: Callable[[Any, torch.device], Any]
    meaning: str


OFFLOADS: dict[str, Offload] = {
    "none": Offload(lambda pipe, device: pipe.to(device), "all of it"),
    "model": Offload(
        lambda pipe, device: pipe.enable_model_cpu_offload(device=device),
        "the text encoders, the network or the autoencoder, whichever is at work",
    ),
    "sequential": Offload(
        lambda pipe, device: pipe.enable_sequential_cpu_offload(device=device),
        "the layer that is at work: the least memory, and far slower",
    ),
}
"""What of a model is in the GPU's memory, by name."""


@dataclass(frozen=True)
class Memory(Settings):
    """How to get along with less memory."""

    offload: str = knob("none", "What of the model is in the GPU's memory.", names=OFFLOADS)
    attention_slicing: bool = knob(False, "Computes attention in slices. Large pictures need less memory.")
    vae_slicing: bool = knob(False, "Takes several pictures through the autoencoder one by one.")
    vae_tiling: bool = knob(False, "Takes a large picture through the autoencoder in tiles that overlap.")

    def check(self, device: torch.device) -> None:
        if self.offload != "none" and device.type == "cpu":
            raise ValueError(f"offload {self.offload} needs a GPU; on a CPU all of the model is in main memory anyway")

    def apply(self, pipe: Any, device: torch.device) -> None:
        """Puts a pipeline on its device, or as much of it as may be there."""
        self.check(device)
        if self.attention_slicing:
            self._slice_attention(pipe)
        if self.vae_slicing:
            pipe.vae.enable_slicing()
        if self.vae_tiling:
            pipe.vae.enable_tiling()
        OFFLOADS[self.offload].place(pipe, device)

    def _slice_attention(self, pipe: Any) -> None:
        network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
        if not hasattr(network, "set_attention_slice"):
            raise ValueError(f"{type(network).__name__} cannot slice its attention; leave attention slicing off")
        pipe.enable_attention_slicing()
