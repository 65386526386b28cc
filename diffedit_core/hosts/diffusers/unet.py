"""UNets: SD1.x, SD2.x and SDXL, among them those that are also shown a hole, a depth map or a control picture."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ...denoiser import Diffusion
from .autoencoder import Autoencoder
from .controls import Control, control_of
from .encoders import Embedding, one_clip, two_clips
from .networks import Seen
from .sights import SIGHTS, Sight


class UNet:
    """Any object with unet, vae, text_encoder, tokenizer and scheduler as StableDiffusionPipeline has them."""

    guides_itself = False
    patch = 1

    def __init__(self, pipe: Any, control: str | Tensor | Control | None = None, control_scale: float = 1.0) -> None:
        from diffusers import DDIMScheduler

        self.unet: Any = pipe.unet
        self.controlnet: Any = getattr(pipe, "controlnet", None)
        _check(pipe, self.unet, self.controlnet)
        self.is_xl = self.unet.config.addition_embed_type == "text_time"
        self.encoder = two_clips if self.is_xl else one_clip
        self.pipe, self.autoencoder = pipe, Autoencoder(pipe.vae, needs_float32=self.is_xl)
        self.control = None if control is None else control_of(control, self.autoencoder.multiple)
        self.control_scale = control_scale
        self.sight = _sight(self)
        self.needs_picture = self.sight is not None or self.controlnet is not None
        self.fills = self.sight is not None and self.sight.fills
        scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
        self.prediction = scheduler.config.prediction_type
        if self.prediction not in ("epsilon", "v_prediction"):
            raise ValueError(f"the model predicts {self.prediction!r}; only epsilon and v_prediction are supported")
        self.process = Diffusion.from_alphas(scheduler.alphas_cumprod)
        self.area = self.autoencoder.multiple**2 * _cells(self.unet.config.sample_size)

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.dtype

    def embed(self, texts: Sequence[str], device: torch.device) -> Embedding:
        return self.encoder(self.pipe, texts, device)

    def look(self, picture: Tensor, mask: Tensor | None, device: torch.device) -> Seen:
        seen = {}
        if self.sight:
            seen["channels"] = self.sight.look(self, picture, mask, device)
        if self.controlnet is not None and self.control:
            control = self.control(picture).expand(len(picture), -1, -1, -1).movedim(-1, 1)
            seen["control"] = self.pipe.control_image_processor.preprocess(control)
        return {name: shown.to(device, self.dtype) for name, shown in seen.items()}

    def predict(self, x: Tensor, sigma: float, embedding: Embedding, seen: Seen, guidance: float) -> Tensor:
        scale, timestep, context = 1 / math.sqrt(1 + sigma**2), self.timestep(sigma), embedding[0]
        # the embeddings have the UNet's dtype; asking the UNet would search all of its modules at every call
        noisy = (x * scale).to(context.dtype)
        given: dict[str, Any] = {"encoder_hidden_states": context}
        if self.is_xl:
            given["added_cond_kwargs"] = {"text_embeds": embedding[1], "time_ids": self._sizes(x, context)}
        if self.controlnet is not None:
            given |= self._controlled(noisy, timestep, seen["control"], given)
        if self.sight:
            noisy = torch.cat([noisy, seen["channels"]], dim=1)
        output = self.unet(noisy, timestep, **given).sample.float()
        return x * scale**2 - sigma * scale * output if self.prediction == "v_prediction" else x - sigma * output

    def timestep(self, sigma: float) -> int:
        """The training timestep with the nearest noise level, in log sigma."""
        table = self.process.table
        above = min(max(bisect.bisect_left(table, sigma), 1), len(table) - 1)
        nearer_below = sigma**2 < table[above - 1] * table[above]
        return above - 1 if nearer_below else above

    def _controlled(self, noisy: Tensor, timestep: int, control: Tensor, given: dict[str, Any]) -> dict[str, Any]:
        """What the ControlNet adds within the UNet."""
        scale = self.control_scale
        down, middle = self.controlnet(
            noisy, timestep, controlnet_cond=control, conditioning_scale=scale, return_dict=False, **given
        )
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    def _sizes(self, x: Tensor, like: Tensor) -> Tensor:
        """SDXL is told the size that a picture was, where it was cut, and the size that it is: [B, 6]."""
        size = [side * self.autoencoder.multiple for side in x.shape[-2:]]
        return torch.tensor([[*size, 0, 0, *size]]).to(like).expand(len(x), -1)


def _check(pipe: Any, unet: Any, controlnet: Any) -> None:
    """Refuses by name what needs more than this gives it."""
    config, name = unet.config, type(pipe).__name__
    if type(controlnet).__name__ not in ("NoneType", "ControlNetModel"):
        raise ValueError(f"{type(controlnet).__name__} is not supported; load {name} with one ControlNetModel")
    kind, encodes = config.addition_embed_type, getattr(config, "encoder_hid_dim_type", None)
    if kind not in (None, "text_time") or encodes is not None or config.class_embed_type is not None:
        raise ValueError(f"{name} needs more than texts and a picture; use an SD1.x, SD2.x or SDXL model")
    if getattr(pipe, "text_encoder", None) is None:
        raise ValueError(f"{name} has no text_encoder: a refiner, perhaps; use the base model")
    if "sigma_data" in pipe.scheduler.config:
        raise ValueError(f"the noise levels of {type(pipe.scheduler).__name__} (EDM) are not supported")


def _sight(unet: UNet) -> Sight | None:
    """By the channels that there are besides the latent's."""
    channels, latent = unet.unet.config.in_channels, unet.autoencoder.channels
    more = channels - latent
    names = {0: None, 1: "depth", latent + 1: "hole"}
    if more not in names:
        raise ValueError(
            f"this UNet takes {channels} channels and the latent has {latent}: neither a text-to-image model nor an "
            "inpainting or depth model; use one of those"
        )
    sight = SIGHTS.get(names[more] or "")
    if unet.control and unet.controlnet is None and not (sight and sight.takes_control):
        raise ValueError(
            f"{type(unet.pipe).__name__} takes no control picture; leave it out, or use a model with a ControlNet"
        )
    if unet.controlnet is not None and unet.control is None:
        raise ValueError(
            'a ControlNet is shown something, such as the picture\'s edges; give control="canny" or a picture'
        )
    if sight and sight.takes_control and unet.control is None and getattr(unet.pipe, "depth_estimator", None) is None:
        raise ValueError("this model is shown a depth map and has no depth estimator; give the map as its control")
    return sight


def _cells(sample_size: int | Sequence[int] | None) -> int:
    """Of the latents that a UNet was made for; 64 x 64, as of SD1.5, where it does not say."""
    sides = sample_size or 64
    return sides * sides if isinstance(sides, int) else math.prod(sides)
