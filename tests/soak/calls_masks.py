"""Calls on masks: rules, refining, pasting, pointing, correcting, and the pictures that go with them."""

import torch
from hypothesis import strategies as st

from diffedit_core.changes import tighten
from diffedit_core.compositing import paste, soften_inwards
from diffedit_core.correcting import corrected, read_corrections
from diffedit_core.focus import Canvas, View
from diffedit_core.masks import RULES, advice, coverage, cut, fit, iou, spared, threshold
from diffedit_core.pointing import PointSettings, point
from diffedit_core.refine import Refinement, give_room, refine
from diffedit_core.seams import SEAMS, fit_seam
from diffedit_core.sharing import OVERLAPS, Drawn, joined

from .properties import always, answered, is_mask, same, unchanged
from .strategies import (
    KINDS,
    anything,
    batches,
    floats,
    masks,
    normal,
    pictures,
    planes,
    recipes,
    rules,
    seeds,
    settings_of,
    sides,
    uniform,
)

rims = st.one_of(st.floats(0, 12), st.sampled_from([0.0, 256.0]))


@always(
    share=3,
    seconds=4,
    mask=masks(),
    how=settings_of(Refinement),
    picture=st.one_of(st.none(), pictures(count=st.just(1))),
    heatmap=st.one_of(st.none(), masks(st.tuples(sides, sides), st.just(1))),
    size=st.one_of(st.none(), planes),
)
def masks_of_any_size_are_refined_by_any_settings(mask, how, picture, heatmap, size):
    mask, shown, heat = mask.made, picture and picture.made, heatmap and heatmap.made
    with unchanged(mask, shown, heat):
        done = answered(refine, mask, how, picture=shown, heatmap=heat, size=size)
        if done is None:
            assert picture is None and how.edge_snap != "none"
            return
        assert is_mask(done) and len(done) == len(mask)
        assert done.shape[1:] == (size or (mask if shown is None else shown).shape[1:3])
        assert same(done, refine(mask, how, picture=shown, heatmap=heat, size=size))


@always(
    share=2,
    mask=st.one_of(anything(), masks(kinds=("nan", "inf", "beyond"))),
    how=settings_of(Refinement, {"feather": 20, "edge_radius": 20, "grow": 20}),
    picture=st.one_of(st.none(), anything(), anything(4), pictures(kinds=("nan", "inf", "beyond"))),
    heatmap=st.one_of(st.none(), anything(), anything(3), masks(kinds=("nan", "inf", "beyond"))),
)
def what_is_no_mask_is_refused_or_refined(mask, how, picture, heatmap):
    mask, shown, heat = mask.made, picture and picture.made, heatmap and heatmap.made
    with unchanged(mask, shown, heat):
        done = answered(refine, mask, how, picture=shown, heatmap=heat)
    assert done is None or is_mask(done)


@always(heatmap=st.one_of(anything(), masks(kinds=(*KINDS, "nan", "inf", "beyond"))), rule=rules(), size=planes)
def any_heatmap_is_cut_or_refused(heatmap, rule, size):
    heatmap = heatmap.made
    with unchanged(heatmap):
        for done in (answered(threshold, heatmap, *rule), answered(cut, heatmap, size, *rule)):
            assert done is None or is_mask(done)


@always(rule=st.sampled_from([*RULES, "none", "", "OTSU"]), value=st.floats(), mask=masks(st.tuples(sides, sides)))
def a_rule_takes_any_value_or_says_what_it_takes(rule, value, mask):
    done = answered(threshold, mask.made, rule, value)
    assert done is None or is_mask(done)


@always(mask=masks(), heatmap=masks(st.tuples(sides, sides), st.just(1)))
def what_a_text_names_is_spared(mask, heatmap):
    mask, heat = mask.made.float(), heatmap.made
    with unchanged(mask, heat):
        done = spared(mask, heat)
        assert is_mask(done) and (done <= mask).all() and same(done, spared(mask, heat))
        assert answered(advice, mask) is None or len(advice(mask) or "") > 20
        assert ((coverage(mask) >= 0) & (coverage(mask) <= 1)).all() and (iou(mask, done) <= 1).all()


@always(
    size=planes,
    count=batches,
    kinds=st.tuples(*[st.sampled_from(KINDS)] * 3),
    dtypes=st.tuples(*[floats] * 3),
    rim=rims,
    seam=st.sampled_from(list(SEAMS)),
    seed=seeds,
    data=st.data(),
)
def pasted_pictures_keep_what_is_outside(size, count, kinds, dtypes, rim, seam, seed, data):
    own, other = (data.draw(pictures(st.just(size), st.sampled_from([1, count]))).made for _ in range(2))
    mask = data.draw(masks(st.just(size), st.sampled_from([1, count]))).made
    with unchanged(own, other, mask):
        fitted = fit_seam(own, other, mask, seam)
        assert fitted.isfinite().all()
        done = paste(own, fitted, mask, rim)
        assert done.isfinite().all() and done.dtype == torch.float32 and same(done, paste(own, fitted, mask, rim))
        places = (mask == 0)[..., None].expand(len(done), -1, -1, 3)
        assert torch.equal(done[places], own.float().expand_as(done)[places])
        weight = soften_inwards(mask.float(), rim)
        assert ((weight > 0) == (mask > 0)).all()


@always(original=anything(), edited=anything(), mask=anything(), rim=rims)
def what_does_not_fit_is_not_pasted(original, edited, mask, rim):
    own, other, mask = original.made, edited.made, mask.made
    with unchanged(own, other, mask):
        answered(paste, own, other, mask, rim)


@always(size=planes, count=batches, room=st.integers(0, 256), data=st.data())
def what_changed_around_a_mask_is_taken_with_it(size, count, room, data):
    own, other = (data.draw(pictures(st.just(size), st.just(count))).made.float() for _ in range(2))
    mask = data.draw(masks(st.just(size), st.just(count), kinds=("halves", "spots", "black", "white"))).made.float()
    wide = give_room(mask, room)
    with unchanged(own, other, mask, wide):
        done = tighten(mask, wide, own, other)
        assert is_mask(done) and (done >= mask).all() and (done <= wide).all()


@always(
    seconds=4,
    mask=masks(kinds=(*KINDS, "beyond")),
    heatmap=st.one_of(st.none(), masks(st.tuples(sides, sides), kinds=(*KINDS, "beyond"))),
    how=settings_of(PointSettings, {"inside": 4, "outside": 4}),
)
def what_is_pointed_at_lies_in_the_picture(mask, heatmap, how):
    mask, heat = mask.made, heatmap and heatmap.made
    with unchanged(mask, heat):
        found = answered(point, mask, heat, how)
        assert found is None or found == point(mask, heat, how)
    height, width = mask.shape[1:]
    for i, each in enumerate(found or []):
        plane = mask[i % len(mask)] > 0.5
        assert all(0 <= box.x <= box.x + box.width <= width and box.width > 0 for box in each.boxes)
        assert all(0 <= box.y <= box.y + box.height <= height and box.height > 0 for box in each.boxes)
        assert all(plane[spot.y, spot.x] for spot in each.inside)
        assert not any(plane[spot.y, spot.x] for spot in each.outside)


@always(mask=anything(), heatmap=st.one_of(st.none(), anything()), how=settings_of(PointSettings, {"inside": 3}))
def what_cannot_be_pointed_at_is_refused(mask, heatmap, how):
    answered(point, mask.made, heatmap and heatmap.made, how)


runs = st.lists(st.builds("{}{}".format, st.sampled_from(["", "+", "-", " "]), st.integers(0, 99999)), max_size=30)
cells = st.integers(0, 300)
corrections = st.one_of(
    st.builds(lambda w, h, each: " ".join([f"{w}x{h}", *each]), cells, cells, runs),
    st.text(st.sampled_from("0123456789x+- ٣\n"), max_size=40),
    st.text(max_size=20),
    st.just("9x9" + " 1" * 40000),
)


@always(text=corrections, mask=st.one_of(masks(), anything()))
def corrections_are_read_or_refused(text, mask):
    mask = mask.made
    painted = answered(read_corrections, text)
    assert painted is None or set(painted.unique().tolist()) <= {-1.0, 0.0, 1.0}
    with unchanged(mask):
        done = answered(corrected, mask, text)
    if done is not None and mask.is_floating_point():
        assert done.shape == mask.shape and done.dtype == mask.dtype


@always(
    share=2,
    height=st.one_of(sides, st.integers(1, 5000)),
    width=st.one_of(sides, st.integers(1, 5000)),
    area=st.sampled_from([1, 64, 128 * 128, 512 * 512, 64_000_000]),
    multiple=st.sampled_from([1, 8, 16, 64]),
    context=st.floats(0, 10),
    windows=st.integers(1, 16),
    small=masks(st.tuples(st.integers(1, 64), st.integers(1, 64)), st.just(1)),
)
def views_lie_in_the_picture_and_are_of_a_size_for_the_model(height, width, area, multiple, context, windows, small):
    canvas = Canvas((height, width), area, multiple)
    found = [canvas.whole(), *canvas.windows(windows)]
    found += canvas.closer(canvas.whole(), small.made > 0.5, context)
    found += canvas.of_one_size([view.corners for view in found[-3:]])
    for view in found:
        top, left, bottom, right = view.corners
        assert 0 <= top < bottom <= height and 0 <= left < right <= width
        assert all(side > 0 and side % multiple == 0 for side in view.size)


@st.composite
def views(draw):
    """A picture's size, and a view in it."""
    height, width = draw(planes)
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    size = draw(st.tuples(sides, sides))
    return (height, width), View(
        top, left, draw(st.integers(1, height - top)), draw(st.integers(1, width - left)), size
    )


@always(seen=views(), data=st.data())
def what_is_cut_out_comes_back_at_its_size(seen, data):
    size, view = seen
    picture = data.draw(pictures(st.just(size))).made
    mask = data.draw(masks(st.just(size), st.just(len(picture)))).made
    whole = Canvas(size, 64 * 64, 8).whole()
    with unchanged(picture, mask):
        for planes in (picture, mask):
            shown = view.of(planes)
            assert shown.shape[1:3] == view.size and shown.min() >= 0 and shown.max() <= 1
            assert view.back(shown).shape[1:3] == (view.height, view.width)
            assert view.within(whole.of(planes), whole).shape[1:3] == view.size
        back = view.mask_back(view.of(mask.float()))
        assert is_mask(back) and back.shape[1:] == (view.height, view.width)


@always(
    shape=st.tuples(batches, st.integers(1, 4), sides, sides),
    count=st.integers(2, 4),
    overlap=st.sampled_from(list(OVERLAPS)),
    has_heat=st.booleans(),
    seed=seeds,
)
def edits_that_meet_share_what_they_have(shape, count, overlap, has_heat, seed):
    x0, flat = normal(shape, seed), (shape[0], 1, *shape[2:])
    drawn = []
    for i in range(count):
        room = (uniform(flat, seed + i) > 0.4).float()
        mask = room * (uniform(flat, seed - i) > 0.5)
        drawn.append(Drawn(normal(shape, seed + 9 + i), mask, room, uniform(flat, i) if has_heat else None))
    with unchanged(x0, *(each.latent for each in drawn)):
        done = joined(x0, drawn, overlap)
    untouched = torch.stack([each.room for each in drawn]).amax(0).expand(shape) == 0
    assert done.isfinite().all() and torch.equal(done[untouched], x0[untouched])


@always(mask=recipes(st.tuples(batches, sides, sides), dtypes=floats), size=planes)
def masks_of_any_type_are_fitted(mask, size):
    mask = mask.made
    with unchanged(mask):
        done = fit(mask, size)
        assert done.shape == (len(mask), *size) and done.min() >= -1e-6 and done.max() <= 1 + 1e-6
