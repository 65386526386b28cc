"""Texts bound by role: the denoisers that a host's network makes of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from torch import Tensor

from ...batches import in_turn
from ...denoiser import Denoise, DenoisePair, NoiseProcess
from ...host import Role, Text, Texts
from .encoders import Embedding
from .networks import Seen

if TYPE_CHECKING:
    from .host import DiffusersHost


@dataclass(frozen=True)
class BoundTexts:
    """The host's denoisers with the texts of the edits. A text is embedded when it is first asked for, and once."""

    host: DiffusersHost
    edits: Sequence[Texts]
    chosen: tuple[int, ...] = (0,)  # the edits whose texts are meant by their roles
    embeddings: dict[Hashable, tuple[Text, Embedding]] = field(default_factory=dict)
    seen: Seen | None = None

    @property
    def process(self) -> NoiseProcess:
        return self.host.process

    @property
    def cell(self) -> int:
        return self.host.cell

    @property
    def chunk(self) -> int:
        """One draw keeps a CPU busy. A GPU wants more."""
        return 1 if self.host.device.type == "cpu" else 5

    def of(self, *edits: int) -> BoundTexts:
        """Of several edits, for batches that hold each picture once for each of them, one after the other."""
        return replace(self, chosen=edits)

    def seeing(self, picture: Tensor, mask: Tensor | None = None) -> BoundTexts:
        """With the pictures [B, H, W, 3] before it and, once it is known, what to paint of them: [B or 1, H, W]."""
        if mask is not None and self.host.filler:
            return replace(self, host=self.host.filler).seeing(picture, mask)
        return replace(self, seen=self.host.look(picture, mask)) if self.host.network.needs_picture else self

    def denoiser(self, role: Role, guidance: float = 1.0) -> Denoise:
        guides_itself = self.host.network.guides_itself
        embeddings = self._embedded(role) if guidance == 1 or guides_itself else self._embedded(role, "negative")

        def denoise(x: Tensor, sigma: float) -> Tensor:
            if guides_itself:
                return self.host.predict(x, sigma, embeddings, self.seen, guidance)[0]
            return _guided(self.host.predict(x, sigma, embeddings, self.seen), guidance)

        return denoise

    def denoiser_pair(self, first: Role, second: Role) -> DenoisePair:
        embeddings = self._embedded(first, second)

        def denoise_pair(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
            x0_first, x0_second = self.host.predict(x, sigma, embeddings, self.seen)
            return x0_first, x0_second

        return denoise_pair

    def _embedded(self, *roles: Role) -> list[Embedding]:
        """Of each role [edits, ...], or [pictures * edits, ...]."""
        return [self._in_turn([self.edits[edit].get(role, "") for edit in self.chosen]) for role in roles]

    def _in_turn(self, texts: Sequence[Text]) -> Embedding:
        return tuple(in_turn(parts) for parts in zip(*map(self._embedding, texts), strict=True))

    def _embedding(self, text: Text) -> Embedding:
        key = id(self.host), text if isinstance(text, str) else id(text)
        if key not in self.embeddings:
            found = self.host.embed(text)
            parts = (found,) if isinstance(found, Tensor) else found
            self.embeddings[key] = text, parts  # as long as the text is kept, its id is its own
        return self.embeddings[key][1]


def _guided(predictions: Sequence[Tensor], guidance: float) -> Tensor:
    """Classifier-free guidance on x0. At one noise level that is the same as on eps or v."""
    if guidance == 1:
        return predictions[0]
    text, negative = predictions
    return negative + guidance * (text - negative)
