"""Averages of texts: against the mean by hand, against ComfyUI's own nodes, and inside a mask."""

from __future__ import annotations

import pytest
import tiny
import torch
from test_nodes import run

import nodes as core

APPLES, PEARS, PLUMS = "a red circle", "a green square", "a blue star"


@pytest.fixture(scope="module")
def clip():
    with torch.inference_mode():
        return run("DemoModel").args[1]


def encoded(clip, text):
    return core.CLIPTextEncode().encode(clip, text)[0]


def averaged(**inputs):
    return run("AverageTexts", **inputs).args[0]


def test_one_text_is_what_clip_text_encode_makes_of_it(clip):
    ((embedding, options),) = averaged(texts=f"\n  {APPLES} \n\n", clip=clip)
    ((by_core, with_it),) = encoded(clip, APPLES)
    assert embedding.equal(by_core) and options.keys() == with_it.keys()
    assert options["pooled_output"].equal(with_it["pooled_output"])


def test_several_are_the_mean_by_hand(clip):
    ((embedding, options),) = averaged(texts=f"{APPLES}\n\n{PEARS}\n \n{PLUMS}\n", clip=clip)
    by_hand = [encoded(clip, text)[0] for text in (APPLES, PEARS, PLUMS)]
    assert (embedding - sum(each for each, _ in by_hand) / 3).abs().max() < 1e-6
    pooled = sum(options["pooled_output"] for _, options in by_hand) / 3
    assert (options["pooled_output"] - pooled).abs().max() < 1e-6
    assert (embedding - by_hand[0][0]).abs().max() > 0.1


def test_two_are_what_conditioning_average_makes_of_them_at_one_half():
    """One of them longer, and with a pooled output of its own."""
    long, short = tiny.text("a dog"), tiny.text("a cow")
    long[0][0] = torch.cat([long[0][0]] * 2, 1)
    for first, other in ((long, short), (long, long)):
        ((embedding, options),) = averaged(conditioning=first, more=other)
        ((by_core, with_it),) = core.ConditioningAverage().addWeighted(first, other, 0.5)[0]
        assert (embedding - by_core).abs().max() < 1e-6
        assert (options["pooled_output"] - with_it["pooled_output"]).abs().max() < 1e-6
    ((embedding, _),) = averaged(conditioning=short, more=long)
    assert embedding.shape == long[0][0].shape


def test_however_they_are_chained_all_texts_count_the_same(clip):
    at_once = averaged(texts=f"{APPLES}\n{PEARS}\n{PLUMS}", clip=clip)[0][0]
    two = averaged(texts=f"{APPLES}\n{PEARS}", clip=clip)
    one = encoded(clip, PLUMS)
    chains = {
        "the rest as a text": averaged(texts=PLUMS, clip=clip, conditioning=two),
        "the rest encoded": averaged(conditioning=one, more=two),
        "through a node that changes nothing": averaged(conditioning=averaged(conditioning=two), more=one),
    }
    for name, chain in chains.items():
        assert (chain[0][0] - at_once).abs().max() < 1e-5, name
    assert (averaged(conditioning=two, more=one)[0][0] - (two[0][0] + one[0][0]) / 2).abs().max() > 1e-3


def test_what_else_a_text_carries_is_the_first_ones_and_the_inputs_stay_as_they_were():
    first, other = tiny.text("a dog", strength=0.5), tiny.text("a cow", area=(8, 8, 0, 0))
    before = [first[0][0].clone(), dict(first[0][1])]
    ((_, options),) = averaged(conditioning=first, more=other)
    assert options["strength"] == 0.5 and "area" not in options
    assert first[0][0].equal(before[0]) and first[0][1].keys() == before[1].keys()


def test_pooled_outputs_and_masks_of_tokens():
    first, other, third = (tiny.text(words) for words in ("a dog", "a cow", "a cat"))
    first[0][1]["pooled_output"] = None
    assert averaged(conditioning=first, more=other)[0][1]["pooled_output"].equal(other[0][1]["pooled_output"])
    del other[0][1]["pooled_output"]
    assert averaged(conditioning=first, more=other)[0][1]["pooled_output"] is None
    other[0][1]["attention_mask"] = torch.tensor([[1, 1, 0, 0, 0, 0, 0, 0]])
    third[0][1]["attention_mask"] = torch.tensor([[1, 1, 1, 1]])
    third[0][0] = third[0][0][:, :4]
    ((embedding, options),) = averaged(conditioning=other, more=third)
    assert options["attention_mask"].tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]]
    assert (embedding[:, 4:] - other[0][0][:, 4:] / 2).abs().max() < 1e-6


def test_parts_are_averaged_one_by_one_and_only_if_all_have_as_many():
    two, other = tiny.text("a dog") + tiny.text("a cow"), tiny.text("a cat") + tiny.text("a pig")
    made = averaged(conditioning=two, more=other)
    assert len(made) == 2 and (made[1][0] - (two[1][0] + other[1][0]) / 2).abs().max() < 1e-6
    with pytest.raises(ValueError, match="2, 1 parts: average first, and combine or set areas afterwards"):
        averaged(conditioning=two, more=tiny.text("a cat"))


def test_nothing_to_average_is_refused(clip):
    for nothing in ({"texts": ""}, {"texts": " \n\n", "clip": clip}):
        with pytest.raises(ValueError, match="nothing to average: write texts, one a line, or connect a conditioning"):
            averaged(**nothing)
    with pytest.raises(ValueError, match="connect the CLIP of your checkpoint, or leave the texts empty"):
        averaged(texts=APPLES)


def test_texts_of_two_encoders_are_refused():
    wide = [[torch.zeros(1, 8, 2 * tiny.TEXT_WIDTH), {}]]
    with pytest.raises(ValueError, match=r"\[1, 8, 64\] and \[1, 8, 128\]\): encode all of them with the same CLIP"):
        averaged(conditioning=tiny.text("a dog"), more=wide)


def test_the_average_goes_through_a_mask_like_any_text(clip):
    """And of one text said twice it is the same mask."""
    model, _, vae = run("DemoModel").args
    scene = run("DemoScene").args
    latent = {"samples": vae.encode(scene[0])}
    source, target = encoded(clip, scene[1]), encoded(clip, scene[2])
    twice = averaged(texts=f"{scene[2]}\n{scene[2]}", clip=clip)
    masks = [
        run("DiffEditMask", model=model, latent=latent, source=source, target=each, draws=2, kind="object").args[1]
        for each in (target, twice, averaged(conditioning=target, more=source))
    ]
    assert (masks[0] - masks[1]).abs().max() < 1e-4
    assert (masks[0] - masks[2]).abs().max() > 1e-2
