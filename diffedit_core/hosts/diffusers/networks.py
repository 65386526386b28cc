"""What the host asks of a network: the UNet or transformer of a pipeline, with its noise levels and its texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ...denoiser import NoiseProcess
from .autoencoder import Autoencoder
from .encoders import Embedding

Seen = Mapping[str, Tensor]
"""What a network is shown of the pictures besides their noisy latents: of each a row for every picture."""


class Network(Protocol):
    guides_itself: bool  # guidance is one of its inputs; there is no negative text
    needs_picture: bool  # and is to be shown it
    fills: bool  # was trained to fill a hole
    autoencoder: Autoencoder
    patch: int  # of which both sides of a latent must be multiples
    area: int  # pixels of the pictures that it was made for

    @property
    def process(self) -> NoiseProcess: ...
    @property
    def dtype(self) -> torch.dtype: ...
    def embed(self, texts: Sequence[str], device: torch.device) -> Embedding: ...
    def look(self, picture: Tensor, mask: Tensor | None, device: torch.device) -> Seen: ...
    def predict(self, x: Tensor, sigma: float, embedding: Embedding, seen: Seen, guidance: float) -> Tensor: ...
