"""Small models with fixed random weights, built from ComfyUI's own classes. They draw nothing; they sample for real."""

from __future__ import annotations

import zlib
from typing import Any

import comfy.model_patcher
import families
import streams
import torch
from networks import TEXT_WIDTH
from torch import Tensor

FAMILIES = ["sd15", "sd15-v", "inpaint", "sdxl", "sd3", "flux", "wan"]
"""Those that every test of the host goes through; ``families.FAMILIES`` has all that there are."""


def model(family: str = "sd15", dtype: torch.dtype = torch.float32, seed: int = 0) -> Any:
    """A MODEL as a loader hands it out."""
    about = families.FAMILIES[family]
    config = {**streams.known(about.config), "dtype": dtype}
    made = about.made_by(config)
    made.unet_config.update(config)  # some write their own sizes over ours
    if dtype != torch.float32:
        made.manual_cast_dtype = None
    inner = made.get_model({}, device=torch.device("cpu"))
    if about.finish:
        about.finish(inner.diffusion_model)
    randomize(inner.diffusion_model, seed)
    return patcher(inner.eval())


def patcher(inner: torch.nn.Module) -> Any:
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(inner, load_device=cpu, offload_device=cpu)


@torch.no_grad()
def randomize(module: torch.nn.Module, seed: int) -> None:
    """ComfyUI leaves weights uninitialized, for a checkpoint to fill."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in module.named_parameters():
        scale = 1 / max(1, weight[0].numel()) ** 0.5 if weight.ndim > 1 else 0.1
        values = torch.randn(weight.shape, generator=generator) * scale
        weight.copy_(
            values + 1 if weight.ndim == 1 and "norm" in name and name.endswith(("weight", "scale")) else values
        )
    saved = module.state_dict()
    for name, table in module.named_buffers():  # of positions
        if name in saved:
            table.copy_(torch.randn(table.shape, generator=generator))


def latent(family: str = "sd15", batch: int = 1, seed: int = 7) -> dict[str, Tensor]:
    shape = batch, *families.FAMILIES[family].latent
    return {"samples": torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 4}


def text(words: str, family: str = "sd15", tokens: int = 8, **options: Any) -> list:
    """A CONDITIONING: what a text encoder would make of other words is other numbers."""
    generator, about = torch.Generator().manual_seed(zlib.crc32(words.encode())), families.FAMILIES[family]
    embedding = torch.randn((1, tokens, TEXT_WIDTH), generator=generator) * 3
    given = {"pooled_output": torch.randn((1, about.pooled), generator=generator)}
    if about.is_masked:
        given["attention_mask"] = torch.ones((1, tokens), dtype=torch.long)
    if about.has_ids:
        given["t5xxl_ids"] = torch.randint(32128, (tokens,), generator=generator)
        given["t5xxl_weights"] = torch.ones(tokens)
    return [[embedding, {**given, **options}]]
