"""Calls on whole pictures: keeping the rest of two, pictures of PIL, and the sheets that show them."""

from dataclasses import replace

import cv2
import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image

from diffedit_core.keeping import KeepSettings, keep_rest
from diffedit_core.pictures import Margin, from_bytes, from_pil, to_bytes, to_pil
from diffedit_core.sheets import for_sheet, framed, heat, overlay, panels

from .properties import always, answered, is_mask, same, unchanged
from .strategies import KINDS, anything, batches, masks, pictures, planes, recipes, seeds, settings_of, sides, texts

seen = st.one_of(
    st.tuples(st.integers(16, 64), st.integers(16, 64)),
    st.sampled_from([(16, 160), (160, 16), (16, 640), (640, 17), (127, 160), (96, 96)]),
)
"""Sizes in which something can be recognised."""

RELATIONS = ("same", "tinted", "moved", "resized", "cut", "turned", "painted", "noisy", "another")


def relative(original: torch.Tensor, relation: str, amount: float, size: tuple[int, int]) -> torch.Tensor:
    """A picture [1, H, W, 3] as something may have been made of it."""
    height, width = original.shape[1:3]
    plane = original[0].float().numpy()
    if relation == "tinted":
        plane = np.clip(plane * (0.7 + 0.6 * amount) + 0.1 * amount, 0, 1)
    elif relation in ("moved", "turned"):
        angle, shift = (0.0, 0.2 * amount * width) if relation == "moved" else (20 * amount, 0.0)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1 + 0.1 * amount)
        matrix[0, 2] += shift
        plane = cv2.warpAffine(plane, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    elif relation == "resized":
        plane = cv2.resize(plane, size[::-1]).clip(0, 1)
    elif relation == "cut":
        plane = plane[: max(16, round(height * (1 - amount / 2))), : max(16, round(width * (1 - amount / 2)))]
    elif relation == "painted":
        plane = plane.copy()
        plane[height // 4 : height // 2, width // 4 : width // 4 + max(1, round(amount * width / 2))] = (1, 0.2, 0)
    elif relation == "noisy":
        plane = (plane + 0.2 * amount * np.random.default_rng(0).standard_normal(plane.shape)).clip(0, 1)
    elif relation == "another":
        plane = np.random.default_rng(1).random((*size, 3))
    return torch.from_numpy(np.ascontiguousarray(plane, np.float32))[None]


@st.composite
def scenes(draw):
    """A picture with something in it that can be recognised, or nothing: [1, H, W, 3]."""
    height, width = draw(seen)
    kind = draw(st.sampled_from(["blocks", "blocks", *KINDS]))
    if kind != "blocks":
        return draw(pictures(st.just((height, width)), st.just(1), kinds=(kind,))).made
    coarse = np.random.default_rng(draw(seeds)).random((5, 6, 3)).astype(np.float32)
    return torch.from_numpy(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1))[None]


@always(
    examples=20,
    share=1.5,
    seconds=20,
    original=scenes(),
    relation=st.sampled_from(RELATIONS),
    amount=st.floats(0, 1),
    size=seen,
    how=settings_of(KeepSettings),
    is_masked=st.booleans(),
    is_hot=st.booleans(),
    again=st.sampled_from([False, False, True]),
    data=st.data(),
)
def the_rest_of_any_two_pictures_is_kept(original, relation, amount, size, how, is_masked, is_hot, again, data):
    edited = relative(original, relation, amount, size)
    mask = data.draw(masks(st.just(tuple(original.shape[1:3])), st.just(1))).made if is_masked else None
    hot = data.draw(masks(st.just((8, 8)), st.just(1))).made if is_hot else None
    with unchanged(original, edited, mask, hot):
        done = answered(keep_rest, original, edited, mask=mask, heatmap=hot, how=how)
        if done is None:
            assert how.refused == "error"
            return
        if again:
            second = keep_rest(original, edited, mask=mask, heatmap=hot, how=how)
            assert same(done.picture, second.picture) and same(done.mask, second.mask) and done.report == second.report
    assert done.picture.shape == original.shape and done.mask.shape == original.shape[:3] and is_mask(done.mask)
    for each in (done.picture, done.aligned):
        assert each.isfinite().all() and each.min() >= 0 and each.max() <= 1
    (report,) = done.report
    assert "nan" not in str(report) and "inf" not in str(report)
    if report.refusal is None:
        assert torch.equal(done.picture[done.mask == 0], original.float()[done.mask == 0])
        assert mask is None or not (done.mask[mask == 0] > 0).any()


@always(
    examples=5,
    share=0.03,
    seconds=60,
    original=scenes(),
    count=st.integers(2, 4),
    how=settings_of(KeepSettings),
    amount=st.floats(0, 1),
)
def the_rest_of_a_clip_is_kept(original, count, how, amount):
    frames = torch.cat([relative(original, "moved", amount * i / count, (0, 0)) for i in range(count)])
    how = replace(how, clip=True, refused="edited")
    with unchanged(original, frames):
        done = keep_rest(original, frames, how=how)
    assert done.picture.isfinite().all() and is_mask(done.mask) and len(done.picture) == count


@always(
    original=st.one_of(anything(), anything(4), pictures(kinds=("nan", "inf", "beyond"))),
    edited=st.one_of(anything(), pictures(st.just((16, 17)), st.just(1))),
    mask=st.one_of(st.none(), anything()),
    heatmap=st.one_of(st.none(), anything()),
)
def what_is_no_pair_is_refused(original, edited, mask, heatmap):
    given = [original.made, edited.made, mask and mask.made, heatmap and heatmap.made]
    with unchanged(*given):
        answered(keep_rest, *given[:2], mask=given[2], heatmap=given[3])


@always(
    share=0.5,
    seconds=20,
    mask=st.one_of(st.none(), anything(3), masks(st.just((20, 31)), kinds=("nan", "inf", "beyond"))),
    heatmap=st.one_of(st.none(), anything(), masks(kinds=("nan", "inf", "beyond"))),
    seed=seeds,
)
def a_mask_that_fits_no_picture_is_refused(mask, heatmap, seed):
    picture = torch.rand(1, 20, 31, 3, generator=torch.Generator().manual_seed(seed))
    how = KeepSettings(alignment="none", refused="edited")
    done = answered(keep_rest, picture, picture, mask=mask and mask.made, heatmap=heatmap and heatmap.made, how=how)
    assert done is None or (is_mask(done.mask) and done.picture.isfinite().all())


MODES = (
    "1",
    "L",
    "P",
    "LA",
    "PA",
    "La",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "I;16",
    "I;16B",
)


@always(
    mode=st.sampled_from(MODES),
    size=st.tuples(sides, sides),
    turned=st.integers(0, 9),
    profile=st.one_of(st.none(), st.binary(max_size=200)),
    data=st.data(),
)
def pictures_of_any_mode_are_opened(mode, size, turned, profile, data):
    image = Image.new(mode, size)
    raw = data.draw(st.binary(min_size=4, max_size=64))
    want = len(image.tobytes())
    image.frombytes((raw * (1 + want // len(raw)))[:want])
    image.getexif()[0x0112] = turned
    if profile is not None:
        image.info["icc_profile"] = profile
    before = image.tobytes()
    done = answered(from_pil, image)
    assert done is not None and image.tobytes() == before
    assert sorted(done.shape[1:3]) == sorted(size) and done.isfinite().all() and done.min() >= 0 and done.max() <= 1
    assert torch.equal(from_pil(to_pil(done)), done)


@always(
    picture=st.one_of(anything(3, 4), anything(4), pictures(kinds=(*KINDS, "nan", "inf", "beyond"))),
    multiple=st.sampled_from([1, 2, 8, 64]),
)
def bytes_and_margins_come_back(picture, multiple):
    picture = picture.made
    with unchanged(picture):
        assert from_bytes(to_bytes(picture)).shape == picture.shape
        image = answered(to_pil, picture)
        assert image is None or from_pil(image).shape[1:3] == picture.shape[1:3]
        if picture.ndim == 4 and picture.is_floating_point() and picture.numel():
            margin = Margin.around(picture, multiple)
            wide = margin.add(picture)
            assert all(side % multiple == 0 for side in wide.shape[1:3]) and same(margin.remove(wide), picture)


@always(
    picture=pictures(),
    kind=st.sampled_from(KINDS),
    opacity=st.floats(0, 1),
    hot=recipes(st.tuples(batches, sides, sides)),
    boxes=st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=3),
    data=st.data(),
)
def what_is_found_is_drawn_over_the_picture(picture, kind, opacity, hot, boxes, data):
    picture, hot = picture.made, hot.made
    mask = data.draw(masks(st.just(tuple(picture.shape[1:3])), st.just(len(picture)), kinds=(kind,))).made
    height, width = picture.shape[1:3]
    found = []
    for one, two, three, four in boxes:
        (top, bottom), (left, right) = sorted([one, two]), sorted([three, four])
        top, left = min(int(top * height), height - 1), min(int(left * width), width - 1)
        found.append((top, left, max(top + 1, int(bottom * height)), max(left + 1, int(right * width))))
    with unchanged(picture, mask, hot):
        done = [overlay(picture, mask, opacity), heat(hot), framed(picture[:1], found), for_sheet(picture)]
    assert all(each.isfinite().all() and each.min() >= 0 and each.max() <= 1 + 1e-6 for each in done)


@always(
    examples=20,
    share=0.5,
    seconds=4,
    size=planes,
    counts=st.lists(st.sampled_from([1, 1, 2]), max_size=3),
    labels=st.lists(texts, max_size=3),
    more=st.booleans(),
)
def panels_take_any_label(size, counts, labels, more):
    shown = [torch.full((count, *size, 3), 0.5) for count in counts]
    labels = labels if more else (labels + ["a"] * 3)[: len(shown)]
    done = answered(panels, shown, labels)
    assert done is None or (done.isfinite().all() and len(done) == max(counts))
    assert done is not None or len(labels) != len(shown) or not shown or len({*counts} - {1}) > 1
