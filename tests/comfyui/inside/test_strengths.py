"""One number for strength: a picture gets as much noise from every family, by what its model is shown."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from conftest import pack
from families import FAMILIES
from torch import Tensor

host = pack("diffedit_core.hosts.comfyui.stages")
settings = pack("diffedit_core.settings")
strength = pack("diffedit_core.strength")
noise_ratio = pack("diffedit_core.denoiser").noise_ratio
SamplingProcess = pack("diffedit_core.hosts.comfyui.noise").SamplingProcess

HERE = [name for name, family in FAMILIES.items() if family.made_by]
BRIGHT = 8.0
"""The picture, in the model's units: every value of it."""


class Shown:
    """Stands in for every network with the same answer, and keeps how much noise it saw to how much picture."""

    def __init__(self, family: str) -> None:
        self.model, self.ratios = tiny.model(family), list[float]()
        self.model.set_model_unet_function_wrapper(self)

    def __call__(self, network: Any, given: dict[str, Any]) -> Tensor:
        x = given["input"][:1].double()
        self.ratios.append(float(BRIGHT * x.std() / x.mean()))
        return given["input"].clone()


def picture(family: str, model: Any, pixels: int) -> dict[str, Tensor]:
    """A latent of so many pixels a side."""
    made = FAMILIES[family]
    shape = (1, *made.latent[:-2], pixels // made.pixels, pixels // made.pixels)
    flat = torch.full(shape, BRIGHT)
    return {"samples": model.get_model_object("process_latent_out")(flat)}


@pytest.mark.parametrize("pixels", [512, 1024])
@pytest.mark.parametrize("family", HERE)
def test_a_strength_is_the_same_noise_on_every_family(family, pixels):
    shown = Shown(family)
    latent, gain = picture(family, shown.model, pixels), pixels / 512
    texts = tiny.text("a cat", family), tiny.text("a dog", family)
    for wanted in (0.3, 0.5):
        how = settings.ContrastSettings(draws=2, paired=False, sure=1, kind="object", strength=wanted)
        shown.ratios.clear()
        host.find_mask(shown.model, latent, *texts, how=how, cut=settings.CutSettings("otsu"), seed=0)
        assert sum(shown.ratios) / len(shown.ratios) == pytest.approx(gain * strength.ratio_at(wanted), rel=0.01)


@pytest.mark.parametrize("family", HERE)
def test_an_inversion_climbs_to_the_same_noise_on_every_family(family):
    shown = Shown(family)
    latent, how = picture(family, shown.model, 1024), settings.InversionSettings(steps=10, strength=0.9)
    trajectory, _, _ = host.invert_picture(shown.model, latent, tiny.text("", family), how=how)
    process = SamplingProcess.of(shown.model)
    ratios = [noise_ratio(process, sigma) for sigma in trajectory.sigmas]
    assert ratios == pytest.approx([0, *(2 * strength.SCALE[t] for t in range(1, 802, 100))], rel=1e-3)
