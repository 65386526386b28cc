"""The whole edit on a small random network: what must hold whatever the model."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from pipelines import random_pipeline

import diffedit_core
from diffedit_core import Edit, Edited, EditSettings, MaskSettings, decoding, edit, find_mask
from diffedit_core.choosing import STRENGTHS, decode_best
from diffedit_core.compositing import paste
from diffedit_core.contrast import STATISTICS, contrast, purist_contrast
from diffedit_core.decoding import BACKGROUNDS
from diffedit_core.draws import Draws, paired_noise, seeded_noise
from diffedit_core.focus import Focus
from diffedit_core.greys import GREYS
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import invert
from diffedit_core.kinds import KINDS
from diffedit_core.masks import RULES, cells, fit, threshold
from diffedit_core.refine import Refinement, give_room, refine
from diffedit_core.seams import fit_seam
from diffedit_core.settings import FASTDIFFEDIT, ContrastSettings, CutSettings, DecodingSettings, InversionSettings
from diffedit_core.solvers import SOLVERS
from diffedit_core.stages import Look
from diffedit_core.strength import levels_up_to, schedule, sigma_at

TEXTS = ("a bowl of fruits", "a bowl of pears")
QUICK = MaskSettings(contrast=ContrastSettings(draws=2, kind="object"))  # by itself a random network is never sure
FEW = EditSettings(
    mask=QUICK,
    inversion=InversionSettings(steps=4, strength=0.75),
    decoding=DecodingSettings(tries=2),
    room=0,
)


def finding(cut: str = "otsu", refinement: Refinement = QUICK.refinement, **contrast) -> MaskSettings:
    """The quick mask, but for what is named."""
    return MaskSettings(replace(QUICK.contrast, **contrast), CutSettings(cut), refinement)


def seen_in(done: Edited) -> Look:
    """What the texts said of the picture."""
    assert done.looks[0] is not None
    return done.looks[0]


FAST = finding(cut="fast", statistic="mean_abs")
ADDING = finding(cut="auto", kind="auto")


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
    shown = {"Edit", "EditSettings", "Edited", "KeepSettings", "Kept", "MaskSettings", "edit", "find_mask", "keep_rest"}
    assert set(diffedit_core.__all__) == shown


def test_an_edit_keeps_the_size_and_every_pixel_outside_its_mask(host, picture):
    result = edit(host, picture, Edit(*TEXTS), how=FEW)
    assert result.picture.shape == picture.shape and result.mask.shape == (1, 50, 70)
    assert seen_in(result).heatmap.shape == (1, 7, 9)  # of the latent
    assert 0 < result.mask.mean() < 1
    assert torch.equal(result.picture[result.mask == 0], picture[result.mask == 0])
    assert not torch.equal(result.picture, picture)
    assert result.picture.min() >= 0 and result.picture.max() <= 1


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("greys", GREYS)
def test_a_mask_of_ones_own_is_taken_as_it_is(host, picture, background, greys):
    mask, how = some_mask(), replace(FEW, decoding=replace(FEW.decoding, background=background, greys=greys))
    before = host.evaluations
    result = edit(host, picture, Edit(*TEXTS, mask=mask), how=how)
    assert torch.equal(result.mask, mask) and result.looks[0] is None
    assert torch.equal(result.picture[mask == 0], picture[mask == 0])
    assert not torch.equal(result.picture[mask == 1], picture[mask == 1])
    # of 3 steps the noisier two in each try, with guidance; the last one once, without. Beside it the source text
    beside = 2 if background == "source" else 0
    tries = 2 * (2 * (2 + beside) + 2 * len(STRENGTHS)) + 1 + beside
    assert host.evaluations - before == tries + (0 if background == "noised" else 3)  # and before it the inversion


def test_read_as_strength_a_grey_place_is_drawn_again_from_lower_noise_and_replaced_whole(host, picture):
    """Blended, half of the original would shine through."""
    grey, how = 0.5 * some_mask(), replace(FEW, rim=0.0)
    shaded, blended = (
        edit(host, picture, Edit(*TEXTS, mask=grey), how=replace(how, decoding=replace(how.decoding, greys=greys)))
        for greys in ("strength", "blend")
    )
    assert torch.equal(shaded.mask, (grey > 0).float()) and torch.equal(blended.mask, grey)
    assert torch.equal(shaded.picture[grey == 0], picture[grey == 0])
    assert not torch.equal(shaded.picture[grey > 0], blended.picture[grey > 0])
    assert torch.equal(shaded.masks[0], grey)


def test_seeds_reproduce_and_differ(host, picture):
    noised = replace(FEW, decoding=replace(FEW.decoding, background="noised"))

    def run(seed):
        return edit(host, picture, Edit(*TEXTS), how=noised, seed=seed)

    first, again, other = run(1), run(1), run(2)
    assert torch.equal(first.picture, again.picture) and torch.equal(first.mask, again.mask)
    assert torch.equal(seen_in(first).heatmap, seen_in(again).heatmap)
    assert not torch.equal(seen_in(first).heatmap, seen_in(other).heatmap)


@pytest.mark.parametrize(
    ("greys", "solver", "above"),
    [("none", "ddim", 0.6), ("none", "ancestral", 1.0), *(("blend", each, 0) for each in SOLVERS)],
)
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_every_setting_of_the_edit_reaches_its_place(host, picture, background, greys, solver, above):
    """By hand, from the modules: inversion, background, decoding, pasting."""
    picture, mask = picture[:, :48, :64], some_mask(48, 64)
    how = EditSettings(
        inversion=InversionSettings(steps=4, strength=0.75, guidance=1.5, iterations=1),
        decoding=DecodingSettings(
            guidance=5.0, guided_above=above, tries=3, background=background, greys=greys, solver=solver
        ),
        rim=3.0,
        seam="light",
    )
    negative, inversion = "blurred", "fruits"
    result = edit(host, picture, Edit(*TEXTS, negative, mask=mask), inversion=inversion, how=how, seed=9)

    model = host.bind({**Edit(*TEXTS, negative).texts, "inversion": inversion})
    x0, sigmas = host.encode(picture), levels_up_to(0.75, schedule(host.process, 4))
    trajectory = invert(model.denoiser("inversion", 1.5), x0, host.process, sigmas, iterations=1)
    outside = {
        "retrace": decoding.retrace(trajectory),
        "noised": decoding.noised(x0, sigmas, host.process, seeded_noise(9)),
        "source": decoding.source(trajectory, model.denoiser("source", 5.0)),
    }[background]
    planes = cells(mask, (6, 8), greys == "blend")[:, None]
    guided, plain = model.denoiser("target", 5.0), model.denoiser("target")

    def denoise(x, sigma):
        return (guided if sigma > above else plain)(x, sigma)

    by_hand = {"process": host.process, "draws": Draws.of(9), "solver": solver, "tries": 3}
    latent = decode_best(denoise, model.denoiser_pair("source", "target"), planes, outside, **by_hand)
    fitted = fit_seam(picture, host.decode(latent), mask, "light")
    assert torch.equal(result.picture, paste(picture, fitted, mask, 3.0))


PLAIN, PAIRED = seeded_noise(3), paired_noise(seeded_noise(3))


@pytest.mark.parametrize(
    ("settings", "cut", "noise"),
    [
        ({}, ("otsu", 1.0), PAIRED),
        ({"statistic": "mean_abs"}, ("otsu", 1.0), PAIRED),
        ({"paired": False}, ("otsu", 1.0), PLAIN),
        ({"sure": -1}, ("otsu", 1.0), PAIRED),  # after two draws it is always surer than that
        ({"cut": "auto"}, ("otsu", 1.0), PAIRED),
        ({"cut": "auto", "kind": "area"}, ("otsu", 0.5), PAIRED),
        ({"cut": "auto", "kind": "auto", "drafts": 0}, ("auto", 1.0), PAIRED),
        ({"kind": "area"}, ("otsu", 1.0), PAIRED),
        ({"cut": "fast", "statistic": "mean_abs"}, ("fast", 0.0), PAIRED),
        ({"cut": "top"}, ("top", 0.2), PAIRED),
    ],
)
def test_every_setting_of_the_contrast_reaches_its_place(host, picture, settings, cut, noise):
    picture = picture[:, :48, :64]
    how = finding(draws=4, strength=0.7, refinement=Refinement(), **settings)
    mask, seen = find_mask(host, picture, Edit(*TEXTS), how=how, seed=3)
    x0, sigma = host.encode(picture), sigma_at(host.process, 0.7)
    pair = host.bind(Edit(*TEXTS).texts).denoiser_pair("source", "target")
    by_name = {"statistic": settings.get("statistic", "signed"), "draws": 2 if "sure" in settings else 4}
    by_hand = contrast(pair, x0, host.process, sigma, noise=noise, **by_name)
    assert torch.equal(seen.heatmap, by_hand.heatmap) and torch.equal(seen.agreement, by_hand.agreement)
    assert torch.equal(seen.draft, x0) and seen.kinds[0] in KINDS
    if cut[0] == "fast":
        expected = (fit(threshold(by_hand.heatmap, "fast"), (48, 64)) > 0.5).float()
    else:
        expected = threshold(fit(by_hand.heatmap, (48, 64)), *cut)
    assert torch.equal(mask, expected) and mask.any()


def test_every_setting_of_the_purist_contrast_reaches_its_place(host, picture):
    picture = picture[:, :48, :64]
    how = finding(steps=4, strength=0.5, guidance=3.0, statistic="mean_abs", paired=True)
    _, seen = find_mask(host, picture, Edit(*TEXTS, "blurred"), how=how, seed=3)
    model = host.bind(Edit(*TEXTS, "blurred").texts)
    source, target = model.denoiser("source", 3.0), model.denoiser("target", 3.0)
    noise = {"noise": paired_noise(seeded_noise(3)), "draws": 2}
    by_hand = purist_contrast(
        source, target, host.encode(picture), host.process, schedule(host.process, 4)[:3], statistic="mean_abs", **noise
    )
    assert torch.equal(seen.heatmap, by_hand.heatmap) and torch.equal(seen.agreement, by_hand.agreement)


def test_fast_edit_is_its_own_mask_and_plain_inpainting(host, picture):
    """By hand, from the modules, with the settings of FastDiffEdit's blog."""
    picture = picture[:, :48, :64]
    result = edit(host, picture, Edit(*TEXTS), how=FASTDIFFEDIT, seed=5)
    model = host.bind(Edit(*TEXTS).texts)
    x0, noise = host.encode(picture), seeded_noise(5)
    pair = model.denoiser_pair("source", "target")
    heatmap = contrast(pair, x0, host.process, sigma_at(host.process, 0.5), noise=noise, draws=20).heatmap
    assert torch.equal(seen_in(result).heatmap, heatmap)
    mask = (fit(threshold(heatmap, "fast"), (48, 64)) > 0.5).float()
    assert torch.equal(result.mask, mask)
    outside = decoding.noised(x0, schedule(host.process, 20)[:15], host.process, noise)
    latent = decoding.decode(model.denoiser("target", 7.5), cells(mask, (6, 8), soft=False)[:, None], outside)
    assert torch.equal(result.picture, paste(picture, host.decode(latent), mask, 1.0))


def test_an_edit_gives_what_is_found_room_and_the_mask_command_does_not(host, picture):
    """A place for a new thing of another shape, of which the part that changed stays."""
    found, seen = find_mask(host, picture, Edit(*TEXTS), how=QUICK)
    room = EditSettings().room
    assert room > 0 and MaskSettings().refinement.grow == EditSettings().mask.refinement.grow == 0
    result = edit(host, picture, Edit(*TEXTS), how=replace(FEW, room=room))
    roomy = give_room(found, room)
    assert (result.mask >= found).all() and (result.mask <= roomy).all()
    assert torch.equal(seen_in(result).heatmap, seen.heatmap)
    assert torch.equal(result.picture[result.mask == 0], picture[result.mask == 0])
    drawn = edit(host, picture, Edit(*TEXTS, mask=roomy), how=replace(FEW, rim=0.0)).picture  # in all of the room
    inside = refine(result.mask, Refinement(grow=-2)) == 1  # but for the rim
    assert inside.any() and torch.equal(result.picture[inside], drawn[inside])
    assert not torch.equal(result.mask, found)
    mask = some_mask()  # one's own gets no room
    assert torch.equal(edit(host, picture, Edit(*TEXTS, mask=mask), how=replace(FEW, room=room)).mask, mask)


def test_room_comes_on_top_of_growing(host, picture):
    grown = finding(refinement=replace(QUICK.refinement, grow=3))
    by_room = edit(host, picture, Edit(*TEXTS), how=replace(FEW, mask=grown, room=2)).mask
    less, more = (
        find_mask(host, picture, Edit(*TEXTS), how=finding(refinement=replace(QUICK.refinement, grow=grow)))[0]
        for grow in (3, 5)
    )
    assert (by_room >= less).all() and (by_room <= more).all() and not torch.equal(by_room, less)


def test_what_is_added_is_drafted_without_an_inversion(host, picture):
    """A random network is never sure where: its drafts go somewhere, and nothing outside their mask is touched."""
    stages, before = [], host.evaluations

    def progress(stage):
        stages.append(stage)
        return lambda done, total, x0: None

    how = replace(FEW, mask=replace(ADDING, contrast=replace(ADDING.contrast, guidance=2.0)), room=3)
    result = edit(host, picture, Edit(*TEXTS), how=how, progress=progress)
    assert seen_in(result).kinds == ("addition",) and stages == ["mask", "decode"]
    assert torch.equal(result.picture[result.mask == 0], picture[result.mask == 0])
    assert not torch.equal(result.picture, picture)
    sigmas = schedule(host.process, 10)[2:10]
    a_draft = 2 * len(sigmas) + sum(sigma > 0.6 for sigma in sigmas) + 2 * 2 + 2
    assert host.evaluations - before == 2 * 2 + 2 * a_draft + 2 + 1  # and down from the second of 3 levels


def test_find_mask_is_the_edits_first_step(host, picture):
    for how in (QUICK, FAST, finding(refinement=Refinement(grow=2)), ADDING):
        mask, seen = find_mask(host, picture, Edit(*TEXTS), how=how, seed=3)
        result = edit(host, picture, Edit(*TEXTS), how=replace(FEW, mask=how), seed=3)
        assert torch.equal(mask, result.mask) and torch.equal(seen.heatmap, seen_in(result).heatmap)
        assert torch.equal(seen.draft, seen_in(result).draft) and seen.kinds == seen_in(result).kinds


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_gives_binary_masks_of_the_pictures_size(host, picture, rule):
    for how in (finding(rule), finding(rule, statistic="mean_abs"), finding(rule, paired=True)):
        mask, _ = find_mask(host, picture, Edit(*TEXTS), how=how)
        assert mask.shape == (1, 50, 70) and set(mask.unique().tolist()) <= {0.0, 1.0}


def test_the_refinement_is_applied_with_picture_and_heatmap(host, picture):
    picture = picture[:, :48, :64]
    how = Refinement(edge_snap="grabcut", min_island=0.01)
    plain, seen = find_mask(host, picture, Edit(*TEXTS), how=finding(refinement=Refinement()))
    refined, _ = find_mask(host, picture, Edit(*TEXTS), how=finding(refinement=how))
    assert torch.equal(refined, refine(plain, how, picture=picture, heatmap=seen.heatmap))


def test_the_purist_mask_runs_every_step_of_both_texts(host, picture):
    before = host.evaluations
    mask, _ = find_mask(host, picture, Edit(*TEXTS), how=finding(steps=4, strength=0.5))
    assert host.evaluations - before == 2 * 2 * 2 * 2  # draws, texts, steps, guidance
    assert 0 < mask.mean() < 1


def test_equal_texts_change_nothing_and_say_so(host, picture, caplog):
    for how in (QUICK, FAST, finding(steps=2), ADDING):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="diffedit_core"):
            result = edit(host, picture, Edit(TEXTS[0], TEXTS[0]), how=replace(FEW, mask=how))
        assert torch.equal(result.picture, picture) and (result.mask == 0).all()
        assert (seen_in(result).heatmap == 0).all()
        assert "the mask is empty: the two texts make no difference to this picture" in caplog.text


def test_a_mask_of_nearly_everything_is_warned_about(host, picture, caplog):
    with caplog.at_level(logging.WARNING, logger="diffedit_core"):
        edit(host, picture, Edit(*TEXTS, mask=torch.ones(1, 50, 70)), how=FEW)
    assert "the mask covers 100 % of the picture" in caplog.text


def test_pil_pictures_come_in_as_they_are(host):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    by_image = edit(host, Image.fromarray(pixels), Edit(*TEXTS), how=FEW)
    by_tensor = edit(host, torch.from_numpy(pixels)[None] / 255, Edit(*TEXTS), how=FEW)
    assert torch.equal(by_image.picture, by_tensor.picture)


def test_several_texts_a_side_are_one_averaged_text(host, picture):
    averaged = tuple(host.embed([text, f"a photo of {text}"]) for text in TEXTS)
    lists = [[text, f"a photo of {text}"] for text in TEXTS]
    by_lists = edit(host, picture, Edit(*lists), how=FEW)
    by_embeddings = edit(host, picture, Edit(*averaged), how=FEW)
    assert torch.equal(by_lists.picture, by_embeddings.picture)


@pytest.mark.parametrize("how", [FEW, replace(FEW, mask=ADDING, room=3)], ids=["", "adding"])
def test_a_batch_is_edited_as_if_each_were_alone(host, how):
    pictures = torch.rand(3, 24, 32, 3, generator=torch.Generator().manual_seed(1))
    together = edit(host, pictures, Edit(*TEXTS), how=how)
    for i in range(3):
        alone = edit(host, pictures[i : i + 1], Edit(*TEXTS), how=how)
        assert seen_in(alone).kinds == seen_in(together).kinds[i : i + 1]
        assert torch.equal(together.mask[i : i + 1], alone.mask)
        torch.testing.assert_close(together.picture[i : i + 1], alone.picture, rtol=0, atol=2e-3)


def test_progress_names_its_stages_and_counts_their_steps(host, picture):
    seen = {}

    def progress(stage):
        seen[stage] = []
        return lambda done, total, x0: seen[stage].append((done, total))

    edit(host, picture, Edit(*TEXTS), how=FEW, progress=progress)
    assert list(seen) == ["mask", "invert", "decode"]
    assert seen["mask"] == [(1, 2), (2, 2)]
    assert seen["invert"] == [(1, 3), (2, 3), (3, 3)]
    total = 2 * (2 + len(STRENGTHS)) + 1  # the two noisier steps in each try, the last one in the best
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
        edit(host, picture, Edit(*TEXTS), how=FEW, progress=progress)
    assert torch.equal(picture, before)
    whole, again = (edit(host, picture, Edit(*TEXTS), how=FEW).picture for _ in range(2))
    assert torch.equal(whole, again)


def test_inputs_are_never_changed(host, picture):
    mask, before = some_mask(), picture.clone()
    edit(host, picture, Edit(*TEXTS, mask=mask), how=replace(FEW, decoding=replace(FEW.decoding, greys="blend")))
    find_mask(host, picture, Edit(*TEXTS), how=finding(refinement=Refinement(grow=3, feather=2.0)))
    assert torch.equal(picture, before) and torch.equal(mask, some_mask())


def test_a_mask_of_another_size_is_an_error_with_both_sizes(host, picture):
    with pytest.raises(ValueError, match="the mask is 35x25 but the picture is 70x50; draw the mask on this picture"):
        edit(host, picture, Edit(*TEXTS, mask=some_mask(25, 35)), how=FEW)


@pytest.mark.parametrize(
    ("part", "settings", "message"),
    [
        ("decoding", {"background": "green"}, f"background is 'green'; it must be one of {', '.join(BACKGROUNDS)}"),
        ("inversion", {"strength": 0.0}, "strength is 0.0; it must be from 0.01 to 1"),
        ("inversion", {"strength": 1.5}, "strength is 1.5; it must be from 0.01 to 1"),
        ("inversion", {"iterations": -1}, "iterations is -1; it must be from 0 to 20"),
        ("decoding", {"guided_above": -0.1}, "guided_above is -0.1; it must be from 0 to 100"),
        ("decoding", {"solver": "euler"}, f"solver is 'euler'; it must be one of {', '.join(SOLVERS)}"),
        ("decoding", {"tries": 0}, "tries is 0; it must be from 1 to 64"),
        ("inversion", {"steps": 0}, "steps is 0; it must be from 1 to 1000"),
        ("inversion", {"steps": 1001}, "steps is 1001; it must be from 1 to 1000"),
    ],
)
def test_settings_of_the_edit_that_cannot_be_are_named(part, settings, message):
    """Where they are made, before any work is done."""
    with pytest.raises(ValueError, match=message):
        replace(getattr(FEW, part), **settings)


@pytest.mark.parametrize(
    ("part", "settings", "message"),
    [
        ("contrast", {"strength": 0.0}, "strength is 0.0; it must be from 0.01 to 1"),
        ("contrast", {"draws": 0}, "draws is 0; it must be from 1 to 1000"),
        ("contrast", {"statistic": "median"}, f"statistic is 'median'; it must be one of {', '.join(STATISTICS)}"),
        ("contrast", {"kind": "thing"}, f"kind is 'thing'; it must be one of {', '.join(KINDS)}"),
        ("contrast", {"drafts": -1}, "drafts is -1; it must be from 0 to 64"),
        ("contrast", {"sure": 1.1}, "sure is 1.1; it must be from -1 to 1"),
        ("cut", {"rule": "best"}, f"rule is 'best'; it must be one of {', '.join(RULES)}"),
        ("cut", {"rule": "top", "value": 2.0}, "rule 'top' was given 2.0; it must be from 0 to 1"),
    ],
)
def test_settings_of_the_mask_that_cannot_be_are_named(part, settings, message):
    with pytest.raises(ValueError, match=message):
        replace(getattr(QUICK, part), **settings)


def test_a_network_that_overflows_is_an_error_and_no_full_mask(picture):
    """diffusers turns NaN into a mask of everything."""
    pipe = random_pipeline()
    with torch.no_grad():
        pipe.unet.conv_out.weight.fill_(3e38)
    with pytest.raises(ValueError, match=r"NaN or infinity, which half precision \(fp16\) often causes"):
        edit(DiffusersHost(pipe), picture, Edit(*TEXTS), how=FEW)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (torch.rand(20, 20, 3), r"the picture is \[20, 20, 3\]; give pictures \[batch, height, width, 3\]"),
        (torch.rand(1, 20, 20, 4), "the picture is"),
        (torch.rand(0, 20, 20, 3), "the picture is"),
        (torch.rand(1, 0, 20, 3), "the picture is"),
        (torch.full((1, 20, 20, 3), float("nan")), "the picture contains NaN"),
        (torch.ones(1, 20, 20, 3, dtype=torch.uint8), "the picture holds whole numbers"),
    ],
)
def test_what_is_no_picture_is_an_error_that_says_what_to_give(host, picture, message):
    for ask in (lambda: edit(host, picture, Edit(*TEXTS)), lambda: find_mask(host, picture, Edit(*TEXTS))):
        with pytest.raises(ValueError, match=message):
            ask()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.full((1, 50, 70), float("nan")), "the mask contains NaN"),
        (torch.full((1, 50, 70), 2.0), "the mask goes from 2 to 2; give one from 0 to 1"),
        (torch.ones(0, 50, 70), r"the mask is \[0, 50, 70\]"),
    ],
)
def test_what_is_no_mask_is_an_error_that_says_what_to_give(host, picture, mask, message):
    with pytest.raises(ValueError, match=message):
        edit(host, picture, Edit(*TEXTS, mask=mask), how=FEW)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.bool, torch.uint8])
@pytest.mark.parametrize("area", [0.0, 0.001])
def test_a_picture_and_a_mask_of_any_type_give_float32(host, picture, dtype, area):
    """Also where cut-outs of the picture are edited."""
    how = replace(FEW, focus=Focus(area=area), decoding=replace(FEW.decoding, tries=1))
    half = picture.half() if dtype.is_floating_point else picture
    done = edit(host, half, Edit(*TEXTS, mask=some_mask().to(dtype)), how=how)
    same = edit(host, half.float(), Edit(*TEXTS, mask=some_mask()), how=how)
    assert done.mask.dtype == done.picture.dtype == torch.float32
    assert torch.equal(done.mask, same.mask) and torch.equal(done.picture, same.picture)


def test_one_mask_for_several_pictures_is_told_for_each(host, picture):
    done = edit(host, torch.cat([picture, picture.flip(1)]), Edit(*TEXTS, mask=some_mask()), how=FEW)
    assert done.mask.shape == done.masks[0].shape == (2, 50, 70) and done.picture.shape == (2, 50, 70, 3)
