"""The toybox's small Stable-Diffusion-shaped model: its sizes, and how it is built and exported.

ComfyUI's own SD1.5 classes can take these sizes: widths are multiples of 32, ``attention_head_dim`` is the number of
heads, and projections are 1x1 convolutions.
"""

# diffusers' own annotations are narrower than what it takes
# pyright: reportArgumentType=false
from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .captions import vocabulary

SCALING_FACTOR = 0.18215  # SD1.5's: whatever takes SD1.5's latents takes these too
TOKENS = 32  # in a text, at most; the longest caption has 22, its start and end included
TEXT_WIDTH = 128

AUTOENCODER = {
    "block_out_channels": (32, 32, 64, 96),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 32,
    "sample_size": 128,
    "scaling_factor": SCALING_FACTOR,
}
UNET = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (96, 160),
    "down_block_types": ("CrossAttnDownBlock2D",) * 2,
    "up_block_types": ("CrossAttnUpBlock2D",) * 2,
    "layers_per_block": 1,
    "attention_head_dim": 4,
    "cross_attention_dim": TEXT_WIDTH,
    "norm_num_groups": 32,
}
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "clip_sample": False,
}


class Denoiser(nn.Module):
    """The two networks that learn together: one predicts the noise, the other encodes the text that guides it."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: CLIPTextModel):
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(self, x: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        """eps [B, 4, h, w] from noisy latents [B, 4, h, w], timesteps [B] and tokens [B, TOKENS]."""
        context = self.text_encoder(tokens).last_hidden_state  # [B, TOKENS, TEXT_WIDTH]
        return self.unet(x, timestep, context).sample


def new_autoencoder(seed: int) -> AutoencoderKL:
    with seeded(seed):
        return AutoencoderKL(**AUTOENCODER)


def new_denoiser(seed: int, tokenizer: CLIPTokenizer) -> Denoiser:
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=TEXT_WIDTH,
        max_position_embeddings=TOKENS,
        hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with seeded(seed):
        return Denoiser(UNet2DConditionModel(**UNET), CLIPTextModel(text))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator, from which layers draw their first weights, and restore it afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def new_tokenizer() -> CLIPTokenizer:
    """CLIP's byte-level tokenizer with a vocabulary of its own: each word of the captions is one token."""
    vocab, merges = byte_pairs(vocabulary())
    with TemporaryDirectory() as folder:
        write_tokenizer(Path(folder), vocab, merges)
        return CLIPTokenizer.from_pretrained(folder)


def write_tokenizer(folder: Path, vocab: dict[str, int], merges: list[tuple[str, str]]) -> None:
    """Write a tokenizer's files in a form that ComfyUI and every version of transformers can read."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    names = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    settings = {**names, "pad_token": "<|endoftext|>", "model_max_length": TOKENS, "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    (folder / "special_tokens_map.json").write_text(json.dumps({k: settings[k] for k in (*names, "pad_token")}))


def byte_pairs(words: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """A vocabulary and merges that make each word one token. Later merges never affect earlier words."""
    merges: list[tuple[str, str]] = []
    for word in words:
        pieces = merged([*word[:-1], word[-1] + "</w>"], merges)
        while len(pieces) > 1:
            merges.append((pieces[0], pieces[1]))
            pieces = [pieces[0] + pieces[1], *pieces[2:]]
    letters = byte_letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}, merges


def merged(pieces: list[str], merges: list[tuple[str, str]]) -> list[str]:
    for left, right in merges:
        i = 0
        while i < len(pieces) - 1:
            if (pieces[i], pieces[i + 1]) == (left, right):
                pieces = [*pieces[:i], left + right, *pieces[i + 2 :]]
            i += 1
    return pieces


def byte_letters() -> list[str]:
    """A printable letter for each byte, in the order of GPT-2's byte-level encoding."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(256 - len(printable))]


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """int64 [B, TOKENS]."""
    return tokenizer(texts, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt").input_ids


@torch.no_grad()
def standardized(autoencoder: AutoencoderKL, latents: Tensor) -> AutoencoderKL:
    """The same autoencoder, except that its latents times SCALING_FACTOR have mean 0 and variance 1 in each channel.

    ``latents`` [N, 4, h, w] are what it makes now. The shift and the scale go into the two 1x1 convolutions around the
    latent, so the pictures stay the same.
    """
    mean = latents.mean((0, 2, 3))  # [4]
    scale = latents.std((0, 2, 3)) * SCALING_FACTOR
    twin = deepcopy(autoencoder)
    parameters = dict(twin.named_parameters())
    weight, bias = parameters["quant_conv.weight"], parameters["quant_conv.bias"]
    weight[:4] /= scale[:, None, None, None]
    bias[:4] = (bias[:4] - mean) / scale
    bias[4:] -= 2 * scale.log()  # the lower half is the log variance
    weight, bias = parameters["post_quant_conv.weight"], parameters["post_quant_conv.bias"]
    bias += weight[:, :, 0, 0] @ mean
    weight *= scale[:, None, None]
    return twin


def assemble(autoencoder: AutoencoderKL, denoiser: Denoiser, tokenizer: CLIPTokenizer) -> StableDiffusionPipeline:
    pipe = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        unet=denoiser.unet,
        scheduler=DDIMScheduler(**SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def export(pipe: StableDiffusionPipeline, folder: Path) -> None:
    """Write the model in half precision, in the diffusers layout."""
    autoencoder = deepcopy(pipe.vae).half()
    denoiser = Denoiser(deepcopy(pipe.unet).half(), deepcopy(pipe.text_encoder).half())
    assemble(autoencoder, denoiser, pipe.tokenizer).save_pretrained(folder)
    write_tokenizer(folder / "tokenizer", *byte_pairs(vocabulary()))
    weights = folder / "text_encoder" / "model.safetensors"
    state = {f"text_model.{name.removeprefix('text_model.')}": x for name, x in load_file(weights).items()}
    save_file(state, weights, {"format": "pt"})  # SD1.5's names; transformers 5 writes them without the prefix
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)  # they are written for their owner alone, but belong in a package
