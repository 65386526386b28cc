"""The whole edit on a small random network: what must hold whatever the model."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pipelines import random_pipeline

import diffedit_core
from diffedit_core import EDIT_MASK, EditSettings, MaskSettings, decoding, edit, find_mask
from diffedit_core.choosing import STRENGTHS, decode_best
from diffedit_core.compositing import paste
from diffedit_core.contrast import contrast
from diffedit_core.decoding import BACKGROUNDS
from diffedit_core.denoiser import levels_up_to, paired_noise, seeded_noise
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import invert
from diffedit_core.masks import RULES, cells, fast_mask, fit, threshold
from diffedit_core.refine import Refinement, refine

FEW = EditSettings(steps=4, strength=0.75, rounds=2, tries=2)
QUICK = MaskSettings(draws=2)
TEXTS = ("a bowl of fruits", "a bowl of pears")


@pytest.fixture(scope="module")
def host():
    return DiffusersHost(random_pipeline())


@pytest.fixture(scope="module")
def picture():
    """Neither side a multiple of 8."""
    return torch.rand(1, 50, 70, 3, generator=torch.Generator().manual_seed(0))


def some_mask(height: int = 50, width: int = 70) -> torch.Tensor:
    mask = torch.zeros(1, height, width)
    mask[:, 10:30, 20:45] = 1
    return mask


def test_the_front_door_is_what_the_package_shows():
    assert set(diffedit_core.__all__) == {"EDIT_MASK", "Edit", "EditSettings", "MaskSettings", "edit", "find_mask"}


def test_an_edit_keeps_the_size_and_every_pixel_outside_its_mask(host, picture):
    result = edit(host, picture, *TEXTS, finding=QUICK, editing=FEW)
    assert result.picture.shape == picture.shape and result.mask.shape == (1, 50, 70)
    assert result.heatmap.shape == (1, 7, 9)  # of the latent
    assert 0 < result.mask.mean() < 1
    assert torch.equal(result.picture[result.mask == 0], picture[result.mask == 0])
    assert not torch.equal(result.picture, picture)
    assert result.picture.min() >= 0 and result.picture.max() <= 1


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("soft", [False, True])
def test_a_mask_of_ones_own_is_taken_as_it_is(host, picture, background, soft):
    mask = some_mask()
    before = host.evaluations
    result = edit(host, picture, *TEXTS, mask=mask, editing=replace(FEW, background=background, soft=soft))
    assert torch.equal(result.mask, mask) and result.heatmap is None
    assert torch.equal(result.picture[mask == 0], picture[mask == 0])
    assert not torch.equal(result.picture[mask == 1], picture[mask == 1])
    # 3 of 4 steps, two of them twice: decoding with guidance, before it the inversion, beside it the source text
    one_try = {"retrace": 10, "noised": 10, "source": 10 + 10}[background] + 2 * len(STRENGTHS)
    assert host.evaluations - before == 2 * one_try + (0 if background == "noised" else 3)


def test_seeds_reproduce_and_differ(host, picture):
    noised = replace(FEW, background="noised")

    def run(seed):
        return edit(host, picture, *TEXTS, finding=QUICK, editing=noised, seed=seed)

    first, again, other = run(1), run(1), run(2)
    assert torch.equal(first.picture, again.picture) and torch.equal(first.mask, again.mask)
    assert torch.equal(first.heatmap, again.heatmap) and not torch.equal(first.heatmap, other.heatmap)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_setting_of_the_decoding_reaches_its_place(host, picture, background, soft):
    """By hand, from the modules: inversion, background, decoding, pasting."""
    picture, mask = picture[:, :48, :64], some_mask(48, 64)
    how = EditSettings(
        steps=4,
        strength=0.75,
        guidance=5.0,
        rounds=2,
        tries=3,
        negative="blurred",
        background=background,
        soft=soft,
        inversion_text="fruits",
        inversion_guidance=1.5,
        iterations=1,
        feather=3.0,
    )
    result = edit(host, picture, *TEXTS, mask=mask, editing=how, seed=9)

    x0, sigmas = host.encode(picture), levels_up_to(0.75, host.sigmas(4))
    invert_under = host.denoiser("fruits", guidance=1.5)
    trajectory = invert(invert_under, x0, host.process, sigmas, iterations=1)
    outside = {
        "retrace": decoding.retrace(trajectory),
        "noised": decoding.noised(x0, sigmas, host.process, seeded_noise(9)),
        "source": decoding.source(trajectory, host.denoiser(TEXTS[0], "blurred", 5.0)),
    }[background]
    planes = cells(mask, (6, 8), soft)[:, None]
    rounds = decoding.Rounds(2, host.process, seeded_noise(9))
    denoise, pair = host.denoiser(TEXTS[1], "blurred", 5.0), host.denoiser_pair(*TEXTS)
    latent = decode_best(denoise, pair, planes, outside, rounds=rounds, tries=3)
    assert torch.equal(result.picture, paste(picture, host.decode(latent), mask, 3.0))


@pytest.mark.parametrize(
    ("finding", "statistic", "noise"),
    [
        (replace(QUICK, draws=4), "signed", seeded_noise(3)),
        (replace(QUICK, draws=4, statistic="mean_abs"), "mean_abs", seeded_noise(3)),
        (replace(QUICK, draws=4, paired=True), "signed", paired_noise(seeded_noise(3))),
        (replace(QUICK, draws=4, fast=True), "mean_abs", seeded_noise(3)),
    ],
)
def test_every_setting_of_the_contrast_reaches_its_place(host, picture, finding, statistic, noise):
    picture = picture[:, :48, :64]
    finding = replace(finding, strength=0.7, refinement=Refinement())
    mask, heatmap = find_mask(host, picture, *TEXTS, finding=finding, seed=3)
    x0, sigma = host.encode(picture), host.process.sigma_at(0.7)
    by_hand = contrast(host.denoiser_pair(*TEXTS), x0, host.process, sigma, noise=noise, draws=4, statistic=statistic)
    assert torch.equal(heatmap, by_hand)
    expected = (fit(fast_mask(by_hand), (48, 64)) > 0.5) if finding.fast else threshold(fit(by_hand, (48, 64)))
    assert torch.equal(mask, expected.float())


def test_an_edit_gives_what_is_found_room_and_the_mask_command_does_not(host, picture):
    found, _ = find_mask(host, picture, *TEXTS)
    room = EDIT_MASK.refinement.grow
    assert room > 0 and MaskSettings().refinement.grow == 0
    assert torch.equal(edit(host, picture, *TEXTS, editing=FEW).mask, refine(found, Refinement(grow=room)))


def test_a_schedule_that_cannot_be_is_refused_before_the_work(host, picture):
    before = host.evaluations
    with pytest.raises(ValueError, match="steps is 1001"):
        edit(host, picture, *TEXTS, finding=QUICK, editing=replace(FEW, steps=1001))
    assert host.evaluations == before


def test_find_mask_is_the_edits_first_step(host, picture):
    for finding in (QUICK, replace(QUICK, fast=True), replace(QUICK, refinement=Refinement(grow=2))):
        mask, heatmap = find_mask(host, picture, *TEXTS, finding=finding, seed=3)
        result = edit(host, picture, *TEXTS, finding=finding, editing=FEW, seed=3)
        assert torch.equal(mask, result.mask) and torch.equal(heatmap, result.heatmap)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_and_the_fast_mask_give_binary_masks_of_the_pictures_size(host, picture, rule):
    for finding in (replace(QUICK, rule=rule), replace(QUICK, fast=True), replace(QUICK, rule=rule, paired=True)):
        mask, _ = find_mask(host, picture, *TEXTS, finding=finding)
        assert mask.shape == (1, 50, 70) and set(mask.unique().tolist()) <= {0.0, 1.0}


def test_the_refinement_is_applied_with_picture_and_heatmap(host, picture):
    picture = picture[:, :48, :64]
    how = Refinement(edge_snap="grabcut", min_island=0.01)
    plain, heatmap = find_mask(host, picture, *TEXTS, finding=replace(QUICK, refinement=Refinement()))
    refined, _ = find_mask(host, picture, *TEXTS, finding=replace(QUICK, refinement=how))
    assert torch.equal(refined, refine(plain, how, picture=picture, heatmap=heatmap))


def test_the_purist_mask_runs_every_step_of_both_texts(host, picture):
    before = host.evaluations
    purist = replace(QUICK, steps=4, strength=0.5)
    mask, _ = find_mask(host, picture, *TEXTS, finding=purist)
    assert host.evaluations - before == 2 * 2 * 2 * 2  # draws, texts, steps, guidance
    assert 0 < mask.mean() < 1


def test_equal_texts_change_nothing_and_say_so(host, picture, caplog):
    for finding in (QUICK, replace(QUICK, fast=True), replace(QUICK, steps=2)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="diffedit_core"):
            result = edit(host, picture, TEXTS[0], TEXTS[0], finding=finding, editing=FEW)
        assert torch.equal(result.picture, picture) and (result.mask == 0).all() and (result.heatmap == 0).all()
        assert "the mask is empty: the two texts make no difference to this picture" in caplog.text


def test_a_mask_of_nearly_everything_is_warned_about(host, picture, caplog):
    with caplog.at_level(logging.WARNING, logger="diffedit_core"):
        edit(host, picture, *TEXTS, mask=torch.ones(1, 50, 70), editing=FEW)
    assert "the mask covers 100 % of the picture" in caplog.text


def test_pil_pictures_come_in_as_they_are(host):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    by_image = edit(host, Image.fromarray(pixels), *TEXTS, finding=QUICK, editing=FEW)
    by_tensor = edit(host, torch.from_numpy(pixels)[None] / 255, *TEXTS, finding=QUICK, editing=FEW)
    assert torch.equal(by_image.picture, by_tensor.picture)


def test_several_texts_a_side_are_one_averaged_text(host, picture):
    averaged = tuple(host.embed([text, f"a photo of {text}"]) for text in TEXTS)
    lists = [[text, f"a photo of {text}"] for text in TEXTS]
    by_lists = edit(host, picture, *lists, finding=QUICK, editing=FEW)
    by_embeddings = edit(host, picture, *averaged, finding=QUICK, editing=FEW)
    assert torch.equal(by_lists.picture, by_embeddings.picture)


def test_a_batch_is_edited_as_if_each_were_alone(host):
    pictures = torch.rand(3, 24, 32, 3, generator=torch.Generator().manual_seed(1))
    together = edit(host, pictures, *TEXTS, finding=QUICK, editing=FEW)
    for i in range(3):
        alone = edit(host, pictures[i : i + 1], *TEXTS, finding=QUICK, editing=FEW)
        assert torch.equal(together.mask[i : i + 1], alone.mask)
        torch.testing.assert_close(together.picture[i : i + 1], alone.picture, rtol=0, atol=2e-3)


def test_progress_names_its_stages_and_counts_their_steps(host, picture):
    seen = {}

    def progress(stage):
        seen[stage] = []
        return lambda done, total, x0: seen[stage].append((done, total))

    edit(host, picture, *TEXTS, finding=QUICK, editing=FEW, progress=progress)
    assert list(seen) == ["mask", "invert", "decode"]
    assert seen["mask"] == [(1, 2), (2, 2)]
    assert seen["invert"] == [(1, 3), (2, 3), (3, 3)]
    total = 2 * (5 + len(STRENGTHS))
    assert seen["decode"] == [(i, total) for i in range(1, total + 1)]


@pytest.mark.parametrize("stage", ["mask", "invert", "decode"])
def test_an_edit_can_be_interrupted_in_every_stage_and_run_again(host, picture, stage):
    before = picture.clone()

    def progress(name):
        def on_step(done, total, x0):
            if name == stage:
                raise InterruptedError

        return on_step

    with pytest.raises(InterruptedError):
        edit(host, picture, *TEXTS, finding=QUICK, editing=FEW, progress=progress)
    assert torch.equal(picture, before)
    whole, again = (edit(host, picture, *TEXTS, finding=QUICK, editing=FEW).picture for _ in range(2))
    assert torch.equal(whole, again)


def test_inputs_are_never_changed(host, picture):
    mask, before = some_mask(), picture.clone()
    edit(host, picture, *TEXTS, mask=mask, editing=replace(FEW, soft=True))
    find_mask(host, picture, *TEXTS, finding=replace(QUICK, refinement=Refinement(grow=3, feather=2.0)))
    assert torch.equal(picture, before) and torch.equal(mask, some_mask())


def test_a_mask_of_another_size_is_an_error_with_both_sizes(host, picture):
    with pytest.raises(ValueError, match="the mask is 35x25 but the picture is 70x50; draw the mask on this picture"):
        edit(host, picture, *TEXTS, mask=some_mask(25, 35), editing=FEW)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"background": "green"}, "background is 'green'; it must be one of retrace, noised, source"),
        ({"strength": 0.0}, "strength is 0.0; it must be above 0"),
        ({"strength": 1.5}, "strength is 1.5; it must be above 0"),
        ({"iterations": -1}, "iterations is -1"),
        ({"rounds": 0}, "rounds is 0; it must be at least 1"),
        ({"tries": 0}, "tries is 0; it must be at least 1"),
        ({"steps": 0}, "steps is 0; it must be from 1 to 1000"),
    ],
)
def test_settings_of_the_edit_that_cannot_be_are_named(host, picture, settings, message):
    with pytest.raises(ValueError, match=message):
        edit(host, picture, *TEXTS, mask=some_mask(), editing=replace(FEW, **settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strength": 0.0}, "strength is 0.0; it must be above 0"),
        ({"draws": 0}, "draws is 0"),
        ({"statistic": "median"}, "statistic is 'median'"),
        ({"rule": "best"}, "rule is 'best'"),
        ({"rule": "top", "value": 2.0}, "rule 'top' was given 2.0"),
    ],
)
def test_settings_of_the_mask_that_cannot_be_are_named(host, picture, settings, message):
    with pytest.raises(ValueError, match=message):
        find_mask(host, picture, *TEXTS, finding=replace(QUICK, **settings))


def test_a_network_that_overflows_is_an_error_and_no_full_mask(picture):
    """diffusers turns NaN into a mask of everything."""
    pipe = random_pipeline()
    with torch.no_grad():
        pipe.unet.conv_out.weight.fill_(3e38)
    with pytest.raises(ValueError, match=r"NaN or infinity, which half precision \(fp16\) often causes"):
        edit(DiffusersHost(pipe), picture, *TEXTS, finding=QUICK, editing=FEW)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MaskSettings(rule="best"),
        lambda: MaskSettings(rule="top", value=2.0),
        lambda: MaskSettings(strength=0.0),
        lambda: EditSettings(background="green"),
        lambda: EditSettings(strength=1.5),
    ],
)
def test_settings_are_refused_before_any_work_is_done(wrong):
    with pytest.raises(ValueError, match=r"must be|it takes"):
        wrong()
