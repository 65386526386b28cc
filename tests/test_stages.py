"""The stages on a host whose texts are worlds: what is drawn where, in batches of several kinds, for how much."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from worlds import CELL, DIFFUSION, Gaussian, Somewhere, WorldHost, WorldModel, standard_normal

from diffedit_core import Edit, Edited, EditSettings, MaskSettings, edit, find_mask
from diffedit_core.changes import tighten
from diffedit_core.choosing import decode_best, likeness
from diffedit_core.compositing import paste
from diffedit_core.contrast import contrast
from diffedit_core.decoding import BACKGROUNDS
from diffedit_core.denoiser import noise_ratio
from diffedit_core.drafting import draft
from diffedit_core.draws import Draws
from diffedit_core.inversion import Trajectory
from diffedit_core.masks import cells, threshold
from diffedit_core.refine import Refinement, give_room
from diffedit_core.run import mask_of
from diffedit_core.seams import fit_seam
from diffedit_core.settings import ContrastSettings, CutSettings, DecodingSettings, InversionSettings
from diffedit_core.stages import Look, climb, levels_of_climb, levels_of_look, levels_of_redraw, look, redraw
from diffedit_core.strength import levels_up_to, schedule, sigma_at

H = W = 16


def thing(y: int, x: int) -> torch.Tensor:
    """[C, h, w]: a square of 4x4 cells."""
    picture = torch.zeros(3, H, W, dtype=torch.float64)
    picture[:, y : y + 4, x : x + 4] = 0.8
    return picture


PLACES = torch.stack([thing(y, x) for y in (0, 6, 12) for x in (0, 6, 12)])
NONE: Any = Gaussian(0.3)
SOMEWHERE: Any = Somewhere(PLACES)
ADDING, REMOVING = {"source": NONE, "target": SOMEWHERE}, {"source": SOMEWHERE, "target": NONE}
EMPTY, FULL = 0, 1  # of these pictures: in the second the thing is there already
X0 = 0.04 * standard_normal(3, 3, H, W, dtype=torch.float32)
X0[FULL] += PLACES[4].float()
MIXED = [EMPTY, FULL, 2]
DRAWS = Draws.of(3)
LOOK = ContrastSettings(guidance=1.5)
DECODING = DecodingSettings(guidance=1.5)
HOW = EditSettings(mask=MaskSettings(LOOK), decoding=DECODING)
flows = pytest.mark.parametrize("flow", [False, True], ids=["diffusion", "flow"])


def pictures(latents: torch.Tensor) -> torch.Tensor:
    return WorldHost().decode(latents)


def places(latents: torch.Tensor) -> list[int]:
    """Where each image shows the thing."""
    shares = (latents.double()[:, None] * PLACES).flatten(2).sum(2) / PLACES[0].square().sum()
    assert (shares.amax(1) > 0.5).all() and (shares.topk(2).values[:, 1] < 0.3).all()
    return shares.argmax(1).tolist()


def square(place: int) -> torch.Tensor:
    """[1, H, W] of a picture: 1 where the thing is."""
    return (PLACES[place][:1] > 0).float().repeat_interleave(CELL, 1).repeat_interleave(CELL, 2)


def watched(model: WorldModel) -> list[tuple[str, torch.Tensor, float]]:
    """What the model will be asked: role, latent and level."""
    asked, predict = [], model.predict
    model.predict = lambda role, x, sigma: [asked.append((role, x, sigma)), predict(role, x, sigma)][1]
    return asked


# ---- look


@flows
def test_what_is_added_is_drafted_and_what_is_there_is_not(flow):
    seen = look(WorldHost(flow).bind(ADDING), X0, LOOK, DRAWS)
    assert seen.kinds == ("addition", "object", "addition")
    assert seen.has_draft(X0).tolist() == [True, False, True]
    assert torch.equal(seen.draft[FULL], X0[FULL])
    added = seen.draft[[EMPTY, 2]] - X0[[EMPTY, 2]]
    masks = threshold(seen.heatmap[[EMPTY, 2]])
    for place, mask in zip(places(added), masks, strict=True):  # the heatmap shows the thing in its draft
        assert torch.equal(mask, (PLACES[place][0] > 0).float())


def test_a_look_by_hand():
    """The contrast on the picture; then drafts, judged inside the masks of the contrasts on them."""
    host = WorldHost()
    model, x0, sigma = host.bind(ADDING), X0[[EMPTY]], sigma_at(DIFFUSION, 0.5)
    how, asked = replace(LOOK, drafts=3), watched(model)
    seen = look(model, x0, how, DRAWS)
    asked = [x for _, x, _ in asked]

    both = model.denoiser_pair("source", "target")
    shared = {"noise": DRAWS.contrast(True), "draws": 4, "statistic": "signed"}
    agreement = contrast(both, x0, DIFFUSION, sigma, sure=0.8, **shared).agreement
    assert torch.equal(seen.agreement, agreement) and agreement < 0.75
    levels = levels_up_to(0.9, schedule(host.process, 10))
    levels = (0.0, *levels[2:])  # of next to no noise
    guided, plain = model.denoiser("target", 1.5), model.denoiser("target")

    def target(x, sigma):
        return (guided if sigma > 0.6 else plain)(x, sigma)

    found = []
    for number in range(3):
        noise = DRAWS.draft(number)
        made = draft(model.denoiser("source"), target, x0, DIFFUSION, levels, noise=noise)
        heatmap = contrast(both, made, DIFFUSION, sigma, **shared).heatmap
        mask = threshold(heatmap)[:, None]
        shown = torch.lerp(x0, made, mask)
        points = likeness(both, shown, mask, DIFFUSION, DRAWS.judging)
        found.append((float(points), made, heatmap))
        judged = DIFFUSION.add(shown, DRAWS.judging(0, x0.shape[1:]), sigma)
        assert any(torch.equal(x, judged) for x in asked)
    _, made, heatmap = max(found, key=lambda each: each[0])
    assert torch.equal(seen.draft, made) and torch.equal(seen.heatmap, heatmap)
    assert len({each[0] for each in found}) == 3


@pytest.mark.parametrize("drafts", [0, 1, 2, 4])
def test_what_a_look_costs(drafts):
    """A contrast; and a draft is source and guided target at each level, a contrast, and the judging of several."""
    host, how = WorldHost(), replace(LOOK, drafts=drafts)
    look(host.bind(ADDING), X0[[FULL]], how, DRAWS)
    assert host.evaluations == 2 * 2  # two draws that agree
    host.evaluations = 0
    seen = look(host.bind(ADDING), X0[[EMPTY]], how, DRAWS)
    levels = schedule(host.process, 10)[2:10]
    guided = sum(sigma > 0.6 for sigma in levels)
    a_draft = 2 * len(levels) + guided + 4 * 2 + (2 if drafts > 1 else 0)
    assert host.evaluations == 4 * 2 + drafts * a_draft
    assert seen.kinds == ("addition",) and bool(seen.has_draft(X0[[EMPTY]])) == (drafts > 0)


def test_another_seed_chooses_another_place_and_the_same_the_same():
    model, x0 = WorldHost().bind(ADDING), X0[[EMPTY]]
    found = [look(model, x0, LOOK, Draws.of(seed)) for seed in (0, 1, 2, 3, 4, 0)]
    assert torch.equal(found[0].draft, found[-1].draft) and torch.equal(found[0].heatmap, found[-1].heatmap)
    assert len({place for seen in found for place in places(seen.draft - x0)}) > 2


@flows
def test_each_image_of_a_batch_is_looked_at_as_if_it_were_alone(flow):
    model = WorldHost(flow).bind(ADDING)
    together = look(model, X0, LOOK, DRAWS)
    for i in MIXED:
        alone = look(model, X0[[i]], LOOK, DRAWS)
        assert alone.kinds == (together.kinds[i],)
        for name in ("heatmap", "agreement", "draft"):
            assert torch.equal(getattr(alone, name), getattr(together, name)[[i]])


def test_a_kind_set_by_hand_decides_over_drafts():
    model = WorldHost().bind(ADDING)
    for kind in ("object", "area"):
        seen = look(model, X0, replace(LOOK, kind=kind), DRAWS)
        assert seen.kinds == (kind,) * 3 and not seen.has_draft(X0).any()
    seen = look(model, X0, replace(LOOK, kind="addition"), DRAWS)
    assert seen.kinds == ("addition",) * 3 and seen.has_draft(X0).all()
    by_itself = look(model, X0, LOOK, DRAWS)
    assert torch.equal(seen.draft[[EMPTY, 2]], by_itself.draft[[EMPTY, 2]])


def test_the_purist_contrast_drafts_nothing():
    host, how = WorldHost(), replace(LOOK, steps=4, kind="addition")
    seen = look(host.bind(ADDING), X0, how, DRAWS)
    assert seen.kinds == ("addition",) * 3 and not seen.has_draft(X0).any()


@flows
@pytest.mark.parametrize(
    "how", [LOOK, replace(LOOK, drafts=0), replace(LOOK, strength=0.3), replace(LOOK, steps=5, strength=0.8)]
)
def test_a_look_asks_at_no_levels_but_those_it_says(flow, how):
    host = WorldHost(flow)
    model = host.bind(ADDING)
    asked = watched(model)
    look(model, X0, how, DRAWS)
    asked = [sigma for _, _, sigma in asked]
    said = levels_of_look(host, X0, how)
    assert said[0] == 0 and list(said) == sorted(set(said))
    assert set(asked) == set(said) - {0}


@flows
@pytest.mark.parametrize("tries", [1, 3])
def test_a_way_down_asks_at_no_levels_but_those_it_says(flow, tries):
    model, how = WorldHost(flow).bind(REMOVING), DecodingSettings(tries=tries)
    up = climb(model, X0, InversionSettings())
    asked = watched(model)
    redraw(model, up, torch.ones_like(X0[:1, :1]), how, DRAWS)
    assert {sigma for _, _, sigma in asked} == set(levels_of_redraw(model, up.clean, up.sigmas, how)) - {0}


def test_the_steps_of_a_look_are_counted_through():
    """The contrast; and of each draft its levels, the contrast on it, and the judging of several."""
    for images, drafts, total in ((FULL, 2, 2), (EMPTY, 0, 4), (EMPTY, 1, 4 + 8 + 4), (EMPTY, 2, 4 + 2 * (8 + 4 + 1))):
        told = []
        model, how = WorldHost().bind(ADDING), replace(LOOK, drafts=drafts)
        look(model, X0[[images]], how, DRAWS, lambda done, total, x0, told=told: told.append((done, total)))
        assert [done for done, _ in told] == list(range(1, total + 1))
        assert told[-1][1] == (4 if images == FULL else total)  # it may end before all draws are taken


@pytest.mark.parametrize("done", [3, 6, 14, 25])
def test_a_look_ends_where_on_step_ends_it(done):
    """In the contrast, in the first draft, in the contrast on it and in the second draft."""
    steps = []

    def stop(*step):
        steps.append(step)
        if len(steps) == done:
            raise InterruptedError

    host, before = WorldHost(), X0.clone()
    with pytest.raises(InterruptedError):
        look(host.bind(ADDING), X0, LOOK, DRAWS, stop)
    assert len(steps) == done and torch.equal(X0, before)


# ---- redraw


def mask_at(place: int) -> torch.Tensor:
    return (PLACES[place][None, :1] > 0).float()


EVERYWHERE = torch.ones(1, 1, H, W)


@flows
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_draft_that_is_the_picture_is_none(flow, background):
    model, how = WorldHost(flow).bind(REMOVING), replace(DECODING, background=background)
    up = climb(model, X0, InversionSettings())
    plain = redraw(model, up, mask_at(4), how, DRAWS)
    assert torch.equal(redraw(model, up, mask_at(4), how, DRAWS, change=0 * X0), plain)
    assert (plain - X0)[:, :, 6:10, 6:10].abs().mean() > 0.1
    if BACKGROUNDS[background].is_exact:
        elsewhere = (mask_at(4) == 0).expand_as(X0)
        assert torch.equal(plain[elsewhere], X0[elsewhere])


@flows
@pytest.mark.parametrize("is_inverted", [False, True])
def test_decoding_goes_on_from_a_draft_over_the_picture_with_fresh_noise(flow, is_inverted):
    """By hand, from the noisiest level that is not above the middle, in one try: drafts were chosen from already."""
    host = WorldHost(flow)
    model, sigmas = host.bind(ADDING), levels_of_climb(host, X0, InversionSettings())
    trajectory = climb(model, X0, InversionSettings()) if is_inverted else Trajectory(X0[None], sigmas)
    change, mask = PLACES[[1, 1, 7]].float(), torch.maximum(mask_at(1), mask_at(7))
    mended = redraw(model, trajectory, mask, DECODING, DRAWS, change=change)

    reached = [sigma for sigma in sigmas if sigma <= sigma_at(host.process, 0.5)]
    below = Trajectory(X0[None], tuple(reached))
    assert len(reached) == 5 + 1
    guided, plain = model.denoiser("target", 1.5), model.denoiser("target")
    by_hand = decode_best(
        lambda x, sigma: (guided if noise_ratio(host.process, sigma) > 0.6 else plain)(x, sigma),
        model.denoiser_pair("source", "target"),
        mask,
        BACKGROUNDS["noised"].outside(model, below, DRAWS, 1.0),
        process=host.process,
        draws=DRAWS,
        tries=1,
        change=change,
    )
    assert torch.equal(mended, by_hand)
    elsewhere = (mask == 0).expand_as(X0)
    assert torch.equal(mended[elsewhere], X0[elsewhere])
    assert places(mended[[EMPTY, 2]]) == [1, 7]


@pytest.mark.parametrize(
    ("steps", "strength", "entry"), [(10, 0.9, 5), (10, 0.3, 3), (2, 0.5, 1), (1, 1.0, 1), (4, 1.0, 2)]
)
def test_a_draft_is_entered_at_the_middle_or_at_the_top_of_a_shorter_way(steps, strength, entry):
    host, how = WorldHost(), InversionSettings(steps=steps, strength=strength)
    model, sigmas = host.bind(ADDING), levels_of_climb(host, X0, how)
    asked = watched(model)
    one = replace(DECODING, tries=1, guidance=1.0)
    redraw(model, Trajectory(X0[None], sigmas), EVERYWHERE, one, DRAWS, change=PLACES[[1] * 3].float())
    assert [sigma for _, _, sigma in asked] == list(reversed(sigmas[1 : entry + 1]))


@flows
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_mixed_batch_is_redrawn_as_if_each_were_alone(flow, background):
    """One with a draft, one without, and one with another draft."""
    model, how = WorldHost(flow).bind(ADDING), replace(DECODING, background=background)
    changes = torch.stack([PLACES[1], 0 * PLACES[1], PLACES[7]]).float()
    masks = torch.cat([mask_at(1), mask_at(4), mask_at(7)])
    together = redraw(model, climb(model, X0, InversionSettings()), masks, how, DRAWS, change=changes)
    for i in MIXED:
        up = climb(model, X0[[i]], InversionSettings())
        alone = redraw(model, up, masks[[i]], how, DRAWS, change=changes[[i]])
        assert torch.equal(alone, together[[i]])


@flows
@pytest.mark.parametrize("above", [0.0, 0.6, 1.2, 100.0, "a level"])
def test_guidance_is_on_where_there_is_more_noise_than_that(flow, above):
    host = WorldHost(flow)
    above = noise_ratio(host.process, schedule(host.process, 10)[4]) if above == "a level" else above
    model = host.bind(ADDING)
    asked = watched(model)
    sigmas = levels_of_climb(host, X0, InversionSettings())
    one = replace(DECODING, tries=1, background="noised", guided_above=above)
    redraw(model, Trajectory(X0[None], sigmas), EVERYWHERE, one, DRAWS)
    ratios = [noise_ratio(host.process, sigma) for sigma in reversed(sigmas[1:])]
    torch.testing.assert_close(ratios, list(reversed(schedule(DIFFUSION, 10)[1:10])))  # on every family
    expected = [{"target", "negative"} if ratio > above else {"target"} for ratio in ratios]
    assert [{role for role, _, at in asked if at == sigma} for sigma in reversed(sigmas[1:])] == expected


def test_a_flow_in_disguise_guides_and_mends_alike():
    """The same levels, guidance and tries, so the same latents."""
    found = []
    for flow in (False, True):
        model = WorldHost(flow).bind(ADDING)
        up = Trajectory(X0[None], levels_of_climb(model.host, X0, InversionSettings()))
        changes = torch.stack([PLACES[1], 0 * PLACES[1], PLACES[7]]).float()
        masks, how = torch.cat([mask_at(1), mask_at(4), mask_at(7)]), replace(DECODING, background="noised")
        found.append(redraw(model, up, masks, how, DRAWS, change=changes))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


# ---- edit


def seen_in(done: Edited) -> Look:
    """What the texts said of the picture."""
    assert done.looks[0] is not None
    return done.looks[0]


@flows
def test_a_thing_is_added_in_one_place_and_nothing_else_changes(flow):
    host, original = WorldHost(flow), pictures(X0)[[EMPTY]]
    done = edit(host, original, Edit(NONE, SOMEWHERE), how=HOW, seed=3)
    assert seen_in(done).kinds == ("addition",)
    assert torch.equal(done.picture[done.mask == 0], original[done.mask == 0])
    (place,) = places(host.encode(done.picture))
    assert places(seen_in(done).draft - host.encode(original)) == [place]
    assert (done.mask[square(place) == 1] == 1).all() and done.mask.mean() < 0.2


def test_what_an_addition_costs():
    """No inversion, and one way down from the draft."""
    host, stages = WorldHost(), {}

    def progress(stage):
        stages[stage] = []
        return lambda done, total, x0: stages[stage].append((done, total))

    edit(host, pictures(X0)[[EMPTY]], Edit(NONE, SOMEWHERE), how=HOW, seed=3, progress=progress)
    assert list(stages) == ["mask", "decode"]
    assert stages["decode"] == [(i, 5) for i in range(1, 6)]
    everything = host.evaluations
    look(host.bind(ADDING), X0[[EMPTY]], LOOK, Draws.of(3))
    guided = sum(sigma > 0.6 for sigma in schedule(host.process, 10)[1:6])
    assert everything - (host.evaluations - everything) == 5 + guided


@flows
def test_a_mixed_batch_is_edited_as_if_each_were_alone(flow):
    original = pictures(X0)
    together = edit(WorldHost(flow), original, Edit(NONE, SOMEWHERE), how=HOW, seed=3)
    assert set(seen_in(together).kinds) == {"object", "addition"}
    for i in MIXED:
        alone = edit(WorldHost(flow), original[[i]], Edit(NONE, SOMEWHERE), how=HOW, seed=3)
        assert torch.equal(alone.mask, together.mask[[i]]) and torch.equal(alone.picture, together.picture[[i]])


def test_a_flow_in_disguise_makes_the_same_edit_with_drafts():
    """But the inversion of what is no addition: one explicit step is not the same map in a flow."""
    how = replace(HOW, decoding=replace(DECODING, background="noised"))
    ours, theirs = (
        edit(WorldHost(flow), pictures(X0), Edit(NONE, SOMEWHERE), how=how, seed=3) for flow in (False, True)
    )
    assert seen_in(theirs).kinds == seen_in(ours).kinds
    assert torch.equal(theirs.mask, ours.mask)
    torch.testing.assert_close(theirs.picture, ours.picture, rtol=0, atol=1e-3)
    torch.testing.assert_close(seen_in(theirs).draft, seen_in(ours).draft, rtol=0, atol=1e-3)


def test_the_mask_of_what_is_added_follows_the_edges_of_the_draft():
    """The picture has none there."""
    host, grain = WorldHost(), torch.rand(3, H * CELL, W * CELL, 3, generator=torch.Generator().manual_seed(0))
    original = 0.9 * pictures(X0) + 0.1 * grain  # which no latent holds
    how = MaskSettings(LOOK, CutSettings("otsu", 0.6), Refinement(edge_snap="guided"))
    mask, seen = find_mask(host, original, Edit(NONE, SOMEWHERE), how=how, seed=3)
    drafted = host.decode(seen.draft)
    assert torch.equal(mask[[EMPTY, 2]], mask_of(seen.heatmap[[EMPTY, 2]], drafted[[EMPTY, 2]], how))
    assert torch.equal(mask[[FULL]], mask_of(seen.heatmap[[FULL]], original[[FULL]], how))
    assert not torch.equal(mask[[EMPTY]], mask_of(seen.heatmap[[EMPTY]], original[[EMPTY]], how))
    assert not torch.equal(mask[[FULL]], mask_of(seen.heatmap[[FULL]], drafted[[FULL]], how))


@pytest.mark.parametrize("room", [0, 2, 6, 12])
def test_the_mask_of_an_edit_is_what_was_found_and_what_changed_in_the_room_around_it(room):
    """By hand, from a mask that was found too small."""
    host, original = WorldHost(), pictures(X0)
    how = replace(HOW, mask=MaskSettings(LOOK, refinement=Refinement(grow=-5)), room=room)
    found, seen = find_mask(host, original, Edit(NONE, SOMEWHERE), how=how.mask, seed=3)
    done = edit(host, original, Edit(NONE, SOMEWHERE), how=how, seed=3)
    assert torch.equal(seen_in(done).heatmap, seen.heatmap) and torch.equal(seen_in(done).draft, seen.draft)

    model, x0, roomy = host.bind(ADDING), host.encode(original), give_room(found, room)
    planes = cells(roomy, (H, W), soft=True)[:, None]
    latent = redraw(model, climb(model, x0, how.inversion), planes, DECODING, DRAWS, change=seen.draft - x0)
    edited = fit_seam(original, host.decode(latent), roomy, how.seam)
    mask = tighten(found, roomy, original, edited) if room else found
    assert torch.equal(done.mask, mask) and torch.equal(done.picture, paste(original, edited, mask, how.rim))
    assert torch.equal(done.picture[mask == 0], original[mask == 0])
    assert room == 0 or found.mean() < mask.mean()
    assert room < 12 or mask.mean() < roomy.mean()


@pytest.mark.parametrize("room", [0, 6])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_mask_of_ones_own_is_used_as_it_is_without_room_or_draft(background, room):
    original, mask, stages = pictures(X0), square(1), []
    how = replace(HOW, room=room, decoding=replace(DECODING, background=background, greys="none"))

    def progress(stage):
        stages.append(stage)
        return lambda done, total, x0: None

    def edited(how, **more):
        there: Any = Somewhere(PLACES[[1]])
        return edit(WorldHost(), original, Edit(NONE, there, mask=mask), how=how, seed=3, **more)

    done = edited(how, progress=progress)
    assert torch.equal(done.mask, mask.expand(len(original), -1, -1)) and done.looks == (None,)
    assert stages == (["decode"] if background == "noised" else ["invert", "decode"])
    outside = (mask == 0).expand(3, -1, -1)
    assert torch.equal(done.picture[outside], original[outside])
    assert torch.equal(done.picture, edited(replace(how, room=0)).picture)


def test_an_edit_can_be_interrupted_in_a_draft_and_run_again():
    original, steps = pictures(X0), []
    before = original.clone()

    def on_step(*step):
        steps.append(step)
        if len(steps) == 9:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        edit(WorldHost(), original, Edit(NONE, SOMEWHERE), how=HOW, progress=lambda stage: on_step)
    assert torch.equal(original, before)
    whole, again = (edit(WorldHost(), original, Edit(NONE, SOMEWHERE), how=HOW) for _ in range(2))
    assert torch.equal(whole.picture, again.picture) and torch.equal(whole.mask, again.mask)
