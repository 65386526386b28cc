"""What other packs' nodes may hand over as a picture, mask or latent: taken, or refused in a sentence."""

from __future__ import annotations

import inspect

import comfy.sample
import folder_paths
import pytest
import tiny
import torch
from conftest import pack
from test_nodes import run

latents = pack("diffedit_core.hosts.comfyui.latents")

SIDE = 32
IMAGES = {"PasteBack": ("original", "edited"), "KeepTheRest": ("original", "edited"), "Panels": ("original", "edited")}
IMAGES |= {"MaskRefine": ("picture",), "Focus": ("picture",)}
MASKS = {"PasteBack": ("mask",), "KeepTheRest": ("mask", "heatmap"), "Panels": ("mask",), "MaskRefine": ("mask",)}
MASKS |= {"Focus": ("mask",), "BoxesAndPoints": ("mask", "heatmap"), "MaskedDenoise": ("mask", "heatmap")}
PICTURE_SOCKETS = [(name, socket) for name, sockets in IMAGES.items() for socket in sockets]
MASK_SOCKETS = [(name, socket) for name, sockets in MASKS.items() for socket in sockets]


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))


def given(name):
    """What the node is happy with."""
    picture = torch.rand(1, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, SIDE, SIDE)
    mask[:, 8:20, 8:20] = 1
    edited = torch.where(mask[..., None] > 0, 0.3, picture)
    model, text = tiny.model(), tiny.text("a cat")
    return {
        "PasteBack": {"original": picture, "edited": edited, "mask": mask},
        "KeepTheRest": {"original": picture, "edited": edited, "mask": mask, "heatmap": mask},
        "Panels": {"original": picture, "mask": mask, "edited": edited},
        "MaskRefine": {"mask": mask, "picture": picture},
        "BoxesAndPoints": {"mask": mask, "heatmap": mask},
        "Focus": {"picture": picture, "model": model, "mask": mask},
        "MaskedDenoise": {"model": model, "mask": mask, "heatmap": mask, "target": text, "negative": text, "tries": 1},
    }[name] | ({"trajectory": trajectory(model)} if name == "MaskedDenoise" else {})


def trajectory(model):
    return run("DDIMInvert", model=model, latent=a_latent(), conditioning=tiny.text(""), steps=2)[0]


def a_latent():
    return {"samples": torch.randn(1, 4, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(0))}


@pytest.mark.parametrize(("name", "socket"), PICTURE_SOCKETS + MASK_SOCKETS)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_value_that_is_no_number_is_refused(name, socket, value):
    inputs = given(name)
    spoiled = inputs[socket].clone()
    spoiled[0, 0, 0] = value
    with pytest.raises(ValueError, match=r"contains NaN or infinity"):
        run(name, **inputs | {socket: spoiled})


@pytest.mark.parametrize(("name", "socket"), PICTURE_SOCKETS + MASK_SOCKETS)
def test_nothing_at_all_is_refused(name, socket):
    inputs = given(name)
    for empty in (inputs[socket][:0], inputs[socket][:, :, :0]):
        with pytest.raises(ValueError, match=r"the .*(picture|original|mask|map) is \[.*\], so there is nothing in it"):
            run(name, **inputs | {socket: empty})


@pytest.mark.parametrize(("name", "socket"), PICTURE_SOCKETS)
def test_what_is_no_picture_is_refused(name, socket):
    inputs = given(name)
    for other in (inputs[socket][0], inputs[socket][..., :2]):
        with pytest.raises(ValueError, match=r"but pictures are \[batch, height, width, 3\]"):
            run(name, **inputs | {socket: other})


@pytest.mark.parametrize("name", IMAGES)
def test_a_grey_picture_is_one_of_three_equal_channels(name):
    inputs = given(name)
    grey = {socket: inputs[socket][..., :1] for socket in IMAGES[name]}
    colour = {socket: each.repeat(1, 1, 1, 3) for socket, each in grey.items()}
    got, wanted = (run(name, **inputs | each) for each in (grey, colour))
    assert torch.equal(got[0], wanted[0])


def test_the_draft_that_focus_does_not_have_is_no_latent():
    seen = run("Focus", model=tiny.model(), picture=torch.rand(1, SIDE, SIDE, 3))
    drafts = [each for each in seen.args if each is None]
    assert len(drafts) == 1
    with pytest.raises(ValueError, match=r"there is no latent: .* as Focus does without a draft"):
        run("DDIMInvert", model=tiny.model(), latent=drafts[0], conditioning=tiny.text(""))


def test_an_empty_latent_of_another_family_is_brought_to_the_models_cells():
    """As KSampler does it. Else a small picture of a family without cells was one of thousands of pixels."""
    if "downscale_ratio_spacial" not in inspect.signature(comfy.sample.fix_empty_latent_channels).parameters:
        pytest.skip("here empty latents do not say how large their cells are")
    pixels = {"samples": torch.zeros(1, 3, 64, 48), "downscale_ratio_spacial": 1}
    assert latents.samples_of(tiny.model(), pixels).shape == (1, 4, 8, 6)


@pytest.mark.parametrize("name", ["DiffEditMask", "DDIMInvert"])
def test_a_latent_without_anything_in_it_is_refused(name):
    texts = {"source": tiny.text("a cat"), "target": tiny.text("a dog")}
    texts = texts if name == "DiffEditMask" else {"conditioning": tiny.text("")}
    for empty in (torch.zeros(0, 4, 4, 4), torch.zeros(1, 4, 4, 0)):
        with pytest.raises(ValueError, match=r"the latent is \[.*\], so there is nothing in it"):
            run(name, model=tiny.model(), latent={"samples": empty}, **texts)


# Values that come from another node, which no server checks, and names that older servers do not.


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PasteBack", {"rim": -1.0}, "rim is -1.0; it must be from 0 to 256"),
        ("PasteBack", {"room": -5}, "room is -5; it must be from 0 to 256"),
        ("PasteBack", {"seam": "gone"}, "seam is 'gone'; it must be one of none"),
        ("MaskedDenoise", {"room": 5000}, "room is 5000; it must be from 0 to 256"),
        ("Focus", {"cut_outs": "two"}, "cut_outs is 'two'; it must be one of each part"),
        ("MaskRefine", {"rule": ""}, "rule is ''; it must be one of"),
        ("MaskRefine", {"rule": None}, "rule is None; it must be one of"),
        ("DDIMInvert", {"scheduler": None}, "scheduler is None; it must be one of auto"),
        ("DDIMInvert", {"scheduler": "", "sigmas": torch.tensor([9.0, 1.0, 0.0])}, "scheduler is ''; it must be one"),
    ],
)
def test_a_value_past_its_limits_is_refused(name, value, said):
    inputs = {"model": tiny.model(), "latent": tiny.latent(), "conditioning": tiny.text("")}
    with pytest.raises(ValueError, match=said):
        run(name, **(inputs if name == "DDIMInvert" else given(name)) | value)


@pytest.mark.parametrize("area", [(8, 8, 0, 100), (8, 8, 4, 0), ("percentage", 0.5, 0.5, 1.0, 0.0)])
def test_an_area_beyond_the_picture_is_refused(area):
    beyond, text = tiny.text("a cat", area=area), tiny.text("a dog")
    inputs = {"model": tiny.model(), "latent": a_latent()}
    with pytest.raises(ValueError, match=r"an area of the inversion text begins beyond the picture"):
        run("DDIMInvert", **inputs, conditioning=beyond, steps=2)
    with pytest.raises(ValueError, match=r"an area of the target text begins beyond the picture"):
        run("DiffEditMask", **inputs, source=text, target=beyond, draws=2)


def test_an_area_that_begins_in_the_picture_is_taken():
    for area in ((8, 8, 0, 2), ("percentage", 1.0, 1.0, 0.5, 0.5), (1, 8, 8, 0, 0, 2)):
        text = tiny.text("a cat", area=area)
        run("DDIMInvert", model=tiny.model(), latent=tiny.latent(), conditioning=text, steps=2)


def test_a_draft_of_another_picture_is_refused_by_focus():
    large = {"picture": torch.rand(1, 64, 64, 3), "mask": torch.ones(1, 64, 64), "area": 0.0005}
    with pytest.raises(ValueError, match=r"the draft is of a picture of 16x24 but this one is seen as 16x16"):
        run("Focus", model=tiny.model(), **large, draft={"samples": torch.zeros(1, 4, 3, 2)})
