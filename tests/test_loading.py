"""Pipelines on disk: every family comes back as it was, the right files are read, and the rest is refused by name."""

from __future__ import annotations

import json
import shutil

import families
import pytest
import torch
from diffusers import ControlNetModel
from pipelines import random_pipeline
from worlds import standard_normal

from diffedit_core.host import seeing
from diffedit_core.hosts.diffusers import DiffusersHost, loading
from diffedit_core.hosts.diffusers.loading import FAMILIES

TEXT = "a bowl of apples"
PICTURE = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(0))
HALF = {"variant": "fp16", "safe_serialization": True}


def predicted(host: DiffusersHost, sigma: float = 0.7) -> torch.Tensor:
    x = standard_normal(1, host.network.autoencoder.channels, 16, 16, dtype=torch.float32)
    return seeing(host.bind({"target": TEXT}), PICTURE).denoiser("target")(x, sigma)


@pytest.mark.filterwarnings("ignore:In CPU autocast")
@pytest.mark.parametrize(
    "name", ["inpainting", "depth", "controlled", "sdxl", "sdxl_inpainting", "sdxl_controlled", "sd3", "flux"]
)
def test_a_pipeline_survives_the_way_to_a_folder_and_back(tmp_path, name):
    pipe = getattr(families, name)()
    pipe.save_pretrained(tmp_path, safe_serialization=True)
    control = {"control": "canny"} if "controlled" in name else {}
    again = DiffusersHost.from_pretrained(tmp_path, **control)
    assert type(again.pipe) is type(pipe)
    assert any(type(pipe).__name__ in classes for classes in FAMILIES.values())
    pipe.default_sample_size = getattr(again.pipe, "default_sample_size", None)
    torch.testing.assert_close(predicted(again), predicted(DiffusersHost(pipe, **control)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("base", "controlled"), [(random_pipeline, "controlled"), (families.sdxl, "sdxl_controlled")])
def test_a_controlnet_is_put_to_a_model(tmp_path, base, controlled):
    pipe, other = base(), getattr(families, controlled)()
    controlnet = ControlNetModel.from_unet(pipe.unet, conditioning_embedding_out_channels=(16, 16, 32, 32))
    controlnet.load_state_dict(other.controlnet.state_dict())
    pipe.save_pretrained(tmp_path / "model", safe_serialization=True)
    controlnet.save_pretrained(tmp_path / "controlnet", safe_serialization=True)
    given = {"controlnet": tmp_path / "controlnet", "control": "canny"}
    host = DiffusersHost.from_pretrained(tmp_path / "model", **given, control_scale=2.0)
    expected = DiffusersHost(type(other)(**{**pipe.components, "controlnet": controlnet.eval()}), control="canny")
    assert not predicted(host).isclose(predicted(expected), atol=1e-3).all()
    expected.network.control_scale = 2.0
    torch.testing.assert_close(predicted(host), predicted(expected), rtol=1e-5, atol=1e-5)


def test_a_controlnet_needs_a_model_that_takes_one(tmp_path):
    families.sd3().save_pretrained(tmp_path, safe_serialization=True)
    with pytest.raises(ValueError, match="is a StableDiffusion3Pipeline, which takes no ControlNet"):
        DiffusersHost.from_pretrained(tmp_path, controlnet=tmp_path, control="canny")


def test_half_precision_files_are_found_where_there_are_no_others(tmp_path):
    random_pipeline().to(torch.float16).save_pretrained(tmp_path, **HALF)
    assert list((tmp_path / "unet").glob("*.safetensors")) == [
        tmp_path / "unet/diffusion_pytorch_model.fp16.safetensors"
    ]
    for dtype in (torch.float32, torch.float16):
        host = DiffusersHost.from_pretrained(tmp_path, dtype=dtype)
        assert host.pipe.unet.dtype == host.pipe.text_encoder.dtype == dtype


@pytest.mark.parametrize(("dtype", "seed"), [(torch.float32, 0), (torch.float16, 1), (torch.bfloat16, 0)])
def test_of_both_kinds_of_files_the_smaller_ones_are_read_for_half_precision(tmp_path, dtype, seed):
    random_pipeline(seed=0).save_pretrained(tmp_path, safe_serialization=True)
    random_pipeline(seed=1).to(torch.float16).save_pretrained(tmp_path, **HALF)
    read, expected = DiffusersHost.from_pretrained(tmp_path, dtype=dtype).pipe, random_pipeline(seed=seed).to(dtype)
    for part in ("unet", "vae", "text_encoder"):
        weights = getattr(expected, part).state_dict()
        assert all(torch.equal(weight, weights[name]) for name, weight in getattr(read, part).state_dict().items())


def test_a_part_that_has_half_precision_files_alone_is_read_beside_the_rest(tmp_path):
    random_pipeline().save_pretrained(tmp_path, safe_serialization=True)
    shutil.rmtree(tmp_path / "unet")
    random_pipeline().unet.half().save_pretrained(tmp_path / "unet", **HALF)
    assert DiffusersHost.from_pretrained(tmp_path).pipe.unet.dtype == torch.float32


def test_files_on_the_hub_are_told_by_their_names():
    plain, half = "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors"
    for files, dtype, expected in (
        ([plain], torch.float16, False),
        ([plain, half], torch.float32, False),
        ([plain, half], torch.float16, True),
        ([half], torch.float32, True),
        ([plain, half, "text_encoder/model.fp16.safetensors"], torch.float32, True),
        ([plain, "onnx/unet/model.fp16.safetensors", "model.fp16.bin"], torch.float16, False),
        ([], torch.float16, False),
    ):
        assert loading._is_halved(files, dtype) == expected, files


def test_a_controlnet_in_half_precision_files_is_found(tmp_path):
    random_pipeline().save_pretrained(tmp_path / "model", safe_serialization=True)
    families.controlled().controlnet.half().save_pretrained(tmp_path / "controlnet", **HALF)
    given = {"controlnet": tmp_path / "controlnet", "control": "canny"}
    assert DiffusersHost.from_pretrained(tmp_path / "model", **given).pipe.controlnet.dtype == torch.float32


@pytest.mark.parametrize("kind", ["WanPipeline", "FluxFillPipeline", ["pipeline", "MyPipeline"]])
def test_other_pipelines_are_refused_by_name_before_they_are_loaded(tmp_path, kind):
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": kind}))
    said = rf"{tmp_path} is a .*Pipeline.*, which is not supported; use a model of SD1.x and SD2.x, SDXL, SD3 or Flux"
    with pytest.raises(ValueError, match=said):
        DiffusersHost.from_pretrained(tmp_path)


def test_a_safety_checker_is_left_where_it_is(tmp_path):
    """Its folder need not even be there."""
    random_pipeline().save_pretrained(tmp_path, safe_serialization=True)
    index = json.loads((tmp_path / "model_index.json").read_text())
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    read = DiffusersHost.from_pretrained(tmp_path)
    torch.testing.assert_close(predicted(read), predicted(DiffusersHost(random_pipeline())), rtol=1e-5, atol=1e-5)
