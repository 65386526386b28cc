"""Small real models that write: captions, wordings and both texts, against the recipes done by hand."""

from __future__ import annotations

import json
import shutil
import weakref
from pathlib import Path

import pytest
import torch
import writers as small
from pipelines import random_pipeline
from transformers import TemperatureLogitsWarper, TopKLogitsWarper

from diffedit_core import toybox
from diffedit_core.draws import seeded_noise
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.hosts.writers import TEMPERATURE, TOP_K, Desk, Drawn, Writer
from diffedit_core.pictures import to_pil
from diffedit_core.wording import texts_asked, tidy

KINDS = {"t5": small.t5, "llama": small.llama, "blip": small.blip, "git": small.git, "llava": small.llava}
KINDS |= {"paligemma": small.paligemma, "vit_gpt2": small.vit_gpt2, "base": lambda: small.llama(chat=False)}
SEEING, CHATTING, VARYING = (
    ("blip", "git", "paligemma", "vit_gpt2", "llava"),
    ("llama", "llava"),
    ("t5", "llama", "llava"),
)
RED, BLUE = "a woman in a red dress", "a woman in a blue dress"


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    return {kind: small.saved(make(), tmp_path_factory.mktemp(kind)) for kind, make in KINDS.items()}


@pytest.fixture(scope="module")
def writers(folders) -> dict[str, Writer]:
    return {kind: Writer.from_pretrained(folder) for kind, folder in folders.items()}


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return torch.rand(1, 37, 51, 3, generator=torch.Generator().manual_seed(0))


# ---- captions


@torch.no_grad()
def test_blips_caption_is_that_of_diffusers_guide(writers, picture):
    writer = writers["blip"]
    inputs = writer.processor(to_pil(picture), "a photograph of", return_tensors="pt")
    outputs = writer.model.generate(**inputs, max_new_tokens=128)
    by_hand = writer.processor.batch_decode(outputs, skip_special_tokens=True)[0]
    caption = writer.caption(picture)
    assert caption.startswith("a photograph of") and len(caption) > 30
    assert caption == tidy(by_hand)


@pytest.mark.parametrize("kind", SEEING)
def test_every_kind_of_model_that_sees_writes_a_caption_of_what_it_sees(writers, picture, kind):
    model, shown = writers[kind], [picture, picture.flip(2) ** 4, torch.zeros_like(picture)]
    captions = [model.caption(each) for each in shown]
    assert all(captions) and len(set(captions)) > 1
    assert model.caption(shown[0]) == model.caption(to_pil(shown[0])) == captions[0]
    assert not any("\n" in caption or "caption en" in caption for caption in captions)


def test_a_model_that_needs_more_than_a_picture_says_so(folders, picture):
    """A PaliGemma whose processor lost its image token, and so knows no way to be shown one."""
    writer = Writer.from_pretrained(folders["paligemma"])
    writer.processor.image_seq_length = None
    with pytest.raises(ValueError, match=r"writes no captions of a picture alone: ."):
        writer.caption(picture)


@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_a_model_of_texts_writes_no_caption(writers, picture, kind):
    with pytest.raises(ValueError, match="sees no pictures; take a model that does for the caption, such as BLIP"):
        writers[kind].caption(picture)


# ---- wordings


@pytest.mark.parametrize("kind", VARYING)
def test_sixteen_wordings_that_the_seed_decides(writers, kind):
    before = torch.random.get_rng_state()
    wordings = writers[kind].wordings("a bowl", seed=3)
    assert 12 < len(wordings) <= 16 and len(set(wordings)) > 8  # a random model may write a line of nothing
    assert wordings == writers[kind].wordings("a bowl", seed=3)
    assert wordings != writers[kind].wordings("a bowl", seed=4)
    assert wordings != writers[kind].wordings("a basket", seed=3)
    assert torch.equal(before, torch.random.get_rng_state())


def test_tokens_are_drawn_with_the_probabilities_that_transformers_draws_them_with():
    scores = torch.randn(1, 30, generator=torch.Generator().manual_seed(1)) * 2
    warped = TopKLogitsWarper(TOP_K)(None, TemperatureLogitsWarper(TEMPERATURE)(None, scores))
    expected, count = warped.softmax(-1)[0], 20_000
    drawn = Drawn(seeded_noise(5))(None, scores.expand(count, -1)).argmax(-1)
    found = torch.bincount(drawn, minlength=30) / count
    assert ((found - expected).abs() <= 4 * (expected * (1 - expected) / count).sqrt()).all()
    assert (found > 0).sum() == TOP_K


def test_every_token_is_drawn_from_noise_of_its_own():
    drawn, scores = Drawn(seeded_noise(0)), torch.zeros(8, 30)
    assert not torch.equal(drawn(None, scores), drawn(None, scores))
    assert torch.equal(Drawn(seeded_noise(0))(None, scores), Drawn(seeded_noise(0))(None, scores))


@torch.no_grad()
def test_averaged_embeddings_are_those_of_diffusers_guide(writers):
    pipe = random_pipeline()
    wordings = writers["t5"].wordings("a bowl", seed=1)
    embeddings = []
    for sentence in wordings:  # its embed_prompts, to the letter
        inputs = pipe.tokenizer(
            sentence,
            padding="max_length",
            max_length=pipe.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        embeddings.append(pipe.text_encoder(inputs.input_ids, attention_mask=None)[0])
    by_hand = torch.concatenate(embeddings, dim=0).mean(dim=0).unsqueeze(0)
    averaged = DiffusersHost(pipe).embed(wordings)
    assert averaged.shape == by_hand.shape == (1, 77, 32)
    assert (averaged - by_hand).abs().max() < 1e-6
    assert (averaged - DiffusersHost(pipe).embed(wordings[0])).abs().max() > 1e-2


@pytest.mark.parametrize("kind", ["blip", "git", "vit_gpt2", "base"])
def test_what_cannot_be_asked_says_so(writers, picture, kind):
    with pytest.raises(ValueError, match="cannot be asked anything: it has no chat template; take a model that chats"):
        writers[kind].wordings("a bowl")
    with pytest.raises(ValueError, match="cannot be asked anything"):
        writers[kind].texts("make it blue", picture, "a bowl")


# ---- both texts of an instruction


@pytest.mark.parametrize("kind", CHATTING)
def test_a_model_that_learned_to_answer_turns_an_instruction_into_both_texts(folders, picture, kind):
    """Taught for some seconds, for real, to answer this prompt in JSON with prose around it."""
    writer = Writer.from_pretrained(folders[kind])
    instruction, caption = "make the dress blue", "" if writer.processor else RED
    inputs = dict(writer._asked(texts_asked(instruction, caption), picture if writer.processor else None))
    answer = f"Sure! {json.dumps({'source': RED, 'target': BLUE})} There."
    small.taught(writer, inputs, answer)
    assert writer.texts(instruction, picture, caption) == (RED, BLUE)
    assert writer.texts(instruction, picture, caption, seed=5) == (RED, BLUE)


@pytest.mark.parametrize("kind", [*CHATTING, "t5"])
def test_rubbish_is_given_up_with_one_line_that_says_what_to_do(writers, picture, kind):
    with pytest.raises(ValueError, match=r"wrote no two texts that can be used in 4 answers.*give source and target"):
        writers[kind].texts("make the dress blue", picture, RED)


def test_every_further_answer_is_another_one(writers, monkeypatch):
    answers = []
    texts_in = Writer._answers
    monkeypatch.setattr(Writer, "_answers", lambda *args: answers.append(texts_in(*args)[0]) or [answers[-1]])
    for seed in (0, 0, 1):
        with pytest.raises(ValueError, match="give source and target"):
            writers["llama"].texts("make it blue", caption=RED, seed=seed)
    first, again, other = answers[:4], answers[4:8], answers[8:]
    assert len(set(first)) == 4 and first == again
    assert first[0] == other[0] and not set(first[1:]) & set(other[1:])  # the likeliest, and then by the seed


def test_a_writer_that_sees_nothing_asks_for_a_caption(writers, picture):
    with pytest.raises(ValueError, match="sees no pictures; give it a caption, or take a model that sees them"):
        writers["llama"].texts("make the dress blue", picture)


# ---- loading


@pytest.mark.parametrize("kind", ["t5", "llava"])
def test_half_precision(folders, picture, kind):
    writer = Writer.from_pretrained(folders[kind], "cpu", torch.bfloat16)
    assert writer.model.dtype == torch.bfloat16
    assert writer.wordings("a bowl")
    assert writer.processor is None or writer.caption(picture)


def test_nan_is_named(folders):
    writer = Writer.from_pretrained(folders["t5"])
    writer.model.shared.weight.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="predicts NaN; use bf16 or float32"):
        writer.wordings("a bowl")


def broken(folders: dict[str, str], folder: Path, what: str) -> str:
    """A copy of the T5 with one thing wrong."""
    shutil.copytree(folders["t5"], folder / what)
    weights, config = folder / what / "model.safetensors", folder / what / "config.json"
    if what == "torn":
        weights.write_bytes(b"torn")
    if what == "pickled":
        torch.save(Writer.from_pretrained(folders["t5"]).model.state_dict(), folder / what / "pytorch_model.bin")
        weights.unlink()
    if what == "code":
        code = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine", "AutoModelForCausalLM": "mine.Mine"}}
        config.write_text(json.dumps(code))
        (folder / what / "mine.py").write_text("raise SystemExit('this code was run')")
    if what == "encoder":
        config.write_text(json.dumps({"model_type": "bert"}))
    return str(folder / what)


@pytest.mark.parametrize("what", ["torn", "pickled", "code", "empty"])
def test_what_cannot_be_loaded_is_said_in_one_line(folders, tmp_path, what):
    (tmp_path / "empty").mkdir()
    name = str(tmp_path / "empty") if what == "empty" else broken(folders, tmp_path, what)
    with pytest.raises(ValueError, match=rf"^{name} cannot be loaded: .") as why:
        Writer.from_pretrained(name)
    assert "\n" not in str(why.value)


def test_a_model_that_writes_nothing_is_told_apart():
    name = str(Path(toybox.weights()) / "text_encoder")
    with pytest.raises(ValueError, match="writes nothing; take a model that turns pictures or texts into text"):
        Writer.from_pretrained(name)


def test_a_name_that_is_no_folder_is_looked_for_on_the_hub(monkeypatch):
    with pytest.raises(ValueError, match=r"^\./none is neither a folder here nor a model on the hub: "):
        Writer.from_pretrained("./none")


def test_one_writer_at_a_time_and_none_afterwards(folders):
    desk = Desk()
    first = weakref.ref(desk.seat(folders["t5"]).model)
    assert desk.seat(folders["t5"]).model is first()
    second = weakref.ref(desk.seat(folders["llama"]).model)
    assert first() is None and second() is not None
    desk.clear()
    assert second() is None
