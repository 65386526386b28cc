"""Calls of whole edits with the bundled model, few and of few steps; and of its stages, on latents of any shape."""

import functools
from dataclasses import replace

import torch
from hypothesis import strategies as st
from worlds import DIFFUSION, FLOW, FlowGaussian, Gaussian, TwoPeaks, levels, pair

from diffedit_core import Edit, EditSettings, MaskSettings, edit, find_mask, toybox
from diffedit_core.contrast import STATISTICS, contrast, purist_contrast
from diffedit_core.decoding import decode, retrace
from diffedit_core.drafting import draft
from diffedit_core.draws import seeded_noise
from diffedit_core.focus import Focus
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.inversion import invert
from diffedit_core.kinds import KINDS
from diffedit_core.refine import Refinement
from diffedit_core.settings import ContrastSettings, CutSettings, DecodingSettings, InversionSettings

from .properties import always, answered, is_mask, same, unchanged
from .strategies import anything, floats, masks, pictures, rules, seeds, settings_of, texts

small = st.one_of(
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.sampled_from([(1, 160), (160, 3), (2, 1), (128, 128), (97, 160), (8, 400), (300, 1)]),
)
captions = st.one_of(
    st.sampled_from(
        ["a red circle on grass", "a blue star on grass", "a red circle on sand", "a blue star and a cube"]
    ),
    st.sampled_from(["", " ", "e\u0301\U0001f431\u202e", "\x00", "\ud83d", "a circle " * 200, "\n\n"]),
    texts,
    st.lists(texts, max_size=2),
)


@functools.cache
def toy() -> DiffusersHost:
    return DiffusersHost.from_pretrained(toybox.weights())


def quick(**most):
    return settings_of(ContrastSettings, {"draws": 3, "drafts": 2, "steps": 2} | most)


@st.composite
def hows(draw):
    """Any way to edit that takes few steps."""
    contrast = draw(quick())
    how = draw(settings_of(EditSettings))
    return replace(
        how,
        mask=MaskSettings(contrast, CutSettings(*draw(rules())), draw(settings_of(Refinement))),
        inversion=draw(settings_of(InversionSettings, {"steps": 3, "iterations": 1})),
        decoding=draw(settings_of(DecodingSettings, {"tries": 2})),
        focus=draw(settings_of(Focus, {"area": 0.01, "windows": 2})),
    )


@st.composite
def edits_of(draw, size, count):
    mask = draw(st.one_of(st.none(), masks(st.just(size), st.sampled_from([1, count]))))
    return Edit(
        draw(captions),
        draw(captions),
        negative=draw(st.one_of(st.just(""), captions)),
        keep=draw(st.one_of(st.just(""), captions)),
        mask=mask and mask.made,
        kind=draw(st.sampled_from([None, *KINDS])),
        guidance=draw(st.sampled_from([None, None, 0.0, 1.0, 30.0])),
    )


@always(
    examples=8,
    share=1.5,
    seconds=60,
    size=small,
    count=st.sampled_from([1, 1, 1, 2]),
    how=hows(),
    inversion=st.one_of(st.just(""), captions),
    seed=st.integers(0, 2**64),
    again=st.sampled_from([True, False, False]),
    data=st.data(),
)
def any_picture_is_edited_in_its_mask_alone(size, count, how, inversion, seed, again, data):
    picture = data.draw(pictures(st.just(size), st.just(count))).made
    asked = data.draw(st.lists(edits_of(size, count), min_size=1, max_size=2))
    with unchanged(picture, *(each.mask for each in asked)):
        done = answered(edit, toy(), picture, asked, inversion=inversion, how=how, seed=seed)
        if done is None:
            return
        assert done.picture.shape == picture.shape and done.picture.isfinite().all() and is_mask(done.mask)
        assert torch.equal(done.picture[done.mask == 0], picture.float()[done.mask == 0])
        for mask, look in zip(done.masks, done.looks, strict=True):
            assert mask.shape[1:] == size and is_mask(mask.float())
            assert look is None or (look.heatmap.isfinite().all() and len(look.kinds) == count)
        if again:
            second = edit(toy(), picture, asked, inversion=inversion, how=how, seed=seed)
            assert same(done.picture, second.picture) and same(done.mask, second.mask)


@always(examples=6, share=0.6, seconds=30, size=small, contrast=quick(), rule=rules(), asked=captions, data=st.data())
def a_mask_is_found_in_any_picture(size, contrast, rule, asked, data):
    picture = data.draw(pictures(st.just(size), st.just(1))).made
    how = MaskSettings(contrast, CutSettings(*rule), data.draw(settings_of(Refinement)))
    focus = data.draw(settings_of(Focus, {"area": 0.01, "windows": 2}))
    with unchanged(picture):
        found = answered(find_mask, toy(), picture, Edit("a red circle on grass", asked), how=how, focus=focus)
    if found is not None:
        assert is_mask(found[0]) and found[0].shape == (1, *size)


@always(
    examples=20,
    seconds=30,
    picture=st.one_of(anything(), anything(4), pictures(kinds=("nan", "inf"))),
    mask=st.one_of(anything(), anything(3)),
    fits=st.booleans(),
    kind=st.sampled_from(["nan", "inf", "beyond", "noise"]),
)
def what_is_no_picture_or_mask_is_refused(picture, mask, fits, kind):
    picture = picture.made
    mask = mask.made if not fits or picture.ndim != 4 else torch.full(picture.shape[:3], WRONG[kind])
    how = EditSettings(inversion=InversionSettings(steps=1), decoding=DecodingSettings(tries=1))
    with unchanged(picture, mask):
        done = answered(edit, toy(), picture, Edit("a red circle", "a blue star", mask=mask), how=how)
        assert done is None or (done.picture.isfinite().all() and is_mask(done.mask))


WRONG = {"nan": float("nan"), "inf": float("inf"), "beyond": -3.0, "noise": 0.5}


@always(
    x0=st.one_of(anything(), anything(4), anything(5)),
    mask=st.one_of(anything(), anything(4)),
    statistic=st.sampled_from(list(STATISTICS)),
    flow=st.booleans(),
    seed=seeds,
)
def latents_of_any_rank_are_taken_or_refused(x0, mask, statistic, flow, seed):
    process, world, top = (FLOW, FlowGaussian(), 0.8) if flow else (DIFFUSION, Gaussian(), 3.0)
    x0, mask, noise, sigmas = x0.made, mask.made, seeded_noise(seed), levels(top, 2)
    with unchanged(x0, mask):
        found = answered(contrast, pair(world, TwoPeaks()), x0, process, 0.7, noise=noise, statistic=statistic)
        answered(purist_contrast, world.denoise, TwoPeaks().denoise, x0, process, sigmas, noise=noise, draws=2)
        made = answered(draft, world.denoise, TwoPeaks().denoise, x0, process, sigmas, noise=noise)
        up = answered(invert, world.denoise, x0, process, sigmas)
        done = None if up is None else answered(decode, world.denoise, mask, retrace(up))
    assert found is None or (found.heatmap.isfinite().all() and found.heatmap.shape == (len(x0), *x0.shape[2:]))
    assert all(each is None or each.isfinite().all() for each in (made, done))


@always(dtype=floats, sigmas=st.lists(st.floats(), max_size=4), iterations=st.integers(-2, 3))
def sigmas_rise_or_are_refused(dtype, sigmas, iterations):
    up = answered(
        invert, Gaussian().denoise, torch.ones(1, 1, 2, 2, dtype=dtype), DIFFUSION, sigmas, iterations=iterations
    )
    assert up is None or up.latents[-1].isfinite().all()
