"""Offloading, slicing and tiling: switched on for real, with the same results, and less in memory at a time."""

from __future__ import annotations

import accelerate
import families
import pytest
import torch
from diffusers.models.attention_processor import SlicedAttnProcessor
from pipelines import random_pipeline

from diffedit_core import Edit, edit, toybox
from diffedit_core.focus import resized
from diffedit_core.hosts.diffusers import DiffusersHost, Memory
from diffedit_core.hosts.diffusers.memory import OFFLOADS
from diffedit_core.pictures import from_bytes
from diffedit_core.settings import ContrastSettings, DecodingSettings, EditSettings, InversionSettings, MaskSettings

ASKED = Edit("a bowl of apples", "a bowl of pears")
PICTURE = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(0))
HOW = EditSettings(
    MaskSettings(ContrastSettings(draws=2, kind="object")),
    InversionSettings(steps=4, strength=0.75),
    DecodingSettings(tries=1),
)
CPU = torch.device("cpu")  # the hooks that load and unload weights do the same work here


def parts_of(pipe) -> dict[str, torch.nn.Module]:
    return {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}


def largest(part: torch.nn.Module, call, given: torch.Tensor) -> int:
    """The most numbers that any layer in it gives out at once."""
    sizes = []
    hooks = [
        layer.register_forward_hook(
            lambda layer, args, output: sizes.append(output.numel() if isinstance(output, torch.Tensor) else 0)
        )
        for layer in part.modules()
    ]
    call(given)
    for hook in hooks:
        hook.remove()
    return max(sizes)


@pytest.mark.parametrize("make", [random_pipeline, families.sdxl, families.sd3, families.flux])
def test_sequential_offload_keeps_no_weights_between_layers_and_changes_nothing(make):
    """With accelerate's hooks as the pipeline sets them; it would call its device cpu:0, which they cannot load to."""
    expected = edit(DiffusersHost(make()), PICTURE, ASKED, how=HOW)
    pipe = make()
    parts = parts_of(pipe)
    whole, most = resident(parts), []
    for part in parts.values():
        accelerate.cpu_offload(part, CPU, offload_buffers=len(part._parameters) > 0)
        for layer in part.modules():
            layer.register_forward_hook(lambda layer, args, output: most.append(resident(parts)))
    assert resident(parts) == 0
    done = edit(DiffusersHost(pipe), PICTURE, ASKED, how=HOW)
    torch.testing.assert_close(done.picture, expected.picture, rtol=1e-4, atol=1e-4)
    assert resident(parts) == 0 and max(most) < whole / 4


def test_sequential_offload_is_switched_on_for_every_part():
    pipe = families.sdxl()
    OFFLOADS["sequential"].place(pipe, CPU)
    assert resident(parts_of(pipe)) == 0
    assert DiffusersHost(pipe).device.type == "cpu"  # where the work is done, not "meta"


def resident(parts) -> int:
    return sum(weight.numel() for part in parts.values() for weight in part.parameters() if not weight.is_meta)


@pytest.mark.parametrize("make", [random_pipeline, families.sdxl, families.sd3, families.flux])
def test_model_offload_has_one_of_the_parts_at_work_and_changes_nothing(make, monkeypatch):
    """Which parts are loaded is kept by the hooks themselves, on whatever device."""
    expected = edit(DiffusersHost(make()), PICTURE, ASKED, how=HOW)
    pipe, loaded, together = make(), set(), []
    names = {id(part): name for name, part in parts_of(pipe).items()}
    load, unload = accelerate.hooks.CpuOffload.pre_forward, accelerate.hooks.CpuOffload.init_hook

    def pre_forward(hook, module, *args, **kwargs):
        if hook.prev_module_hook is not None:
            loaded.discard(names[id(hook.prev_module_hook.model)])
        loaded.add(names[id(module)])
        together.append(frozenset(loaded))
        return load(hook, module, *args, **kwargs)

    def init_hook(hook, module):
        loaded.discard(names[id(module)])
        return unload(hook, module)

    monkeypatch.setattr(accelerate.hooks.CpuOffload, "pre_forward", pre_forward)
    monkeypatch.setattr(accelerate.hooks.CpuOffload, "init_hook", init_hook)
    OFFLOADS["model"].place(pipe, CPU)
    done = edit(DiffusersHost(pipe), PICTURE, ASKED, how=HOW)
    assert torch.equal(done.picture, expected.picture)
    network = "unet" if hasattr(pipe, "unet") else "transformer"
    assert {"vae", "text_encoder", network} <= set().union(*together)
    assert all(each == {network} or network not in each for each in together)
    assert max(map(len, together)) == 1


def test_offload_on_a_cpu_says_that_it_needs_a_gpu_before_anything_is_loaded(tmp_path):
    for name in ("model", "sequential"):
        with pytest.raises(
            ValueError, match=f"offload {name} needs a GPU; on a CPU all of the model is in main memory"
        ):
            DiffusersHost.from_pretrained(tmp_path / "nowhere", memory=Memory(offload=name))


def test_attention_is_sliced():
    exact, pipe = DiffusersHost(random_pipeline()), random_pipeline()
    Memory(attention_slicing=True).apply(pipe, CPU)
    host, x = DiffusersHost(pipe), exact.encode(PICTURE)
    assert all(isinstance(each, SlicedAttnProcessor) for each in pipe.unet.attn_processors.values())
    sliced, whole = (each.bind({"target": "a cat"}).denoiser("target")(x, 2.0) for each in (host, exact))
    torch.testing.assert_close(sliced, whole, rtol=1e-4, atol=1e-4)


def test_attention_that_cannot_be_sliced_says_so():
    with pytest.raises(ValueError, match="FluxTransformer2DModel cannot slice its attention"):
        Memory(attention_slicing=True).apply(families.flux(), CPU)


def test_the_autoencoder_takes_pictures_one_by_one():
    exact, pipe = DiffusersHost(random_pipeline()), random_pipeline()
    Memory(vae_slicing=True).apply(pipe, CPU)
    host, pictures = DiffusersHost(pipe), torch.cat([PICTURE, PICTURE.flip(1), PICTURE.flip(2)])
    for call, other in ((host.encode, exact.encode), (host.decode, exact.decode)):
        given = pictures if call == host.encode else exact.encode(pictures)
        torch.testing.assert_close(call(given), other(given), rtol=1e-4, atol=1e-4)
        assert 3 * largest(pipe.vae, call, given) == largest(exact.pipe.vae, other, given)


def test_the_autoencoder_takes_a_large_picture_in_tiles():
    """The bundled autoencoder, which is trained: tiles of a random one have nothing in common."""
    exact = DiffusersHost.from_pretrained(toybox.weights())
    host = DiffusersHost.from_pretrained(toybox.weights(), memory=Memory(vae_tiling=True))
    scene = from_bytes(toybox.task(toybox.HELD_OUT_SEEDS[0], "colour").image)[None]
    large = resized(scene, (256, 256))
    vaes = host.pipe.vae, exact.pipe.vae
    for call, other in ((host.encode, exact.encode), (host.decode, exact.decode)):
        given = large if call == host.encode else exact.encode(large)
        tiled, whole = call(given), other(given)
        assert tiled.shape == whole.shape and not torch.equal(tiled, whole)
        assert (tiled - whole).abs().mean() < 0.2 * whole.std()
        assert 3 * largest(vaes[0], call, given) < largest(vaes[1], other, given)
