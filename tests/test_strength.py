import math
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from diffusers import DDIMScheduler
from worlds import FLOW, standard_normal

from diffedit_core.denoiser import Diffusion, NoiseProcess, noise_ratio
from diffedit_core.draws import Draws
from diffedit_core.host import gain_of
from diffedit_core.settings import ContrastSettings, InversionSettings
from diffedit_core.stages import levels_of_climb, levels_of_contrast, look
from diffedit_core.strength import SCALE, check_strength, gain_at, levels_up_to, ratio_at, schedule, sigma_at
from diffedit_core.toybox.model import SCHEDULER

SD15 = Diffusion.from_alphas(DDIMScheduler(**SCHEDULER).alphas_cumprod)
OTHER = Diffusion.from_alphas(torch.linspace(0.99999, 0.0001, 500, dtype=torch.float64))  # sigma up to 100
PROCESSES = {"sd15": SD15, "other": OTHER, "flow": FLOW}
STRENGTHS = (0.01, 0.2, 0.5, 0.77, 0.9, 1.0)


def test_the_scale_is_that_of_stable_diffusion():
    assert SD15.table == SCALE
    assert ratio_at(1.0) == pytest.approx(SCALE[-1])
    assert ratio_at(300 / 999) == pytest.approx(SCALE[300])
    assert SCALE[499] < ratio_at(0.5) < SCALE[500]  # 0.5 * 999 = 499.5
    assert ratio_at(0.5) == pytest.approx(math.sqrt(SCALE[499] * SCALE[500]))


@pytest.mark.parametrize("steps", [1, 3, 10, 25, 50, 999])
def test_the_schedule_of_stable_diffusion_is_ddims_own(steps):
    scheduler = DDIMScheduler(**SCHEDULER)
    scheduler.set_timesteps(steps)
    assert schedule(SD15, steps) == (0.0, *(SD15.table[t] for t in scheduler.timesteps.flip(0).tolist()))


def test_a_schedule_takes_up_to_as_many_steps_as_there_are_timesteps():
    assert schedule(SD15, 1000) == (0.0, *SD15.table)
    for steps in (0, 1001):
        with pytest.raises(ValueError, match=f"steps is {steps}; it must be from 1 to 1000"):
            schedule(SD15, steps)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=PROCESSES)
@pytest.mark.parametrize("area", [64**2, 512**2, 768 * 512, 1024**2])
def test_a_strength_is_the_same_ratio_of_noise_to_picture_on_every_family(process, area):
    gain = gain_at(area)
    for strength in STRENGTHS:
        expected = gain * ratio_at(strength)
        if expected <= getattr(process, "table", (math.inf,))[-1]:
            assert noise_ratio(process, sigma_at(process, strength, gain)) == pytest.approx(expected, rel=1e-9)
    levels = schedule(process, 10, gain)
    assert levels[0] == 0 and all(low < high for low, high in pairwise(levels[:-1])) and len(levels) == 11
    for level, t in zip(levels[1:], range(1, 902, 100), strict=True):
        if gain * SCALE[t] <= getattr(process, "table", (math.inf,))[-1]:
            assert noise_ratio(process, level) == pytest.approx(gain * SCALE[t], rel=1e-9)


def test_twice_as_wide_a_picture_takes_twice_the_noise_and_a_small_one_no_less():
    assert gain_at(512 * 512) == 1 and gain_at(1024 * 1024) == 2 and gain_at(1536 * 1536) == 3
    assert gain_at(64 * 64) == gain_at(1) == 1


def test_twice_the_noise_hides_in_four_times_the_cells_what_it_hid():
    """The best guess at a thing from all of its cells is off by as much."""
    thing, deviation = torch.tensor([1.0, -1.0], dtype=torch.float64), 0.7
    off = []
    for cells, gain in ((64, 1.0), (256, 2.0)):
        x = thing[:, None, None] + gain * deviation * standard_normal(2, 4000, cells)
        off.append(float((x.mean(-1) - thing[:, None]).square().mean().sqrt()))
    assert off[1] == pytest.approx(off[0], rel=0.03)


@dataclass
class Model:
    """As much of a model as asks for levels."""

    process: NoiseProcess
    cell: int


@pytest.mark.parametrize("cell", [1, 8, 16, 32])
def test_a_picture_is_as_large_as_its_pixels_whatever_the_cells(cell):
    latents = torch.zeros(2, 4, 1024 // cell, 1024 // cell), torch.zeros(1, 16, 9, 1024 // cell, 1024 // cell)
    for latent in latents:  # a picture, and a clip
        assert gain_of(Model(FLOW, cell), latent) == 2
        found = levels_of_contrast(Model(FLOW, cell), latent, ContrastSettings())[-1]
        assert noise_ratio(FLOW, found) == pytest.approx(2 * ratio_at(0.5))
        top = levels_of_climb(Model(FLOW, cell), latent, InversionSettings())[-1]
        assert noise_ratio(FLOW, top) == pytest.approx(2 * SCALE[801])


def test_no_step_of_a_flow_goes_nowhere():
    """With ComfyUI's ddim_uniform the first of ten went to a noise ratio of .001."""
    for gain in (1.0, 2.0):
        ratios = [noise_ratio(FLOW, level) for level in schedule(FLOW, 10, gain)]
        assert ratios[1] > 0.04 * gain and ratios[-1] > 8 * gain


def test_a_large_picture_is_told_by_the_same_kinds_as_a_small_one():
    """In units of the noise, twice the noise halves the heat: a thing must not pass for something added."""

    class Seen(Model):
        chunk = 1

        def denoiser_pair(self, first, second):
            def pair(x, sigma):
                ground = torch.zeros_like(x)
                ground[:, 0] = 0.2
                ground[:, 0, x.shape[-2] // 2 :] = 0.45
                return torch.zeros_like(x), ground

            return pair

    kinds = [
        look(Seen(FLOW, 8), torch.zeros(1, 4, side, side), ContrastSettings(drafts=0), Draws.of(0)).kinds
        for side in (16, 128)
    ]
    assert kinds[0] == kinds[1] == ("area",)


def test_levels_up_to_takes_the_share_of_the_steps_that_strength_says():
    full = tuple(float(i) for i in range(11))
    assert levels_up_to(1.0, full) == full
    assert levels_up_to(0.7, full) == full[:8]  # 0.7 * 10 is 7.000000000000001 or 6.99...: never 6
    assert levels_up_to(0.01, full) == (0.0, 1.0)  # at least one step
    for tenths in range(1, 11):
        assert len(levels_up_to(tenths / 10, full)) == tenths + 1


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.01, math.nan])
def test_a_strength_that_is_none_is_an_error_with_the_number(strength):
    for use in (check_strength, ratio_at, lambda s: sigma_at(FLOW, s), lambda s: levels_up_to(s, (0.0, 1.0, 2.0))):
        with pytest.raises(ValueError, match=f"strength is {strength}; it must be above 0"):
            use(strength)
