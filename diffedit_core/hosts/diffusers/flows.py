"""Flow transformers: SD3 and Flux. Straight lines from picture to noise, and a network that predicts the velocity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...denoiser import Flow
from .autoencoder import Autoencoder
from .encoders import Embedding, clip_and_t5, two_clips_and_t5
from .networks import Seen


class FlowTransformer(ABC):
    """A pipeline's transformer under FlowMatchEulerDiscreteScheduler's noise levels."""

    process = Flow()
    guides_itself = False
    needs_picture = False
    fills = False

    def __init__(self, pipe: Any, patch: int, cells: int) -> None:
        if "shift" not in pipe.scheduler.config:
            name = type(pipe.scheduler).__name__
            raise ValueError(f"{name} has no flow schedule; give the model its FlowMatchEulerDiscreteScheduler")
        self.pipe, self.transformer, self.patch = pipe, pipe.transformer, patch
        self.autoencoder = Autoencoder(pipe.vae)
        self.area = (self.autoencoder.multiple * cells) ** 2

    @property
    def dtype(self) -> torch.dtype:
        return self.transformer.dtype

    def look(self, picture: Tensor, mask: Tensor | None, device: torch.device) -> Seen:
        return {}

    def predict(self, x: Tensor, sigma: float, embedding: Embedding, seen: Seen, guidance: float) -> Tensor:
        noisy = x.to(embedding[0].dtype)
        times = torch.full((len(x),), sigma, device=x.device, dtype=torch.float32)
        return x - sigma * self._velocity(noisy, times, embedding, guidance).float()

    @abstractmethod
    def _velocity(self, x: Tensor, times: Tensor, embedding: Embedding, guidance: float) -> Tensor:
        """dx/dsigma, as the network predicts it."""


class SD3(FlowTransformer):
    def __init__(self, pipe: Any) -> None:
        config = pipe.transformer.config
        super().__init__(pipe, config.patch_size, config.sample_size)
        _check_channels(pipe, config.in_channels, self.autoencoder.channels)

    def embed(self, texts: Sequence[str], device: torch.device) -> Embedding:
        return two_clips_and_t5(self.pipe, texts, device)

    def _velocity(self, x: Tensor, times: Tensor, embedding: Embedding, guidance: float) -> Tensor:
        hidden, pooled = embedding
        return self.transformer(
            hidden_states=x, timestep=1000 * times, encoder_hidden_states=hidden, pooled_projections=pooled
        ).sample


class Flux(FlowTransformer):
    """Latents are packed two by two. Distilled ones take guidance as an input."""

    def __init__(self, pipe: Any) -> None:
        super().__init__(pipe, 2, pipe.default_sample_size)
        _check_channels(pipe, pipe.transformer.config.in_channels, 4 * self.autoencoder.channels)
        self.guides_itself = pipe.transformer.config.guidance_embeds

    def embed(self, texts: Sequence[str], device: torch.device) -> Embedding:
        return clip_and_t5(self.pipe, texts, device)

    def _velocity(self, x: Tensor, times: Tensor, embedding: Embedding, guidance: float) -> Tensor:
        hidden, pooled = embedding
        (count, channels, height, width), factor = x.shape, self.autoencoder.multiple
        places = self.pipe._prepare_latent_image_ids(count, height // 2, width // 2, x.device, x.dtype)
        (velocity,) = self.transformer(
            hidden_states=self.pipe._pack_latents(x, count, channels, height, width),
            timestep=times.to(x.dtype),
            guidance=torch.full_like(times, guidance) if self.guides_itself else None,
            encoder_hidden_states=hidden,
            pooled_projections=pooled,
            txt_ids=x.new_zeros(hidden.shape[1], 3),
            img_ids=places,
            return_dict=False,
        )
        return self.pipe._unpack_latents(velocity, height * factor, width * factor, factor)


TRANSFORMERS = {"SD3Transformer2DModel": SD3, "FluxTransformer2DModel": Flux}
"""By the name of a pipeline's transformer."""


def _check_channels(pipe: Any, channels: int, expected: int) -> None:
    if channels != expected:
        raise ValueError(
            f"{type(pipe).__name__} takes {channels} channels where a text-to-image model takes {expected}; "
            "use the text-to-image model"
        )
