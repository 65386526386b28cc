"""The training goes on where it was stopped, sees the same data every time, and minimizes the loss that is meant."""

from dataclasses import replace

import pytest
import torch

pytest.importorskip("diffusers")

from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.toybox.captions import vocabulary
from diffedit_core.toybox.model import (
    SCALING_FACTOR,
    TOKENS,
    assemble,
    byte_pairs,
    export,
    merged,
    new_autoencoder,
    new_tokenizer,
    standardized,
    tokenize,
)
from diffedit_core.toybox.train_autoencoder import psnr, train_autoencoder
from diffedit_core.toybox.train_data import crop_batch, held_out_batch, scene_batch, to_pictures, to_tensor
from diffedit_core.toybox.train_diffusion import denoiser_loss, encode_scenes, train_denoiser
from diffedit_core.toybox.train_loop import Plan, mixed_precision

SHORT = Plan(steps=4, batch=4, rate=1e-3, warmup=1, decay=0.0)


def test_batches_follow_from_the_step():
    assert torch.equal(crop_batch(3, 4, 64), crop_batch(3, 4, 64))
    assert not torch.equal(crop_batch(3, 4, 64), crop_batch(4, 4, 64))
    assert crop_batch(0, 4, 64).shape == (4, 3, 64, 64)


def test_pictures_survive_the_way_to_tensors_and_back():
    x = scene_batch(0, 2)
    assert torch.equal(to_tensor(to_pictures(x)), x)


def test_psnr_of_a_known_error():
    x = torch.zeros(2, 3, 8, 8)
    assert psnr(x, x + 0.2) == pytest.approx(20.0, abs=1e-4)  # a tenth of the range


def test_a_stopped_training_goes_on_as_if_it_had_not_been(tmp_path):
    straight = train_autoencoder(tmp_path / "straight", SHORT)
    train_autoencoder(tmp_path / "stopped", replace(SHORT, steps=2))
    resumed = train_autoencoder(tmp_path / "stopped", SHORT)
    for a, b in zip(straight.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_workers_share_a_batch_without_changing_its_meaning(tmp_path):
    alone = train_autoencoder(tmp_path / "alone", replace(SHORT, steps=1))
    shared = train_autoencoder(tmp_path / "shared", replace(SHORT, steps=1, workers=2))
    start = new_autoencoder(seed=0)
    moved = [(a - s).norm() for a, s in zip(alone.parameters(), start.parameters(), strict=True)]
    apart = [(a - b).norm() for a, b in zip(alone.parameters(), shared.parameters(), strict=True)]
    assert sum(apart) < 0.2 * sum(moved)  # Adam's first step is a sign: bfloat16 flips those of vanishing gradients


def test_every_word_is_one_token_and_texts_have_their_ends():
    tokenizer = new_tokenizer()
    for word in vocabulary():
        assert len(tokenizer(word).input_ids) == 3
    tokens = tokenize(tokenizer, ["a red circle on a plain table", ""])
    assert tokens.shape == (2, TOKENS)
    assert (tokens[:, 0] == tokenizer.bos_token_id).all() and (tokens[:, -1] == tokenizer.eos_token_id).all()
    assert (tokens[1, 1:] == tokenizer.eos_token_id).all()


def test_words_outside_the_vocabulary_fall_apart_into_letters():
    assert new_tokenizer().decode(new_tokenizer()("a zebra").input_ids, skip_special_tokens=True) == "a zebra"
    _, merges = byte_pairs(["red", "reed"])
    assert merged(["r", "e", "d</w>"], merges) == ["red</w>"] and merged(["e", "d</w>"], merges) == ["e", "d</w>"]


@torch.no_grad()
def test_standardizing_changes_the_latents_and_not_the_pictures():
    model = new_autoencoder(seed=1)
    x = held_out_batch(6)
    latents = model.encode(x).latent_dist.mean
    twin = standardized(model, latents)
    scaled = twin.encode(x).latent_dist.mean * SCALING_FACTOR
    torch.testing.assert_close(scaled.mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(scaled.std((0, 2, 3)), torch.ones(4), atol=1e-4, rtol=0)
    before, after = (m.decode(m.encode(x).latent_dist.mean).sample for m in (model, twin))
    torch.testing.assert_close(before, after, atol=1e-4, rtol=0)


def test_a_perfect_denoiser_has_no_loss():
    clean, noise = torch.randn(2, 5, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    signal = torch.linspace(0.99, 0.01, 1000)
    timesteps, tokens = torch.arange(0, 1000, 200), torch.zeros(5, TOKENS, dtype=torch.long)
    assert denoiser_loss(lambda x, t, c: noise, signal, clean, noise, timesteps, tokens) == 0
    assert denoiser_loss(lambda x, t, c: 0 * noise, signal, clean, noise, timesteps, tokens) > 0.1


def test_from_nothing_to_a_pipeline_that_loads(tmp_path):
    tokenizer, autoencoder = new_tokenizer(), new_autoencoder(seed=0)
    latents = encode_scenes(autoencoder, tmp_path / "latents", 4)
    assert latents.shape == (4, 4, 16, 16)
    assert torch.equal(latents, encode_scenes(autoencoder, tmp_path / "latents", 4))
    plan = replace(SHORT, steps=1)
    denoiser = train_denoiser(tmp_path / "denoiser", plan, latents, autoencoder, tokenizer, samples=1)
    pipe = assemble(autoencoder, denoiser, tokenizer)
    export(pipe, tmp_path / "model")
    again = DiffusersHost.from_pretrained(tmp_path / "model").pipe
    tokens = tokenize(again.tokenizer, ["a red circle on a plain table"])
    with torch.no_grad():
        expected, found = (p.text_encoder(tokens).last_hidden_state for p in (pipe, again))
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)  # half precision in the file
    assert again.vae.config.scaling_factor == SCALING_FACTOR


@pytest.mark.parametrize(("capability", "native"), [("AVX2", False), ("AVX512", True)])
def test_a_cpu_that_would_imitate_bfloat16_trains_in_float32(monkeypatch, capability, native):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    with mixed_precision(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == (torch.bfloat16 if native else torch.float32)
