"""The host on small models of every family, inside ComfyUI's own sampling."""

from __future__ import annotations

import itertools
from dataclasses import replace

import comfy.model_management as mm
import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
import pytest
import tiny
import torch
from comfy.cli_args import LatentPreviewMethod
from conftest import pack

host = pack("diffedit_core.hosts.comfyui.stages")
guider = pack("diffedit_core.hosts.comfyui.guider")
SamplingProcess = pack("diffedit_core.hosts.comfyui.noise").SamplingProcess
choosing = pack("diffedit_core.choosing")
contrast = pack("diffedit_core.contrast").contrast
draws = pack("diffedit_core.draws")
look = pack("diffedit_core.stages").look
settings = pack("diffedit_core.settings")
solvers = pack("diffedit_core.solvers")

FIND = settings.ContrastSettings(draws=3)
RULE = settings.CutSettings()
CLIMB = settings.InversionSettings(steps=5, strength=0.6)
EDIT = settings.DecodingSettings(guidance=3.0, tries=2, soft=False)
ALL = list(tiny.FAMILIES)
FLOW = ["sd3", "flux", "wan"]
DIFFUSION = [family for family in ALL if family not in FLOW]


def find(model, latent, family="sd15", how=FIND, **options):
    texts = tiny.text("a cat", family), tiny.text("a dog", family)
    return host.find_mask(model, latent, *texts, how=how, cut=RULE, seed=0, **options)


def climb(model, latent, family="sd15", how=CLIMB, **options):
    return host.invert_picture(model, latent, tiny.text("", family), how=how, **options)


def denoise(model, trajectory, mask, family="sd15", how=EDIT, seed=0, source=None):
    texts = tiny.text("a dog", family), tiny.text("", family)
    return host.masked_denoise(model, trajectory, mask, *texts, how=how, seed=seed, source=source)["samples"]


def left_half(batch=1):
    return (torch.arange(64) < 32).float().expand(batch, 64, 64)


class Rows:
    """A model_function_wrapper that notes the rows of every pass through the model."""

    def __init__(self, limit=None):
        self.seen, self.limit = [], limit

    def __call__(self, apply_model, args):
        rows = len(args["input"])
        self.seen.append(rows)
        if self.limit and rows > self.limit:
            raise mm.OOM_EXCEPTION(f"{rows} rows do not fit")
        return apply_model(args["input"], args["timestep"], **args["c"])


def watched(model, limit=None):
    rows, twin = Rows(limit), model.clone()
    twin.set_model_unet_function_wrapper(rows)
    return twin, rows


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("family", ALL)
def test_masks_of_every_family(family, batch):
    mask, heatmap = find(tiny.model(family), tiny.latent(family, batch), family)
    assert mask.shape == heatmap.shape == (batch, 64, 64)
    assert set(mask.unique().tolist()) == {0, 1}
    assert heatmap.isfinite().all() and heatmap.std() > 0


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("family", ALL)
def test_outside_the_mask_the_latent_comes_back_bit_for_bit(family, batch):
    model, latent = tiny.model(family), tiny.latent(family, batch)
    trajectory, _, _ = climb(model, latent, family)
    edited = denoise(model, trajectory, left_half(), family)
    assert edited[..., 4:].equal(latent["samples"][..., 4:])
    assert not edited[..., :4].isclose(latent["samples"][..., :4]).any(-1).all()


@pytest.mark.parametrize("family", ALL)
def test_every_image_of_a_batch_is_as_it_is_alone(family):
    model, latent = tiny.model(family), tiny.latent(family, 3)
    _, together = find(model, latent, family)
    _, alone = find(model, {"samples": latent["samples"][1:2]}, family)
    torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["sd15", "sd15-v", "sd3", "wan"])
def test_iterations_make_the_round_trip_exact(family):
    model, latent = tiny.model(family), tiny.latent(family)
    how = replace(CLIMB, steps=20)
    errors = [climb(model, latent, family, replace(how, iterations=k), check=True)[2] for k in (0, 3)]
    assert errors[1] < errors[0] / 5
    assert climb(model, latent, family, how, check=False)[2] == 0


def euler_ancestral():
    """With the very draws that the core hands to a solver."""
    noise, drawn = draws.Draws.of(0).solver(0), itertools.count(1)
    options = {"eta": solvers.ETA, "noise_sampler": lambda sigma, sigma_next: noise(next(drawn), torch.Size((4, 8, 8)))}
    return comfy.samplers.ksampler("euler_ancestral", options)


SAMPLERS = {
    "euler": ("ddim", lambda: comfy.samplers.sampler_object("euler"), ALL),
    "dpmpp_2m": ("multistep", lambda: comfy.samplers.sampler_object("dpmpp_2m"), DIFFUSION),
    # the same solver, without its noise, which knows how much picture a flow's level holds
    "dpmpp_2m_sde": ("multistep", lambda: comfy.samplers.ksampler("dpmpp_2m_sde", {"eta": 0.0}), ALL),
    "euler_ancestral": ("ancestral", euler_ancestral, DIFFUSION),
}


@pytest.mark.parametrize(("family", "name"), [(family, name) for name in SAMPLERS for family in SAMPLERS[name][2]])
def test_any_sampler_goes_on_from_the_noisy_latent(family, name):
    """ComfyUI's own sampler, adding no noise, ends where the core does with everything free to change."""
    solver, sampler, _ = SAMPLERS[name]
    model = tiny.model(family)
    trajectory, noisy, _ = climb(model, tiny.latent(family), family)
    ours = denoise(model, trajectory, torch.ones(1, 64, 64), family, replace(EDIT, rounds=1, tries=1, solver=solver))
    theirs = comfy.sample.sample_custom(
        model,
        torch.zeros_like(noisy["samples"]),
        EDIT.guidance,
        sampler(),
        torch.tensor(trajectory.sigmas[::-1]),
        tiny.text("a dog", family),
        tiny.text("", family),
        noisy["samples"],
        disable_pbar=True,
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * float(theirs.std()))


@pytest.mark.parametrize("solver", [name for name in solvers.SOLVERS if name != "ddim"])
@pytest.mark.parametrize("family", ALL)
def test_every_solver_keeps_the_outside_bit_for_bit(family, solver):
    model, latent, how = tiny.model(family), tiny.latent(family), replace(EDIT, rounds=2, tries=1)
    trajectory, _, _ = climb(model, latent, family)
    edited, plain = (denoise(model, trajectory, left_half(), family, replace(how, solver=s)) for s in (solver, "ddim"))
    assert edited.isfinite().all() and edited[..., 4:].equal(latent["samples"][..., 4:])
    assert not edited[..., :4].isclose(latent["samples"][..., :4]).any(-1).all()
    assert not edited[..., :4].isclose(plain[..., :4]).all()


@pytest.mark.parametrize("solver", list(solvers.SOLVERS))
def test_in_one_round_only_a_random_solver_asks_for_the_seed_and_for_tries(solver):
    model, rows = watched(tiny.model())
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    how, is_random = replace(EDIT, rounds=1, solver=solver), solvers.SOLVERS[solver].is_random
    drawn = [denoise(model, trajectory, left_half(), how=how, seed=seed) for seed in (0, 0, 1)]
    assert drawn[0].equal(drawn[1]) and drawn[0].equal(drawn[2]) != is_random
    assert rows.seen == [2] * 3 * (2 * (3 + len(choosing.STRENGTHS)) if is_random else 3)


@pytest.mark.parametrize("family", ["sd15", "sd3", "wan"])
def test_bfloat16_agrees_with_float32(family):
    latent = tiny.latent(family)
    _, exact = find(tiny.model(family), latent, family)
    _, rounded = find(tiny.model(family, torch.bfloat16), latent, family)
    assert float((rounded - exact).abs().mean() / exact.mean()) < 0.1
    trajectory, _, _ = climb(tiny.model(family, torch.bfloat16), latent, family)
    edited = denoise(tiny.model(family, torch.bfloat16), trajectory, left_half(), family)
    assert edited.dtype == torch.float32
    assert edited[..., 4:].equal(latent["samples"][..., 4:])


@pytest.mark.parametrize("background", ["noised", "source"])
def test_other_backgrounds(background):
    model, latent = tiny.model(), tiny.latent()
    trajectory, _, _ = climb(model, latent)
    how = replace(EDIT, background=background, rounds=1)
    edited = denoise(model, trajectory, left_half(), how=how, source=tiny.text("a cat"))
    assert edited[..., 4:].equal(latent["samples"][..., 4:]) == (background == "noised")
    other = denoise(model, trajectory, left_half(), how=how, seed=1, source=tiny.text("a cat"))
    assert edited.equal(other) == (background == "source")  # only fresh noise has a seed


def test_rounds_draw_by_the_seed_and_keep_the_outside():
    model, latent = tiny.model(), tiny.latent()
    trajectory, _, _ = climb(model, latent)
    drawn = [denoise(model, trajectory, left_half(), how=replace(EDIT, rounds=2), seed=seed) for seed in (0, 0, 1)]
    assert drawn[0].equal(drawn[1]) and not drawn[0].equal(drawn[2])
    assert all(edited[..., 4:].equal(latent["samples"][..., 4:]) for edited in drawn)


def test_soft_edges_blend():
    model, latent = tiny.model(), tiny.latent()
    trajectory, _, _ = climb(model, latent)
    mask = (torch.arange(64) < 28).float().expand(1, 64, 64)  # half of the fourth cell
    hard, soft = (denoise(model, trajectory, mask, how=replace(EDIT, soft=soft)) for soft in (False, True))
    assert not hard[..., 3].equal(soft[..., 3])
    assert soft[..., 5:].equal(latent["samples"][..., 5:])


@pytest.mark.parametrize("family", ["sd15", "sd3"])
def test_the_all_zero_latent_is_a_picture_too(family):
    """ComfyUI takes it for no latent at all, and does not bring it to the model's units."""
    latent = {"samples": torch.zeros_like(tiny.latent(family)["samples"])}
    model = tiny.model(family)
    trajectory, _, _ = climb(model, latent, family)
    expected = model.get_model_object("process_latent_in")(latent["samples"])
    clean = guider.run(
        model,
        trajectory.picture["samples"],
        {"target": tiny.text("a dog", family)},
        SamplingProcess.of(model),
        trajectory.sigmas,
        lambda bound, x0, on_step: trajectory.above(x0).clean,
    )
    assert clean.equal(expected)
    assert denoise(model, trajectory, left_half(), family)[..., 4:].count_nonzero() == 0


def test_a_contrast_is_one_pass_a_draw_with_both_texts():
    model, rows = watched(tiny.model())
    find(model, tiny.latent())
    assert rows.seen == [2, 2, 2]


@pytest.mark.parametrize(("guidance", "expected"), [(1.0, 1), (3.0, 2)])
def test_guidance_1_is_one_evaluation(guidance, expected):
    model, rows = watched(tiny.model())
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    denoise(model, trajectory, left_half(), how=replace(EDIT, guidance=guidance, rounds=2, tries=1))
    assert rows.seen == [expected] * 5  # three levels, the upper two of them twice


def test_tries_are_judged_by_the_source_text_or_else_by_the_negative_one():
    """Every try is a decoding of its own; which is kept is the core's to say, in both of ComfyUI's units."""
    model, rows = watched(tiny.model())
    latent = tiny.latent()
    trajectory, _, _ = climb(tiny.model(), latent)
    how = replace(EDIT, rounds=2, tries=3)
    kept = denoise(model, trajectory, left_half(), how=how, source=tiny.text("a cat"))
    assert rows.seen == [2] * (3 * (5 + len(choosing.STRENGTHS)))
    assert kept[..., 4:].equal(latent["samples"][..., 4:])
    others = [denoise(tiny.model(), trajectory, left_half(), how=how, source=text) for text in (None, tiny.text(""))]
    assert others[0].equal(others[1])  # the negative text is the empty one
    chosen = [
        [denoise(tiny.model(), trajectory, left_half(), how=replace(how, tries=tries), seed=seed) for tries in (1, 4)]
        for seed in range(4)
    ]
    assert any(not first.equal(best) for first, best in chosen)


def test_the_purist_mask_denoises_every_draw_under_each_text():
    model, rows = watched(tiny.model())
    how = replace(FIND, steps=4, draws=2, guidance=3.0)
    mask, _ = find(model, tiny.latent(), how=how, negative=tiny.text(""))
    assert rows.seen == [2] * (2 * 2 * 2)  # draws, texts, half of four steps
    assert mask.shape == (1, 64, 64)
    with pytest.raises(ValueError, match="connect one, or set guidance to 1"):
        find(model, tiny.latent(), how=how)


def on_chunks(model, latent, count, chunk, limit=None):
    """The heatmap, and the rows of each pass, with a given number of draws at a time."""
    model, rows = watched(model, limit)

    def loop(bound, x0, on_step):
        bound = replace(bound, chunk=chunk)
        return contrast(
            bound.denoiser_pair("source", "target"),
            x0,
            bound.process,
            0.8,
            noise=draws.seeded_noise(0),
            draws=count,
            chunk=chunk,
            on_step=on_step,
        )

    texts, process = {"target": tiny.text("a dog"), "source": tiny.text("a cat")}, SamplingProcess.of(model)
    return guider.run(model, latent["samples"], texts, process, (0.0, 0.8), loop), rows.seen


@pytest.mark.parametrize("batch", [1, 3])
def test_chunks_of_draws_change_nothing(batch):
    one, rows = on_chunks(tiny.model(), tiny.latent(batch=batch), 5, 1)
    assert rows == [2 * batch] * 5
    some, rows = on_chunks(tiny.model(), tiny.latent(batch=batch), 5, 3)
    assert rows == [6 * batch, 4 * batch]
    torch.testing.assert_close(one, some, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3])
def test_out_of_memory_halves_the_draws_and_goes_on(batch):
    expected, _ = on_chunks(tiny.model(), tiny.latent(batch=batch), 8, 1)
    found, rows = on_chunks(tiny.model(), tiny.latent(batch=batch), 8, 8, limit=4 * batch)
    assert [n // batch for n in rows] == [16, 8, 4, 4, 4, 4]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_one_draw_that_does_not_fit_is_left_to_comfyui():
    with pytest.raises(mm.OOM_EXCEPTION, match="2 rows do not fit"):
        on_chunks(tiny.model(), tiny.latent(), 4, 4, limit=1)


def test_draws_are_as_many_as_the_models_own_estimate_lets_in():
    inner = tiny.model().model
    assert guider.draws_that_fit(inner, torch.zeros(1, 4, 8, 8), 10) == 1  # a CPU
    elsewhere = torch.zeros(1, 4, 8, 8, device="meta")
    with pytest.MonkeyPatch.context() as patch:
        for gigabytes, expected in ((0, 1), (1, None), (10**6, 10)):
            patch.setattr(mm, "get_free_memory", lambda device, n=gigabytes: n * 1024**3)
            needed = 1.5 * inner.memory_required([2, 4, 8, 8])
            assert guider.draws_that_fit(inner, elsewhere, 10) == (expected or min(10, int(1024**3 / needed)))


def test_an_interrupt_ends_within_one_pass_and_the_next_run_is_right():
    model, latent = tiny.model(), tiny.latent()
    expected, _, _ = climb(model, latent)
    twin, rows = model.clone(), []

    def interrupting(apply_model, args):
        rows.append(len(args["input"]))
        mm.interrupt_current_processing(True)
        return apply_model(args["input"], args["timestep"], **args["c"])

    twin.set_model_unet_function_wrapper(interrupting)
    for run in (lambda: climb(twin, latent), lambda: find(twin, latent)):
        rows.clear()
        with pytest.raises(mm.InterruptProcessingException):
            run()
        assert len(rows) == 1
    again, _, _ = climb(model, latent)
    assert again.noisy_model_latents.equal(expected.noisy_model_latents)
    assert again.picture["samples"].equal(expected.picture["samples"])


def test_progress_and_previews(monkeypatch):
    seen = []
    monkeypatch.setattr(latent_preview.args, "preview_method", LatentPreviewMethod.Latent2RGB)
    monkeypatch.setattr(
        comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, preview, **_: seen.append((value, total, preview))
    )
    find(tiny.model(), tiny.latent())
    assert [(value, total) for value, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert all(preview[1].size == (8, 8) for *_, preview in seen)
    seen.clear()
    climb(tiny.model(), tiny.latent(), check=True)
    assert [(value, total) for value, total, _ in seen] == [(1, 3), (2, 3), (3, 3)] * 2


def test_results_are_the_same_on_every_run_and_leave_the_global_generator_alone():
    model, latent = tiny.model(), tiny.latent()
    before = torch.get_rng_state()
    results = [find(model, latent)[1] for _ in range(2)]
    trajectory, _, _ = climb(model, latent)
    denoise(model, trajectory, left_half(), how=replace(EDIT, background="noised"))
    assert results[0].equal(results[1])
    assert torch.get_rng_state().equal(before)


def test_the_latents_other_keys_go_along():
    latent = {**tiny.latent(), "batch_index": [3], "downscale_ratio_spacial": 8}
    trajectory, noisy, _ = climb(tiny.model(), latent)
    assert noisy["batch_index"] == [3] and "downscale_ratio_spacial" not in noisy
    assert latent.keys() == {"samples", "batch_index", "downscale_ratio_spacial"}
    assert trajectory.picture["samples"].equal(latent["samples"])


def test_the_clean_latent_is_on_the_wire_once():
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    noisy = trajectory.noisy_model_latents
    assert noisy.untyped_storage().nbytes() == noisy.nbytes
    assert len(noisy) == len(trajectory.sigmas) - 1


def test_a_noise_mask_in_the_latent_is_not_used():
    latent = tiny.latent()
    masked = {**latent, "noise_mask": torch.zeros(1, 64, 64)}
    assert find(tiny.model(), masked)[1].equal(find(tiny.model(), latent)[1])


# Video: latents [B, C, T, h, w].


def test_a_video_gets_one_mask_of_what_changes_in_any_frame():
    model, latent = tiny.model("wan"), tiny.latent("wan", 2)
    mask, heatmap = find(model, latent, "wan")
    assert mask.shape == heatmap.shape == (2, 64, 64)

    def loop(bound, x0, on_step):
        return look(bound, x0, FIND, draws.Draws.of(0))

    texts = {"source": tiny.text("a cat", "wan"), "target": tiny.text("a dog", "wan")}
    frames = guider.run(model, latent["samples"], texts, SamplingProcess.of(model), (0.0, 0.5), loop)  # [B, T, h, w]
    assert frames.shape == (2, 2, 8, 8)
    fit = pack("diffedit_core.masks").fit
    torch.testing.assert_close(heatmap, fit(frames.amax(1), (64, 64)))
    assert not heatmap.isclose(fit(frames[:, 0], (64, 64))).all()


def test_a_single_frame_needs_no_time_axis():
    """As a picture's VAE hands it to a video model."""
    latent = {"samples": tiny.latent("wan")["samples"][:, :, 0]}
    assert find(tiny.model("wan"), latent, "wan")[0].shape == (1, 64, 64)


def test_video_masks_for_all_frames_or_for_each():
    model, latent = tiny.model("wan"), tiny.latent("wan")  # two latent frames
    trajectory, _, _ = climb(model, latent, "wan")
    each = torch.stack([torch.zeros(64, 64), torch.ones(64, 64)])
    edited, picture = denoise(model, trajectory, each, "wan"), latent["samples"]
    assert edited[:, :, 0].equal(picture[:, :, 0])
    assert not edited[:, :, 1].isclose(picture[:, :, 1]).all()
    with pytest.raises(ValueError, match="5 masks"):
        denoise(model, trajectory, torch.ones(5, 64, 64), "wan")


# What cannot be done says so.


def test_equal_texts_give_an_empty_mask_and_a_warning(caplog):
    same = tiny.text("a"), tiny.text("a")
    mask, heatmap = host.find_mask(tiny.model(), tiny.latent(), *same, how=FIND, cut=RULE, seed=0)
    assert mask.count_nonzero() == 0
    assert heatmap.abs().max() < 1e-4
    assert "the two texts make no difference" in caplog.text


def test_a_text_that_is_not_in_force_at_the_contrasts_level_is_an_error():
    """ComfyUI would predict 0 for it, and the contrast would be the other text's prediction."""
    late = tiny.text("a dog", start_percent=0.9, end_percent=1.0)
    with pytest.raises(ValueError, match=r"target text is not in force at noise level \d.*widen its timestep range"):
        host.find_mask(tiny.model(), tiny.latent(), tiny.text("a cat"), late, how=FIND, cut=RULE, seed=0)


def test_an_empty_mask_gives_the_picture_and_a_warning(caplog):
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    edited = denoise(tiny.model(), trajectory, torch.zeros(1, 64, 64))
    assert edited.equal(tiny.latent()["samples"])
    assert "the mask is empty" in caplog.text


def test_latents_of_another_family_are_refused():
    with pytest.raises(ValueError, match=r"\[1, 16, 8, 8\] but this model works on \[batch, 4"):
        find(tiny.model(), tiny.latent("sd3"))


def test_nan_latents_are_refused():
    latent = {"samples": torch.full((1, 4, 8, 8), torch.nan)}
    for run in (find, climb):
        with pytest.raises(ValueError, match=r"latent contains NaN.*--fp32-vae"):
            run(tiny.model(), latent)


def test_nan_predictions_are_errors_that_name_half_precision():
    model = tiny.model().clone()
    model.set_model_unet_function_wrapper(lambda apply_model, args: torch.full_like(args["input"], torch.nan))
    with pytest.raises(ValueError, match="fp16"):
        find(model, tiny.latent())
    with pytest.raises(ValueError, match="fp16"):
        climb(model, tiny.latent())


def test_nested_latents_are_refused():
    nested = torch.nested.nested_tensor([torch.zeros(4, 8, 8), torch.zeros(4, 4, 4)])
    with pytest.raises(ValueError, match="picture's latent alone"):
        find(tiny.model(), {"samples": nested})


@pytest.mark.parametrize("other", ["sdxl", "sd3"])
def test_a_trajectory_of_another_family_is_refused(other):
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    with pytest.raises(ValueError, match=r"another family .SD15 diffusion. than this one"):
        denoise(tiny.model(other), trajectory, left_half(), other)


def test_masks_of_another_size_are_refused():
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    with pytest.raises(ValueError, match="mask is 96x64 but the latent's picture is 64x64"):
        denoise(tiny.model(), trajectory, torch.ones(1, 64, 96))
    with pytest.raises(ValueError, match="2 masks and 3 images do not fit together"):
        denoise(tiny.model(), tiny_batch(), torch.ones(2, 64, 64))


def tiny_batch():
    return climb(tiny.model(), tiny.latent(batch=3))[0]


def test_a_mask_of_the_picture_before_the_vae_cropped_it_is_cropped_alike():
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    mask = torch.zeros(1, 67, 71)
    mask[:, 1:65, 3:67] = left_half()  # what VAE encode would have kept
    assert denoise(tiny.model(), trajectory, mask).equal(denoise(tiny.model(), trajectory, left_half()))


def test_the_source_background_needs_the_source_text():
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    with pytest.raises(ValueError, match="connect the source conditioning"):
        denoise(tiny.model(), trajectory, left_half(), how=replace(EDIT, background="source"))


def test_a_flow_model_cannot_start_from_pure_noise():
    with pytest.raises(ValueError, match="use a strength below"):
        climb(tiny.model("sd3"), tiny.latent("sd3"), "sd3", replace(CLIMB, strength=1.0), scheduler="simple")
