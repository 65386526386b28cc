"""A diffusers pipeline as a host: pictures to latents and back, texts to denoisers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...denoiser import NoiseProcess
from ...host import Text, Texts
from .bound import BoundTexts
from .controls import Control
from .encoders import Embedding
from .flows import TRANSFORMERS
from .loading import opened
from .memory import Memory
from .networks import Network, Seen
from .unet import UNet


class DiffusersHost:
    """Any SD1.x, SD2.x, SDXL, SD3 or Flux pipeline.

    ``control`` is what a ControlNet or a depth model is shown: "canny", a picture [1, H, W, 3] of the size of the one
    to be edited, or a function of the picture. ``filler`` is the host of an inpainting model: it paints inside the
    mask, and this model says where that is.
    """

    def __init__(
        self,
        pipe: Any,
        *,
        control: str | Tensor | Control | None = None,
        control_scale: float = 1.0,
        filler: DiffusersHost | None = None,
    ) -> None:
        self.pipe, self.filler = pipe, filler
        self.network = network_of(pipe, control, control_scale)
        self._evaluations = 0
        if filler:
            self._check_filler(filler)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        *,
        controlnet: str | Path | None = None,
        control: str | Tensor | Control | None = None,
        control_scale: float = 1.0,
        filler: DiffusersHost | None = None,
        memory: Memory = Memory(),
    ) -> DiffusersHost:
        """From a folder in the diffusers layout, or from the hub by name. Only safetensors are read."""
        memory.check(torch.device(device))
        pipe = opened(name, dtype, controlnet)
        host = cls(pipe, control=control, control_scale=control_scale, filler=filler)
        memory.apply(pipe, torch.device(device))
        return host

    @property
    def device(self) -> torch.device:
        """Where the work is done, wherever the weights may wait."""
        return getattr(self.pipe, "_execution_device", None) or self.pipe.unet.device

    @property
    def process(self) -> NoiseProcess:
        return self.network.process

    @property
    def cell(self) -> int:
        return self.network.autoencoder.multiple

    @property
    def multiple(self) -> int:
        return self.cell * self.network.patch

    @property
    def area(self) -> int:
        return self.network.area

    @property
    def evaluations(self) -> int:
        """Rows that went through the network, or the filler's."""
        return self._evaluations + (self.filler.evaluations if self.filler else 0)

    def encode(self, picture: Tensor) -> Tensor:
        """[B, H, W, 3] in 0..1 -> the latent's mode, not a sample: [B, C, h, w] float32."""
        latent = self.network.autoencoder.encode(picture, self.device)
        self._rest()
        return latent

    def decode(self, latent: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, H, W, 3] in 0..1, float32."""
        picture = self.network.autoencoder.decode(latent)
        self._rest()
        return picture

    @torch.no_grad()
    def embed(self, text: Text) -> Any:
        """[1, tokens, width] in the network's dtype; with the pooled embedding [1, width] where the model has one.

        Embeddings are passed on.
        """
        if isinstance(text, Tensor) or any(isinstance(each, Tensor) for each in text):
            found = parts_of(text)
        else:
            texts = [text] if isinstance(text, str) else [str(each) for each in text]
            if not texts:
                raise ValueError("a text has no wordings; give at least one, or the empty text")
            texts = [each.encode(errors="replace").decode() for each in texts]  # no tokenizer reads half a letter
            self._rest()
            found = tuple(part.mean(0, keepdim=True) for part in self.network.embed(texts, self.device))
        found = tuple(part.to(self.device, self.network.dtype) for part in found)
        return found[0] if len(found) == 1 else found

    def bind(self, *edits: Texts) -> BoundTexts:
        if self.network.guides_itself and any(_says(edit.get("negative", "")) for edit in edits):
            raise ValueError("this model takes guidance as a number, and no negative text; leave the negative text out")
        return BoundTexts(self, edits or ({},))

    @torch.no_grad()
    def look(self, picture: Tensor, mask: Tensor | None) -> Seen:
        """What the network is shown of the pictures [B, H, W, 3], and of what is to be painted [B or 1, H, W]."""
        seen = self.network.look(picture, mask, self.device)
        self._rest()
        return seen

    @torch.no_grad()
    def predict(
        self,
        x: Tensor,
        sigma: float,
        embeddings: Sequence[Tensor | Embedding],
        seen: Seen | None = None,
        guidance: float = 1.0,
    ) -> list[Tensor]:
        """x0 [B, C, h, w] under each embedding, in one forward pass."""
        if self.network.needs_picture and not seen:
            raise ValueError("this model is shown the picture as well; give it: seeing(picture)")
        every = zip(*map(parts_of, embeddings), strict=True)
        embedding = tuple(torch.cat([_for_each(part, len(x), "texts") for part in parts]) for parts in every)
        shown = {name: _for_each(each, len(x), "pictures") for name, each in (seen or {}).items()}
        shown = {name: torch.cat([each] * len(embeddings)) for name, each in shown.items()}
        noisy = torch.cat([x] * len(embeddings))
        self._evaluations += len(noisy)
        return list(self.network.predict(noisy, sigma, embedding, shown, guidance).chunk(len(embeddings)))

    def _rest(self) -> None:
        """Where whole models take turns in a GPU's memory, none stays there longer than it is needed."""
        if getattr(self.pipe, "_all_hooks", None):
            self.pipe.maybe_free_model_hooks()

    def _check_filler(self, filler: DiffusersHost) -> None:
        name, mine, theirs = type(filler.pipe).__name__, self.network.autoencoder, filler.network.autoencoder
        if not filler.network.fills:
            raise ValueError(f"{name} is no inpainting model, so it cannot fill a hole; use one of 9 channels")
        if mine.channels != theirs.channels or mine.scale != theirs.scale or self.process != filler.process:
            raise ValueError(f"{type(self.pipe).__name__} and {name} differ in their latents; use two of one family")


def network_of(pipe: Any, control: str | Tensor | Control | None = None, control_scale: float = 1.0) -> Network:
    """By what the pipeline holds, so that its own class does not matter."""
    name = type(pipe).__name__
    if missing := [part for part in ("vae", "scheduler") if getattr(pipe, part, None) is None]:
        raise ValueError(f"{name} has no {' and no '.join(missing)}, so it cannot edit a picture; use another model")
    if getattr(pipe, "unet", None) is not None:
        return UNet(pipe, control, control_scale)
    transformer = type(getattr(pipe, "transformer", None)).__name__
    if transformer not in TRANSFORMERS:
        raise ValueError(f"{name} is not supported; use an SD1.x, SD2.x, SDXL, SD3 or Flux model")
    if control is not None:
        raise ValueError(f"{name} takes no control picture; leave it out, or use a model with a ControlNet")
    return TRANSFORMERS[transformer](pipe)


def parts_of(embedding: Any) -> Embedding:
    return (embedding,) if isinstance(embedding, Tensor) else tuple(embedding)


def _for_each(rows: Tensor, count: int, what: str) -> Tensor:
    """One for each row. Rows come draw by draw, and within a draw image by image."""
    if count % len(rows):
        raise ValueError(f"{len(rows)} {what} for {count} images; give one text for all, or one for each")
    return rows.repeat(count // len(rows), *[1] * (rows.ndim - 1))


def _says(text: Text) -> bool:
    return not (isinstance(text, str) and text == "")
