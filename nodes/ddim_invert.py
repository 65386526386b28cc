"""DDIMInvert: a picture's way up to noise."""

from __future__ import annotations

from typing import Any

from comfy.samplers import SCHEDULER_NAMES
from comfy_api.latest import io
from torch import Tensor

from ..diffedit_core.hosts.comfyui.guider import Conditioning
from ..diffedit_core.hosts.comfyui.latents import VaeLatent
from ..diffedit_core.hosts.comfyui.noise import AUTO
from ..diffedit_core.hosts.comfyui.remarks import remarks
from ..diffedit_core.hosts.comfyui.running import runs
from ..diffedit_core.hosts.comfyui.stages import invert_picture
from ..diffedit_core.settings import InversionSettings
from .display import show_inverted
from .fields import EDITS, Trajectory, supported, widgets


class DDIMInvert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_DDIMInvert",
            display_name="DDIM Invert",
            category=EDITS,
            description="Finds the noise that a picture could have been made from, and keeps every level on the way, "
            "so that denoising comes back to the same picture.",
            inputs=[
                io.Model.Input("model", tooltip="Any diffusion or flow model that KSampler takes."),
                io.Latent.Input("latent", tooltip="The picture, from VAE Encode. A noise mask in it is not used."),
                io.Conditioning.Input(
                    "conditioning",
                    tooltip="The text to invert under: the empty text, as in the paper, or what the picture shows.",
                ),
                *widgets(InversionSettings()),
                supported(
                    io.Combo.Input,
                    "scheduler",
                    options=[AUTO, *SCHEDULER_NAMES],
                    default=AUTO,
                    tooltip="Which noise levels the steps take. auto: DDIM's own, with as much noise on one model "
                    "as on another.",
                    advanced=True,
                ),
                supported(
                    io.Boolean.Input,
                    "check",
                    default=False,
                    tooltip="Denoises again and reports how far from the picture it ends up.",
                    advanced=True,
                ),
                io.Conditioning.Input(
                    "negative", optional=True, tooltip="Only needed if guidance is not 1. Usually the empty text."
                ),
                io.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip="Noise levels from a scheduler node, such as Flux2Scheduler, instead of steps and "
                    "scheduler. Strength takes the lower part of them.",
                ),
            ],
            outputs=[
                Trajectory.Output("trajectory", display_name="trajectory", tooltip="Every level, for Masked Denoise."),
                io.Latent.Output(
                    "noisy_latent",
                    display_name="latent",
                    tooltip="The noisiest level, for any other sampler that adds no noise of its own.",
                ),
                io.Float.Output(
                    "error",
                    display_name="error",
                    tooltip="The error of the round trip, relative to the picture. 0 if check is off.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            search_aliases=[
                "ddim inversion",
                "invert image",
                "unsample",
                "noise inversion",
                "image to noise",
                "keep the layout",
            ],
        )

    @classmethod
    @runs
    def execute(
        cls, *, model: Any, latent: VaeLatent, conditioning: Conditioning, scheduler: str, check: bool,
        negative: Conditioning | None = None, sigmas: Tensor | None = None, **inversion: Any,
    ) -> io.NodeOutput:  # fmt: skip
        how, more = InversionSettings(**inversion), {"negative": negative, "sigmas": sigmas}
        trajectory, noisiest, error = invert_picture(
            model, latent, conditioning, how=how, scheduler=scheduler, check=check, **more
        )
        ui = show_inverted(cls, error if check else None, remarks(model, latent))
        return io.NodeOutput(trajectory, noisiest, error, ui=ui)
