"""What the method asks of a model: denoisers with their texts bound by role, and the way from pixels and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

from .denoiser import Denoise, DenoisePair, NoiseProcess, OnStep
from .strength import gain_at

Text = str | Sequence[str] | Tensor | Sequence[Tensor]
"""One text; several wordings of one thing, whose embeddings are averaged; or embeddings [1 or B, tokens, width].

Where a model takes more than one embedding of a text, such as SDXL's pooled one, they are given together: a pair.
"""

Role = Literal["source", "target", "negative", "inversion"]
"""What a text is for: what is there, what should be there, what guidance leads away from, what to invert under."""

Texts = Mapping[Role, Text]
"""The texts of one edit. What is left out is the empty text."""

Progress = Callable[[str], OnStep]
"""Told the stage that begins ("mask", "invert" or "decode"), it gives the callback for that stage's steps."""


class Levels(Protocol):
    """A model's noise, which is known before anything is predicted."""

    @property
    def process(self) -> NoiseProcess: ...
    @property
    def cell(self) -> int: ...  # pixels along each side of a cell of its latents


class Denoisers(Levels, Protocol):
    """A text-to-image model on latents, with the texts of one or several edits bound by role."""

    @property
    def chunk(self) -> int: ...  # noise draws to predict in one call of a pair
    def denoiser(self, role: Role, guidance: float = 1.0) -> Denoise: ...  # guidance leads away from the negative text
    def denoiser_pair(self, first: Role, second: Role) -> DenoisePair: ...


class BoundEdits(Denoisers, Protocol):
    """With the texts of several edits, of which the first is meant."""

    def of(self, *edits: int) -> Denoisers: ...  # of several, for batches that hold each picture once for each in turn


@runtime_checkable
class Seeing(Protocol):
    """Denoisers that look at the pictures as well. A host need not have any: most models see a noisy latent alone."""

    def seeing(self, picture: Tensor, mask: Tensor | None = None) -> Denoisers: ...


def seeing(model: Denoisers, picture: Tensor, mask: Tensor | None = None) -> Denoisers:
    """The model with the pictures before it, [B, H, W, 3], and what is to be painted of them once that is known:
    [B or 1, H, W]. Inpainting models ask for both, depth models and ControlNets for the picture.
    """
    return model.seeing(picture, mask) if isinstance(model, Seeing) else model


def gain_of(model: Levels, latent: Tensor) -> float:
    """How many times the noise of a small picture it takes to hide the same in pictures of this size."""
    return gain_at(latent.shape[-2] * latent.shape[-1] * model.cell**2)


class Host(Levels, Protocol):
    """A model with its text encoder and autoencoder: all that an edit of a picture needs."""

    @property
    def multiple(self) -> int: ...  # of which both sides of a picture must be multiples
    @property
    def area(self) -> int: ...  # pixels of the pictures that the model was made for
    @property
    def evaluations(self) -> int: ...  # rows that went through the network so far
    def bind(self, *edits: Texts) -> BoundEdits: ...
    def encode(self, picture: Tensor) -> Tensor: ...
    def decode(self, latent: Tensor) -> Tensor: ...
