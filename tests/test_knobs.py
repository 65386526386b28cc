"""Every knob of every setting, whatever it is called: help, limits, and what is said of a value that cannot be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from diffedit_core.contrast import STATISTICS
from diffedit_core.decoding import BACKGROUNDS
from diffedit_core.edges import EDGE_SNAPS
from diffedit_core.focus import Focus
from diffedit_core.hosts.diffusers import Memory
from diffedit_core.keeping import KeepSettings
from diffedit_core.kinds import KINDS
from diffedit_core.knobs import Knob, Settings
from diffedit_core.masks import RULES
from diffedit_core.pointing import PointSettings
from diffedit_core.refine import Refinement
from diffedit_core.settings import (
    BALANCED,
    FASTDIFFEDIT,
    PRESETS,
    ContrastSettings,
    CutSettings,
    DecodingSettings,
    EditSettings,
    InversionSettings,
    MaskSettings,
)
from diffedit_core.solvers import SOLVERS

CLASSES = (
    Focus,
    ContrastSettings,
    CutSettings,
    Refinement,
    MaskSettings,
    InversionSettings,
    DecodingSettings,
    EditSettings,
    KeepSettings,
    PointSettings,
    Memory,
)
KNOBS = {f"{cls.__name__}.{name}": (cls, name, knob) for cls in CLASSES for name, knob in cls.knobs()}
every_knob = pytest.mark.parametrize(("cls", "name", "knob"), KNOBS.values(), ids=KNOBS)


def types_of(cls: type[Settings], name: str) -> tuple[type, ...]:
    hint = get_type_hints(cls)[name]
    return get_args(hint) or (hint,)


def is_number(cls: type[Settings], name: str) -> bool:
    return not {int, float}.isdisjoint(types_of(cls, name))


def made(cls: type[Settings], name: str, value: Any) -> Settings:
    """With a rule that takes any value, so that only the knob can refuse it."""
    others = {"rule": "zscore"} if (cls, name) == (CutSettings, "value") else {}
    return cls(**others, **{name: value})


def test_these_are_all_the_settings_and_all_their_fields():
    assert {cls for cls in Settings.__subclasses__() if cls.__module__.startswith("diffedit_core.")} == set(CLASSES)
    for cls in CLASSES:
        parts = {field.name for field in fields(cls) if isinstance(getattr(cls(), field.name), Settings)}
        assert parts | {name for name, _ in cls.knobs()} == {field.name for field in fields(cls)}
        assert all({"title", "prefix"} <= set(field.metadata) for field in fields(cls) if field.name in parts)


@every_knob
def test_a_knob_says_what_it_does_in_sentences(cls, name, knob):
    for text in (knob.help, knob.tooltip):
        assert text and text[0].isupper() | text[0].isdigit() and text.endswith(".") and "  " not in text
    for entry, about in (knob.names or {}).items():
        assert about.meaning and f" {entry}: {about.meaning}." in knob.tooltip


@every_knob
def test_a_knobs_default_is_one_that_it_takes(cls, name, knob):
    default = getattr(cls(), name)
    assert isinstance(default, types_of(cls, name))
    if is_number(cls, name):
        assert -math.inf < knob.low < knob.high < math.inf
        assert default is None or knob.low <= default <= knob.high
        assert 0 < knob.step <= knob.high - knob.low
    elif bool not in types_of(cls, name):
        assert default in knob.names


@every_knob
def test_a_knob_takes_what_is_within_its_limits_and_refuses_the_rest_by_name_and_value(cls, name, knob):
    if bool in types_of(cls, name):
        assert getattr(cls(**{name: not getattr(cls(), name)}), name) != getattr(cls(), name)
    elif knob.names:
        for value in knob.names:
            assert getattr(cls(**{name: value}), name) == value
        for value in ("magic", "", None):
            with pytest.raises(ValueError, match=f"^{name} is {value!r}; it must be one of {', '.join(knob.names)}$"):
                cls(**{name: value})
    else:
        limits = f"it must be from {knob.low:g} to {knob.high:g}"
        for value in (knob.low, knob.high):
            assert getattr(made(cls, name, value), name) == value
        for value in (knob.low - 1, knob.low - 1e-6, knob.high + 1e-6, knob.high + 1, math.nan, math.inf, -math.inf):
            with pytest.raises(ValueError, match=f"^{name} is {value}; {limits}$"):
                made(cls, name, value)
            with pytest.raises(ValueError, match=f"^{name} is {value}; {limits}$"):
                replace(made(cls, name, knob.high), **{name: value})


def test_the_names_are_those_of_the_registries():
    assert KNOBS["ContrastSettings.statistic"][2].names is STATISTICS
    assert KNOBS["ContrastSettings.kind"][2].names is KINDS
    assert KNOBS["CutSettings.rule"][2].names is RULES
    assert KNOBS["Refinement.edge_snap"][2].names is EDGE_SNAPS
    assert KNOBS["DecodingSettings.background"][2].names is BACKGROUNDS
    assert KNOBS["DecodingSettings.solver"][2].names is SOLVERS


@pytest.mark.parametrize("rule", RULES)
def test_a_value_is_held_to_its_rules_own_limits_too(rule):
    limits = RULES[rule]
    assert CutSettings(rule).value is None
    for value in (limits.low - 0.1, limits.high + 0.1):
        if math.isfinite(value):
            with pytest.raises(ValueError, match=f"rule {rule!r} was given {value}; it must be from"):
                CutSettings(rule, value)


def test_settings_cannot_be_changed_behind_their_limits():
    for cls in CLASSES:
        assert is_dataclass(cls)
        with pytest.raises(FrozenInstanceError):
            setattr(cls(), fields(cls)[0].name, None)


def test_a_knob_without_limits_takes_any_number():
    for value in (-1e30, 0, 1e30):
        Knob(0.0, "Anything.").check("x", value)
    with pytest.raises(ValueError, match="x is nan"):
        Knob(0.0, "Anything.").check("x", math.nan)


def test_a_count_is_a_whole_number_and_only_what_may_be_left_open_is_none():
    with pytest.raises(ValueError, match=r"^draws is 2.5; it must be a whole number$"):
        ContrastSettings(draws=2.5)
    with pytest.raises(ValueError, match=r"^draws is None; it must be from 1 to 1000$"):
        ContrastSettings(draws=None)
    with pytest.raises(ValueError, match=r"^rule is None; it must be one of auto, otsu"):
        CutSettings(rule=None)
    assert CutSettings().value is None and Refinement().threshold is None


def differences(one: Settings, other: Settings, path: str = "") -> Iterator[tuple[str, Any]]:
    """Where the other says something else, and what."""
    for field in fields(one):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(ours, Settings):
            yield from differences(ours, theirs, f"{path}{field.name}.")
        elif ours != theirs:
            yield f"{path}{field.name}", theirs


def test_presets_spend_more_on_tries_and_drafts_and_are_alike_in_all_else():
    assert list(PRESETS) == ["fast", "balanced"]
    assert PRESETS[BALANCED].settings == EditSettings() and all(preset.meaning for preset in PRESETS.values())
    spent = {"decoding.tries": [], "mask.contrast.drafts": []}
    for preset in PRESETS.values():
        changed = dict(differences(EditSettings(), preset.settings))
        assert set(changed) <= set(spent)
        spent["decoding.tries"].append(preset.settings.decoding.tries)
        spent["mask.contrast.drafts"].append(preset.settings.mask.contrast.drafts)
    for counts in spent.values():
        assert counts[0] == 1 and counts == sorted(set(counts))


@pytest.mark.parametrize("value", [None, 0.8])
def test_a_kind_set_by_hand_sets_the_cut_where_that_goes_by_the_kind(value):
    def cut(kind, rule):
        return MaskSettings(ContrastSettings(kind=kind), CutSettings(rule, value)).cut_by_hand

    for kind in KINDS:
        for rule in RULES.keys() - {"auto"}:
            assert cut(kind, rule) == CutSettings(rule, value)
    assert cut("object", "auto") == CutSettings("otsu", 1.0 if value is None else 0.8)
    assert cut("area", "auto") == CutSettings("otsu", 0.5 if value is None else 0.4)
    for kind in ("auto", "addition"):  # an addition's heatmap shows a thing that is there by then
        assert cut(kind, "auto") == CutSettings("auto", value)


def test_fast_edit_is_what_fastdiffedits_parts_say():
    """Its mask: 20 draws, their sizes averaged, above the mean and grown by a cell; then plain inpainting."""
    assert dict(differences(EditSettings(), FASTDIFFEDIT)) == {
        "mask.contrast.draws": 20,
        "mask.contrast.kind": "object",
        "mask.contrast.statistic": "mean_abs",
        "mask.contrast.paired": False,
        "mask.contrast.sure": 1,
        "mask.cut.rule": "fast",
        "mask.refinement.edge_snap": "none",
        "inversion.steps": 20,
        "inversion.strength": 0.7,
        "decoding.background": "noised",
        "decoding.guided_above": 0,
        "decoding.tries": 1,
        "decoding.greys": "none",
        "decoding.solver": "ddim",
        "room": 0,
        "seam": "none",
    }
    assert FASTDIFFEDIT.mask.refinement == Refinement()
    assert (FASTDIFFEDIT.mask.contrast.strength, FASTDIFFEDIT.decoding.guidance) == (0.5, 7.5)  # as the blog has them
    background, rule = FASTDIFFEDIT.decoding.background, FASTDIFFEDIT.mask.cut.rule
    assert not BACKGROUNDS[background].needs_inversion and RULES[rule].sees_cells


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (KeepSettings, {"clip": "yes"}, "clip is 'yes'; it must be true or false"),
        (KeepSettings, {"clip": 7}, "clip is 7; it must be true or false"),
        (KeepSettings, {"alignment": ["none"]}, r"alignment is \['none'\]; it must be one of none, whole, local"),
        (KeepSettings, {"grow": 1.5}, "grow is 1.5; it must be a whole number"),
        (KeepSettings, {"grow": "x" * 9999}, r"grow is 'x{79}; it must be from 0 to 256"),
        (EditSettings, {"mask": None}, r"mask is None; it must be MaskSettings\(...\)"),
        (MaskSettings, {"cut": "otsu"}, r"cut is 'otsu'; it must be CutSettings\(...\)"),
    ],
)
def test_a_value_of_another_kind_is_named_with_what_it_must_be(kind, settings, message):
    with pytest.raises(ValueError, match=message):
        kind(**settings)


def test_numbers_of_numpy_are_numbers():
    assert KeepSettings(grow=np.int64(3), sensitivity=np.float32(0.5)) == KeepSettings(grow=3, sensitivity=0.5)
