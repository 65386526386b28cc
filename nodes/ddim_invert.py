"""DDIMInvert: a picture's way up to noise."""

from __future__ import annotations

from comfy.samplers import SCHEDULER_NAMES
from comfy_api.latest import io

from ..diffedit_core.hosts.comfyui import InversionSettings, invert_picture
from .display import show_text
from .fields import CATEGORY, Trajectory, advanced, supported


class DDIMInvert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_DDIMInvert",
            display_name="DDIM Invert",
            category=CATEGORY,
            description="Finds the noise that a picture could have been made from, and keeps every level on the way, "
            "so that denoising comes back to the same picture.",
            inputs=[
                io.Model.Input("model", tooltip="Any diffusion or flow model that KSampler takes."),
                io.Latent.Input("latent", tooltip="The picture, from VAE Encode. A noise mask in it is not used."),
                io.Conditioning.Input(
                    "conditioning",
                    tooltip="What the picture is denoised under on the way: the empty text, as in the paper, "
                    "or what the picture shows.",
                ),
                io.Int.Input(
                    "steps",
                    default=InversionSettings.steps,
                    min=1,
                    max=1000,
                    tooltip="Of the full schedule: at strength 0.9, 10 steps run 9. More are truer to the picture; "
                    "large models draw finer with 25.",
                ),
                io.Float.Input(
                    "strength",
                    default=InversionSettings.strength,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="How far the picture is taken apart: higher lets the edit change more. "
                    "A flow model (SD3, Flux, Wan) needs less than 1.",
                ),
                advanced(
                    io.Float.Input,
                    "guidance",
                    default=InversionSettings.guidance,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="Away from the negative. 1 is none, and inversions are truest without.",
                ),
                io.Int.Input(
                    "iterations",
                    default=InversionSettings.iterations,
                    min=0,
                    max=20,
                    tooltip="Fixed-point iterations a step: 0 is plain DDIM inversion; 2 or 3 come back to the "
                    "picture almost exactly, at as many times the cost.",
                ),
                advanced(
                    io.Combo.Input,
                    "scheduler",
                    options=list(SCHEDULER_NAMES),
                    default=InversionSettings.scheduler,
                    tooltip="Which noise levels the steps take. ddim_uniform are DDIM's own.",
                ),
                advanced(
                    io.Boolean.Input,
                    "check",
                    default=InversionSettings.check,
                    tooltip="Denoise once more, and say how far from the picture that ends.",
                ),
                io.Conditioning.Input(
                    "negative", optional=True, tooltip="Only with a guidance other than 1: usually the empty text."
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
                    tooltip="How far denoising again ends from the picture, relative to it; 0 when not checked.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
            search_aliases=["ddim inversion", "unsample", "noise inversion"],
        )

    @classmethod
    def execute(
        cls, model, latent, conditioning, steps, strength, guidance, iterations, scheduler, check, negative=None
    ) -> io.NodeOutput:
        how = InversionSettings(steps, strength, guidance, iterations, scheduler, check)
        trajectory, noisiest, error = invert_picture(model, latent, conditioning, how, negative)
        ui = show_text(cls, f"round trip error {error:.2%}") if check else None
        return io.NodeOutput(trajectory, noisiest, error, ui=ui)
