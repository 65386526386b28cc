"""Keep the rest: known moves and tints are found, what was meant to change is pasted, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diffedit_core import KeepSettings, keep_rest
from diffedit_core.clips import steadied
from diffedit_core.masks import iou
from diffedit_core.matching import MATCHES, match_colours
from diffedit_core.pairing import steadied_bends
from diffedit_core.pictures import from_bytes
from diffedit_core.placing import Placement, after, apart, stretched, without_bars
from diffedit_core.registering import Level, refined, rest_of
from diffedit_core.toybox import KINDS, task
from diffedit_core.toybox.drifting import DRIFTS, Drift, draw_drift, draw_names, drifted
from diffedit_core.toybox.scenes import Frame

SEED = 1_026_000
LOCAL = [name for name in DRIFTS if name != "autoencoder"]


def pictures(*images):
    return tuple(from_bytes(image)[None] for image in images)


def pair(drift, seed=SEED, kind="colour", frame=Frame()):
    """A task, its picture, and its true edited picture drifted."""
    made = task(seed, kind, frame)
    return made, *pictures(made.image, drifted(made.edited, drift, seed))


def off(placement, drift):
    """How far a placement is from the truth, in pixels of what came out, at a corner."""
    return apart(placement.matrix, drift.matrix[:2], drift.size)


# what is known


def test_a_map_after_its_inverse_moves_nothing():
    there, back = stretched((30, 50), (60, 40)), stretched((60, 40), (30, 50))
    np.testing.assert_allclose(after(back, there), np.eye(2, 3), atol=1e-12)


@pytest.mark.parametrize("drift", [
    Drift((128, 128), shift=(5.3, -3.7)),
    Drift((128, 128), zoom=1.05),
    Drift((128, 128), rotation=1.6),
    Drift((128, 128), shift=(-7.0, 2.5), zoom=0.95, rotation=-1.2, resized=(160, 144)),
], ids=["shift", "zoom", "rotation", "all"])  # fmt: skip
def test_a_known_move_is_found(drift):
    _, original, edited = pair(drift)
    done = keep_rest(original, edited)
    assert off(done.placements[0], drift) < 0.3
    report = done.report[0]
    assert report.zoom == pytest.approx(drift.zoom, abs=0.004)
    assert report.rotation == pytest.approx(drift.rotation, abs=0.15)
    assert report.shift == pytest.approx(drift.shift, abs=0.2)


def test_a_large_picture_is_measured_on_a_small_one():
    drift = Drift((1024, 1024), shift=(11.3, -6.4), rotation=0.7)
    _, original, edited = pair(drift, frame=Frame(1024, 256, 64, 64))
    assert off(keep_rest(original, edited).placements[0], drift) < 0.6  # pixels of 1024, at a corner


def test_a_known_tint_is_found_and_taken_off():
    drift = Drift((128, 128), gain=(0.95, 1.0, 1.05), offset=(0.03, 0.0, -0.02))
    made, original, edited = pair(drift)
    done = keep_rest(original, edited)
    still = torch.from_numpy(made.region) == 0
    tint = 255 * (edited - original)[0][still].mean(0)
    assert done.report[0].tint == pytest.approx(tint.tolist(), abs=0.5)
    assert 255 * float((done.aligned - original)[0][still].abs().mean()) < 1.0


def test_the_map_of_colours_is_the_one_that_was_applied():
    """Where all colours are seen, gain, gamma and vignette are undone wherever they are."""
    picture = np.random.default_rng(0).uniform(0.1, 0.9, (16, 16, 3)).astype(np.float32).repeat(8, 0).repeat(8, 1)
    drift = Drift((128, 128), gamma=(1.1, 0.95, 1.0), gain=(0.95, 1.0, 1.02), vignette=0.15)
    tinted = drift.coloured(picture).astype(np.float32)
    matched = match_colours(tinted, picture, np.ones((128, 128), np.float32), "curve")(tinted)
    assert np.abs(matched - picture).mean() < 0.2 * np.abs(tinted - picture).mean()


def test_a_part_that_changed_says_nothing_of_the_colours():
    rng = np.random.default_rng(1)
    picture = rng.uniform(0.2, 0.8, (16, 16, 3)).astype(np.float32).repeat(8, 0).repeat(8, 1)
    tinted = (0.95 * picture + 0.02).astype(np.float32)
    tinted[:50] = (1, 0, 0.2)
    matched = match_colours(tinted, picture, np.ones((128, 128), np.float32), "tint")(tinted)
    assert np.abs(matched - picture)[56:].mean() < 0.01


def test_bars_are_seen_and_bands_of_a_picture_are_not():
    drift = Drift((128, 128), resized=(128, 176), letterbox=True)
    _, original, edited = pair(drift)
    rows, columns = without_bars(edited[0].numpy())
    assert (rows.start, rows.stop) == (0, 128)
    assert columns.start in (24, 25) and columns.stop in (151, 152)
    assert without_bars(original[0].numpy()) == (slice(0, 128), slice(0, 128))


def test_a_plain_ground_above_a_thing_is_no_bar():
    picture = np.full((128, 128, 3), 0.5, np.float32) + np.linspace(0, 0.1, 128, dtype=np.float32)[:, None, None]
    assert without_bars(picture) == (slice(0, 128), slice(0, 128))
    picture[40:80, 50:90] = (0.9, 0.1, 0.1)
    assert without_bars(picture) == (slice(0, 128), slice(0, 128))


def test_frames_that_do_not_move_stay_and_one_that_jumps_is_brought_back():
    values = np.full((9, 2), 3.0)
    np.testing.assert_allclose(steadied(values), values)
    values[4] = 100
    np.testing.assert_allclose(steadied(values), 3)
    np.testing.assert_allclose(steadied(np.array([[2.0]])), [[2.0]])


# what must hold


def test_identical_pictures_give_an_empty_mask_and_the_original():
    original, _ = pictures(task(SEED, "colour").image, task(SEED, "colour").image)
    done = keep_rest(original, original.clone())
    assert not done.mask.any()
    assert torch.equal(done.picture, original)
    assert done.report[0].changed == 0


def test_nothing_changes_outside_the_mask():
    """Drifts at random, of all kinds of edits. Most are not laid on each other first."""
    for seed in range(SEED, SEED + 40):
        drift = draw_drift(seed, (128, 128), draw_names(seed, LOCAL))
        _, original, edited = pair(drift, seed, KINDS[seed % len(KINDS)])
        how = KeepSettings(refused="edited", alignment="none" if seed % 10 else "local")
        done = keep_rest(original, edited, how=how)
        if done.report[0].refusal is None:
            assert torch.equal(done.picture[done.mask == 0], original[done.mask == 0])


@pytest.mark.parametrize("kind", ["colour", "both", "removal", "addition"])
def test_what_was_meant_is_found_and_pasted(kind):
    drift = Drift((128, 128), shift=(2.5, -1.5), gain=(0.97, 1.0, 1.03))
    made, original, edited = pair(drift, kind=kind)
    done = keep_rest(original, edited)
    region = torch.from_numpy(made.region)[None]
    truth = from_bytes(made.edited)[None]
    assert iou(done.mask, (region >= 0.5).float()) > 0.6
    inside = region >= 0.9
    assert (done.picture - truth)[inside].abs().mean() < 0.25 * (original - truth)[inside].abs().mean()


def test_nothing_is_pasted_where_the_edited_picture_does_not_reach():
    drift = Drift((128, 128), shift=(12.0, 0.0), crop=(0.1, 0.0, 0.1, 0.0), resized=(128, 96))
    _, original, edited = pair(drift)
    done = keep_rest(original, edited, how=KeepSettings(refused="edited"))
    covered = done.placements[0].covers((128, 128), (128, 96))
    assert not done.mask[0].numpy()[~covered].any()


def test_a_mask_of_everything_says_nothing():
    drift = Drift((128, 128), shift=(1.5, 1.0))
    _, original, edited = pair(drift, kind="both")
    plain, masked = keep_rest(original, edited), keep_rest(original, edited, mask=torch.ones(1, 128, 128))
    assert torch.equal(masked.picture, plain.picture) and torch.equal(masked.mask, plain.mask)


def test_a_given_mask_is_never_left():
    drift = Drift((128, 128), shift=(1.5, 1.0))
    _, original, edited = pair(drift, kind="both")
    mask = torch.zeros(1, 128, 128)
    mask[:, :, :64] = 1
    done = keep_rest(original, edited, mask=mask)
    assert not done.mask[mask == 0].any()


def test_only_what_touches_heat_is_meant():
    made, original, edited = pair(Drift((128, 128)))
    heat = torch.from_numpy(made.region)[None]
    elsewhere = torch.zeros_like(heat)
    elsewhere[:, :8, :8] = 1
    assert keep_rest(original, edited, heatmap=heat).mask.any()
    assert not keep_rest(original, edited, heatmap=elsewhere).mask.any()


def test_pictures_with_nothing_in_common_are_refused():
    noise = torch.rand(1, 96, 128, 3, generator=torch.Generator().manual_seed(0))
    original = pictures(task(SEED, "both").image)[0]
    with pytest.raises(ValueError, match="nothing in common"):
        keep_rest(original, noise)
    done = keep_rest(original, noise, how=KeepSettings(refused="edited"))
    assert done.report[0].refusal and done.picture.shape == original.shape
    assert torch.equal(done.picture, done.aligned)


@pytest.mark.parametrize(("original", "edited", "mask", "message"), [
    (torch.rand(1, 1, 1, 3), torch.rand(1, 32, 32, 3), None, "16 pixels a side"),
    (torch.rand(1, 16, 768, 3), torch.rand(1, 16, 768, 3), None, "768x16; give a piece of it, at most 40 times"),
    (torch.rand(1, 32, 32, 3), torch.zeros(1, 1, 1, 3).expand(1, 32767, 820, 3), None, "at most 32766 pixels a side"),
    (torch.rand(1, 32, 32, 4), torch.rand(1, 32, 32, 3), None, "batch, height, width, 3"),
    (torch.rand(32, 32, 3), torch.rand(1, 32, 32, 3), None, "batch, height, width, 3"),
    (torch.full((1, 32, 32, 3), float("nan")), torch.rand(1, 32, 32, 3), None, "NaN"),
    (torch.rand(0, 32, 32, 3), torch.rand(1, 32, 32, 3), None, "batch, height, width, 3"),
    (torch.rand(1, 32, 32, 3), torch.rand(1, 32, 32, 3), torch.ones(0, 32, 32), "the mask is"),
    (torch.rand(1, 32, 32, 3), torch.rand(1, 32, 32, 3), torch.ones(1, 1, 32, 32), "the mask is"),
    (torch.rand(2, 32, 32, 3), torch.rand(3, 32, 32, 3), None, "do not fit together"),
    (torch.rand(1, 32, 32, 3), torch.rand(1, 32, 32, 3), torch.ones(1, 16, 16), "draw the mask on the original"),
])  # fmt: skip
def test_what_cannot_be_compared_is_an_error(original, edited, mask, message):
    with pytest.raises(ValueError, match=message):
        keep_rest(original, edited, mask=mask)


def test_a_batch_is_its_pictures_one_by_one():
    one, other = (pair(Drift((128, 128), shift=(x, 0.0)), SEED + i) for i, x in enumerate((2.0, -3.0)))
    together = keep_rest(torch.cat([one[1], other[1]]), torch.cat([one[2], other[2]]))
    for i, (_, original, edited) in enumerate((one, other)):
        assert torch.equal(together.picture[i : i + 1], keep_rest(original, edited).picture)


def test_a_clip_moves_smoothly():
    """The moves of frames that were made alike are as near to each other as they are to the truth."""
    made = task(SEED, "colour")
    drifts = [Drift((128, 128), shift=(0.3 * i, 0.0), noise=6.0) for i in range(7)]
    frames = torch.cat([pictures(drifted(made.edited, drift, i))[0] for i, drift in enumerate(drifts)])
    original = pictures(made.image)[0]
    done = keep_rest(original, frames, how=KeepSettings(clip=True))
    moves = np.array([report.shift[0] for report in done.report])
    assert np.abs(np.diff(moves, 2)).max() < 0.1
    np.testing.assert_allclose(moves[2:-2], [0.3 * i for i in range(2, 5)], atol=0.15)


def test_a_refusal_says_which_pair_it_is_of():
    made = task(SEED, "colour")
    originals = torch.cat(pictures(made.image, task(SEED + 9, "colour").image))
    edited = torch.cat(pictures(made.edited, np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)))
    with pytest.raises(ValueError, match=r"^pair 2: "):
        keep_rest(originals, edited)


def test_the_warp_of_a_clip_is_steady():
    y, x = np.mgrid[:12, :12].astype(np.float32)
    bends = [np.stack([np.sin(x + 0.1 * i), y / 9], -1).astype(np.float32) for i in range(7)]
    placements = [Placement(np.eye(2, 3), None if i == 3 else bend) for i, bend in enumerate(bends)]
    done = steadied_bends(placements)
    assert np.abs(done[3] - bends[3]).max() < 0.1  # the frame where none was found has what its neighbours have
    assert steadied_bends([Placement(np.eye(2, 3))] * 3) == [None] * 3


@pytest.mark.parametrize("seed", [SEED, SEED + 1, SEED + 3])
def test_a_thing_on_a_new_ground_is_laid_on_itself(seed):
    """Where things are all that is left of a picture."""
    drift = Drift((128, 128), shift=(3.0, 2.0), rotation=1.0)
    _, original, edited = pair(drift, seed, "ground")
    done = keep_rest(original, edited, how=KeepSettings(refused="edited"))
    assert off(done.placements[0], drift) < 2.5


def test_a_step_from_the_truth_stays_there():
    drift = Drift((128, 128), shift=(3.0, 2.0))
    for kind in ("ground", "object"):
        _, original, edited = pair(drift, kind=kind)
        level = Level.of(original[0].numpy(), edited[0].numpy(), drift.matrix[:2], 128)
        truth = level.down(drift.matrix[:2])
        found = level.up(refined(level, truth, level.down(np.eye(2, 3)), rest_of(level, truth, None)))
        assert off(Placement(found), drift) < 1


def test_a_thing_that_another_one_takes_the_place_of_moves_nothing():
    """On a plain ground there is nothing else to hold on to."""
    y, x = np.mgrid[:128, :128]
    ground = np.stack([0.5 + x / 2000, 0.6 + y / 2000, 0.5 - x / 3000], -1).astype(np.float32)
    original, edited = ground.copy(), ground.copy()
    original[40:70, 40:80] = (0.9, 0.8, 0.1)
    edited[np.hypot(x - 64, y - 58) < 20] = (0.1, 0.2, 0.8)
    done = keep_rest(*(torch.from_numpy(each)[None] for each in (original, edited)))
    assert np.hypot(*done.report[0].shift) < 0.3 and abs(done.report[0].zoom - 1) < 0.01


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="alignment"):
        replace(KeepSettings(), alignment="magic")


@pytest.mark.parametrize("colour", MATCHES)
def test_what_is_laid_on_stays_in_its_range(colour):
    """Between the pixels of hard edges a smooth curve goes beyond them."""
    stripes = (torch.arange(64) // 8 % 2).float().expand(1, 64, 64)[..., None].repeat(1, 1, 1, 3)
    edited = torch.nn.functional.interpolate(stripes.movedim(-1, 1), size=(77, 77), mode="bicubic").clamp(0, 1)
    done = keep_rest(stripes, edited.movedim(1, -1), how=KeepSettings(colour=colour, refused="edited"))
    assert all(each.min() >= 0 and each.max() <= 1 for each in (done.picture, done.aligned))
