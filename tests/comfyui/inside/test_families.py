"""Every node that takes a MODEL, on every family that this ComfyUI has: with one picture and with two, with and without
reference latents beside the text, on latents of pictures and of clips."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import folder_paths
import pytest
import tiny
import torch
from comfyui_version import __version__
from conftest import pack
from families import FAMILIES, FRAMES, Family
from test_host import watched
from test_nodes import run
from torch import Tensor
from torch.nn.functional import max_pool2d

guider = pack("diffedit_core.hosts.comfyui.guider")
SamplingProcess = pack("diffedit_core.hosts.comfyui.noise").SamplingProcess

HERE = [name for name, family in FAMILIES.items() if family.made_by]
UP = {"steps": 5, "strength": 0.6}


@pytest.fixture(autouse=True)
def temp_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "temp_directory", str(tmp_path))


@functools.cache
def model(family: str) -> Any:
    return tiny.model(family)


@dataclass(frozen=True)
class Case:
    """A family and what its model is given."""

    name: str
    batch: int = 1
    references: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.batch}{'-references' * self.references}"

    @property
    def family(self) -> Family:
        return FAMILIES[self.name]

    @property
    def model(self) -> Any:
        return model(self.name)

    @property
    def latent(self) -> dict[str, Tensor]:
        return tiny.latent(self.name, self.batch)

    def text(self, words: str) -> list:
        """Of more tokens, the more is said."""
        beside = [tiny.latent(self.name, seed=8)["samples"]]
        references = {"reference_latents": beside, "reference_latents_method": "index"} if self.references else {}
        return tiny.text(words, self.name, tokens=6 + len(words.split()), **references)

    def look(self, node: str = "DiffEditMask", target: str = "a dog", **more: Any) -> tuple[Any, ...]:
        texts = {"source": self.text("a cat"), "target": self.text(target)}
        return run(node, **{"model": self.model, "latent": self.latent, "draws": 2, **texts, **more}).args

    def climb(self, **more: Any) -> tuple[Any, ...]:
        given = {"model": self.model, "latent": self.latent, "conditioning": self.text("")}
        return run("DDIMInvert", **{**given, **UP, **more}).args

    def redraw(self, trajectory: Any, mask: Tensor, target: str = "a dog", **more: Any) -> Tensor:
        given = {"model": self.model, "trajectory": trajectory, "mask": mask, "room": 0, "greys": "none"}
        texts = {"target": self.text(target), "negative": self.text("")}
        return run("MaskedDenoise", **{**given, **texts, **more})[0]["samples"]

    def left(self, share: float = 0.5) -> Tensor:
        """A mask of the left part of the picture."""
        height, width = self.family.size
        return (torch.arange(width) < share * width).float().expand(1, height, width)


def cases(names: list[str]) -> Iterator[Case]:
    """One and two pictures, or one clip; and two with reference latents where the family looks at them."""
    for name in names:
        yield Case(name)
        if not FAMILIES[name].is_clip:
            yield Case(name, 2)
        if FAMILIES[name].sees_references:
            yield Case(name, 2, references=True)


each_family = pytest.mark.parametrize("case", [Case(name) for name in HERE], ids=str)
each_case = pytest.mark.parametrize("case", list(cases(HERE)), ids=str)


@pytest.fixture(autouse=True)
def for_the_table(request):
    """conftest counts the tests of a family."""
    case = getattr(request.node, "callspec", None) and request.node.callspec.params.get("case")
    if case:
        request.node.user_properties.append(("family", case.name))


@functools.cache
def climbed(case: Case) -> tuple[Any, ...]:
    return case.climb()


@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_family_is_there_from_its_version_on(name):
    """Else a class that ComfyUI gave another name would go untested, as if the version were too old for it."""
    ours, first = ([int(part) for part in version.split(".")] for version in (__version__, FAMILIES[name].since))
    assert FAMILIES[name].made_by or ours < first


@each_case
def test_masks_are_of_the_pictures_size_and_follow_the_texts(case):
    mask, heatmap, draft = case.look(kind="object", rule="otsu")
    assert mask.shape == heatmap.shape == (case.batch, *case.family.size)
    assert set(mask.unique().tolist()) == {0, 1}
    assert heatmap.isfinite().all() and heatmap.std() > 0
    assert draft["samples"].equal(case.latent["samples"])
    assert not case.look(target="a horse", kind="object")[1].isclose(heatmap).all()
    assert not case.look(target="a cat", kind="object")[0].any()  # the source text itself
    if case.references:
        assert not replace(case, references=False).look(kind="object")[1].isclose(heatmap).all()


@each_case
def test_fast_masks_too(case):
    mask, heatmap = case.look("FastMask")
    assert mask.shape == heatmap.shape == (case.batch, *case.family.size)
    assert set(mask.unique().tolist()) <= {0, 1} and mask.any() and heatmap.isfinite().all()
    assert not case.look("FastMask", target="a horse")[1].isclose(heatmap).all()


@each_case
def test_two_texts_in_one_pass_are_as_each_alone(case):
    """With two draws of the noise in the pass."""
    texts = {"source": case.text("a cat"), "target": case.text("a dog on a mat")}
    process = SamplingProcess.of(case.model)
    sigma = process.at_ratio(1.0)  # as much noise as picture

    def loop(bound, x0, on_step):
        x = torch.cat([process.add(x0, torch.randn(x0.shape, generator=generator), sigma) for _ in range(2)])
        pair = replace(bound, chunk=2).denoiser_pair("source", "target")(x, sigma)
        alone = [
            torch.cat([bound.denoiser(role)(one, sigma) for one in x.split(len(x0))]) for role in ("source", "target")
        ]
        return pair, alone

    generator = torch.Generator().manual_seed(0)
    pair, alone = guider.run(case.model, case.latent["samples"], texts, process, (0.0, sigma), loop)
    for together, by_itself in zip(pair, alone, strict=True):
        assert together.isfinite().all()
        torch.testing.assert_close(together, by_itself, rtol=1e-3, atol=1e-3 * float(by_itself.std()))


@each_case
def test_a_picture_that_was_inverted_comes_back(case):
    _, noisy, error = case.climb(iterations=3, check=True)
    assert noisy["samples"].shape == case.latent["samples"].shape and noisy["samples"].isfinite().all()
    assert error < 0.05 and error < case.climb(check=True)[2] / 5


@each_case
def test_outside_the_mask_the_latent_stays_bit_for_bit(case):
    trajectory, *_ = climbed(case)
    edited = case.redraw(trajectory, case.left(), tries=2)
    half = edited.shape[-1] // 2
    assert edited.isfinite().all() and edited[..., half:].equal(case.latent["samples"][..., half:])
    assert not edited[..., :half].isclose(case.latent["samples"][..., :half]).any(-1).all()
    other = case.redraw(trajectory, case.left(), "a horse", tries=2)
    assert not other[..., :half].isclose(edited[..., :half]).all()


@each_case
def test_several_edits_are_each_as_if_it_were_the_only_one(case):
    trajectory, *_ = climbed(case)
    (more,) = run("Edit", mask=case.left(0.5).flip(-1), target=case.text("a cow")).args
    first, second = case.left(0.25), case.left(0.5).flip(-1)
    both = case.redraw(trajectory, first, tries=1, edits=more)
    quarter = both.shape[-1] // 4
    one, other = case.redraw(trajectory, first, tries=1), case.redraw(trajectory, second, "a cow", tries=1)
    assert both[..., :quarter].equal(one[..., :quarter]) and both[..., 2 * quarter :].equal(other[..., 2 * quarter :])
    assert both[..., quarter : 2 * quarter].equal(case.latent["samples"][..., quarter : 2 * quarter])
    assert not one.equal(case.latent["samples"]) and not other.equal(case.latent["samples"])


@each_family
def test_a_thing_is_drafted_and_drawn(case):
    mask, heatmap, draft = case.look(kind="addition", drafts=1, negative=case.text(""))
    assert mask.shape == (1, *case.family.size) and heatmap.isfinite().all()
    assert draft["samples"].isfinite().all() and not draft["samples"].isclose(case.latent["samples"]).all()
    trajectory, *_ = climbed(case)
    edited, plain = (case.redraw(trajectory, case.left(), tries=1, draft=each) for each in (draft, None))
    half = edited.shape[-1] // 2
    assert edited[..., half:].equal(case.latent["samples"][..., half:]) and not edited.isclose(plain).all()


@each_family
def test_a_distilled_model_takes_four_steps_without_guidance(case):
    """It is asked once a step, for the target text alone."""
    mask, heatmap, _ = case.look(kind="object", steps=4, guidance=1.0)
    assert mask.any() and heatmap.isfinite().all() and heatmap.std() > 0
    trajectory, *_ = case.climb(steps=4, strength=0.8)
    twin, rows = watched(case.model)
    for background in ("retrace", "noised"):
        rows.seen.clear()
        how = {"model": twin, "guidance": 1.0, "tries": 1, "background": background}
        edited = case.redraw(trajectory, case.left(), **how)
        half = edited.shape[-1] // 2
        assert rows.seen == [1] * (len(trajectory.sigmas) - 1)
        assert edited.isfinite().all() and edited[..., half:].equal(case.latent["samples"][..., half:])
        assert not case.redraw(trajectory, case.left(), "a horse", **how)[..., :half].isclose(edited[..., :half]).all()


@each_family
def test_a_cut_out_is_edited_and_put_back(case):
    """Of a picture twice as high and wide, or of the frames of a clip, all at one place."""
    height, width = (2 * side for side in case.family.size)
    shown = torch.rand((1 + case.family.is_clip, height, width, 3), generator=torch.Generator().manual_seed(2))
    here = torch.zeros(1, height, width)
    here[:, height // 2 : height * 5 // 8, width // 2 : width * 5 // 8] = 1
    area = case.family.size[0] * case.family.size[1] / 1e6
    cut_out, mask, way_back, *_ = run("Focus", picture=shown, model=case.model, mask=here, area=area).args
    size = cut_out.shape[1:3]
    assert way_back.views[0].scale < 2 and all(side % (2 * case.family.pixels) == 0 for side in size)
    shape = 1, *case.family.latent[:-2], *(side // case.family.pixels for side in size)
    latent = {"samples": torch.randn(shape, generator=torch.Generator().manual_seed(3))}
    assert case.look(latent=latent)[0].shape == (1, *size)
    edited = case.redraw(case.climb(latent=latent)[0], mask[:1], tries=1)
    outside = max_pool2d(mask[:1, None], case.family.pixels).view(1, *[1] * (edited.ndim - 3), *shape[-2:]) == 0
    outside = outside.expand_as(edited)
    assert edited[outside].equal(latent["samples"][outside])
    assert edited[~outside].isclose(latent["samples"][~outside]).float().mean() < 0.01
    given = {"original": shown, "edited": 1 - cut_out, "mask": mask, "way_back": way_back}
    pasted, changed = run("PasteBack", **given).args
    assert pasted[changed == 0].equal(shown[changed == 0])
    assert changed[0][here[0] > 0].any() and not pasted.isclose(shown).all()


@each_family
def test_a_model_that_takes_no_depth_map_says_so(case):
    with pytest.raises(ValueError, match=r"^this model takes no depth map; "):
        run("DepthModel", model=case.model, depth=torch.rand(1, *case.family.size, 3))


@pytest.mark.parametrize("case", [Case(name, 2) for name in FRAMES if name in HERE], ids=str)
def test_a_picture_in_a_clips_latent_may_come_without_the_frame(case):
    flat = {"samples": case.latent["samples"].squeeze(2)}
    assert case.look(latent=flat)[1].equal(case.look()[1])
    trajectory, noisy, _ = case.climb(latent=flat)
    assert noisy["samples"].equal(climbed(case)[1]["samples"])
    assert case.redraw(trajectory, case.left(), tries=1).equal(case.redraw(climbed(case)[0], case.left(), tries=1))
