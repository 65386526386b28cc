"""A diffusers Stable Diffusion pipeline as denoisers, with its autoencoder and its text encoder."""

from __future__ import annotations

import bisect
import logging
import math
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..batches import in_turn
from ..denoiser import Denoise, DenoisePair, Diffusion
from ..host import Role, Text, Texts

logger = logging.getLogger(__name__)


class DiffusersHost:
    """Any object with unet, vae, text_encoder, tokenizer and scheduler as StableDiffusionPipeline has them."""

    def __init__(self, pipe: Any) -> None:
        from diffusers import DDIMScheduler

        if getattr(pipe, "text_encoder_2", None) or getattr(pipe.unet.config, "addition_embed_type", None):
            raise ValueError("this model needs more than one text embedding (SDXL); use an SD1.x or 2.x model")
        self.unet, self.vae = pipe.unet, pipe.vae
        self.tokenizer, self.text_encoder = pipe.tokenizer, pipe.text_encoder
        if self.unet.config.in_channels != self.vae.config.latent_channels:
            raise ValueError(
                f"this UNet takes {self.unet.config.in_channels} channels and the latent has "
                f"{self.vae.config.latent_channels}: an inpainting or depth model; use an ordinary text-to-image model"
            )
        self.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
        self.prediction = self.scheduler.config.prediction_type
        if self.prediction not in ("epsilon", "v_prediction"):
            raise ValueError(f"the model predicts {self.prediction!r}; only epsilon and v_prediction are supported")
        self.process = Diffusion.from_alphas(self.scheduler.alphas_cumprod)
        self.multiple = 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.area = self.multiple**2 * _cells(self.unet.config.sample_size)
        self.evaluations = 0  # rows that went through the UNet

    @classmethod
    def from_pretrained(
        cls, name: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
    ) -> DiffusersHost:
        """From a folder in the diffusers layout, or from the hub by name. Only safetensors are read."""
        from diffusers import StableDiffusionPipeline

        is_here = Path(name).exists()
        if is_here and not (Path(name) / "model_index.json").exists():
            raise ValueError(f"{name} has no model_index.json; give the folder of a diffusers pipeline")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # every diffusers since 0.33 knows torch_dtype
                pipe = StableDiffusionPipeline.from_pretrained(
                    str(name),
                    torch_dtype=dtype,
                    use_safetensors=True,
                    safety_checker=None,
                    feature_extractor=None,
                    requires_safety_checker=False,
                )
        except torch.OutOfMemoryError:
            raise
        except Exception as cause:  # foreign files fail in all kinds of ways
            what = "cannot be loaded" if is_here else "is neither a folder here nor a model on the hub"
            raise ValueError(f"{name} {what}: {_first_line(cause)}") from cause
        return cls(pipe.to(device))

    @property
    def device(self) -> torch.device:
        return self.unet.device

    def sigmas(self, steps: int) -> tuple[float, ...]:
        """The full schedule at the scheduler's own timesteps: [steps + 1], ascending from 0."""
        if not 1 <= steps <= len(self.process.table):
            raise ValueError(f"steps is {steps}; it must be from 1 to {len(self.process.table)}")
        self.scheduler.set_timesteps(steps)
        timesteps = self.scheduler.timesteps.flip(0).tolist()
        if timesteps[-1] >= len(self.process.table):  # steps_offset shifts all of them past the end
            raise ValueError(f"steps is {steps}; this model's schedule has no more than {steps - 1} steps")
        return (0.0, *(self.process.table[t] for t in timesteps))

    @torch.no_grad()
    def encode(self, picture: Tensor) -> Tensor:
        """[B, H, W, 3] in 0..1 -> the latent's mode, not a sample: [B, C, h, w] float32."""
        pixels = (picture.movedim(-1, 1) * 2 - 1).to(self.device, self.vae.dtype)
        return self.vae.encode(pixels).latent_dist.mode().float() * self.vae.config.scaling_factor

    @torch.no_grad()
    def decode(self, latent: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, H, W, 3] in 0..1, float32."""
        pixels = self.vae.decode((latent / self.vae.config.scaling_factor).to(self.vae.dtype)).sample
        return (pixels.float().movedim(1, -1) / 2 + 0.5).clamp(0, 1)

    @torch.no_grad()
    def embed(self, text: Text) -> Tensor:
        """[1, tokens, width] in the UNet's dtype. Embeddings are passed on."""
        if isinstance(text, Tensor):
            return text.to(self.device, self.unet.dtype)
        texts = [text] if isinstance(text, str) else list(text)
        limit = self.tokenizer.model_max_length
        for t in texts:
            if (length := len(self.tokenizer(t).input_ids)) > limit:
                logger.warning("this text has %d tokens, and only the first %d are read: %s", length, limit, t)
        tokens = self.tokenizer(texts, padding="max_length", max_length=limit, truncation=True, return_tensors="pt")
        ids = tokens.input_ids.to(self.device)
        attention = getattr(self.text_encoder.config, "use_attention_mask", False)
        mask = tokens.attention_mask.to(self.device) if attention else None
        return self.text_encoder(ids, attention_mask=mask)[0].mean(0, keepdim=True).to(self.unet.dtype)

    def bind(self, *edits: Texts) -> BoundTexts:
        return BoundTexts(self, edits or ({},))

    @torch.no_grad()
    def predict(self, x: Tensor, sigma: float, embeddings: Sequence[Tensor]) -> list[Tensor]:
        """x0 [B, C, h, w] under each embedding, in one forward pass."""
        scale = 1 / math.sqrt(1 + sigma**2)
        context = torch.cat([_for_each(e, len(x)) for e in embeddings])
        # the embeddings have the UNet's dtype; asking the UNet would search all of its modules at every call
        noisy = torch.cat([x * scale] * len(embeddings)).to(context.dtype)
        output = self.unet(noisy, self.timestep(sigma), encoder_hidden_states=context).sample.float()
        self.evaluations += len(noisy)
        outputs = output.chunk(len(embeddings))
        if self.prediction == "v_prediction":
            return [x * scale**2 - sigma * scale * v for v in outputs]
        return [x - sigma * eps for eps in outputs]

    def timestep(self, sigma: float) -> int:
        """The training timestep with the nearest noise level, in log sigma."""
        table = self.process.table
        above = min(max(bisect.bisect_left(table, sigma), 1), len(table) - 1)
        nearer_below = sigma**2 < table[above - 1] * table[above]
        return above - 1 if nearer_below else above


@dataclass(frozen=True)
class BoundTexts:
    """The host's denoisers with the texts of the edits. A text is embedded when it is first asked for, and once."""

    host: DiffusersHost
    edits: Sequence[Texts]
    chosen: tuple[int, ...] = (0,)  # the edits whose texts are meant by their roles
    embeddings: dict[Hashable, tuple[Text, Tensor]] = field(default_factory=dict)

    @property
    def process(self) -> Diffusion:
        return self.host.process

    def sigmas(self, steps: int) -> tuple[float, ...]:
        return self.host.sigmas(steps)

    @property
    def chunk(self) -> int:
        """One draw keeps a CPU busy. A GPU wants more."""
        return 1 if self.host.device.type == "cpu" else 5

    def of(self, *edits: int) -> BoundTexts:
        """Of several edits, for batches that hold each picture once for each of them, one after the other."""
        return replace(self, chosen=edits)

    def denoiser(self, role: Role, guidance: float = 1.0) -> Denoise:
        embeddings = self._embedded(role) if guidance == 1 else self._embedded(role, "negative")

        def denoise(x: Tensor, sigma: float) -> Tensor:
            return _guided(self.host.predict(x, sigma, embeddings), guidance)

        return denoise

    def denoiser_pair(self, first: Role, second: Role) -> DenoisePair:
        embeddings = self._embedded(first, second)

        def denoise_pair(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
            x0_first, x0_second = self.host.predict(x, sigma, embeddings)
            return x0_first, x0_second

        return denoise_pair

    def _embedded(self, *roles: Role) -> list[Tensor]:
        """Of each role [edits, tokens, width], or [pictures * edits, tokens, width]."""
        return [in_turn([self._embedding(self.edits[edit].get(role, "")) for edit in self.chosen]) for role in roles]

    def _embedding(self, text: Text) -> Tensor:
        key = text if isinstance(text, str) else id(text)
        if key not in self.embeddings:
            self.embeddings[key] = text, self.host.embed(text)  # as long as the text is kept, its id is its own
        return self.embeddings[key][1]


def _for_each(embedding: Tensor, count: int) -> Tensor:
    """An embedding for each row. Rows come draw by draw, and within a draw image by image."""
    if count % len(embedding):
        raise ValueError(f"{len(embedding)} texts for {count} images; give one text for all, or one for each")
    return embedding.repeat(count // len(embedding), 1, 1)


def _guided(predictions: Sequence[Tensor], guidance: float) -> Tensor:
    """Classifier-free guidance on x0. At one noise level that is the same as on eps or v."""
    if guidance == 1:
        return predictions[0]
    text, negative = predictions
    return negative + guidance * (text - negative)


def _cells(sample_size: int | Sequence[int] | None) -> int:
    """Of the latents that a UNet was made for; 64 x 64, as of SD1.5, where it does not say."""
    sides = sample_size or 64
    return sides * sides if isinstance(sides, int) else math.prod(sides)


def _first_line(cause: Exception) -> str:
    return (str(cause).strip() or type(cause).__name__).splitlines()[0][:200]


def be_quiet() -> None:
    """Turns off the libraries' notes and loading bars, for a program with its own terminal. Downloads still show."""
    from diffusers.utils import logging as diffusers_logging
    from huggingface_hub.utils import enable_progress_bars
    from transformers.utils import logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    enable_progress_bars()  # transformers turned these off along with its own
