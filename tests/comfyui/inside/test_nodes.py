"""The nodes as ComfyUI sees them: their schemas, and each of them run."""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
import math
import re
import textwrap
import typing
from dataclasses import replace

import comfy.samplers
import folder_paths
import pytest
import tiny
import torch
from conftest import pack

keeping = pack("diffedit_core.keeping")
kinds = pack("diffedit_core.kinds")
masks = pack("diffedit_core.masks")
pointing = pack("diffedit_core.pointing")
toybox = pack("diffedit_core.toybox")
refine = pack("diffedit_core.refine")
settings = pack("diffedit_core.settings")


def node_list():
    return asyncio.run(asyncio.run(pack().comfy_entrypoint()).get_node_list())


NODES = {node.__name__: node for node in node_list()}
IDS = ["DiffEditMask", "FastMask", "DDIMInvert", "MaskedDenoise", "MaskRefine", "Edit", "AverageTexts", "Focus"]
IDS += ["PasteBack", "KeepTheRest", "BoxesAndPoints", "Panels", "DepthModel", "DemoModel", "DemoScene"]


def schema(name):
    return NODES[name].GET_SCHEMA()


def defaults(name):
    """What the widgets say when the node is put into a graph."""
    widgets = (field for field in schema(name).inputs or [] if hasattr(field, "default"))
    chosen = {field.id: field.default for field in widgets}
    for field in schema(name).inputs or []:
        if chosen.get(field.id, "") is None and getattr(field, "options", None):
            chosen[field.id] = field.options[0]
    return chosen


def run(name, **inputs):
    return NODES[name].execute(**{**defaults(name), **inputs})


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))
    return tmp_path


def test_ids_are_forever():
    assert list(NODES) == IDS
    assert [schema(name).node_id for name in IDS] == [f"DiffEdit_{name}" for name in IDS]


@pytest.mark.parametrize("name", IDS)
def test_every_schema_is_complete(name):
    made = schema(name)
    assert made.category.startswith("DiffEdit/") and made.display_name and made.description
    fields = [*(made.inputs or []), *made.outputs]
    assert len({field.id for field in fields}) == len(fields)
    assert [field.id for field in fields if not field.tooltip] == []
    assert all(output.display_name for output in made.outputs)
    names = list(inspect.signature(NODES[name].execute).parameters.values())
    takes_more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in names)
    ids = {field.id for field in made.inputs or []}
    assert ids >= {parameter.name for parameter in names if parameter.kind is not parameter.VAR_KEYWORD}
    assert takes_more or len(ids) == len(names)


@pytest.mark.parametrize("name", IDS)
def test_comfyui_makes_its_description_of_every_node(name):
    info = NODES[name].GET_NODE_INFO_V1()
    assert info["python_module"] is not None or info["name"] == schema(name).node_id
    optional = info["input"].get("optional", {})
    assert set(optional) == {field.id for field in schema(name).inputs or [] if field.optional}
    order = [field.id for field in schema(name).inputs or []]
    required = [field.id for field in schema(name).inputs or [] if not field.optional]
    assert order == required + list(optional)  # what came later stands last


@pytest.mark.parametrize("name", IDS)
def test_execute_unpacks_calls_and_wraps(name):
    source = inspect.getsource(NODES[name].execute)
    assert len(source.split("io.NodeOutput:", 1)[1].strip().splitlines()) <= 8
    (function,) = ast.parse(textwrap.dedent(source)).body
    assert len(function.body) <= 4
    assert all(isinstance(statement, (ast.Assign, ast.Return)) for statement in function.body)


@pytest.mark.parametrize("name", IDS)
def test_execute_takes_keywords_only_and_says_what_they_are(name):
    signature = inspect.signature(NODES[name].execute)
    for parameter in signature.parameters.values():
        assert parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD), parameter
        assert parameter.annotation is not parameter.empty, parameter
    assert signature.return_annotation == "io.NodeOutput"
    typing.get_type_hints(NODES[name].execute)  # they are there when ComfyUI's own types change


EDIT, FAST = settings.EditSettings(), settings.FASTDIFFEDIT
KNOBS_OF = {
    "DiffEditMask": {"": EDIT.mask.contrast, "rule": EDIT.mask.cut},
    "FastMask": {"strength": FAST.mask.contrast, "draws": FAST.mask.contrast},
    "DDIMInvert": {"": EDIT.inversion},
    "MaskedDenoise": {"": EDIT.decoding, "room": EDIT},
    "MaskRefine": {"": refine.Refinement()},
    "PasteBack": {"rim": EDIT, "room": replace(EDIT, room=0), "seam": EDIT},
    "KeepTheRest": {"": keeping.KeepSettings()},
    "Focus": {"context": EDIT.focus, "area": EDIT.focus},
    "BoxesAndPoints": {"": pointing.PointSettings()},
}
"""Whose knobs a node shows, by widget; "" stands for every other knob of these settings."""

NO_KNOBS = {  # default, and limits or options
    "seed": (0, 0, 2**64 - 1),
    "value": (0.0, -10.0, 100.0),
    "scheduler": ("auto", ["auto", *comfy.samplers.SCHEDULER_NAMES]),
    "check": (False,),
    "each_picture": (False,),
    "guidance": (0.0, 0.0, 30.0),
    "caption": ("",),
    "texts": ("",),
    "corrections": ("",),
    "rule": ("none", ["none", *(rule for rule in masks.RULES if not masks.RULES[rule].sees_cells)]),
    "kind": (None, list(toybox.KINDS)),
    "cut_outs": (None, ["each part", "one a picture", "one for all"]),
}


def widgets(name):
    return {field.id: field for field in schema(name).inputs or [] if hasattr(field, "default")}


def knobs(name):
    """{widget: (its knob, its default)} of every knob that a node shows."""
    shown = {}
    for widget, how in KNOBS_OF.get(name, {}).items():
        for knob in [widget] if widget else dict(how.knobs()):
            shown[knob] = (dict(how.knobs())[knob], getattr(how, knob))
    return shown


@pytest.mark.parametrize("name", IDS)
def test_every_knob_is_a_widget_with_its_default_limits_and_tooltip(name):
    for widget, (knob, default) in knobs(name).items():
        field = widgets(name)[widget]
        tooltip = knob.tooltip if default is not None else f"{knob.tooltip} 0 leaves it off."
        assert (field.default, field.tooltip) == (0.0 if default is None else default, tooltip), widget
        if knob.names:
            assert field.io_type == "COMBO" and field.options == list(knob.names), widget
            assert all(f"{option}: {knob.names[option].meaning}." in field.tooltip for option in field.options), widget
        elif isinstance(default, bool):
            assert field.io_type == "BOOLEAN", widget
        else:
            kind = "INT" if isinstance(default, int) else "FLOAT"
            assert (field.io_type, field.min, field.max) == (kind, knob.low, knob.high), widget
            assert math.isfinite(knob.low) and math.isfinite(knob.high), widget
            assert kind == "INT" or field.step == knob.step, widget
        if hasattr(field, "advanced"):  # newer versions fold such widgets away
            assert bool(field.advanced) == knob.advanced, widget


@pytest.mark.parametrize("name", IDS)
def test_every_other_widget_is_known(name):
    others = {widget: field for widget, field in widgets(name).items() if widget not in knobs(name)}
    for widget, field in others.items():
        default, *limits = NO_KNOBS[widget]
        assert field.default == default, widget
        found = [field.options] if hasattr(field, "options") else [getattr(field, end, None) for end in ("min", "max")]
        assert [end for end in found if end is not None] == limits, widget


def test_the_value_widget_speaks_of_every_rule():
    knob = dict(settings.CutSettings.knobs())["value"]
    for name in ("DiffEditMask", "MaskRefine"):
        field = widgets(name)["value"]
        assert (field.min, field.max) == (knob.low, knob.high)
        for rule, about in masks.RULES.items():
            assert f"{rule} ({about.default:g}): {about.value}." in field.tooltip


def test_mask_refine_has_every_operation_and_its_defaults_do_nothing():
    fields = {field.id for field in schema("MaskRefine").inputs}
    others = {"mask", "rule", "value", "picture", "way_back", "corrections"}
    assert fields == others | {*refine.Refinement.__dataclass_fields__}
    mask = torch.rand((2, 40, 56), generator=torch.Generator().manual_seed(0))
    assert run("MaskRefine", mask=mask)[0].equal(mask)


@pytest.mark.parametrize("name", ["DiffEditMask", "FastMask"])
@pytest.mark.parametrize("family", list(tiny.FAMILIES))
def test_mask_nodes(name, family, temp_folder):
    texts = {"source": tiny.text("a cat", family), "target": tiny.text("a dog", family)}
    output = run(name, model=tiny.model(family), latent=tiny.latent(family, 3), **texts, draws=2)
    mask, heatmap, *draft = output.args
    assert mask.shape == heatmap.shape == (3, 64, 64)
    share = f"{100 * float(mask.mean()):.1f} % of the picture"
    if name == "DiffEditMask":
        assert draft[0]["samples"].equal(tiny.latent(family, 3)["samples"])  # no negative text, so nothing is drafted
    else:
        assert not draft
        assert output.ui["text"] == (masks.advice(mask) or share,)
    assert [(temp_folder / shown["filename"]).exists() for shown in output.ui["images"]] == [True] * 3


WORDS = {
    "object": "one place changes",
    "area": "a large area changes",
    "addition": "the two texts do not say where: one place was chosen, another seed chooses another",
}


@pytest.mark.parametrize("kind", WORDS)
def test_the_kind_of_edit_is_said_on_the_node_in_words(kind):
    texts = {"source": tiny.text("a cat"), "target": tiny.text("a dog"), "negative": tiny.text("")}
    output = run("DiffEditMask", model=tiny.model(), latent=tiny.latent(), **texts, kind=kind, rule="top", sure=1.0)
    share, words = output.ui["text"][0].split(": ", 1)
    assert share == "20.0 % of the picture"
    found = re.fullmatch(rf"{WORDS[kind]} \(the draws of noise agree to (-?\d\.\d\d)\)", words)
    assert found and -1 <= float(found[1]) < kinds.AGREEMENT


def test_an_area_may_be_most_of_the_picture():
    """For another kind it is advised against; the advice stands instead of the words."""
    texts = {"source": tiny.text("a cat"), "target": tiny.text("a dog")}
    given = {"model": tiny.model(), "latent": tiny.latent(), **texts, "rule": "top", "value": 0.9}
    said = {kind: run("DiffEditMask", **given, kind=kind).ui["text"][0] for kind in ("object", "area")}
    assert said["area"].startswith("90.0 % of the picture: a large area changes")
    assert said["object"].startswith("the mask covers 90 % of the picture; let the two texts differ")


def test_where_nothing_is_drafted_for_want_of_a_negative_text_the_node_says_so():
    texts = {"source": tiny.text("a cat"), "target": tiny.text("a dog")}
    output = run("DiffEditMask", model=tiny.model(), latent=tiny.latent(), **texts, kind="addition", rule="top")
    assert output[2]["samples"].equal(tiny.latent()["samples"])
    assert "one place was chosen" not in output.ui["text"][0]
    assert "negative" in output.ui["text"][0]


def test_equal_texts_are_said_on_the_node():
    text = tiny.text("a cat")
    output = run("DiffEditMask", model=tiny.model(), latent=tiny.latent(), source=text, target=text, draws=1)
    assert output.args[0].count_nonzero() == 0
    assert "the two texts make no difference" in output.ui["text"][0]


@pytest.mark.parametrize("rule", [rule for rule in masks.RULES if not masks.RULES[rule].sees_cells])
def test_refining_the_heatmap_by_a_rule_cuts_the_same_mask(rule):
    """So a graph can keep the heatmap and turn the rule without a model."""
    texts = {"source": tiny.text("a cat"), "target": tiny.text("a dog")}
    mask, heatmap, _ = run("DiffEditMask", model=tiny.model(), latent=tiny.latent(), **texts, draws=2, rule=rule).args
    assert run("MaskRefine", mask=heatmap, rule=rule)[0].equal(mask)
    drafted = {"kind": "addition", "drafts": 1, "negative": tiny.text("")}
    mask, heatmap, draft = run(
        "DiffEditMask", model=tiny.model(), latent=tiny.latent(), **texts, draws=2, rule=rule, **drafted
    ).args
    assert not draft["samples"].equal(tiny.latent()["samples"])
    assert run("MaskRefine", mask=heatmap, rule=rule)[0].equal(mask)


@pytest.mark.parametrize("family", list(tiny.FAMILIES))
def test_inverting_and_denoising(family):
    model, latent, empty = tiny.model(family), tiny.latent(family), tiny.text("", family)
    inverted = run("DDIMInvert", model=model, latent=latent, conditioning=empty, steps=5, strength=0.6, check=True)
    trajectory, noisy, error = inverted.args
    assert noisy["samples"].shape == latent["samples"].shape
    assert error > 0 and inverted.ui == {"text": (f"round trip error {error:.2%}",)}
    mask = (torch.arange(64) < 32).float().expand(1, 64, 64)
    texts = {"target": tiny.text("a dog", family), "negative": empty}
    edited, roomy = (
        run("MaskedDenoise", model=model, trajectory=trajectory, mask=mask, **texts, **room)[0]["samples"]
        for room in ({"room": 0}, {})
    )
    assert edited[..., 5:].equal(latent["samples"][..., 5:])
    assert not edited.isclose(latent["samples"]).all()
    assert roomy[..., 6:].equal(latent["samples"][..., 6:]) and not roomy[..., 5].equal(latent["samples"][..., 5])


@pytest.mark.parametrize("family", list(tiny.FAMILIES))
def test_adding_a_thing(family):
    """As in the graphs: the draft goes from one node to the other."""
    model, latent, empty = tiny.model(family), tiny.latent(family, 2), tiny.text("", family)
    texts = {"source": tiny.text("a cat", family), "target": tiny.text("a dog", family), "negative": empty}
    how = {"kind": "addition", "drafts": 1, "draws": 2}
    found = run("DiffEditMask", model=model, latent=latent, **texts, **how)
    mask, _, draft = found.args
    assert draft["samples"].isfinite().all() and not draft["samples"].isclose(latent["samples"]).all()
    assert mask.shape == (2, 64, 64)
    trajectory = run("DDIMInvert", model=model, latent=latent, conditioning=empty, steps=5, strength=0.6)[0]
    half = (torch.arange(64) < 32).float().expand(1, 64, 64)
    given = {"model": model, "trajectory": trajectory, "mask": half, **texts, "tries": 1, "room": 0}
    edited, plain, same = (run("MaskedDenoise", **given, draft=each)[0] for each in (draft, None, latent))
    assert edited["samples"][..., 5:].equal(latent["samples"][..., 5:])
    assert not edited["samples"].isclose(plain["samples"]).all()
    assert same["samples"].equal(plain["samples"])


def test_an_empty_mask_is_said_on_the_node_that_edits():
    model, latent, empty = tiny.model(), tiny.latent(), tiny.text("")
    trajectory = run("DDIMInvert", model=model, latent=latent, conditioning=empty, steps=5, strength=0.6)[0]
    given = {"model": model, "trajectory": trajectory, "target": tiny.text("a dog"), "negative": empty, "tries": 1}
    output = run("MaskedDenoise", **given, mask=torch.zeros(1, 64, 64))
    assert output[0]["samples"].equal(latent["samples"])
    assert "the mask is empty" in output.ui["text"][0]
    assert run("MaskedDenoise", **given, mask=half()).ui is None


def picture(height=64, width=64, seed=0):
    return torch.rand((1, height, width, 3), generator=torch.Generator().manual_seed(seed))


def half(height=64, width=64):
    return (torch.arange(width) < width // 2).float().expand(1, height, width)


def test_paste_back_keeps_the_original_outside_the_mask():
    original, edited = picture(), picture(seed=1)
    pasted = run("PasteBack", seam="none", original=original, edited=edited, mask=half(), rim=4.0)[0]
    assert pasted[:, :, 32:].equal(original[:, :, 32:])
    assert pasted[:, :, :8].equal(edited[:, :, :8])


def test_paste_back_puts_what_the_vae_cropped_where_it_was():
    original, edited = picture(67, 85), picture(64, 80, seed=1)
    everything = run("PasteBack", seam="none", original=original, edited=edited, mask=torch.ones(1, 64, 80), rim=0.0)[0]
    assert everything[:, 1:65, 2:82].equal(edited)
    rest = torch.ones(67, 85, dtype=torch.bool)
    rest[1:65, 2:82] = False
    assert everything[0][rest].equal(original[0][rest])
    whole = run("PasteBack", seam="none", original=original, edited=edited, mask=torch.ones(1, 67, 85), rim=0.0)[0]
    assert whole.equal(everything)


def blot(shown, top, left, height, width, value):
    """The picture with a rectangle of one colour in it."""
    drawn = shown.clone()
    drawn[:, top : top + height, left : left + width] = value
    return drawn


def square(top, left, height, width, size=(64, 64)):
    return blot(torch.zeros(1, *size), top, left, height, width, 1.0)


def test_paste_back_with_room_takes_what_changed_around_the_mask_and_nothing_else():
    """The mask's square came out wider to the right. A speck apart from it does not count, nor a change far off."""
    original = 0.5 + 0.01 * picture()
    edited = blot(original, 20, 20, 12, 18, 1.0)  # 6 columns beyond the mask
    faint = blot(edited, 10, 24, 2, 2, 0.7)  # in the room, weak, and apart
    faint = blot(faint, 50, 50, 8, 8, 1.0)  # out of the room
    mask = square(20, 20, 12, 12)
    pasted = run("PasteBack", seam="none", original=original, edited=faint, mask=mask, rim=0.0, room=8)[0]
    shown = square(20, 20, 12, 18)[0] > 0
    assert pasted[0][shown].equal(edited[0][shown])
    beyond = square(18, 18, 16, 22)[0] == 0  # what changed is grown by a pixel
    assert pasted[0][beyond].equal(original[0][beyond])
    wide = blot(original, 20, 20, 12, 30, 1.0)  # wider than the room
    pasted = run("PasteBack", seam="none", original=original, edited=wide, mask=mask, rim=0.0, room=8)[0]
    assert pasted[:, :, 40:].equal(original[:, :, 40:]) and pasted[:, 20:32, 32:40].equal(wide[:, 20:32, 32:40])


def test_paste_back_without_room_is_the_mask_alone():
    original = 0.5 + 0.01 * picture()
    edited, mask = blot(original, 20, 20, 12, 18, 1.0), square(20, 20, 12, 12)
    plain, none, some = (
        run("PasteBack", seam="none", original=original, edited=edited, mask=mask, **room)[0]
        for room in ({}, {"room": 0}, {"room": 8})
    )
    assert plain[mask == 0].equal(original[mask == 0]) and plain[:, 22:30, 22:30].equal(edited[:, 22:30, 22:30])
    assert none.equal(plain) and not some.equal(plain)


def test_paste_back_takes_nothing_that_a_vae_changes_by_the_way():
    original = 0.5 + 0.01 * picture()
    decoded = original + 0.08 * (picture(seed=1) - 0.5)
    edited = blot(decoded, 20, 20, 12, 18, 1.0)
    pasted = run(
        "PasteBack", seam="none", original=original, edited=edited, mask=square(20, 20, 12, 12), rim=0.0, room=8
    )[0]
    beyond = square(18, 18, 16, 22)[0] == 0
    assert pasted[0][beyond].equal(original[0][beyond])
    shown = square(20, 20, 12, 18)[0] > 0
    assert pasted[0][shown].equal(edited[0][shown])


def test_paste_back_with_room_puts_what_the_vae_cropped_where_it_was():
    original = 0.5 + 0.01 * picture(67, 85)
    edited = blot(original[:, 1:65, 2:82], 20, 20, 12, 18, 1.0)
    given = {"original": original, "edited": edited, "rim": 0.0, "room": 8}
    small = run("PasteBack", seam="none", **given, mask=square(20, 20, 12, 12, (64, 80)))[0]
    assert small.shape == (1, 67, 85, 3)
    assert small[:, 21:33, 22:40].equal(edited[:, 20:32, 20:38])
    beyond = square(19, 20, 16, 22, (67, 85))[0] == 0
    assert small[0][beyond].equal(original[0][beyond])
    assert run("PasteBack", seam="none", **given, mask=square(21, 22, 12, 12, (67, 85)))[0].equal(small)


def test_paste_back_with_room_for_a_batch_of_edits():
    original = 0.5 + 0.01 * picture()
    edits = torch.cat([blot(original, 20, 20, 12, 18, 1.0), blot(original, 20, 14, 12, 18, 1.0)])
    mask = square(20, 20, 12, 12)
    together = run("PasteBack", seam="none", original=original, edited=edits, mask=mask, room=8)[0]
    assert together.shape == (2, 64, 64, 3)
    for i in range(2):
        alone = run("PasteBack", seam="none", original=original, edited=edits[i : i + 1], mask=mask, room=8)[0]
        assert together[i].equal(alone[0])
    one_edit = run("PasteBack", seam="none", original=original, edited=edits[:1], mask=mask.expand(2, -1, -1), room=8)[
        0
    ]
    assert one_edit[0].equal(together[0]) and one_edit[1].equal(together[0])
    each = torch.cat([mask, square(20, 20, 6, 6)])
    batch = run("PasteBack", seam="none", original=original.expand(2, -1, -1, -1), edited=edits, mask=each, room=8)[0]
    assert batch[0].equal(together[0])
    with pytest.raises(ValueError, match=r"^2 edited pictures and 3 masks do not fit together"):
        run("PasteBack", seam="none", original=original, edited=edits, mask=mask.expand(3, -1, -1), room=8)


def test_the_crop_is_comfyuis_own():
    import comfy.sd

    for size in ((67, 85), (64, 80), (71, 66)):
        original = picture(*size)
        kept = comfy.sd.VAE.vae_encode_crop_pixels(_Vae(), original)
        placed = run(
            "PasteBack", seam="none", original=original, edited=kept, mask=torch.ones(1, *kept.shape[1:3]), rim=0.0
        )[0]
        assert placed.equal(original)


class _Vae:
    """The two things that the method above asks of a VAE."""

    crop_input, output_channels = True, 3

    def spacial_compression_encode(self):
        return 8


def test_alpha_is_left_behind_and_batches_broadcast():
    original = torch.cat([picture(), torch.ones(1, 64, 64, 1)], -1)
    edited = torch.cat([picture(seed=1), picture(seed=2)])
    assert run("PasteBack", seam="none", original=original, edited=edited, mask=half())[0].shape == (2, 64, 64, 3)


@pytest.mark.parametrize(("edited", "mask"), [((48, 64), (64, 64)), ((64, 64), (32, 64)), ((128, 128), (64, 64))])
def test_other_sizes_are_refused_with_both(edited, mask):
    with pytest.raises(ValueError, match=r"is \d+x\d+ but the .* is \d+x\d+; use"):
        run("PasteBack", seam="none", original=picture(), edited=picture(*edited), mask=torch.ones(1, *mask))


def test_refined_masks_get_the_pictures_size():
    refined = run("MaskRefine", mask=half(64, 80), picture=picture(67, 85))[0]
    assert refined.shape == (1, 67, 85)
    assert refined[:, 1:65, 2:82].equal(half(64, 80))
    assert refined[:, 0].count_nonzero() == 0
    with pytest.raises(ValueError, match="mask is 104x64 but the picture is 64x64"):
        run("MaskRefine", mask=half(64, 104), picture=picture())


def test_a_mask_drawn_on_a_photograph_is_refined_on_what_vae_encode_kept_of_it():
    drawn = square(21, 22, 12, 12, (67, 85))
    for rule in ("none", "otsu"):
        refined = run("MaskRefine", mask=drawn, rule=rule, picture=picture(64, 80))[0]
        assert refined.equal(drawn[:, 1:65, 2:82])


def test_a_large_mask_is_advised_against_only_where_it_cannot_be_meant():
    heat = 1 + 0.01 * torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    large = {rule: str(run("MaskRefine", mask=heat, rule=rule, value=0.5).ui) for rule in ("auto", "otsu")}
    assert "fewer words" in large["otsu"] and "fewer words" not in large["auto"]
    spot = torch.zeros(1, 64, 64)
    spot[:, 5:9, 5:9] = 1
    assert "fewer words" in str(run("MaskRefine", mask=spot, rule="auto", invert=True).ui)


def test_refining_snaps_to_the_edges_of_a_picture():
    """A heatmap that is only roughly where a bright square is."""
    shown = torch.full((1, 64, 64, 3), 0.2)
    shown[:, 16:48, 16:48] = 0.9
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    rough = torch.exp(-((y - 35) ** 2 + (x - 30) ** 2) / 300.0)[None]
    snapped = run("MaskRefine", mask=rough, rule="otsu", edge_snap="grabcut", picture=shown)[0]
    square = torch.zeros(1, 64, 64)
    square[:, 16:48, 16:48] = 1
    assert float((snapped * square).sum() / ((snapped + square) > 0).sum()) > 0.95
    with pytest.raises(ValueError, match="give it the picture"):
        run("MaskRefine", mask=rough, edge_snap="grabcut")


def test_panels_show_all_three(temp_folder):
    original, edited = picture(67, 85), picture(64, 80, seed=1)
    output = run("Panels", original=original, mask=half(64, 80), edited=edited, caption="a dog")
    sheet = output[0]
    assert sheet.shape[0] == 1 and sheet.shape[2] > 3 * 85 and sheet.shape[3] == 3
    saved = output.ui.as_dict()["images"] if not isinstance(output.ui, dict) else output.ui["images"]
    assert (temp_folder / saved[0]["filename"]).exists()
    several = run(
        "Panels", original=original, mask=half(64, 80).expand(2, -1, -1), edited=edited.expand(2, -1, -1, -1)
    )[0]
    assert several.shape[0] == 2


@pytest.mark.parametrize("kind", toybox.KINDS)
def test_demo_scenes_are_edits_with_their_truth(kind):
    shown, source, target, region, truth = run("DemoScene", seed=3, kind=kind).args
    assert shown.shape == truth.shape == (1, 128, 128, 3) and region.shape == (1, 128, 128)
    assert source != target
    changed = (shown != truth).any(-1)
    assert (region[changed] > 0).all() and not changed[region == 0].any()


@pytest.mark.parametrize("seed", [0, 3, 2**64 - 1])
def test_demo_scenes_are_of_the_seeds_that_training_never_draws_from(seed):
    held_out = toybox.HELD_OUT_SEEDS
    expected = toybox.task(held_out[seed % len(held_out)], "colour")
    shown, source, target, _, _ = run("DemoScene", seed=seed, kind="colour").args
    assert (source, target) == (expected.source, expected.target)
    assert (shown[0] * 255).round().byte().numpy().tolist() == expected.image.tolist()


def test_no_node_logs_or_prints_of_itself(capsys, caplog):
    caplog.set_level(logging.INFO)
    run("MaskRefine", mask=half())
    assert capsys.readouterr() == ("", "") and caplog.text == ""
