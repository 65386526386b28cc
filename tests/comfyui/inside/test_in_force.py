"""What hangs on a MODEL or a CONDITIONING in ComfyUI is in force here too, and nothing of it stays behind."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import comfy.cldm.cldm
import comfy.controlnet
import comfy.hooks
import comfy.model_management as mm
import comfy.model_sampling
import comfy.samplers
import comfy.sd
import networks
import pytest
import tiny
import torch
from conftest import pack

host = pack("diffedit_core.hosts.comfyui.stages")
redrawing = pack("diffedit_core.hosts.comfyui.redrawing")
WireEdit = redrawing.WireEdit
guider = pack("diffedit_core.hosts.comfyui.guider")
SamplingProcess = pack("diffedit_core.hosts.comfyui.noise").SamplingProcess
Draws = pack("diffedit_core.draws").Draws
look = pack("diffedit_core.stages").look
settings = pack("diffedit_core.settings")

FIND = settings.ContrastSettings(draws=2, sure=1)
ADD = replace(FIND, kind="addition", drafts=1, guidance=3.0)
CLIMB = settings.InversionSettings(steps=5, strength=0.6)
EDIT = settings.DecodingSettings(guidance=3.0, greys="none")
MASK = (torch.arange(64) < 32).float().expand(1, 64, 64)

TO_Q = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_q.weight"


def lora() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(5)
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_q"
    return {
        f"{name}.lora_up.weight": torch.randn(32, 4, generator=draw),
        f"{name}.lora_down.weight": torch.randn(4, 32, generator=draw),
        f"{name}.alpha": torch.tensor(4.0),
    }


def with_lora(model, texts):
    return comfy.sd.load_lora_for_models(model, None, lora(), 1.0, 0.0)[0], texts


def with_lora_hook(model, texts):
    hooks = comfy.hooks.create_hook_lora(lora(), 1.0, 0.0)
    return model, [comfy.hooks.set_hooks_for_conditioning(text, hooks) for text in texts]


def with_controlnet(model, texts):
    config = {k: v for k, v in networks.UNET.items() if k not in ("out_channels", "transformer_depth_output")}
    inner = comfy.cldm.cldm.ControlNet(**config, hint_channels=3)
    tiny.randomize(inner, 3)
    cpu = torch.device("cpu")
    hint = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(4))
    control = comfy.controlnet.ControlNet(inner.eval(), load_device=cpu).set_cond_hint(hint, 1.0)
    return model, [
        [[e, {**o, "control": control.copy(), "control_apply_to_uncond": False}] for e, o in text] for text in texts
    ]


def with_area(model, texts):
    """The upper half under a text of its own."""
    area = tiny.text("a house", area=(4, 8, 0, 0), strength=1.0, set_area_to_bounds=False)
    return model, [text + area for text in texts]


def with_mask(model, texts):
    masked = tiny.text("a house", mask=MASK, mask_strength=1.0, set_area_to_bounds=False)
    return model, [text + masked for text in texts]


def with_attention_patch(model, texts):
    twin = model.clone()
    twin.set_model_attn2_patch(lambda q, k, v, options: (q * 0.3, k, v))
    return twin, texts


def with_guidance_function(model, texts):
    twin = model.clone()
    twin.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * 0.9)
    return twin, texts


def with_v_prediction(model, texts):
    class Sampling(comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.V_PREDICTION):
        pass

    twin = model.clone()
    twin.add_object_patch("model_sampling", Sampling(model.model.model_config))
    return twin, texts


def with_hook_for_sampling(model, texts):
    """A wrapper around the guider's predictions, as caching nodes set it."""
    import comfy.patcher_extension

    def halved(executor, *args, **kwargs):
        return executor(*args, **kwargs) * 0.5

    twin = model.clone()
    twin.add_wrapper(comfy.patcher_extension.WrappersMP.PREDICT_NOISE, halved)
    return twin, texts


CHANGES = [
    with_lora,
    with_lora_hook,
    with_controlnet,
    with_area,
    with_mask,
    with_attention_patch,
    with_guidance_function,
    with_v_prediction,
    with_hook_for_sampling,
]


def heat(model, latent, source, target):
    return host.find_mask(model, latent, source, target, how=FIND, cut=settings.CutSettings(), seed=0).heatmap


def results(model, texts) -> dict[str, torch.Tensor]:
    source, target, empty = texts
    latent = tiny.latent()
    heatmap = heat(model, latent, source, target)
    add = {"how": ADD, "cut": settings.CutSettings(), "negative": empty}
    added = host.find_mask(model, latent, source, target, seed=0, **add)
    trajectory, _, _ = host.invert_picture(model, latent, empty, how=CLIMB)
    edited, gone_on = (
        redrawing.masked_denoise(model, trajectory, [WireEdit(MASK, target, empty, source, draft)], how=EDIT, seed=0)[0]
        for draft in (None, added.draft)
    )
    return {
        "heatmap": heatmap,
        "draft": added.draft["samples"],
        "heatmap of the draft": added.heatmap,
        "trajectory": trajectory.noisy_model_latents[-1],
        "edited": edited["samples"],
        "gone on from the draft": gone_on["samples"],
    }


def texts() -> list[list]:
    return [tiny.text(words) for words in ("a cat", "a dog", "")]


def state(model) -> tuple:
    """All that a later node could notice."""
    digest = hashlib.sha256()
    for name, weight in model.model.state_dict().items():
        digest.update(name.encode() + weight.float().numpy().tobytes())
    return (
        digest.hexdigest(),
        repr(model.model_options),
        list(model.patches),
        list(model.object_patches),
        model.hook_mode,
        {str(weight.device) for weight in model.model.parameters()},
        model.model.model_sampling.__class__.__mro__[1:3],
    )


@pytest.mark.parametrize("change", CHANGES)
def test_each_changes_every_result_and_leaves_the_model_as_it_was(change):
    model = tiny.model()
    plain, before = results(model, texts()), state(model)
    changed_model, changed_texts = change(model, texts())
    mm.unload_all_models()
    changed_before = state(changed_model)
    changed = results(changed_model, changed_texts)
    for name in plain:
        assert changed[name].isfinite().all(), name
        assert float((changed[name] - plain[name]).abs().max()) > 1e-3, name
    for name in ("edited", "gone on from the draft"):
        assert changed[name][..., 4:].equal(plain[name][..., 4:])  # the picture's own
    mm.unload_all_models()
    assert state(changed_model) == changed_before
    assert state(model) == before
    again = results(model, texts())
    for name in plain:
        torch.testing.assert_close(again[name], plain[name], rtol=0, atol=0)


def test_the_extra_channels_of_an_inpainting_model_come_with_the_conditioning():
    """As InpaintModelConditioning sets them."""
    model, latent = tiny.model("inpaint"), tiny.latent(batch=2)
    given = {"concat_latent_image": tiny.latent(seed=9)["samples"], "concat_mask": MASK[:, None]}
    plain = heat(model, latent, tiny.text("a"), tiny.text("b"))
    filled = heat(model, latent, tiny.text("a", **given), tiny.text("b", **given))
    assert filled.shape == plain.shape and not filled.isclose(plain).all()


def test_a_controlnet_applied_to_one_text_the_old_way_holds_for_both():
    """control_apply_to_uncond: KSampler lends it to the negative; a contrast would be of the control otherwise."""
    model, (source, target, _) = with_controlnet(tiny.model(), texts())
    lent = [[embedding, {**options, "control_apply_to_uncond": True}] for embedding, options in target]
    both = heat(model, tiny.latent(), source, target)
    one = heat(model, tiny.latent(), texts()[0], lent)
    torch.testing.assert_close(one, both)


@pytest.mark.parametrize("change", [None, with_guidance_function, with_area, with_controlnet, with_attention_patch])
def test_a_contrast_predicts_what_each_text_alone_does(change):
    """The truth it is held to: ComfyUI's own guidance function at guidance 1, one text at a time."""
    model, (source, target, _) = change(tiny.model(), texts()) if change else (tiny.model(), texts())

    def loop(bound, x0, on_step):
        noisy = x0 + 0.8 * torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
        pair = bound.denoiser_pair("source", "target")(noisy, 0.8)
        return pair, [bound.denoiser(role)(noisy, 0.8) for role in ("source", "target")]

    given = {"source": source, "target": target}
    process = SamplingProcess.of(model)
    together, alone = guider.run(model, tiny.latent()["samples"], given, process, (0.0, 0.8), loop)
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert not together[0].isclose(together[1]).all()


def of_each_image(family, texts):
    """Hints and extra channels of their own for each of two images."""
    given = {"concat_latent_image": tiny.latent(batch=2, seed=9)["samples"], "concat_mask": MASK[:, None]}
    hint = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(4))
    model, controlled = with_controlnet(tiny.model(family), texts)
    for (_, options), *_ in controlled:
        options.update(given, control=options["control"].copy().set_cond_hint(hint, 1.0))
    return model, controlled


@pytest.mark.parametrize("family", ["sd15", "inpaint"])
def test_draws_that_go_together_meet_their_own_images_conditions(family):
    model, (source, target, _) = of_each_image(family, texts())
    found = {}

    def loop(bound, x0, on_step):
        bound = replace(bound, chunk=chunk)
        return look(bound, x0, replace(FIND, draws=5, drafts=0), Draws.of(0)).heatmap

    for chunk in (1, 3):
        conditionings = {"source": source, "target": target}
        samples, process = tiny.latent(batch=2)["samples"], SamplingProcess.of(model)
        found[chunk] = guider.run(model, samples, conditionings, process, (0.0, 0.8), loop)
    torch.testing.assert_close(found[1], found[3], rtol=1e-4, atol=1e-5)
    assert not found[1][0].isclose(found[1][1]).all()


def test_a_calculation_of_ones_own_is_asked_for_both_texts():
    asked = []

    def calculate(args):
        asked.append(len(args["conds"]))
        return comfy.samplers.calc_cond_batch(
            args["model"], args["conds"], args["input"], args["sigma"], args["model_options"]
        )

    model = tiny.model()
    plain = heat(model, tiny.latent(), *texts()[:2])
    twin = model.clone()
    twin.set_model_sampler_calc_cond_batch_function(calculate)
    torch.testing.assert_close(heat(twin, tiny.latent(), *texts()[:2]), plain)
    assert asked == [2, 2]


def test_a_text_of_other_length_is_padded_as_comfyui_does():
    long = tiny.text("a dog")
    long[0][0] = torch.cat([long[0][0]] * 2, dim=1)
    assert heat(tiny.model(), tiny.latent(), tiny.text("a cat"), long).isfinite().all()


def test_weights_that_only_pass_through_memory(monkeypatch):
    """As with --lowvram: ComfyUI casts each layer's weights when it runs, and the results are the same."""
    model = tiny.model()
    plain = results(model, texts())
    patched = tiny.model()
    load, low = patched.load, []
    little = {"lowvram_model_memory": 1, "full_load": False}
    monkeypatch.setattr(patched, "load", lambda *args, **kwargs: load(*args, **{**kwargs, **little}))

    def watch(apply_model, args):
        low.append(patched.model.model_lowvram)
        return apply_model(args["input"], args["timestep"], **args["c"])

    patched.set_model_unet_function_wrapper(watch)
    small = results(patched, texts())
    assert low and all(low)
    for name in plain:
        torch.testing.assert_close(small[name], plain[name])


def test_one_trajectory_serves_many_edits():
    model = tiny.model()
    _, target, empty = texts()
    trajectory, _, _ = host.invert_picture(model, tiny.latent(), empty, how=CLIMB)
    kept = [held.clone() for held in (trajectory.picture["samples"], trajectory.noisy_model_latents)]
    there, elsewhere = ([WireEdit(mask, target, empty)] for mask in (MASK, 1 - MASK))
    first = redrawing.masked_denoise(model, trajectory, there, how=EDIT, seed=0)[0]["samples"]
    redrawing.masked_denoise(model, trajectory, elsewhere, how=replace(EDIT, greys="blend"), seed=0)
    assert trajectory.picture["samples"].equal(kept[0]) and trajectory.noisy_model_latents.equal(kept[1])
    assert redrawing.masked_denoise(model, trajectory, there, how=EDIT, seed=0)[0]["samples"].equal(first)
