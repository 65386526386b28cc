"""Small pipelines of the other families, with fixed random weights, as pipelines.py makes them of SD1.x."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionDepth2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from pipelines import clip_config, new_tokenizer, random_pipeline
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessor,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

WIDTH = 32


def seeded(make: Any) -> Any:
    """What it makes has the same weights every time, and the global generator is left as it was."""

    def made(*args: Any, **options: Any) -> Any:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            pipe = make(*args, **options)
        for part in pipe.components.values():
            if isinstance(part, torch.nn.Module):
                part.eval()
        pipe.set_progress_bar_config(disable=True)
        return pipe

    return made


def inpainting() -> StableDiffusionInpaintPipeline:
    return _other(StableDiffusionInpaintPipeline, in_channels=9)


def controlled() -> StableDiffusionControlNetPipeline:
    return _other(StableDiffusionControlNetPipeline, controlnet=True)


def depth() -> StableDiffusionDepth2ImgPipeline:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = DPTConfig(
            hidden_size=32,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=37,
            image_size=32,
            patch_size=16,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[16, 16, 32, 32],
            fusion_hidden_size=16,
            is_hybrid=False,
        )
        estimator = DPTForDepthEstimation(config).eval()
    processor = DPTImageProcessor(size={"height": 32, "width": 32})
    return _other(
        StableDiffusionDepth2ImgPipeline, in_channels=5, depth_estimator=estimator, feature_extractor=processor
    )


@seeded
def sdxl(*, zeros: bool = True, prediction_type: str = "epsilon", sizes: int = 8) -> StableDiffusionXLPipeline:
    parts = _xl_parts(4, prediction_type, sizes)
    return StableDiffusionXLPipeline(**parts, force_zeros_for_empty_prompt=zeros, add_watermarker=False)


@seeded
def sdxl_inpainting() -> StableDiffusionXLInpaintPipeline:
    return StableDiffusionXLInpaintPipeline(**_xl_parts(9), add_watermarker=False)


@seeded
def sdxl_controlled() -> StableDiffusionXLControlNetPipeline:
    parts = _xl_parts(4)
    return StableDiffusionXLControlNetPipeline(**parts, controlnet=_controlnet(parts["unet"]), add_watermarker=False)


@seeded
def sd3(*, shift: float = 3.0) -> StableDiffusion3Pipeline:
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=WIDTH,
        pooled_projection_dim=2 * WIDTH,
        out_channels=16,
        pos_embed_max_size=32,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
        vae=_vae(16, shift_factor=0.06),
        text_encoder=_projecting_clip(),
        tokenizer=new_tokenizer(),
        text_encoder_2=_projecting_clip(),
        tokenizer_2=new_tokenizer(),
        text_encoder_3=_t5(2 * WIDTH),
        tokenizer_3=_words(),
    )


@seeded
def flux(*, distilled: bool = True) -> FluxPipeline:
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=distilled,
    )
    shifts = {"use_dynamic_shifting": True} if distilled else {"shift": 1.0}
    pipe = FluxPipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(**shifts),
        vae=_vae(4, shift_factor=0.1),
        text_encoder=_clip(CLIPTextModel),
        tokenizer=new_tokenizer(),
        text_encoder_2=_t5(WIDTH),
        tokenizer_2=_words(),
    )
    pipe.default_sample_size = 16
    return pipe


def _other(kind: Any, *, in_channels: int = 4, controlnet: bool = False, **parts: Any) -> Any:
    """The text-to-image pipeline's parts in another class, the UNet with more channels."""
    base = random_pipeline()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        unet = UNet2DConditionModel.from_config(base.unet.config, in_channels=in_channels)
        if controlnet:
            parts["controlnet"] = _controlnet(unet)
    if kind is not StableDiffusionDepth2ImgPipeline:
        parts |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    shared = {name: getattr(base, name) for name in ("vae", "text_encoder", "tokenizer", "scheduler")}
    pipe = kind(unet=unet.eval(), **shared, **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _controlnet(unet: UNet2DConditionModel) -> ControlNetModel:
    """One that does something: a fresh one adds zeros."""
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16, 16, 32, 32)).eval()
    with torch.no_grad():
        for block in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
            block.weight.normal_(std=0.1)
        controlnet.controlnet_cond_embedding.conv_out.weight.normal_(std=0.1)
    return controlnet


def _xl_parts(in_channels: int, prediction_type: str = "epsilon", sizes: int = 8) -> dict[str, Any]:
    return {
        "unet": UNet2DConditionModel(
            in_channels=in_channels,
            block_out_channels=(32, 64),
            layers_per_block=2,
            sample_size=16,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=sizes,
            transformer_layers_per_block=(1, 2),
            projection_class_embeddings_input_dim=6 * sizes + WIDTH,
            cross_attention_dim=2 * WIDTH,
        ),
        "vae": _vae(4, scaling_factor=0.13025),
        "text_encoder": _clip(CLIPTextModel),
        "tokenizer": new_tokenizer(),
        "text_encoder_2": _projecting_clip(),
        "tokenizer_2": new_tokenizer(),
        "scheduler": DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            set_alpha_to_one=False,
            clip_sample=False,
            prediction_type=prediction_type,
        ),
    }


def _vae(channels: int, **units: float) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=channels,
        layers_per_block=1,
        sample_size=64,
        **units,
    )


def _clip(kind: Any) -> Any:
    return kind(clip_config(WIDTH, projection_dim=WIDTH, hidden_act="gelu"))


def _projecting_clip() -> CLIPTextModelWithProjection:
    return _clip(CLIPTextModelWithProjection)


def _t5(width: int) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(vocab_size=100, d_model=width, d_kv=8, d_ff=width, num_layers=1, num_heads=2, is_encoder_decoder=False)
    )


def _words() -> PreTrainedTokenizerFast:
    """A few words with ends, as T5's tokenizer puts them."""
    known = ["<pad>", "</s>", "<unk>", "a", "an", "bowl", "table", "of", "on", "apples", "pears", "cat", "dog"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(known)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )
