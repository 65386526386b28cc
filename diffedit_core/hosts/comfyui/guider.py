"""Runs a loop of the core inside ComfyUI's own sampling, where hooks, ControlNets, areas and patches are in force.

ComfyUI turns control around: a guider loads the models and calls a sampler, and in that sampler the loop runs. There,
latents are in the model's units. On a node's wire they are in the autoencoder's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import comfy.model_management as mm
import comfy.samplers
import torch
from torch import Tensor

from ...denoiser import Denoise, DenoisePair, OnStep
from ...host import Role
from .areas import check_areas
from .fitting import Halving, draws_that_fit
from .noise import SamplingProcess
from .watching import Watch

Result = TypeVar("Result")
Conditioning = list[Any]
Texts = Mapping[Role, Conditioning]

ASK = "diffedit_ask"
"""The key of model_options that tells the guider what to predict."""

KEYS: dict[Role, str] = {"target": "positive", "inversion": "positive", "source": "source", "negative": "negative"}
"""What ComfyUI calls a role. It lends a ControlNet or an area of "positive" to the others, so the main text is that."""


@dataclass(frozen=True)
class Ask:
    """One text, or the two of a contrast."""

    roles: tuple[Role, ...]
    guidance: float = 1.0


class LoopGuider(comfy.samplers.CFGGuider):
    """ComfyUI's guider, which predicts what each call asks for."""

    def set_conds(self, texts: Texts) -> None:
        self.inner_set_conds({KEYS[role]: conditioning for role, conditioning in texts.items()})

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: int) -> Tensor:
        """x0 [B, C, ...] of one text, or [2 * B, C, ...] of two."""
        ask = model_options[ASK]
        if len(ask.roles) > 1:
            return torch.cat(self._together(ask.roles, x, timestep, model_options, seed))
        (role,), functions = ask.roles, model_options.get("sampler_post_cfg_function", [])
        return comfy.samplers.sampling_function(
            self.inner_model,
            x,
            timestep,
            self.conds.get("negative"),
            self.conds[KEYS[role]],
            ask.guidance,
            model_options={**model_options, "sampler_post_cfg_function": [_in_force(role), *functions]},
            seed=seed,
        )

    def _together(
        self, roles: Sequence[Role], x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: int
    ) -> list[Tensor]:
        """Each text as if alone at guidance 1, guidance functions included, but in one pass through the model."""
        conds = [self.conds[KEYS[role]] for role in roles]
        together = {"conds": conds, "input": x, "sigma": timestep, "model": self.inner_model}
        calculate = model_options.get("sampler_calc_cond_batch_function")
        if calculate:
            predictions = calculate({**together, "model_options": model_options})
        else:
            predictions = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
        for role, prediction in zip(roles, predictions, strict=True):
            _check_in_force(role, prediction, float(timestep[0]))
        return [
            comfy.samplers.sampling_function(
                self.inner_model,
                x,
                timestep,
                None,
                cond,
                1.0,
                model_options={**model_options, "sampler_calc_cond_batch_function": _ready(prediction)},
                seed=seed,
            )
            for cond, prediction in zip(conds, predictions, strict=True)
        ]


def _in_force(role: Role) -> Callable[[dict[str, Any]], Tensor]:
    """A function for ComfyUI to call after guidance, which looks at the text's own prediction."""

    def check(about: dict[str, Any]) -> Tensor:
        _check_in_force(role, about["cond_denoised"], float(about["sigma"][0]))
        return about["denoised"]

    return check


def _check_in_force(role: Role, prediction: Tensor, sigma: float) -> None:
    """ComfyUI predicts 0 under a text outside its timestep range; the heatmap would show only the other prediction."""
    if not prediction.any():
        raise ValueError(
            f"the {role} text is not in force at noise level {sigma:.3f}; "
            "widen its timestep range, or choose another strength"
        )


def _ready(prediction: Tensor) -> Callable[[dict[str, Any]], list[Tensor]]:
    return lambda _: [prediction, torch.zeros_like(prediction)]


@dataclass(frozen=True)
class LoopDenoisers:
    """The core's denoisers, for as long as a loop runs."""

    guider: LoopGuider
    extra_args: dict[str, Any]
    process: SamplingProcess
    batch: int  # images
    chunk: int  # noise draws that fit into memory together

    @property
    def cell(self) -> int:
        return self.process.cell

    def in_model_units(self, samples: Tensor) -> Tensor:
        """A latent in the autoencoder's units."""
        return self.guider.inner_model.process_latent_in(samples)

    def denoiser(self, role: Role, guidance: float = 1.0) -> Denoise:
        if guidance != 1 and "negative" not in self.guider.conds:
            raise ValueError(
                f"guidance {guidance} leads away from a negative conditioning; connect one, or set guidance to 1"
            )
        return lambda x, sigma: self._predict(x, sigma, Ask((role,), guidance))

    def denoiser_pair(self, first: Role, second: Role) -> DenoisePair:
        def denoise_pair(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
            x0_first, x0_second = self._predict(x, sigma, Ask((first, second))).chunk(2)
            return x0_first, x0_second

        return Halving(denoise_pair, self.batch, self.chunk)

    def _predict(self, x: Tensor, sigma: float, ask: Ask) -> Tensor:
        mm.throw_exception_if_processing_interrupted()
        levels = torch.full((len(x),), sigma, device=x.device)
        options = {**self.extra_args["model_options"], ASK: ask}
        return self.guider(x, levels, model_options=options, seed=self.extra_args["seed"])


Loop = Callable[[LoopDenoisers, Tensor, OnStep], Result]
"""``(model, x0 [B, C, ...], on_step) -> anything``"""


class LoopSampler(comfy.samplers.Sampler):
    """Hands a loop the denoisers of the guider that called, and keeps what it returns."""

    def __init__(self, loop: Loop[Any], process: SamplingProcess, draws: int) -> None:
        self.loop, self.process, self.draws = loop, process, draws
        self.result: Any = None

    def sample(
        self,
        model_wrap: LoopGuider,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any,
        noise: Tensor,
        latent_image: Tensor,
        denoise_mask: Tensor | None = None,
        disable_pbar: bool = False,
    ) -> Tensor:
        if not latent_image.any():  # the guider leaves such a latent in the autoencoder's units
            latent_image = model_wrap.inner_model.process_latent_in(latent_image)

        def on_step(done: int, total: int, seen: Tensor) -> None:
            if callback:
                callback(done - 1, seen, latent_image, total)

        texts = [model_wrap.conds[key] for key in ("source", "positive") if key in model_wrap.conds]
        chunk = draws_that_fit(model_wrap.inner_model, texts, latent_image, self.draws)
        process = replace(self.process, sampling=model_wrap.inner_model.model_sampling)
        model = LoopDenoisers(model_wrap, extra_args, process, len(latent_image), chunk)
        self.result = self.loop(model, latent_image, on_step)
        return latent_image


def run(
    model: Any,
    samples: Tensor,
    texts: Texts,
    process: SamplingProcess,
    sigmas: Sequence[float],
    loop: Loop[Result],
    *,
    draws: int = 1,
    seed: int = 0,
) -> Result:
    """What the loop returns. ``samples`` are in the autoencoder's units; ``sigmas`` are the levels it asks about."""
    check_areas(texts, samples)
    guider = LoopGuider(model)
    guider.set_conds(texts)
    sampler = LoopSampler(loop, process, draws)
    guider.sample(
        torch.zeros_like(samples),
        samples,
        sampler,
        torch.tensor(sorted(sigmas, reverse=True)),
        callback=Watch.of(model, len(sigmas)),  # every call of it says the real total
        seed=seed,
    )
    return sampler.result


def connected(texts: Mapping[Role, Conditioning | None]) -> Texts:
    """Those whose sockets are connected."""
    return {role: conditioning for role, conditioning in texts.items() if conditioning is not None}
