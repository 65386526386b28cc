"""What two texts ask for, told by where their contrast is hot and by how alike its draws are."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from worlds import DIFFUSION, FLOW, AsFlow, FlowOf, Gaussian, Somewhere, WorldHost, levels, pair, standard_normal

from diffedit_core.contrast import STATISTICS, Contrast, contrast, halves_alike, purist_contrast
from diffedit_core.denoiser import NoiseProcess
from diffedit_core.draws import Draws, paired_noise, seeded_noise
from diffedit_core.kinds import AGREEMENT, FAINT, KINDS, in_words, kinds_of
from diffedit_core.masks import coarse
from diffedit_core.settings import ContrastSettings
from diffedit_core.stages import look
from diffedit_core.strength import sigma_at

NOISE = seeded_noise(0)
ONCE = ContrastSettings(drafts=0)


def spot(y: int = 4, x: int = 4, value: float = 1.0, size: int = 16) -> torch.Tensor:
    """[h, w]: hot in 4x4 cells."""
    heat = torch.zeros(size, size)
    heat[y : y + 4, x : x + 4] = value
    return heat


def field(value: float = 1.0, size: int = 16) -> torch.Tensor:
    """[h, w]: hot everywhere but in a corner."""
    heat = torch.full((size, size), value)
    heat[:4, :4] = 0
    return heat


def found(*heatmaps: torch.Tensor, agreement: float | list[float] = 1.0) -> Contrast:
    return Contrast(torch.stack(heatmaps), torch.tensor(agreement).expand(len(heatmaps)))


def test_a_thing_and_an_area_are_told_apart_by_how_wide_the_heat_is():
    assert kinds_of(found(spot(), field()), 1.0) == ("object", "area")


def test_draws_that_disagree_ask_for_an_addition_however_wide_the_heat_is():
    for heat in (spot(), field()):
        for agreement, adds in ((-1.0, True), (0.0, True), (AGREEMENT - 0.01, True), (AGREEMENT + 0.01, False)):
            (kind,) = kinds_of(found(heat, agreement=agreement), 1.0)
            assert (kind == "addition") == adds


def test_faint_heat_everywhere_is_a_thing_that_could_be_anywhere():
    faint, clear = 0.99 * FAINT, 1.01 * FAINT
    assert kinds_of(found(field(faint), field(clear)), 1.0) == ("addition", "area")
    assert kinds_of(found(spot(value=faint), spot(value=clear)), 1.0) == ("object", "object")  # it has a place
    peaked = field(faint)
    peaked[8, 8] = clear  # it is the hottest cell that counts
    assert kinds_of(found(peaked), 1.0) == ("area",)


def test_heat_is_faint_in_units_of_the_noise():
    """A heatmap of x0 over sigma is that of the noise times what the latent holds of the picture."""
    assert kinds_of(found(field(2 * FAINT)), 1.0) == ("area",)
    assert kinds_of(found(field(2 * FAINT)), 0.4) == ("addition",)


def test_each_image_is_told_by_itself():
    heats, agreements = (spot(), field(), spot(9, 9), field(0.1)), [0.9, 0.9, 0.3, 0.9]
    together = kinds_of(found(*heats, agreement=agreements), 1.0)
    assert together == ("object", "area", "addition", "addition")
    for heat, agreement, kind in zip(heats, agreements, together, strict=True):
        assert kinds_of(found(heat, agreement=agreement), 1.0) == (kind,)


def test_every_kind_is_told_to_the_user_once():
    assert set(kinds_of(found(spot(), field(), spot(), agreement=[1.0, 1.0, 0.0]), 1.0)) == KINDS.keys() - {"auto"}
    said = in_words(("object", "addition", "object"), torch.tensor([1.0, 0.5, 0.9]), True)
    one, other = KINDS["object"].finding, KINDS["addition"].finding
    assert said == f"{one}; {other} (the draws of noise agree to 0.80)"
    assert all(kind.finding for name, kind in KINDS.items() if name != "auto")
    assert "chosen" in other and "chosen" not in in_words(("addition",), torch.tensor([0.5]), False)


def test_no_draws_agree_to_more_than_1():
    maps = standard_normal(200, 1, 256)
    assert max(float(halves_alike([each, each * 3])) for each in maps) == 1


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_agreement_is_the_correlation_of_the_halves(count):
    maps = list(standard_normal(count, 3, 256) + 2)
    half = count // 2
    expected = [
        np.corrcoef(torch.stack(maps[:half]).mean(0)[i], torch.stack(maps[half:]).mean(0)[i])[0, 1] for i in range(3)
    ]
    assert halves_alike(maps).tolist() == pytest.approx(expected)
    for i in range(3):
        assert halves_alike([each[i : i + 1] for each in maps]).tolist() == pytest.approx(expected[i : i + 1])


def test_agreement_is_of_shapes_and_not_of_sizes():
    heat = standard_normal(1, 256).abs()
    for other, expected in ((heat, 1), (1e-6 * heat, 1), (3 * heat + 5, 1), (-heat, -1), (torch.ones(1, 256), 0)):
        assert halves_alike([heat, other]).tolist() == pytest.approx([expected])


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("draws", [2, 4, 5])
def test_the_agreement_of_a_contrast_is_that_of_its_draws(statistic, draws):
    """By hand: each draw's sizes on the grid, however the heatmap takes them together."""
    source, target, x0 = Gaussian(0.8), Somewhere(standard_normal(3, 4, 24, 24)), standard_normal(2, 4, 24, 24)
    both = pair(source, target)
    how = {"noise": NOISE, "draws": draws, "statistic": statistic}
    maps = []
    for draw in range(draws):
        x = DIFFUSION.add(x0, NOISE(draw, x0.shape[1:]).to(x0), 0.9)
        difference = (source.denoise(x, 0.9) - target.denoise(x, 0.9)).float() / 0.9
        maps.append(coarse(difference.abs().mean(1)))
    agreement = contrast(both, x0, DIFFUSION, 0.9, **how).agreement
    torch.testing.assert_close(agreement, halves_alike(maps))
    assert (agreement < 0.99).all()


def test_one_draw_agrees_with_itself():
    worlds, x0 = pair(Gaussian(0.8), Gaussian(0.5)), standard_normal(2, 4, 8, 8)
    assert contrast(worlds, x0, DIFFUSION, 1.0, noise=NOISE, draws=1).agreement.tolist() == [1.0, 1.0]


def test_what_the_texts_say_for_certain_agrees_in_full():
    mean = torch.zeros(4, 8, 8, dtype=torch.float64)
    mean[:, :3, :3] = 1
    source, target, x0 = Gaussian(0.8), Gaussian(0.8, mean), standard_normal(2, 4, 8, 8)
    for process in (DIFFUSION, FLOW):
        plain = contrast(pair(source, target), x0, process, 0.9, noise=NOISE, draws=4)
        purist = purist_contrast(
            source.denoise, target.denoise, x0, process, levels(0.9, 3), noise=paired_noise(NOISE), draws=4
        )
        for each in (plain, purist):
            assert each.agreement.tolist() == pytest.approx([1.0, 1.0])


def test_large_latents_seem_no_noisier_than_small_ones():
    """The same heat, and the same noise in each cell: it is averaged away by the cells that one of the grid holds."""
    agreement = {}
    for size in (16, 48, 128):
        heat = F.interpolate(spot(value=0.5)[None, None].double(), (size, size))[0]  # [1, h, w]
        source, target = Gaussian(0.8), Gaussian(0.5, heat.expand(4, -1, -1))
        x0 = standard_normal(1, 4, size, size)
        agreement[size] = float(contrast(pair(source, target), x0, DIFFUSION, 0.9, noise=NOISE, draws=4).agreement)
    assert agreement[16] < AGREEMENT < agreement[48] < 0.95 < agreement[128]


@pytest.mark.parametrize("zoom", [1, 3, 8])
def test_kinds_know_no_scale(zoom):
    for heat, kind in ((spot(), "object"), (field(), "area"), (field(0.1), "addition")):
        large = heat.repeat_interleave(zoom, 0).repeat_interleave(zoom, 1)
        assert kinds_of(found(large), 1.0) == (kind,)


# ---- when to stop

SURE, UNSURE = 0, 1  # of the images below
PLACES = torch.stack([spot(y, x).expand(3, -1, -1).double() for y in (0, 6, 12) for x in (0, 6, 12)])
NONE, SOMEWHERE = Gaussian(0.3), Somewhere(PLACES)
BOTH = 0.1 * standard_normal(2, 3, 16, 16)
BOTH[SURE] += PLACES[4]  # the thing is there, and the texts agree that it goes


def looked_at(images, draws=4, sure=0.8, chunk=1, process: NoiseProcess = DIFFUSION):
    """How much the texts differ, and the rows that were asked for."""
    rows, view = [], (lambda world: world) if process is DIFFUSION else AsFlow

    def counting(x, sigma):
        rows.append(len(x))
        return pair(view(NONE), view(SOMEWHERE))(x, sigma)

    sigma = sigma_at(process, 0.5)
    seen = contrast(
        counting,
        images,
        process,
        sigma,
        noise=paired_noise(NOISE),
        draws=draws,
        sure=sure,
        statistic="signed",
        chunk=chunk,
    )
    return seen, rows


def test_draws_stop_after_two_that_agree():
    seen, rows = looked_at(BOTH[[SURE]])
    assert seen.agreement > 0.8 and rows == [1, 1]
    assert torch.equal(seen.heatmap, looked_at(BOTH[[SURE]], draws=2, sure=1)[0].heatmap)
    seen, rows = looked_at(BOTH[[UNSURE]])
    assert seen.agreement < 0.8 and rows == [1, 1, 1, 1]
    assert torch.equal(seen.heatmap, looked_at(BOTH[[UNSURE]], sure=1)[0].heatmap)


def test_it_stops_nowhere_but_after_two():
    assert looked_at(BOTH[[SURE]], draws=1)[1] == [1]
    assert looked_at(BOTH[[SURE]], draws=2)[1] == [1, 1]
    assert looked_at(BOTH[[SURE]], draws=9)[1] == [1, 1]
    assert looked_at(BOTH[[UNSURE]], draws=9)[1] == [1] * 9


def test_sure_is_what_the_agreement_must_be_above_and_1_takes_all_draws():
    of_two = float(looked_at(BOTH[[UNSURE]], draws=2, sure=1)[0].agreement)
    for sure, taken in ((-1.0, 2), (of_two - 0.01, 2), (of_two + 0.01, 4), (1.0, 4)):
        assert len(looked_at(BOTH[[UNSURE]], sure=sure)[1]) == taken
    assert len(looked_at(BOTH[[SURE]], sure=1.0)[1]) == 4


@pytest.mark.parametrize("chunk", [1, 2, 3, 5])
def test_an_image_that_is_sure_changes_nothing_for_the_others_nor_they_for_it(chunk):
    together, rows = looked_at(BOTH, chunk=chunk)
    assert sum(rows) == 2 * 4
    for image in (SURE, UNSURE):
        alone, rows = looked_at(BOTH[[image]], chunk=chunk)
        assert sum(rows) == (2 if image == SURE else 4)
        assert torch.equal(alone.heatmap, together.heatmap[[image]])
        assert torch.equal(alone.agreement, together.agreement[[image]])
    turned, _ = looked_at(BOTH.flip(0), chunk=chunk)
    assert torch.equal(turned.heatmap, together.heatmap.flip(0))
    by_one, _ = looked_at(BOTH, chunk=1)
    assert torch.equal(by_one.heatmap, together.heatmap) and torch.equal(by_one.agreement, together.agreement)


def test_what_an_image_is_sure_of_is_what_it_was_sure_of_after_two_draws():
    """Here one of two images is a little surer than the other, and neither quite."""
    images = 0.1 * standard_normal(2, 3, 16, 16, seed=1)
    of_two = looked_at(images, draws=2, sure=1)[0].agreement
    sure, surer = float(of_two.mean()), int(of_two.argmax())
    together, rows = looked_at(images, sure=sure)
    assert rows == [2, 2, 2, 2] and of_two.amax() - of_two.amin() > 1e-4
    assert together.agreement[surer] == of_two[surer] < 0.9
    for image in (0, 1):
        alone, rows = looked_at(images[[image]], sure=sure)
        assert len(rows) == (2 if image == surer else 4)
        assert torch.equal(alone.agreement, together.agreement[[image]])
        assert torch.equal(alone.heatmap, together.heatmap[[image]])


def test_the_same_agreement_and_kinds_in_a_flow_in_disguise():
    ours, rows = looked_at(BOTH)
    theirs, same_rows = looked_at(BOTH, process=FlowOf())
    torch.testing.assert_close(theirs.agreement, ours.agreement, rtol=0, atol=1e-5)
    assert same_rows == rows
    signals = [process.scales(sigma_at(process, 0.5))[0] for process in (DIFFUSION, FlowOf())]
    torch.testing.assert_close(theirs.heatmap * signals[1], ours.heatmap * signals[0], rtol=1e-4, atol=1e-6)
    assert kinds_of(theirs, signals[1]) == kinds_of(ours, signals[0]) == ("object", "addition")


# ---- as the stage tells it


def mean(heat: torch.Tensor) -> Gaussian:
    """A text of which the mean is that everywhere it is hot."""
    return Gaussian(0.3, heat.double().expand(3, -1, -1))


TEXTS = {
    "a thing": (mean(spot(value=0.5)), "object"),
    "a faint thing": (mean(spot(value=0.05)), "object"),
    "the ground": (mean(field(0.5)), "area"),
    "a hint everywhere": (mean(field(0.1)), "addition"),
    "a thing somewhere": (SOMEWHERE, "addition"),
}


@pytest.mark.parametrize("flow", [False, True], ids=["diffusion", "flow"])
@pytest.mark.parametrize(("target", "kind"), TEXTS.values(), ids=TEXTS)
def test_a_look_tells_the_kind(target, kind, flow):
    seen = look(WorldHost(flow).bind({"source": NONE, "target": target}), BOTH[[UNSURE]], ONCE, Draws.of(0))
    assert seen.kinds == (kind,)
    assert (seen.agreement < AGREEMENT) == (target is SOMEWHERE)


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"auto"}))
def test_a_kind_set_by_hand_is_what_it_is(kind):
    model, how = WorldHost().bind({"source": NONE, "target": SOMEWHERE}), ContrastSettings(kind=kind, drafts=0)
    seen, by_itself = look(model, BOTH, how, Draws.of(0)), look(model, BOTH, ONCE, Draws.of(0))
    assert seen.kinds == (kind, kind) and by_itself.kinds == ("object", "addition")
    assert torch.equal(seen.heatmap, by_itself.heatmap) and torch.equal(seen.agreement, by_itself.agreement)


def test_the_purist_contrast_tells_things_from_areas_by_their_width_alone():
    """Finished latents are not in units of the noise, and differ in details."""
    how = ContrastSettings(steps=4, guidance=1.0)
    for target, kind in ((mean(spot(value=0.5)), "object"), (mean(field(0.1)), "area"), (mean(field(0.5)), "area")):
        host = WorldHost()
        assert look(host.bind({"source": NONE, "target": target}), BOTH[[UNSURE]], how, Draws.of(0)).kinds == (kind,)
        assert host.evaluations == 4 * 2 * 2  # draws, texts, levels: and no draft


def test_texts_that_make_no_difference_ask_for_no_addition():
    """Maps of nothing are alike, and nothing is drafted."""
    host = WorldHost()
    seen = look(host.bind({"source": SOMEWHERE, "target": SOMEWHERE}), BOTH, ContrastSettings(), Draws.of(0))
    assert (seen.heatmap == 0).all() and not seen.has_draft(BOTH).any()
    assert "addition" not in seen.kinds and host.evaluations <= 4 * 2 * 2  # draws, texts, images
