import logging
import re
import types

import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, UNet2DConditionModel
from pipelines import random_pipeline
from worlds import standard_normal

from diffedit_core.contrast import STATISTICS, contrast
from diffedit_core.draws import seeded_noise
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.masks import RULES, threshold

LATENT = standard_normal(2, 4, 8, 8, dtype=torch.float32)


@pytest.fixture(scope="module")
def pipe():
    return random_pipeline()


@pytest.fixture(scope="module")
def host(pipe):
    return DiffusersHost(pipe)


def under(host, text, guidance=1.0, negative=""):
    """The host's denoiser of one text."""
    return host.bind({"target": text, "negative": negative}).denoiser("target", guidance)


def under_both(host, source, target):
    return host.bind({"source": source, "target": target}).denoiser_pair("source", "target")


def without_levels(pipe, **changes):
    """The same pipeline under another scheduler configuration."""
    parts = {name: getattr(pipe, name) for name in ("unet", "vae", "text_encoder", "tokenizer")}
    return types.SimpleNamespace(**parts, scheduler=DDIMScheduler.from_config(pipe.scheduler.config, **changes))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("timestep", [1, 481, 981])
def test_the_prediction_is_the_schedulers_own_clean_latent(prediction, timestep):
    """x0 from the raw network output, by DDIMScheduler itself."""
    pipe = random_pipeline(prediction)
    host = DiffusersHost(pipe)
    sigma = host.process.table[timestep]
    z = LATENT / (1 + sigma**2) ** 0.5
    with torch.no_grad():
        output = pipe.unet(z, timestep, encoder_hidden_states=host.embed("a cat").expand(2, -1, -1)).sample
    pipe.scheduler.set_timesteps(50)
    expected = pipe.scheduler.step(output, timestep, z).pred_original_sample
    torch.testing.assert_close(under(host, "a cat")(LATENT, sigma), expected, rtol=1e-4, atol=1e-4)


def test_guidance_leads_from_the_negative_text_to_the_text(host):
    text, negative = (under(host, t)(LATENT, 2.0) for t in ("a cat", "a dog"))
    guided = under(host, "a cat", 7.5, negative="a dog")(LATENT, 2.0)
    torch.testing.assert_close(guided, negative + 7.5 * (text - negative), rtol=1e-4, atol=1e-4)


def test_a_pair_is_its_two_texts(host):
    pair = under_both(host, "a cat", "a dog")(LATENT, 2.0)
    for together, text in zip(pair, ("a cat", "a dog"), strict=True):
        alone = under(host, text)(LATENT, 2.0)
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_every_row_through_the_network_is_counted(pipe):
    host = DiffusersHost(pipe)
    for call, rows in (
        (under(host, "a cat"), 2),
        (under(host, "a cat", 3.0), 4),
        (under_both(host, "a cat", "a dog"), 4),
    ):
        before = host.evaluations
        call(LATENT, 1.0)
        assert host.evaluations - before == rows


@pytest.mark.parametrize("role", ["source", "target", "negative", "inversion"])
def test_a_role_has_its_own_text_and_the_empty_text_where_none_was_given(host, role):
    bound = host.bind({role: "a cat"})
    assert torch.equal(bound.denoiser(role)(LATENT, 2.0), under(host, "a cat")(LATENT, 2.0))
    for other in {"source", "target", "negative", "inversion"} - {role}:
        assert torch.equal(bound.denoiser(other)(LATENT, 2.0), under(host, "")(LATENT, 2.0))


def test_texts_are_embedded_once_and_only_when_they_are_asked_for(pipe, monkeypatch):
    host, embedded = DiffusersHost(pipe), []
    embed = host.embed
    monkeypatch.setattr(host, "embed", lambda text: [embedded.append(text), embed(text)][1])
    bound = host.bind({"source": "a cat", "target": "a dog", "negative": "a cow", "inversion": "a pig"})
    assert embedded == []
    for _ in range(2):
        bound.denoiser("target")
        bound.denoiser_pair("source", "target")
    assert embedded == ["a dog", "a cat"]
    bound.denoiser("inversion", 2.0)
    assert embedded == ["a dog", "a cat", "a pig", "a cow"]


@pytest.mark.parametrize("statistic", STATISTICS)
def test_equal_texts_give_exactly_0_and_an_empty_mask_on_a_real_network(host, statistic):
    pair = under_both(host, "a cat", "a cat")
    how = {"noise": seeded_noise(0), "draws": 4, "chunk": 3, "statistic": statistic}
    heatmap = contrast(pair, LATENT, host.process, 2.0, **how).heatmap
    assert (heatmap == 0).all()
    for rule in RULES:
        assert (threshold(heatmap, rule) == 0).all()


def test_chunk_and_batch_change_no_mask_on_a_real_network(host):
    """The network itself rounds differently in another batch, so heatmaps agree to rounding and masks to the cell."""

    def heatmap(latent, chunk):
        pair = under_both(host, "a cat", "a dog")
        return contrast(pair, latent, host.process, 2.0, noise=seeded_noise(0), draws=5, chunk=chunk).heatmap

    reference = heatmap(LATENT, 1)
    for other in (
        heatmap(LATENT, 2),
        heatmap(LATENT, 5),
        heatmap(LATENT.flip(0), 1).flip(0),
        torch.cat([heatmap(LATENT[:1], 5), heatmap(LATENT[1:], 1)]),
    ):
        torch.testing.assert_close(other, reference, rtol=1e-4, atol=1e-6)
        for rule in RULES:
            rounded = 1e-4 if rule == "grey" else 0.0  # the one that keeps shades
            torch.testing.assert_close(threshold(other, rule), threshold(reference, rule), rtol=0, atol=rounded)


def test_several_texts_are_averaged_and_embeddings_pass_through(host):
    cat, dog = host.embed("a cat"), host.embed("a dog")
    assert cat.shape == (1, 77, 32) and not torch.equal(cat, dog)
    torch.testing.assert_close(host.embed(["a cat", "a dog"]), (cat + dog) / 2, rtol=1e-4, atol=1e-5)
    both = torch.cat([cat, dog])
    assert torch.equal(host.embed(both), both)


def test_an_embedding_an_image_goes_to_its_image_in_every_chunk(host):
    """Draws go through together as [draw 0: image 0, image 1; draw 1: ...]: the texts must follow that order."""
    cat, dog = host.embed("a cat"), host.embed("a dog")
    x = torch.cat([LATENT, LATENT])
    together = under(host, torch.cat([cat, dog]))(x, 2.0)
    for row, text in enumerate((cat, dog, cat, dog)):
        alone = under(host, text)(x[row : row + 1], 2.0)
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-4)


def test_embeddings_that_fit_no_batch_are_an_error_with_both_numbers(host):
    three = host.embed("a cat").expand(3, -1, -1)
    with pytest.raises(ValueError, match="3 texts for 2 images; give one text for all, or one for each"):
        under(host, three)(LATENT, 1.0)


def test_a_text_too_long_is_cut_with_a_warning(host, caplog):
    with caplog.at_level(logging.WARNING, logger="diffedit_core"):
        cut = host.embed("a" * 200)
    assert "this text has 202 tokens, and only the first 77 are read" in caplog.text
    assert torch.equal(cut, host.embed("a" * 100))


def test_the_nearest_timestep_in_log_sigma(host):
    table = host.process.table
    assert [host.network.timestep(table[t]) for t in (0, 1, 500, 999)] == [0, 1, 500, 999]
    assert host.network.timestep(0.0) == 0 and host.network.timestep(1e6) == 999
    middle = (table[500] * table[501]) ** 0.5
    assert host.network.timestep(middle * 0.9999) == 500 and host.network.timestep(middle * 1.0001) == 501


def test_a_picture_becomes_the_mode_of_its_latent(pipe, host):
    picture = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(0))
    latent = host.encode(picture)
    with torch.no_grad():
        moments = pipe.vae.encode(picture.permute(0, 3, 1, 2) * 2 - 1).latent_dist
    torch.testing.assert_close(latent, moments.mean * pipe.vae.config.scaling_factor)
    assert torch.equal(latent, host.encode(picture)) and latent.shape == (1, 4, 4, 6)


def test_a_latent_becomes_a_picture_in_range(host):
    picture = host.decode(standard_normal(2, 4, 4, 6, dtype=torch.float32) * 3)
    assert picture.shape == (2, 32, 48, 3) and picture.dtype == torch.float32
    assert picture.min() >= 0 and picture.max() <= 1


def test_encode_and_decode_leave_no_gradients(host):
    assert not host.encode(torch.rand(1, 16, 16, 3)).requires_grad
    assert not under(host, "a cat")(LATENT, 1.0).requires_grad


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_half_precision_predicts_in_float32(dtype):
    exact = under(DiffusersHost(random_pipeline()), "a cat", 3.0)(LATENT, 2.0)
    host = DiffusersHost(random_pipeline().to(dtype))
    prediction = under(host, "a cat", 3.0)(LATENT, 2.0)
    assert prediction.dtype == torch.float32
    torch.testing.assert_close(prediction, exact, rtol=0.1, atol=0.3)
    picture = torch.rand(1, 16, 16, 3)
    assert host.encode(picture).dtype == host.decode(host.encode(picture)).dtype == torch.float32


def test_a_pipeline_with_another_sampler_still_has_its_own_levels(pipe):
    other = without_levels(pipe)
    other.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    assert DiffusersHost(other).process == DiffusersHost(pipe).process


def test_zero_terminal_snr_is_finite_to_the_top(pipe):
    changes = {
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
        "prediction_type": "v_prediction",
    }
    host = DiffusersHost(without_levels(pipe, **changes))
    top = host.process.at_ratio(1e9)
    assert 4000 < top < 5000
    assert under(host, "a cat")(LATENT * top, top).isfinite().all()


def test_the_host_leaves_the_pipelines_scheduler_as_it_was(pipe):
    pipe.scheduler.set_timesteps(7)
    DiffusersHost(pipe)
    assert len(pipe.scheduler.timesteps) == 7


def test_a_pipeline_survives_the_way_to_a_folder_and_back(tmp_path, host, pipe):
    pipe.save_pretrained(tmp_path / "model", safe_serialization=True)
    again = DiffusersHost.from_pretrained(tmp_path / "model")
    assert torch.equal(under(again, "a cat")(LATENT, 2.0), under(host, "a cat")(LATENT, 2.0))


def test_pickled_weights_are_refused(tmp_path, pipe):
    pipe.save_pretrained(tmp_path / "model", safe_serialization=False)
    with pytest.raises(ValueError, match=r"cannot be loaded: .*safetensors"):
        DiffusersHost.from_pretrained(tmp_path / "model")


def test_a_folder_that_is_no_pipeline_is_named(tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path} has no model_index.json")):
        DiffusersHost.from_pretrained(tmp_path)


def test_models_that_it_cannot_run_are_refused_by_name(pipe):
    with pytest.raises(ValueError, match="the model predicts 'sample'; only epsilon and v_prediction are supported"):
        DiffusersHost(without_levels(pipe, prediction_type="sample"))
    by_instructions = without_levels(pipe)
    by_instructions.unet = UNet2DConditionModel.from_config(pipe.unet.config, in_channels=8)
    with pytest.raises(ValueError, match="takes 8 channels and the latent has 4: neither a text-to-image model nor"):
        DiffusersHost(by_instructions)


def test_half_a_letter_in_a_text_is_read_as_a_question_mark(host):
    assert torch.equal(host.embed("a cat \ud83d"), host.embed("a cat ?"))
    with pytest.raises(ValueError, match="a text has no wordings"):
        host.embed([])
