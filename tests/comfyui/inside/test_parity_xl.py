"""SDXL with the same weights in ComfyUI and in diffusers: the two hosts give the same heatmap and trajectory."""

from __future__ import annotations

import json

import pytest
import torch
from comfy import supported_models, utils
from conftest import made_with_diffusers, pack
from tiny import patcher

host = pack("diffedit_core.hosts.comfyui.stages")
settings = pack("diffedit_core.settings")

SCALE = 0.13025  # SDXL's: the core's latents in a diffusers host are in these units


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("reference")
    made_with_diffusers("reference_xl.py", made)
    return made


@pytest.fixture(scope="module")
def model(folder):
    """The UNet in ComfyUI's own SDXL class, under ComfyUI's names for its weights."""
    theirs = json.loads((folder / "unet/config.json").read_text())
    widths, depth = theirs["block_out_channels"], theirs["layers_per_block"]
    attends = [
        layers if "CrossAttn" in block else 0
        for block, layers in zip(theirs["down_block_types"], theirs["transformer_layers_per_block"], strict=True)
    ]
    heads = {width // count for width, count in zip(widths, theirs["attention_head_dim"], strict=True)}
    config = {
        "image_size": 32,
        "in_channels": 4,
        "out_channels": 4,
        "model_channels": widths[0],
        "channel_mult": [width // widths[0] for width in widths],
        "num_res_blocks": [depth] * len(widths),
        "transformer_depth": [layers for layers in attends for _ in range(depth)],
        "transformer_depth_output": [layers for layers in attends for _ in range(depth + 1)],
        "transformer_depth_middle": attends[-1],
        "context_dim": theirs["cross_attention_dim"],
        "use_spatial_transformer": True,
        "use_linear_in_transformer": theirs["use_linear_projection"],
        "use_temporal_attention": False,
        "num_classes": "sequential",
        "adm_in_channels": theirs["projection_class_embeddings_input_dim"],
        "legacy": False,
        "dtype": torch.float32,
    }
    made = supported_models.SDXL(config)
    (made.unet_config["num_head_channels"],) = heads
    weights = utils.load_torch_file(str(folder / "unet/diffusion_pytorch_model.safetensors"), safe_load=True)
    names = utils.unet_to_diffusers(made.unet_config)
    ours = {names[name]: weight for name, weight in weights.items()}
    assert len(ours) == len(weights)
    inner = made.get_model({}, device=torch.device("cpu"))
    missing = inner.diffusion_model.load_state_dict(ours, strict=True)
    assert not missing.missing_keys
    return patcher(inner.eval())


@pytest.fixture(scope="module")
def expected(folder):
    return torch.load(folder / "reference.pt")


def text(expected, role):
    """Embedded where diffusers is: only the networks and the hosts are compared."""
    hidden, pooled = expected["texts"][role]
    return [[hidden, {"pooled_output": pooled}]]


def test_heatmaps(model, expected):
    how = settings.ContrastSettings(draws=4, statistic="mean_abs", paired=False, sure=1)
    latent = {"samples": expected["latent"] / SCALE}
    texts = text(expected, "source"), text(expected, "target")
    heatmap = host.find_mask(model, latent, *texts, how=how, cut=settings.CutSettings(), seed=3).heatmap
    assert float(expected["heatmap"].std()) > 5e-4  # there is something to agree on
    fitted = pack("diffedit_core.masks").fit(expected["heatmap"], heatmap.shape[-2:])
    torch.testing.assert_close(heatmap, fitted, rtol=1e-3, atol=1e-5)


def test_trajectories(model, expected):
    latent = {"samples": expected["latent"] / SCALE}
    how = settings.InversionSettings(steps=20, strength=0.6, iterations=1)
    inverted, _, _ = host.invert_picture(model, latent, text(expected, "source"), how=how)
    torch.testing.assert_close(torch.tensor(inverted.sigmas), torch.tensor(expected["sigmas"]))
    whole = inverted.above(model.get_model_object("process_latent_in")(inverted.picture["samples"]))
    seen = (1 + torch.tensor(whole.sigmas) ** 2).sqrt().view(-1, 1, 1, 1, 1)  # in units of what the network sees
    torch.testing.assert_close(whole.latents / seen, expected["trajectory"] / seen, rtol=1e-4, atol=3e-4)  # of 20 steps
    assert not whole.latents[-1].isclose(whole.latents[0], atol=0.1).all()
