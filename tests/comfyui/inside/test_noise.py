"""ComfyUI's model_sampling as a noise process: against the core's own closed forms, and diffusers' timesteps."""

from __future__ import annotations

from itertools import pairwise

import comfy.model_sampling as sampling
import comfy.samplers
import pytest
import tiny
import torch
from conftest import pack

SamplingProcess = pack("diffedit_core.hosts.comfyui.noise").SamplingProcess
denoiser = pack("diffedit_core.denoiser")
strength = pack("diffedit_core.strength")
levels_up_to, ratio_at, schedule, sigma_at = (
    getattr(strength, name) for name in ("levels_up_to", "ratio_at", "schedule", "sigma_at")
)


def made(*bases: type) -> torch.nn.Module:
    return type("ModelSampling", bases, {})()


DIFFUSION = made(sampling.ModelSamplingDiscrete, sampling.EPS)
FLOW = made(sampling.ModelSamplingDiscreteFlow, sampling.CONST)
FLOW.set_parameters(shift=3.0)

PROCESSES = [
    (DIFFUSION, denoiser.Diffusion(tuple(DIFFUSION.sigmas.double().tolist()))),
    (FLOW, denoiser.Flow()),
]


@pytest.mark.parametrize(("theirs", "ours"), PROCESSES)
def test_noise_is_added_as_the_core_has_it(theirs, ours):
    draw = torch.Generator().manual_seed(0)
    x0, n = torch.randn(2, 4, 8, 8, generator=draw), torch.randn(4, 8, 8, generator=draw)
    kept = n.clone()
    noisy = SamplingProcess(theirs).add(x0, n, 0.7)
    torch.testing.assert_close(noisy, ours.add(x0, n, 0.7))
    assert n.equal(kept)


@pytest.mark.parametrize(("theirs", "ours"), PROCESSES)
def test_strength_is_the_same_level(theirs, ours):
    for strength in (0.01, 0.25, 0.5, 0.8, 1.0):
        found = sigma_at(SamplingProcess(theirs), strength)
        assert found == pytest.approx(sigma_at(ours, strength), rel=1e-4)
        assert denoiser.noise_ratio(SamplingProcess(theirs), found) == pytest.approx(ratio_at(strength), rel=1e-4)
    percents = [float(DIFFUSION.percent_to_sigma(1 - strength)) for strength in (0.25, 0.5, 0.8)]
    assert [ratio_at(strength) for strength in (0.25, 0.5, 0.8)] == pytest.approx(percents, rel=1e-4)


@pytest.mark.parametrize(("theirs", "ours"), PROCESSES)
def test_the_same_input_at_another_level(theirs, ours):
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for sigma, sigma_next in ((0.0, 0.3), (0.3, 0.9), (0.9, 0.1)):
        torch.testing.assert_close(
            SamplingProcess(theirs).same_input(x, sigma, sigma_next), ours.same_input(x, sigma, sigma_next)
        )


@pytest.mark.parametrize(("theirs", "ours"), PROCESSES)
def test_fresh_noise_on_top(theirs, ours):
    draw = torch.Generator().manual_seed(0)
    x, n = (torch.randn(1, 4, 8, 8, generator=draw) for _ in range(2))
    for sigma, sigma_next in ((0.0, 0.3), (0.3, 0.9)):
        again = denoiser.renoise(SamplingProcess(theirs), x, n, sigma, sigma_next)
        torch.testing.assert_close(again, denoiser.renoise(ours, x, n, sigma, sigma_next))


@pytest.mark.parametrize(("theirs", "ours"), PROCESSES)
def test_how_much_picture_and_noise_a_level_holds(theirs, ours):
    process = SamplingProcess(theirs)
    for sigma in (0.0, 0.3, 0.9):
        assert process.scales(sigma) == pytest.approx(ours.scales(sigma), abs=1e-6)
        picture, noise = process.scales(sigma)
        assert process.at_ratio(noise / picture) == pytest.approx(sigma, abs=1e-6)
        assert process.at_ratio(noise / picture) == pytest.approx(ours.at_ratio(noise / picture), abs=1e-6)


def test_a_flow_that_scales_its_noise_knows_its_levels_by_their_ratio():
    scaled = made(sampling.ModelSamplingDiscreteFlow, sampling.CONST)
    scaled.noise_scale = 2.0  # which only newer versions read
    process = SamplingProcess(scaled)
    for sigma in (0.1, 0.5, 0.9):
        picture, noise = process.scales(sigma)
        assert process.at_ratio(noise / picture) == pytest.approx(sigma, rel=1e-6)


@pytest.mark.parametrize("steps", [1, 7, 30, 50, 999])
def test_the_default_schedule_is_diffusers_leading_one_with_an_offset_of_1(steps):
    timesteps = torch.arange(steps) * (1000 // steps) + 1
    expected = (0.0, *DIFFUSION.sigmas[timesteps].tolist())
    process = SamplingProcess(DIFFUSION)
    for levels in (schedule(process, steps), process.schedule("ddim_uniform", steps)):
        assert levels == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize("scheduler", comfy.samplers.SCHEDULER_NAMES)
@pytest.mark.parametrize("process", [DIFFUSION, FLOW])
def test_every_scheduler_climbs_from_the_picture(process, scheduler):
    levels = SamplingProcess(process).schedule(scheduler, 10)
    assert len(levels) in range(9, 12)
    assert levels[0] == 0
    assert all(low < high for low, high in pairwise(levels))


def test_a_flow_model_is_not_inverted_to_pure_noise():
    process = SamplingProcess(FLOW)
    full = process.schedule("simple", 20)
    with pytest.raises(ValueError, match=r"strength takes the flow model to sigma 1\.0.*of 0\.95 at most, or .*'auto'"):
        process.check_invertible(full)
    process.check_invertible(levels_up_to(0.95, full))
    assert levels_up_to(0.95, full)[-1] < 1
    process.check_invertible(schedule(process, 20))  # DDIM's own levels hold something of the picture to the last
    SamplingProcess(DIFFUSION).check_invertible((0.0, float(DIFFUSION.sigma_max)))


def test_inverse_scaling_undoes_what_a_sampler_without_noise_does_first():
    x = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for process in (DIFFUSION, FLOW):
        given = SamplingProcess(process).for_other_samplers(x, 0.6)
        torch.testing.assert_close(process.noise_scaling(torch.tensor(0.6), torch.zeros_like(x), given), x)


def test_models_without_such_a_noise_are_refused():
    model = tiny.model()
    model.add_object_patch("model_sampling", made(sampling.ModelSamplingDiscrete, sampling.IMG_TO_IMG))
    with pytest.raises(ValueError, match=r"IMG_TO_IMG.*not supported; use an eps"):
        SamplingProcess.of(model)


@pytest.mark.parametrize("family", ["sd15", "sd15-v", "sdxl", "inpaint"])
def test_diffusion_families(family):
    assert SamplingProcess.of(tiny.model(family)).kind == "diffusion"


@pytest.mark.parametrize("family", ["sd3", "flux", "wan"])
def test_flow_families(family):
    assert SamplingProcess.of(tiny.model(family)).kind == "flow"
