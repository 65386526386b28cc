"""Keep the Rest as ComfyUI runs it: batches, clips, transparency, sizes, masks, and what it says on the node."""

from __future__ import annotations

import re

import cv2
import folder_paths
import numpy as np
import pytest
import torch
from conftest import pack

drifting = pack("diffedit_core.toybox.drifting")
scenes = pack("diffedit_core.toybox.scenes")
toybox = pack("diffedit_core.toybox")
display = pack("nodes.keep_the_rest")
keeping = pack("diffedit_core.hosts.comfyui.keeping")
SIDE = 192


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    return tmp_path


def task(seed=1):
    """A picture, the same with one thing of another colour, and where: [1, H, W, 3] and [H, W]."""
    made = toybox.task(toybox.HELD_OUT_SEEDS[seed], "colour", scenes.Frame(SIDE))
    region = cv2.dilate(made.region, np.ones((5, 5))) > 0
    return *(torch.from_numpy(each / np.float32(255))[None] for each in (made.image, made.edited)), torch.from_numpy(
        region
    )


def drifted(picture):
    """Moved and tinted."""
    drift = drifting.Drift((SIDE, SIDE), shift=(3.0, -2.0), offset=(0.06, 0.0, -0.04))
    moved = [drifting.drifted((each.numpy() * 255).round().astype(np.uint8), drift) for each in picture]
    return torch.from_numpy(np.stack(moved) / np.float32(255))


def run(original, edited, **given):
    return display.KeepTheRest.execute(original=original, edited=edited, **{"refused": "error", **given})


def test_what_was_meant_comes_in_and_the_rest_is_the_original():
    original, edited, region = task()
    picture, mask, aligned, report = run(original, drifted(edited)).args
    assert picture.shape == aligned.shape == original.shape and mask.shape == (1, SIDE, SIDE)
    assert picture[mask == 0].equal(original[mask == 0])
    assert (mask[0] > 0)[region].float().mean() > 0.5 and (mask[0] > 0)[~region].float().mean() < 0.02
    inside = (mask > 0.99) & region
    assert (picture[inside] - edited[inside]).abs().median() < 3 / 255
    assert "% changed" in report


def test_a_batch_is_each_of_it_alone_and_one_of_either_serves_all():
    one, other = task(1), task(3)
    originals, edits = (torch.cat([a, b]) for a, b in zip(one[:2], other[:2], strict=True))
    together = run(originals, drifted(edits)).args
    for i, (original, edited, _) in enumerate((one, other)):
        alone = run(original, drifted(edited)).args
        assert all(each[i].equal(own[0]) for each, own in zip(together[:3], alone[:3], strict=True))
        assert together[3].splitlines()[i] == f"{i + 1}: {alone[3]}"
    picture, mask, _, _ = run(one[0], torch.cat([drifted(one[1])] * 3)).args
    assert picture.shape == (3, SIDE, SIDE, 3) and picture[2].equal(picture[0]) and mask[2].equal(mask[0])
    with pytest.raises(ValueError, match=r"^2 originals and 3 edited pictures do not fit together"):
        run(originals, edits[[0, 1, 0]])


@pytest.mark.parametrize("count", [6, 8])
def test_what_a_clip_lacks_at_its_end_stays_and_the_node_says_so(count):
    original, edited, _ = task()
    originals, edits = original.repeat(count, 1, 1, 1), drifted(edited).repeat(5, 1, 1, 1)
    done = run(originals, edits, clip=True)
    picture, mask, aligned, report = done.args
    assert picture.shape == (count, SIDE, SIDE, 3) and mask.shape == (count, SIDE, SIDE)
    assert len(aligned) == len(report.splitlines()) == 5
    assert picture[5:].equal(originals[5:]) and not mask[5:].any()
    assert mask[:5].flatten(1).any(1).all()
    last = {6: "the last picture of the clip stays as it was", 8: "the last 3 pictures of the clip stay as they were"}
    assert last[count] in done.ui["text"][0]
    masks = torch.ones(5, SIDE, SIDE)
    masks[:, : SIDE // 3] = 0
    found = run(originals, drifted(edited).repeat(count, 1, 1, 1), mask=masks).args[1]
    assert found.shape == (count, SIDE, SIDE) and not found[5:].any()


def test_a_clip_of_another_length_is_refused():
    original, edited, _ = task()
    with pytest.raises(ValueError, match=r"^9 originals and 6 edited pictures do not fit together"):
        run(original.repeat(9, 1, 1, 1), edited.repeat(6, 1, 1, 1))


def test_the_originals_transparency_stays_and_the_edited_pictures_is_left_behind():
    original, edited, _ = task()
    alpha = torch.rand((1, SIDE, SIDE, 1), generator=torch.Generator().manual_seed(0))
    plain = run(original, drifted(edited)).args
    both = run(torch.cat([original, alpha], -1), torch.cat([drifted(edited), 1 - alpha], -1)).args
    assert both[0].shape == (1, SIDE, SIDE, 4) and both[0][..., 3:].equal(alpha)
    assert both[0][..., :3].equal(plain[0]) and both[2].equal(plain[2])
    assert run(original, torch.cat([drifted(edited), alpha], -1)).args[0].equal(plain[0])
    twice = run(torch.cat([original, alpha], -1), drifted(edited).repeat(2, 1, 1, 1)).args[0]
    assert twice.shape == (2, SIDE, SIDE, 4)


@pytest.mark.parametrize("scale", [0.75, 1.5])
def test_an_edited_picture_of_another_size_comes_back_at_the_originals(scale):
    original, edited, region = task()
    side = int(SIDE * scale)
    other = torch.from_numpy(cv2.resize(drifted(edited)[0].numpy(), (side, side), interpolation=cv2.INTER_CUBIC))
    picture, mask, _, _ = run(original, other[None].clamp(0, 1)).args
    assert picture[mask == 0].equal(original[mask == 0])
    assert (mask[0] > 0)[region].float().mean() > 0.5


def test_nothing_changes_outside_a_mask_of_the_originals_size_or_the_edited_pictures():
    original, edited, region = task()
    left, middle = torch.zeros(1, SIDE, SIDE), int(region.nonzero()[:, 1].float().mean())
    left[:, :, :middle] = 1
    wanted = run(original, edited).args[1]
    for mask in (left, left[None]):
        found = run(original, edited, mask=mask).args[1]
        assert not found[left == 0].any() and 0 < found.count_nonzero() < wanted.count_nonzero()
    larger = torch.nn.functional.interpolate(edited.movedim(-1, 1), scale_factor=1.5).movedim(1, -1)
    found = run(original, larger, mask=torch.nn.functional.interpolate(left[None], scale_factor=1.5)[0]).args[1]
    assert found.any() and not found[:, :, middle + 2 :].any()
    with pytest.raises(ValueError, match=r"the picture is 192x192 but the mask is 100x64; use the mask"):
        run(original, edited, mask=torch.ones(1, 64, 100))


def test_a_mask_that_vae_encode_cropped_goes_back_to_the_middle():
    original, edited, _ = task()
    odd = original[:, :187, :189], edited[:, :187, :189]
    mask = torch.ones(1, 184, 184)
    found = run(*odd, mask=mask).args[1]
    assert found.shape == (1, 187, 189) and not found[:, :1].any() and not found[:, :, -3:].any()


def test_an_empty_mask_is_said_on_the_node():
    """Load Image gives one where a picture has no transparency."""
    original, edited, _ = task()
    done = run(original, edited, mask=torch.zeros(1, SIDE, SIDE))
    assert done.args[0].equal(original) and "the mask is empty, so nothing may change" in done.ui["text"][0]


def test_with_a_heatmap_only_changes_that_touch_something_hot_count():
    original, edited, region = task()
    hot = torch.from_numpy(cv2.resize(region.numpy().astype(np.float32), (24, 24)))[None]
    assert run(original, edited, heatmap=hot).args[1].any()
    apart = cv2.dilate(hot[0].numpy(), np.ones((7, 7))) == 0
    elsewhere = torch.from_numpy(apart.astype(np.float32))[None]
    assert not run(original, edited, heatmap=elsewhere).args[1].any()


def test_the_node_shows_its_mask_and_what_it_found(temp_folder):
    original, edited, _ = task()
    done = run(original, drifted(edited))
    (text,) = done.ui["text"]
    moved = re.fullmatch(
        r"\d+\.\d % changed; undone: (\S+) (\S+) px, zoom 1\.00\d, turn \S+°, tint (\S+) \S+ (\S+)", text
    )
    assert moved, text
    assert [float(number) for number in moved.groups()] == pytest.approx([3, -2, 15, -10], abs=2)
    assert done.args[3].startswith(f"shift {moved[1]} {moved[2]} px")
    assert [(temp_folder / shown["filename"]).exists() for shown in done.ui["images"]] == [True]


def report(shift, refusal=None):
    return pack("diffedit_core.keeping").Report((shift, 0), 1.0, 0.0, 0.0, (0, 0, 0), 0.1, 0.9, refusal)


def test_of_many_pictures_the_node_says_first_what_could_not_be_kept():
    blank = torch.zeros(1)
    reports = (*(report(i) for i in range(6)), report(6, "nothing in common"))
    kept = keeping.Kept(blank, blank, blank, reports, 0, True)
    assert len(kept.report.splitlines()) == 7
    assert kept.in_short[0].startswith("7: nothing in common")
    assert (
        kept.in_short[1].startswith("1: 10.0 % changed; undone: +0.0 +0.0 px, zoom 1.000")
        and kept.in_short[-1] == "and 2 more"
    )
    assert len(kept.in_short) == keeping.SHOWN + 1


def test_one_pixel_is_refused_in_words():
    original, edited, _ = task()
    with pytest.raises(ValueError, match=r"the edited picture is 1x1; it takes 16 pixels a side"):
        run(original, edited[:, :1, :1])
