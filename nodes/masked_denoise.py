"""MaskedDenoise: down again under the new text, inside the mask."""

from __future__ import annotations

from comfy_api.latest import io

from ..diffedit_core.decoding import BACKGROUNDS
from ..diffedit_core.editing import EditSettings
from ..diffedit_core.hosts.comfyui import masked_denoise
from .display import show_advice
from .fields import CATEGORY, Trajectory, seed, supported


class MaskedDenoise(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return supported(
            io.Schema,
            node_id="DiffEdit_MaskedDenoise",
            display_name="Masked Denoise",
            category=CATEGORY,
            description="Denoises an inverted picture under the new text inside the mask; outside it and its rim, "
            "the latent comes back exactly as it was.",
            inputs=[
                io.Model.Input("model", tooltip="The model that inverted the picture, or one of its family."),
                Trajectory.Input("trajectory", tooltip="The picture, from DDIM Invert."),
                io.Mask.Input("mask", tooltip="White where the picture may change, at the picture's size."),
                io.Conditioning.Input("positive", tooltip="The target text."),
                io.Conditioning.Input("negative", tooltip="What guidance leads away from: usually the empty text."),
                io.Float.Input(
                    "guidance",
                    default=EditSettings.guidance,
                    min=0.0,
                    max=30.0,
                    step=0.1,
                    tooltip="How strongly the target text is followed; 1 is the text alone, in half the time.",
                ),
                io.Int.Input(
                    "rounds",
                    default=EditSettings.rounds,
                    min=1,
                    max=20,
                    tooltip="How often each of the noisier half of the levels is gone through. More fit what is drawn "
                    "better to the text and to what surrounds it, at the price of time; 1 goes straight down.",
                ),
                io.Int.Input(
                    "tries",
                    default=EditSettings.tries,
                    min=1,
                    max=64,
                    tooltip="Draw it so often, each time with other noise, and keep the one that the model itself "
                    "takes most for the target text. Each costs as much time again. With one round there is one try.",
                ),
                io.Combo.Input(
                    "background",
                    options=list(BACKGROUNDS),
                    default=EditSettings.background,
                    tooltip="Outside the mask, on the way down. retrace: the inverted picture, level by level. "
                    "noised: the picture under fresh noise, as plain inpainting does. "
                    "source: denoised along under the source text, which changes it a little.",
                ),
                io.Combo.Input(
                    "edges",
                    options=["soft", "hard"],
                    default="soft" if EditSettings.soft else "hard",
                    tooltip="soft: the latent blends along the mask's rim. "
                    "hard: a latent cell changes wherever a pixel in it may, for masks that fit tightly.",
                ),
                seed(),
                io.Conditioning.Input(
                    "source",
                    optional=True,
                    tooltip="The source text. Tries are compared by how much more they look like the target text than "
                    'like this one (else: than like the negative text); background "source" needs it.',
                ),
            ],
            outputs=[io.Latent.Output("edited", display_name="latent", tooltip="The edited picture, for VAE Decode.")],
            hidden=[io.Hidden.unique_id],
            search_aliases=["diffedit", "inpaint", "edit with text"],
        )

    @classmethod
    def execute(
        cls, model, trajectory, mask, positive, negative, guidance, rounds, tries, background, edges, seed, source=None
    ) -> io.NodeOutput:
        how = EditSettings(guidance=guidance, rounds=rounds, tries=tries, background=background, soft=edges == "soft")
        texts = {"positive": positive, "negative": negative, "source": source}
        edited = masked_denoise(model, trajectory, mask, texts, how, seed)
        return io.NodeOutput(edited, ui=show_advice(cls, mask))
