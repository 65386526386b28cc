"""A depth map for a model that was trained with one."""

from __future__ import annotations

import families
import networks
import pytest
import tiny
import torch
from conftest import pack

depth = pack("diffedit_core.hosts.comfyui.depth")
stages = pack("diffedit_core.hosts.comfyui.stages")
settings = pack("diffedit_core.settings")

MAP = torch.rand((2, 64, 64, 3), generator=torch.Generator().manual_seed(5))
HOW = settings.ContrastSettings(draws=2, kind="object")


@pytest.fixture
def model(monkeypatch):
    """It cannot be asked without depth, so it is none of the families that all tests go through."""
    monkeypatch.setitem(families.FAMILIES, "depth", families.Family("SD15", {**networks.UNET, "in_channels": 5}))
    return tiny.model("depth")


def heatmap(model, latent):
    found = stages.find_mask(model, latent, tiny.text("a"), tiny.text("b"), how=HOW, cut=settings.CutSettings(), seed=1)
    return found.heatmap


def test_a_depth_map_becomes_a_channel_of_the_latents_size_from_minus_one_to_one():
    near = torch.rand((2, 1, 40, 56), generator=torch.Generator().manual_seed(3)) * 9 + 4
    channel = depth.as_channel(near, torch.zeros(6, 4, 5, 7))
    assert channel.shape == (6, 1, 5, 7)
    for i in range(6):
        assert channel[i].min() == -1 and channel[i].max() == pytest.approx(1)
        assert torch.equal(channel[i], channel[i % 2])  # draws and texts of a batch lie one after the other
    assert not torch.equal(channel[0], channel[1])
    brighter = depth.as_channel(near * 2 + 1, torch.zeros(6, 4, 5, 7))
    torch.testing.assert_close(brighter, channel)


def test_the_model_is_asked_about_latent_and_depth_together(model):
    model = depth.with_depth(model, MAP[:1])
    seen = []
    model.model.diffusion_model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    heatmap(model, tiny.latent())
    near = depth.as_channel(MAP[:1, ..., :3].mean(-1)[:, None], torch.zeros(1, 4, 8, 8))
    assert seen
    for inputs in seen:
        assert inputs.shape[1] == 5
        torch.testing.assert_close(inputs[:, 4:], near.expand(len(inputs), -1, -1, -1))


def test_each_picture_of_a_batch_has_its_own_depth(model):
    batch = tiny.latent(batch=2)
    together = heatmap(depth.with_depth(model, MAP), batch)
    for i in range(2):
        alone = heatmap(depth.with_depth(model, MAP[i : i + 1]), {"samples": batch["samples"][i : i + 1]})
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-4, atol=1e-5)
    swapped = heatmap(depth.with_depth(model, MAP.flip(0)), batch)
    assert (swapped - together).abs().max() > 1e-3


def test_the_model_that_came_in_stays_as_it_was(model):
    depth.with_depth(model, MAP)
    assert not model.wrappers.get(depth.WrappersMP.APPLY_MODEL)


def test_another_model_takes_no_depth():
    with pytest.raises(ValueError, match=r"^this model takes no depth map"):
        depth.with_depth(tiny.model(), MAP)
