"""ComfyUI's model_sampling as a noise process: against the core's own closed forms, and diffusers' timesteps."""

from __future__ import annotations

from itertools import pairwise

import comfy.model_sampling as sampling
import comfy.samplers
import pytest
import tiny
import torch
from conftest import pack

noise = pack("diffedit_core.hosts.comfyui_noise")
denoiser = pack("diffedit_core.denoiser")


def made(*bases: type) -> torch.nn.Module:
    return type("ModelSampling", bases, {})()


DIFFUSION = made(sampling.ModelSamplingDiscrete, sampling.EPS)
FLOW = made(sampling.ModelSamplingDiscreteFlow, sampling.CONST)
FLOW.set_parameters(shift=3.0)

PROCESSES = [
    (DIFFUSION, denoiser.Diffusion(tuple(DIFFUSION.sigmas.double().tolist()))),
    (FLOW, denoiser.Flow(shift=3.0)),
]


@pytest.mark.parametrize(("theirs", "ours"), PROCESSES)
def test_noise_is_added_as_the_core_has_it(theirs, ours):
    draw = torch.Generator().manual_seed(0)
    x0, n = torch.randn(2, 4, 8, 8, generator=draw), torch.randn(4, 8, 8, generator=draw)
    kept = n.clone()
    noisy = noise.SamplingNoise.of(theirs).add(x0, n, 0.7)
    torch.testing.assert_close(noisy, ours.add(x0, n, 0.7))
    assert n.equal(kept)


@pytest.mark.parametrize(("theirs", "ours"), PROCESSES)
def test_strength_is_the_same_level(theirs, ours):
    for strength in (0.01, 0.25, 0.5, 0.8, 1.0):
        assert noise.SamplingNoise.of(theirs).sigma_at(strength) == pytest.approx(ours.sigma_at(strength), rel=1e-4)


@pytest.mark.parametrize(("theirs", "ours"), PROCESSES)
def test_the_same_input_at_another_level(theirs, ours):
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for sigma, sigma_next in ((0.0, 0.3), (0.3, 0.9), (0.9, 0.1)):
        torch.testing.assert_close(
            noise.SamplingNoise.of(theirs).same_input(x, sigma, sigma_next), ours.same_input(x, sigma, sigma_next)
        )


@pytest.mark.parametrize(("theirs", "ours"), PROCESSES)
def test_fresh_noise_on_top(theirs, ours):
    draw = torch.Generator().manual_seed(0)
    x, n = (torch.randn(1, 4, 8, 8, generator=draw) for _ in range(2))
    for sigma, sigma_next in ((0.0, 0.3), (0.3, 0.9)):
        again = denoiser.renoise(noise.SamplingNoise.of(theirs), x, n, sigma, sigma_next)
        torch.testing.assert_close(again, denoiser.renoise(ours, x, n, sigma, sigma_next))


@pytest.mark.parametrize("steps", [1, 7, 30, 50, 1000])
def test_the_default_schedule_is_diffusers_leading_one_with_an_offset_of_1(steps):
    timesteps = torch.arange(steps) * (1000 // steps) + 1
    expected = (0.0, *DIFFUSION.sigmas[timesteps.clamp_max(999)].tolist())
    levels = noise.full_schedule(DIFFUSION, steps)
    assert levels[:1000] == expected[:1000]  # there is no timestep 1000


@pytest.mark.parametrize("scheduler", comfy.samplers.SCHEDULER_NAMES)
@pytest.mark.parametrize("process", [DIFFUSION, FLOW])
def test_every_scheduler_climbs_from_the_picture(process, scheduler):
    levels = noise.full_schedule(process, 10, scheduler)
    assert len(levels) in range(9, 12)
    assert levels[0] == 0
    assert all(low < high for low, high in pairwise(levels))


def test_a_flow_model_is_not_inverted_to_pure_noise():
    process = noise.SamplingNoise.of(FLOW)
    with pytest.raises(ValueError, match=r"strength 1\.0 takes this flow model to sigma 1\.0.*below 0\.975"):
        noise.inversion_levels(process, 20, "simple", 1.0)
    assert noise.inversion_levels(process, 20, "simple", 0.97)[-1] < 1


def test_inverse_scaling_undoes_what_a_sampler_without_noise_does_first():
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for process in (DIFFUSION, FLOW):
        given = noise.SamplingNoise.of(process).for_other_samplers(x, 0.6)
        torch.testing.assert_close(process.noise_scaling(torch.tensor(0.6), torch.zeros_like(x), given), x)


def test_models_without_such_a_noise_are_refused():
    with pytest.raises(ValueError, match=r"IMG_TO_IMG.*not known here; use an eps"):
        noise.SamplingNoise.of(made(sampling.ModelSamplingDiscrete, sampling.IMG_TO_IMG))


@pytest.mark.parametrize("family", ["sd15", "sd15-v", "sdxl", "inpaint"])
def test_diffusion_families(family):
    assert noise.SamplingNoise.of(tiny.model(family).get_model_object("model_sampling")).kind == "diffusion"


@pytest.mark.parametrize("family", ["sd3", "flux", "wan"])
def test_flow_families(family):
    assert noise.SamplingNoise.of(tiny.model(family).get_model_object("model_sampling")).kind == "flow"
