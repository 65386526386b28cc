"""Calls with words, numbers and tables: texts of an edit, settings, and what a batch reads."""

import json
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from worlds import DIFFUSION, FLOW

from diffedit_core import Edit
from diffedit_core.batch.jobs import Plan
from diffedit_core.batch.tables import table
from diffedit_core.draws import paired_noise, seeded_noise, stream
from diffedit_core.focus import Focus
from diffedit_core.keeping import KeepSettings
from diffedit_core.knobs import Settings
from diffedit_core.pointing import PointSettings
from diffedit_core.refine import Refinement
from diffedit_core.settings import (
    ContrastSettings,
    CutSettings,
    DecodingSettings,
    EditSettings,
    InversionSettings,
    MaskSettings,
)
from diffedit_core.strength import levels_up_to, schedule, sigma_at
from diffedit_core.toybox import TRAIN_SEEDS, scene
from diffedit_core.waiting import merged
from diffedit_core.wording import both_texts, texts_asked, texts_of, tidy, wordings_asked

from .properties import always, answered
from .strategies import seeds, texts

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
pieces = st.one_of(
    texts,
    st.sampled_from(['{"source": "a cat on a mat", "target": "a dog on a mat"}', "Source: a cat\nTarget: a dog"]),
    st.sampled_from(["source:", "target:", "**Source**", "```json", "{", "[", '"', "</think>", "<think>", "1" * 5000]),
    st.builds(lambda text, times: text * times, st.sampled_from(["[", "{", '{"a":', " ", "source: "]), st.just(9999)),
    json_values.map(json.dumps),
)
answers = st.lists(pieces, max_size=5).map("".join)


@always(share=2, seconds=4, answer=answers)
def texts_are_read_out_of_any_answer(answer):
    found = answered(texts_of, answer)
    if found is not None:
        assert all(isinstance(text, str) and text.strip() and "\n" not in text for text in found)
        assert found[0] != found[1] and found == texts_of(answer)
    said = tidy(answer)
    assert said == " ".join(said.split())


@always(seconds=8, answer=answers, instruction=texts, caption=texts)
def a_writer_is_asked_a_few_times(answer, instruction, caption):
    asked = []

    def ask(prompt, number):
        asked.append(prompt)
        return answer

    found = answered(both_texts, ask, instruction, caption)
    assert 1 <= len(asked) <= 4 and (found is None) == (answered(texts_of, answer) is None)
    assert instruction in texts_asked(instruction, caption) and caption in wordings_asked(caption)


@always(seconds=4, base=texts, versions=st.lists(texts, max_size=3))
def changes_of_one_text_are_merged(base, versions):
    done = merged(base, *versions)
    assert done is None or isinstance(done, str)
    assert merged(base) in (base, None) and merged(base, base) in (base, None)


CLASSES: tuple[type[Settings], ...] = (
    KeepSettings,
    Refinement,
    PointSettings,
    ContrastSettings,
    CutSettings,
    InversionSettings,
    DecodingSettings,
    EditSettings,
    Focus,
)
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-3, 70),
    st.floats(),
    texts,
    st.lists(st.integers(), max_size=2),
    st.sampled_from([np.int64(3), np.float32(0.5), np.float64("nan"), np.bool_(True), b"none", 1 + 2j, object]),
)


@always(share=3, kind=st.sampled_from(CLASSES), data=st.data())
def a_setting_is_taken_or_refused_by_name(kind, data):
    name, knob = data.draw(st.sampled_from(list(kind.knobs())))
    near = [knob.low, knob.high, knob.low - 1, knob.high + 1, knob.default, *(knob.names or ())]
    value = data.draw(st.one_of(values, st.sampled_from(near)))
    done = answered(kind, **{name: value})
    if done is not None:
        kept = getattr(done, name)
        assert knob.names is None or kept in knob.names
        assert knob.names or kept is None or knob.low <= kept <= knob.high
    elif knob.names is None and isinstance(value, (int, float)) and type(value) is type(knob.default):
        assert not knob.low <= value <= knob.high


@always(kind=values, guidance=values, part=values)
def an_edit_is_taken_or_refused(kind, guidance, part):
    answered(Edit, "a", "b", kind=kind, guidance=guidance)
    assert answered(EditSettings, mask=part) is None and answered(MaskSettings, cut=part) is None


@always(
    strength=st.one_of(st.floats(), st.floats(0, 1)),
    steps=st.one_of(st.integers(), st.integers(1, 1000)),
    gain=st.floats(1, 1e6),
    flow=st.booleans(),
)
def any_strength_is_a_level_or_refused(strength, steps, gain, flow):
    process = FLOW if flow else DIFFUSION
    levels = answered(schedule, process, steps, gain)
    sigma = answered(sigma_at, process, strength, gain)
    assert (sigma is None) == (not 0 < strength <= 1) and (levels is None) == (not 1 <= steps <= 1000)
    if sigma is not None and levels is not None:
        assert 0 < sigma < float("inf") and len(levels_up_to(strength, levels)) >= 2


@always(seed=st.one_of(seeds, st.integers()), draw=st.integers(0, 2**40), number=st.floats(-1, 1000))
def a_draw_is_the_same_again(seed, draw, number):
    for noise in (seeded_noise(seed), paired_noise(seeded_noise(seed)), stream(seeded_noise(seed), number)):
        first = noise(draw, (1, 2))
        assert first.isfinite().all() and (first == noise(draw, (1, 2))).all()


@always(seed=st.integers(0, len(TRAIN_SEEDS) - 1))
def a_scene_is_the_same_again(seed):
    assert scene(TRAIN_SEEDS[seed]) == scene(TRAIN_SEEDS[seed])


names = st.one_of(
    st.sampled_from(["image", "out", "--Source", "target", "key", "", "row"]), st.text(st.characters(), max_size=8)
)
outs = st.one_of(
    json_values,
    st.sampled_from(
        ["a.png", "A.PNG", "b/a.png", "../a.png", "/a.png", "C:a.png", "a\\b.png", "sheet/x.png", "a.png/b.png"]
    ),
    st.text(st.sampled_from("ab./\\: \x00é"), max_size=12).map(lambda text: text + ".png"),
    st.integers(1, 300).map(lambda deep: "a" * 90 + "/" + "b/" * deep * 9 + "x.png"),
    st.integers(1, 500).map(lambda long: "c" * long + ".png"),
)
rows = st.lists(
    st.one_of(
        st.dictionaries(names, json_values, max_size=3),
        st.fixed_dictionaries({"image": texts, "out": outs}),
        json_values,
        st.integers(900, 1100).map(lambda deep: "[" * deep + "]" * deep),
    ),
    max_size=4,
)


@st.composite
def json_tables(draw):
    lines = [each if isinstance(each, str) and each.startswith("[[") else json.dumps(each) for each in draw(rows)]
    whole = "\n".join(lines).encode()
    return ".jsonl", draw(st.one_of(st.just(whole), st.binary(max_size=9).map(lambda more: whole + b"\n" + more)))


@st.composite
def csv_tables(draw):
    cell = st.one_of(
        texts, names, st.text(st.sampled_from('",;\n\r\x00a'), max_size=9), st.sampled_from(["a" * 140000, "a.png"])
    )
    lines = draw(st.lists(st.lists(cell, max_size=4).map(",".join), max_size=5))
    return draw(st.sampled_from([".csv", ".CSV"])), "\n".join(lines).encode("utf-8", "surrogatepass")


tables = st.one_of(json_tables(), csv_tables(), st.tuples(st.just(".csv"), st.binary(max_size=60)))


@always(share=2, file=tables, extras=st.sampled_from([(), ("mask",), ("mask", "heatmap")]))
def each_row_of_any_table_is_a_job_or_a_problem(file, extras):
    suffix, content = file
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"table{suffix}"
        place.write_bytes(content)
        found = answered(table, place)
        if found is None:
            return
        plan = Plan(found, Path(folder) / "out", {}, extras)
        jobs = list(plan.jobs())
        assert jobs == list(plan.jobs())
    written = [name for job in jobs for name in job.files.values()]
    assert len({name.casefold() for name in written}) == len(written)
    assert len({job.key for job in jobs}) == len(jobs)
    for job in jobs:
        assert job.problem or len(job.files) == 1 + len(extras)
        assert not any(name.startswith("/") or ".." in Path(name).parts for name in job.files.values())
        assert "\n" not in job.problem
