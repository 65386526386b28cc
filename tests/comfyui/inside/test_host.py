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
redrawing = pack("diffedit_core.hosts.comfyui.redrawing")
WireEdit = redrawing.WireEdit
guider = pack("diffedit_core.hosts.comfyui.guider")
watching = pack("diffedit_core.hosts.comfyui.watching")
SamplingProcess = pack("diffedit_core.hosts.comfyui.noise").SamplingProcess
choosing = pack("diffedit_core.choosing")
contrast = pack("diffedit_core.contrast").contrast
draws = pack("diffedit_core.draws")
stages = pack("diffedit_core.stages")
look = stages.look
sigma_at = pack("diffedit_core.strength").sigma_at
noise_ratio = pack("diffedit_core.denoiser").noise_ratio
settings = pack("diffedit_core.settings")
pictures, sheets = pack("diffedit_core.pictures"), pack("diffedit_core.sheets")
solvers = pack("diffedit_core.solvers")

FIND = settings.ContrastSettings(draws=3, sure=1)
ADD = replace(FIND, kind="addition", drafts=1, guidance=3.0)
RULE = settings.CutSettings("otsu")
CLIMB = settings.InversionSettings(steps=5, strength=0.6)
EDIT = settings.DecodingSettings(guidance=3.0, tries=2, greys="none")
ALL = list(tiny.FAMILIES)
FLOW = ["sd3", "flux", "wan"]
DIFFUSION = [family for family in ALL if family not in FLOW]


def find(model, latent, family="sd15", how=FIND, **options):
    texts = tiny.text("a cat", family), tiny.text("a dog", family)
    return host.find_mask(model, latent, *texts, how=how, cut=RULE, seed=0, **options)


def climb(model, latent, family="sd15", how=CLIMB, **options):
    return host.invert_picture(model, latent, tiny.text("", family), how=how, **options)


def add(model, latent, family="sd15", how=ADD):
    return find(model, latent, family, how, negative=tiny.text("", family))


def denoise(model, trajectory, mask, family="sd15", how=EDIT, seed=0, room=0, more=(), **given):
    edits = [WireEdit(mask, tiny.text("a dog", family), tiny.text("", family), **given), *more]
    return redrawing.masked_denoise(model, trajectory, edits, how=how, seed=seed, room=room)[0]["samples"]


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
    found = find(tiny.model(family), tiny.latent(family, batch), family)
    mask, heatmap = found.mask, found.heatmap
    assert mask.shape == heatmap.shape == (batch, 64, 64)
    assert set(mask.unique().tolist()) == {0, 1}
    assert heatmap.isfinite().all() and heatmap.std() > 0
    assert len(found.kinds) == batch and set(found.kinds) <= {"object", "area", "addition"}
    assert found.agreement.shape == (batch,) and found.agreement.abs().max() <= 1


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
    together, alone = find(model, latent, family), find(model, {"samples": latent["samples"][1:2]}, family)
    torch.testing.assert_close(together.heatmap[1:2], alone.heatmap, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together.agreement[1:2], alone.agreement, rtol=1e-4, atol=1e-4)
    assert together.kinds[1:2] == alone.kinds


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
    how = replace(EDIT, guided_above=0, tries=1, solver=solver)
    ours = denoise(model, trajectory, torch.ones(1, 64, 64), family, how)
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
    model, latent, how = tiny.model(family), tiny.latent(family), replace(EDIT, tries=1)
    trajectory, _, _ = climb(model, latent, family)
    edited, plain = (denoise(model, trajectory, left_half(), family, replace(how, solver=s)) for s in (solver, "ddim"))
    assert edited.isfinite().all() and edited[..., 4:].equal(latent["samples"][..., 4:])
    assert not edited[..., :4].isclose(latent["samples"][..., :4]).any(-1).all()
    assert not edited[..., :4].isclose(plain[..., :4]).all()


@pytest.mark.parametrize("solver", list(solvers.SOLVERS))
def test_of_one_try_only_the_ancestral_solver_asks_for_the_seed(solver):
    model, rows = watched(tiny.model())
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    how = replace(EDIT, solver=solver, tries=1)
    drawn = [denoise(model, trajectory, left_half(), how=how, seed=seed) for seed in (0, 0, 1)]
    assert drawn[0].equal(drawn[1]) and drawn[0].equal(drawn[2]) != (solver == "ancestral")
    assert rows.seen == 3 * [2, 1, 1]


@pytest.mark.parametrize("solver", list(solvers.SOLVERS))
def test_tries_differ_under_every_solver_and_are_judged_early(solver):
    """The first starts from the picture's own noise, the others from fresh noise."""
    model, rows = watched(tiny.model())
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    how = replace(EDIT, solver=solver)
    drawn = [
        denoise(model, trajectory, left_half(), how=replace(how, tries=n), seed=seed)
        for seed in range(4)
        for n in (1, 2)
    ]
    assert any(not one.isclose(two).all() for one, two in zip(drawn[::2], drawn[1::2], strict=True))
    assert all(each[..., 4:].equal(tiny.latent()["samples"][..., 4:]) for each in drawn)
    begun = [2, *[2] * len(choosing.STRENGTHS)]  # the top level, guided, and what came of it
    assert rows.seen == 4 * [2, 1, 1, *begun, *begun, 1, 1]


@pytest.mark.parametrize("family", ["sd15", "sd3", "wan"])
def test_bfloat16_agrees_with_float32(family):
    latent = tiny.latent(family)
    exact = find(tiny.model(family), latent, family).heatmap
    rounded = find(tiny.model(family, torch.bfloat16), latent, family).heatmap
    assert float((rounded - exact).abs().mean() / exact.mean()) < 0.1
    trajectory, _, _ = climb(tiny.model(family, torch.bfloat16), latent, family)
    edited = denoise(tiny.model(family, torch.bfloat16), trajectory, left_half(), family)
    assert edited.dtype == torch.float32
    assert edited[..., 4:].equal(latent["samples"][..., 4:])


@pytest.mark.parametrize("background", ["noised", "source"])
def test_other_backgrounds(background):
    model, latent = tiny.model(), tiny.latent()
    trajectory, _, _ = climb(model, latent)
    how = replace(EDIT, background=background, solver="ddim")
    edited = denoise(model, trajectory, left_half(), how=how, source=tiny.text("a cat"))
    assert edited[..., 4:].equal(latent["samples"][..., 4:]) == (background == "noised")
    other = denoise(model, trajectory, left_half(), how=how, seed=1, source=tiny.text("a cat"))
    assert edited.equal(other) == (background == "source")  # only fresh noise has a seed


@pytest.mark.parametrize("tries", [1, 2])
def test_fresh_noise_is_drawn_by_the_seed_and_keeps_the_outside(tries):
    model, latent = tiny.model(), tiny.latent()
    trajectory, _, _ = climb(model, latent)
    drawn = [denoise(model, trajectory, left_half(), how=replace(EDIT, tries=tries), seed=seed) for seed in (0, 0, 1)]
    assert drawn[0].equal(drawn[1]) and not drawn[0].equal(drawn[2])
    assert all(edited[..., 4:].equal(latent["samples"][..., 4:]) for edited in drawn)


def test_soft_edges_blend():
    model, latent = tiny.model(), tiny.latent()
    trajectory, _, _ = climb(model, latent)
    mask = (torch.arange(64) < 28).float().expand(1, 64, 64)  # half of the fourth cell
    hard, soft = (denoise(model, trajectory, mask, how=replace(EDIT, greys=greys)) for greys in ("none", "blend"))
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


@pytest.mark.parametrize("solver", list(solvers.SOLVERS))
@pytest.mark.parametrize(("guidance", "expected"), [(1.0, 1), (3.0, 2)])
def test_guidance_1_is_one_evaluation(guidance, expected, solver):
    model, rows = watched(tiny.model())
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    how = replace(EDIT, guidance=guidance, guided_above=0, tries=1, solver=solver)
    denoise(model, trajectory, left_half(), how=how)
    assert rows.seen == [expected] * 3


@pytest.mark.parametrize("family", ["sd15", "sd3", "wan"])
def test_guidance_is_on_where_there_is_more_noise_than_is_said(family):
    """In noise to picture, which means the same on every family."""
    model, rows = watched(tiny.model(family))
    trajectory, _, _ = climb(tiny.model(family), tiny.latent(family), family)
    ratios = [noise_ratio(SamplingProcess.of(model), sigma) for sigma in trajectory.sigmas[:0:-1]]
    assert ratios[0] > ratios[-1]
    for above in (0.0, ratios[-1], ratios[1], ratios[0], 100.0):
        rows.seen.clear()
        denoise(model, trajectory, left_half(), family, replace(EDIT, guided_above=above, tries=1))
        assert rows.seen == [2 if ratio > above else 1 for ratio in ratios]


def test_tries_are_judged_by_the_source_text_or_else_by_the_negative_one():
    """Every try begins a decoding of its own; which is finished is the core's to say, in both of ComfyUI's units."""
    model, rows = watched(tiny.model())
    latent = tiny.latent()
    trajectory, _, _ = climb(tiny.model(), latent, how=replace(CLIMB, steps=8))
    how = replace(EDIT, guided_above=0, tries=3)
    kept = denoise(model, trajectory, left_half(), how=how, source=tiny.text("a cat"))
    early = [sigma > choosing.SETTLED for sigma in trajectory.sigmas[1:]]
    assert early == [False, False, True, True]
    assert rows.seen == [2] * (3 * (early.count(True) + len(choosing.STRENGTHS)) + early.count(False))
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
    found = find(model, tiny.latent(), how=how, negative=tiny.text(""))
    assert rows.seen == [2] * (2 * 2 * 2)  # draws, texts, half of four steps
    assert found.mask.shape == (1, 64, 64)
    assert found.draft["samples"].equal(tiny.latent()["samples"])
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
        ).heatmap

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
    assert guider.draws_that_fit(inner, (), torch.zeros(1, 4, 8, 8), 10) == 1  # a CPU
    elsewhere = torch.zeros(1, 4, 8, 8, device="meta")
    with pytest.MonkeyPatch.context() as patch:
        for gigabytes, expected in ((0, 1), (1, None), (10**6, 10)):
            patch.setattr(mm, "get_free_memory", lambda device, n=gigabytes: n * 1024**3)
            needed = 1.5 * inner.memory_required([2, 4, 8, 8])
            assert guider.draws_that_fit(inner, (), elsewhere, 10) == (expected or min(10, int(1024**3 / needed)))


def test_an_interrupt_ends_within_one_pass_and_the_next_run_is_right():
    model, latent = tiny.model(), tiny.latent()
    expected, _, _ = climb(model, latent)
    twin, rows = model.clone(), []

    def interrupting(apply_model, args):
        rows.append(len(args["input"]))
        mm.interrupt_current_processing(True)
        return apply_model(args["input"], args["timestep"], **args["c"])

    twin.set_model_unet_function_wrapper(interrupting)
    for run in (lambda: climb(twin, latent), lambda: find(twin, latent), lambda: denoise(twin, expected, left_half())):
        rows.clear()
        with pytest.raises(mm.InterruptProcessingException):
            run()
        assert len(rows) == 1
    again, _, _ = climb(model, latent)
    assert again.noisy_model_latents.equal(expected.noisy_model_latents)
    assert again.picture["samples"].equal(expected.picture["samples"])


@pytest.mark.parametrize("last", [FIND.draws + 1, FIND.draws + 2, FIND.draws + 16, FIND.draws + 17])
def test_an_interrupt_ends_a_draft_and_the_next_one_is_right(last):
    """In its first pass, under the other text, in its last, and in the contrast on it."""
    model, latent = tiny.model(), tiny.latent()
    expected = add(model, latent)
    twin, rows = model.clone(), []

    def interrupting(apply_model, args):
        rows.append(len(args["input"]))
        if len(rows) == last:
            mm.interrupt_current_processing(True)
        return apply_model(args["input"], args["timestep"], **args["c"])

    twin.set_model_unet_function_wrapper(interrupting)
    with pytest.raises(mm.InterruptProcessingException):
        add(twin, latent)
    assert len(rows) == last
    again = add(model, latent)
    assert again.draft["samples"].equal(expected.draft["samples"]) and again.heatmap.equal(expected.heatmap)


def steps(total):
    return [(done, total) for done in range(1, total + 1)]


@pytest.fixture
def seen(monkeypatch):
    """What ComfyUI is told of each step, with a picture at each."""
    told = []
    monkeypatch.setattr(latent_preview.args, "preview_method", LatentPreviewMethod.Latent2RGB)
    monkeypatch.setattr(watching, "EVERY", 0)
    monkeypatch.setattr(
        comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, preview, **_: told.append((value, total, preview))
    )
    return told


@pytest.mark.parametrize("family", ["sd15", "wan"])
def test_the_heatmap_is_seen_forming(family, seen):
    model, latent = tiny.model(family), tiny.latent(family)
    heatmap = guider.run(
        model,
        latent["samples"],
        {"target": tiny.text("a dog", family), "source": tiny.text("a cat", family)},
        SamplingProcess.of(model),
        (0.0, 0.8),
        lambda bound, x0, on_step: look(bound, x0, replace(FIND, drafts=0), draws.Draws.of(0), on_step).heatmap,
    )
    shown = [preview[1].tobytes() for *_, preview in seen]
    assert len(shown) == len({*shown}) == FIND.draws
    assert shown[-1] == pictures.to_pil(sheets.heat(heatmap.amax(1) if heatmap.ndim == 4 else heatmap)).tobytes()


def test_pictures_are_shown_at_intervals_and_only_where_they_are_wanted(seen, monkeypatch):
    monkeypatch.setattr(watching, "EVERY", 0.25)
    times = iter([0.0, 0.0, 0.1, 0.24, 0.25, 0.25, 0.3])
    watch = replace(watching.Watch.of(tiny.model(), 5), clock=lambda: next(times))
    for step in range(5):
        watch(step, tiny.latent()["samples"], tiny.latent()["samples"], 5)
    shown = {value for value, _, preview in seen if preview}
    assert shown == {1, 4}
    seen.clear()
    monkeypatch.setattr(latent_preview.args, "preview_method", LatentPreviewMethod.NoPreviews)
    find(tiny.model(), tiny.latent())
    assert seen and not any(preview for *_, preview in seen)


def test_progress_and_previews(seen):
    find(tiny.model(), tiny.latent())
    assert [(value, total) for value, total, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert all(preview[1].size == (8, 8) for *_, preview in seen)
    seen.clear()
    climb(tiny.model(), tiny.latent(), check=True)
    assert [(value, total) for value, total, _ in seen] == [(1, 3), (2, 3), (3, 3)] * 2
    seen.clear()
    add(tiny.model(), tiny.latent())
    counted = [(value, total) for value, total, _ in seen]
    assert counted == [*steps(3), *steps(3 + 8 + 3)[3:]]  # the draws, the draft, and the draws on it
    assert all(preview[1].size == (8, 8) for *_, preview in seen)
    seen.clear()
    denoise(tiny.model(), climb(tiny.model(), tiny.latent())[0], left_half())
    assert [(value, total) for value, total, _ in seen][3:] == steps(2 * 2 + 2)  # two tries judged, the rest of one


def test_results_are_the_same_on_every_run_and_leave_the_global_generator_alone():
    model, latent = tiny.model(), tiny.latent()
    before = torch.get_rng_state()
    results = [find(model, latent).heatmap for _ in range(2)]
    drafts = [add(model, latent).draft for _ in range(2)]
    trajectory, _, _ = climb(model, latent)
    denoise(model, trajectory, left_half(), how=replace(EDIT, background="noised"), draft=drafts[0])
    assert results[0].equal(results[1]) and drafts[0]["samples"].equal(drafts[1]["samples"])
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
    assert find(tiny.model(), masked).heatmap.equal(find(tiny.model(), latent).heatmap)


# Kinds of edits, and drafts of what is added.


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("family", ALL)
def test_an_addition_is_drafted_and_its_mask_is_read_off_the_draft(family, batch):
    model, latent = tiny.model(family), tiny.latent(family, batch)
    found = add(model, latent, family)
    draft = found.draft["samples"]
    assert found.kinds == ("addition",) * batch
    assert draft.shape == latent["samples"].shape and draft.dtype == torch.float32 and draft.isfinite().all()
    assert (draft != latent["samples"]).flatten(1).any(1).all()
    again = find(model, found.draft, family)  # as if the draft were the picture
    torch.testing.assert_close(found.heatmap, again.heatmap, rtol=1e-3, atol=1e-4)
    assert not found.heatmap.isclose(find(model, latent, family).heatmap, rtol=1e-2).all()
    assert set(found.mask.unique().tolist()) == {0, 1}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("family", ALL)
def test_going_on_from_a_draft_keeps_the_outside_bit_for_bit(family, batch):
    model, latent = tiny.model(family), tiny.latent(family, batch)
    draft = add(model, latent, family).draft
    trajectory, _, _ = climb(model, latent, family)
    edited, plain = (denoise(model, trajectory, left_half(), family, draft=given) for given in (draft, None))
    assert edited.isfinite().all() and edited[..., 4:].equal(latent["samples"][..., 4:])
    assert not edited[..., :4].isclose(latent["samples"][..., :4]).any(-1).all()
    assert not edited[..., :4].isclose(plain[..., :4]).all()


@pytest.mark.parametrize("family", ALL)
def test_every_draft_of_a_batch_is_as_it_is_alone(family):
    model, latent, how = tiny.model(family), tiny.latent(family, 3), replace(ADD, drafts=2)
    together, alone = add(model, latent, family, how), add(model, {"samples": latent["samples"][1:2]}, family, how)
    scale = float(alone.draft["samples"].std())
    torch.testing.assert_close(together.draft["samples"][1:2], alone.draft["samples"], rtol=1e-3, atol=1e-4 * scale)
    torch.testing.assert_close(together.heatmap[1:2], alone.heatmap, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", ["flux", "wan"])
def test_in_a_batch_only_what_is_added_to_is_drafted(family):
    """What a picture so bold says does not change with the noise, so the two texts agree about where."""
    model, samples = tiny.model(family), tiny.latent(family, 2)["samples"]
    samples = torch.cat([samples[:1], 20 * samples[1:]])
    found = add(model, {"samples": samples}, family, replace(ADD, kind="auto"))
    assert found.kinds == ("addition", "area")
    assert found.agreement[0] < 0.75 < found.agreement[1]
    draft = found.draft["samples"]
    assert draft[1].equal(samples[1]) and not draft[0].isclose(samples[0]).all()
    by_hand = add(model, {"samples": samples}, family)
    assert by_hand.kinds == ("addition", "addition") and by_hand.draft["samples"][0].equal(draft[0])
    assert by_hand.heatmap[0].equal(found.heatmap[0]) and not by_hand.heatmap[1].equal(found.heatmap[1])
    undrafted = find(model, {"samples": samples}, family)
    assert undrafted.heatmap[1].equal(found.heatmap[1]) and not undrafted.heatmap[0].equal(found.heatmap[0])
    trajectory, _, _ = climb(model, {"samples": samples}, family)
    edited, plain = (denoise(model, trajectory, left_half(), family, draft=given) for given in (found.draft, None))
    assert edited[1].equal(plain[1]) and not edited[0].isclose(plain[0]).all()
    assert edited[..., 4:].equal(samples[..., 4:])


@pytest.mark.parametrize("kind", ["object", "area"])
@pytest.mark.parametrize("family", ALL)
def test_where_nothing_is_drafted_the_draft_is_the_very_input(family, kind):
    latent = {**tiny.latent(family, 2), "batch_index": [3, 4]}
    found = add(tiny.model(family), latent, family, replace(ADD, kind=kind))
    assert found.kinds == (kind, kind)
    assert found.draft["samples"].equal(latent["samples"]) and found.draft["batch_index"] == [3, 4]
    none = add(tiny.model(family), latent, family, replace(ADD, drafts=0))
    assert none.kinds == ("addition", "addition") and none.draft["samples"].equal(latent["samples"])


@pytest.mark.parametrize("family", ["sd15", "sd3"])
def test_a_draft_that_is_the_picture_is_none(family):
    """So it can stay connected, whatever the texts ask for. All zeros is a picture too."""
    model = tiny.model(family)
    for latent in (tiny.latent(family, 2), {"samples": torch.zeros_like(tiny.latent(family)["samples"])}):
        trajectory, _, _ = climb(model, latent, family)
        edited, plain = (denoise(model, trajectory, left_half(), family, draft=given) for given in (latent, None))
        assert edited.equal(plain)


@pytest.mark.parametrize("family", ["sd15", "sd3"])
def test_a_draft_of_the_all_zero_latent(family):
    model, latent = tiny.model(family), {"samples": torch.zeros_like(tiny.latent(family)["samples"])}
    draft = add(model, latent, family).draft
    assert draft["samples"].isfinite().all() and draft["samples"].count_nonzero() > 0
    trajectory, _, _ = climb(model, latent, family)
    assert denoise(model, trajectory, left_half(), family, draft=draft)[..., 4:].count_nonzero() == 0


@pytest.mark.parametrize("drafts", [0, 1, 3])
def test_what_drafts_cost(drafts):
    """Each is eight levels under the source text and the target text, guided at six, and a contrast on it."""
    model, rows = watched(tiny.model())
    add(model, tiny.latent(), how=replace(ADD, drafts=drafts))
    judged = [2] * len(choosing.STRENGTHS) if drafts > 1 else []
    assert rows.seen == [2] * 3 + drafts * ([2, 1] * 6 + [1, 1] * 2 + [2] * 3 + judged)


def test_without_a_negative_text_nothing_is_drafted():
    model, rows = watched(tiny.model())
    found = find(model, tiny.latent(), how=ADD)
    assert rows.seen == [2] * 3
    assert found.draft["samples"].equal(tiny.latent()["samples"])
    assert found.heatmap.equal(find(tiny.model(), tiny.latent()).heatmap)
    unguided = find(model, tiny.latent(), how=replace(ADD, guidance=1.0))
    assert rows.seen[3:] == [2] * 3 + [1, 1] * 8 + [2] * 3
    assert not unguided.draft["samples"].equal(tiny.latent()["samples"])


def test_drafts_differ_by_the_seed_and_by_the_negative_text():
    model, latent = tiny.model(), tiny.latent()
    cat, dog = tiny.text("a cat"), tiny.text("a dog")

    def drafted(seed, words):
        found = host.find_mask(model, latent, cat, dog, how=ADD, cut=RULE, seed=seed, negative=tiny.text(words))
        return found.draft["samples"]

    first = drafted(0, "")
    assert first.equal(drafted(0, ""))
    assert not first.isclose(drafted(1, "")).all() and not first.isclose(drafted(0, "blurred")).all()


def test_more_drafts_keep_the_one_that_the_model_judges_best():
    model, latent = tiny.model(), tiny.latent()
    kept = [add(model, latent, how=replace(ADD, drafts=drafts)).draft["samples"] for drafts in (1, 2, 4)]
    assert not all(each.equal(kept[0]) for each in kept[1:])


def test_a_draft_is_gone_on_from_at_lower_levels_only_and_in_one_try():
    """From half the noise, so that its place is kept. The drafts were the tries."""
    model, rows = watched(tiny.model())
    latent, how = tiny.latent(), replace(EDIT, guided_above=0, tries=3)
    trajectory, _, _ = climb(tiny.model(), latent, how=settings.InversionSettings())
    draft = add(tiny.model(), latent).draft
    denoise(model, trajectory, left_half(), how=how, draft=draft)
    process = SamplingProcess.of(model)
    entered = [sigma for sigma in trajectory.sigmas[1:] if sigma <= sigma_at(process, stages.ENTRY)]
    assert 3 < len(entered) < len(trajectory.sigmas) - 3
    assert rows.seen == [2] * len(entered)


def test_a_sure_contrast_stops_after_two_draws_and_a_batch_does_not_change_that():
    model, rows = watched(tiny.model("flux"))
    samples, how = tiny.latent("flux", 2)["samples"], replace(FIND, draws=6, sure=0.8)
    samples = torch.cat([samples[:1], 20 * samples[1:]])
    alone = []
    for image, passes in ((samples[:1], 6), (samples[1:], 2)):
        rows.seen.clear()
        alone.append(find(model, {"samples": image}, "flux", how))
        assert rows.seen == [2] * passes
    together = find(model, {"samples": samples}, "flux", how)
    for i, one in enumerate(alone):
        torch.testing.assert_close(together.heatmap[i], one.heatmap[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together.agreement[i], one.agreement[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kind", "factor"), [("object", 1.0), ("area", 0.5)])
def test_a_kind_set_by_hand_says_how_the_mask_is_cut(kind, factor):
    model, latent = tiny.model(), tiny.latent(batch=2)
    texts, how = (tiny.text("a cat"), tiny.text("a dog")), replace(FIND, kind=kind)
    auto, otsu = settings.CutSettings(), settings.CutSettings("otsu", factor)
    masks = [host.find_mask(model, latent, *texts, how=how, cut=cut, seed=0).mask for cut in (auto, otsu)]
    assert masks[0].equal(masks[1]) and 0 < masks[0].mean() < 1
    ratio = settings.CutSettings("ratio")
    by_rule = host.find_mask(model, latent, *texts, how=how, cut=ratio, seed=0)
    assert by_rule.mask.equal(host.find_mask(model, latent, *texts, how=FIND, cut=ratio, seed=0).mask)


@pytest.mark.parametrize("family", ALL)
def test_room_widens_what_may_change_and_none_does_not(family):
    model, latent = tiny.model(family), tiny.latent(family)
    trajectory, _, _ = climb(model, latent, family)
    plain, none, some = (denoise(model, trajectory, left_half(), family, room=room) for room in (0, 0, 16))
    wider = denoise(model, trajectory, (torch.arange(64) < 48).float().expand(1, 64, 64), family)
    picture = latent["samples"]
    assert plain.equal(none) and plain[..., 4:].equal(picture[..., 4:])
    assert some.equal(wider) and some[..., 6:].equal(picture[..., 6:])
    assert not some[..., 4:6].isclose(picture[..., 4:6]).any(-1).all()


def test_room_is_for_each_mask_of_a_batch_and_most_of_a_picture_needs_none():
    model, latent = tiny.model(), tiny.latent(batch=2)
    trajectory, _, _ = climb(model, latent)
    masks = torch.cat([left_half(), (torch.arange(64) < 40).float().expand(1, 64, 64)])
    edited = denoise(model, trajectory, masks, room=8)
    for each, cells in zip(zip(edited, latent["samples"], strict=True), (5, 5), strict=True):
        assert each[0][..., cells:].equal(each[1][..., cells:])
        assert not each[0][..., cells - 1].isclose(each[1][..., cells - 1]).any()


@pytest.mark.parametrize("family", ["sd15", "sd3"])
def test_drafts_in_bfloat16(family):
    latent = tiny.latent(family)
    exact, rounded = (add(tiny.model(family, dtype), latent, family) for dtype in (torch.float32, torch.bfloat16))
    change = [found.draft["samples"] - latent["samples"] for found in (exact, rounded)]
    assert rounded.draft["samples"].dtype == torch.float32
    assert float((change[1] - change[0]).abs().mean() / change[0].abs().mean()) < 0.2


# Video: latents [B, C, T, h, w].


def test_a_video_gets_one_mask_of_what_changes_in_any_frame():
    model, latent = tiny.model("wan"), tiny.latent("wan", 2)
    found = find(model, latent, "wan")
    mask, heatmap = found.mask, found.heatmap
    assert mask.shape == heatmap.shape == (2, 64, 64)

    def loop(bound, x0, on_step):
        return look(bound, x0, replace(FIND, drafts=0), draws.Draws.of(0)).heatmap

    texts = {"source": tiny.text("a cat", "wan"), "target": tiny.text("a dog", "wan")}
    frames = guider.run(model, latent["samples"], texts, SamplingProcess.of(model), (0.0, 0.5), loop)  # [B, T, h, w]
    assert frames.shape == (2, 2, 8, 8)
    fit = pack("diffedit_core.masks").fit
    torch.testing.assert_close(heatmap, fit(frames.amax(1), (64, 64)))
    assert not heatmap.isclose(fit(frames[:, 0], (64, 64))).all()


def test_a_single_frame_needs_no_time_axis():
    """As a picture's VAE hands it to a video model."""
    latent = {"samples": tiny.latent("wan")["samples"][:, :, 0]}
    assert find(tiny.model("wan"), latent, "wan").mask.shape == (1, 64, 64)
    trajectory, _, _ = climb(tiny.model("wan"), latent, "wan")
    draft = add(tiny.model("wan"), latent, "wan").draft
    edited = denoise(tiny.model("wan"), trajectory, left_half(), "wan", draft=draft)
    assert edited[:, :, 0, ..., 4:].equal(latent["samples"][..., 4:])


def test_video_masks_for_all_frames_or_for_each():
    model, latent = tiny.model("wan"), tiny.latent("wan")  # two latent frames
    trajectory, _, _ = climb(model, latent, "wan")
    each = torch.stack([torch.zeros(64, 64), torch.ones(64, 64)])
    edited, picture = denoise(model, trajectory, each, "wan"), latent["samples"]
    assert edited[:, :, 0].equal(picture[:, :, 0])
    assert not edited[:, :, 1].isclose(picture[:, :, 1]).all()
    with pytest.raises(ValueError, match="3 masks"):
        denoise(model, trajectory, torch.ones(3, 64, 64), "wan")


# What cannot be done says so.


def test_equal_texts_give_an_empty_mask_and_a_warning(caplog):
    same = tiny.text("a"), tiny.text("a")
    found = host.find_mask(tiny.model(), tiny.latent(), *same, how=FIND, cut=RULE, seed=0)
    assert found.mask.count_nonzero() == 0
    assert found.heatmap.abs().max() < 1e-4
    assert "the two texts make no difference" in caplog.text


def test_a_text_that_is_not_in_force_at_the_contrasts_level_is_an_error():
    """ComfyUI would predict 0 for it, and the contrast would be the other text's prediction."""
    late = tiny.text("a dog", start_percent=0.9, end_percent=1.0)
    with pytest.raises(ValueError, match=r"target text is not in force at .*widen its timestep range.* strength$"):
        host.find_mask(tiny.model(), tiny.latent(), tiny.text("a cat"), late, how=FIND, cut=RULE, seed=0)


def test_an_empty_mask_gives_the_picture():
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    for given in ({}, {"room": 16}, {"draft": add(tiny.model(), tiny.latent()).draft}):
        edited = denoise(tiny.model(), trajectory, torch.zeros(1, 64, 64), **given)
        assert edited.equal(tiny.latent()["samples"])


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
    with pytest.raises(ValueError, match="fp16"):
        denoise(model, climb(tiny.model(), tiny.latent())[0], left_half())


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


@pytest.mark.parametrize("draft", [tiny.latent(batch=3), tiny.latent("sd3"), {"samples": torch.zeros(1, 4, 8, 16)}])
def test_drafts_of_another_picture_are_refused(draft):
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    said = r"the draft is \[\d, \d+, 8, \d+\] but the inverted picture is \[1, 4, 8, 8\]"
    with pytest.raises(ValueError, match=f"{said}; connect the draft that DiffEdit Mask made of this picture"):
        denoise(tiny.model(), trajectory, left_half(), draft=draft)


def test_a_draft_of_nan_is_an_error():
    trajectory, _, _ = climb(tiny.model(), tiny.latent())
    with pytest.raises(ValueError, match="NaN"):
        denoise(tiny.model(), trajectory, left_half(), draft={"samples": torch.full((1, 4, 8, 8), torch.nan)})


def test_a_text_that_is_not_in_force_at_a_drafts_levels_is_an_error():
    """It is in force where the contrast asks, but at the noisier levels of a draft ComfyUI would predict 0 for it."""
    late = tiny.text("a dog", start_percent=0.3, end_percent=1.0)
    cat, empty = tiny.text("a cat"), tiny.text("")
    host.find_mask(tiny.model(), tiny.latent(), cat, late, how=FIND, cut=RULE, seed=0)
    with pytest.raises(ValueError, match=r"target text is not in force at noise level"):
        host.find_mask(tiny.model(), tiny.latent(), cat, late, how=ADD, cut=RULE, seed=0, negative=empty)


def test_a_flow_model_cannot_start_from_pure_noise():
    with pytest.raises(ValueError, match=r"use a strength of 0\.8 at most, or the scheduler 'auto'"):
        climb(tiny.model("sd3"), tiny.latent("sd3"), "sd3", replace(CLIMB, strength=1.0), scheduler="simple")


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_a_latent_of_a_clip_is_not_for_a_model_of_pictures(family):
    """The VAE of Wan and of Qwen-Image has as many channels as theirs."""
    latent = {"samples": tiny.latent(family)["samples"][:, :, None]}
    with pytest.raises(ValueError, match=r"is \[1, 16, 1, 8, 8\] but this model works on \[batch, 16, height, width\]"):
        find(tiny.model(family), latent, family)
    with pytest.raises(ValueError, match=r"works on \[batch, 16, frames, height, width\]"):
        find(tiny.model("wan"), {"samples": torch.ones(1, 4, 1, 8, 8)}, "wan")


def test_sigmas_from_a_scheduler_node_are_climbed_as_they_are():
    model, latent = tiny.model("sd3"), tiny.latent("sd3")
    falling = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "beta", 8)
    named = climb(model, latent, "sd3", replace(CLIMB, steps=8), scheduler="beta")[0]
    given = climb(model, latent, "sd3", replace(CLIMB, steps=3), sigmas=falling)[0]
    assert given.sigmas == named.sigmas and len(given.sigmas) == 5 and given.sigmas[0] == 0  # 0.6 of 8 steps
    assert torch.equal(given.noisy_model_latents, named.noisy_model_latents)
    split = climb(model, latent, "sd3", CLIMB, sigmas=falling[2:-1])[0]  # as SplitSigmas cuts them
    assert split.sigmas[0] == 0 and set(split.sigmas[1:]) < set(given.sigmas) | set(falling.double().tolist())
    with pytest.raises(ValueError, match="the sigmas hold no noise level above 0; connect those of a scheduler"):
        climb(model, latent, "sd3", CLIMB, sigmas=torch.zeros(1))
