"""A loop of the core inside ComfyUI's own sampling, where hooks, ControlNets, areas and patches are in force.

ComfyUI turns control around: a guider loads the models and calls a sampler, and in that sampler the loop runs. Latents
are in the model's units there, and in the autoencoder's on a node's wire.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import comfy.model_management as mm
import comfy.samplers
import latent_preview
import torch
from torch import Tensor

from ..denoiser import Denoise, DenoisePair, OnStep
from .comfyui_noise import SamplingNoise, full_schedule

Result = TypeVar("Result")
Conditioning = list[Any]

ASK = "diffedit_ask"
"""The key of model_options that tells the guider what to predict."""

SAFETY = 1.5
"""ComfyUI's own margin on a model's memory estimate."""


@dataclass(frozen=True)
class Ask:
    """One text, or the two of a contrast, by the names their conditionings have in the guider."""

    texts: tuple[str, ...]
    guidance: float = 1.0


class LoopGuider(comfy.samplers.CFGGuider):
    """Predicts what it is asked for, call by call, with everything else that ComfyUI's guider does."""

    def set_conds(self, texts: Mapping[str, Conditioning]) -> None:
        self.inner_set_conds(texts)

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: int) -> Tensor:
        """x0 [B, C, ...] of one text, or [2 * B, C, ...] of two."""
        ask = model_options[ASK]
        if len(ask.texts) > 1:
            return torch.cat(self._at_once(ask.texts, x, timestep, model_options, seed))
        return comfy.samplers.sampling_function(
            self.inner_model,
            x,
            timestep,
            self.conds.get("negative"),
            self.conds[ask.texts[0]],
            ask.guidance,
            model_options=model_options,
            seed=seed,
        )

    def _at_once(
        self, texts: Sequence[str], x: Tensor, timestep: Tensor, model_options: dict[str, Any], seed: int
    ) -> list[Tensor]:
        """Each text as if alone at guidance 1, guidance functions included, but from one pass through the model."""
        conds = [self.conds[text] for text in texts]
        together = {"conds": conds, "input": x, "sigma": timestep, "model": self.inner_model}
        calculate = model_options.get("sampler_calc_cond_batch_function")
        if calculate:
            predictions = calculate({**together, "model_options": model_options})
        else:
            predictions = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
        for text, prediction in zip(texts, predictions, strict=True):
            _check_in_force(text, prediction, float(timestep[0]))
        return [
            comfy.samplers.sampling_function(
                self.inner_model,
                x,
                timestep,
                None,
                cond,
                1.0,
                model_options={**model_options, "sampler_calc_cond_batch_function": _answer(prediction)},
                seed=seed,
            )
            for cond, prediction in zip(conds, predictions, strict=True)
        ]


def _check_in_force(text: str, prediction: Tensor, sigma: float) -> None:
    """ComfyUI predicts 0 under a text that is out of its timestep range; the contrast would be the other text's all."""
    if not prediction.any():
        name = "target" if text == "positive" else text
        raise ValueError(
            f"the {name} text is not in force at noise level {sigma:.3f}; widen its timestep range, "
            "or choose another strength (to compare no tries: 1 try)"
        )


def _answer(prediction: Tensor) -> Callable[[dict[str, Any]], list[Tensor]]:
    return lambda _: [prediction, torch.zeros_like(prediction)]


@dataclass(frozen=True)
class LoopHost:
    """The core's denoisers, for as long as a loop runs. A text is the name of its conditioning."""

    guider: LoopGuider
    extra_args: dict[str, Any]
    batch: int  # images
    chunk: int  # noise draws that fit into memory together

    @property
    def sampling(self) -> Any:
        return self.guider.inner_model.model_sampling

    @property
    def process(self) -> SamplingNoise:
        return SamplingNoise.of(self.sampling)

    def sigmas(self, steps: int) -> tuple[float, ...]:
        return full_schedule(self.sampling, steps)

    def denoiser(self, text: Any, negative: Any = "", guidance: float = 1.0) -> Denoise:
        if guidance != 1 and "negative" not in self.guider.conds:
            raise ValueError(
                f"guidance {guidance} leads away from a negative conditioning; connect one, or set guidance to 1"
            )
        return lambda x, sigma: self._predict(x, sigma, Ask((text,), guidance))

    def denoiser_pair(self, source: Any, target: Any, negative: Any = "", guidance: float = 1.0) -> DenoisePair:
        def denoise_pair(x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
            x0_source, x0_target = self._predict(x, sigma, Ask((source, target))).chunk(2)
            return x0_source, x0_target

        return Halving(denoise_pair, self.batch, self.chunk)

    def _predict(self, x: Tensor, sigma: float, ask: Ask) -> Tensor:
        mm.throw_exception_if_processing_interrupted()
        levels = torch.full((len(x),), sigma, device=x.device)
        options = {**self.extra_args["model_options"], ASK: ask}
        return self.guider(x, levels, model_options=options, seed=self.extra_args["seed"])


Loop = Callable[[LoopHost, Tensor, OnStep], Result]
"""``(host, clean latent in the model's units [B, C, ...], callback for its steps) -> anything``"""


class LoopSampler(comfy.samplers.Sampler):
    """Hands a loop the denoisers of the guider that called, and keeps what it returns."""

    def __init__(self, loop: Loop[Any], draws: int) -> None:
        self.loop, self.draws = loop, draws
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

        def on_step(done: int, total: int, x0: Tensor) -> None:
            if callback:
                callback(done - 1, x0, x0, total)

        chunk = draws_that_fit(model_wrap.inner_model, latent_image, self.draws)
        host = LoopHost(model_wrap, extra_args, len(latent_image), chunk)
        self.result = self.loop(host, latent_image, on_step)
        return latent_image


def run(
    model: Any,
    samples: Tensor,
    texts: Mapping[str, Conditioning],
    sigmas: Sequence[float],
    loop: Loop[Result],
    *,
    steps: int,
    draws: int = 1,
    seed: int = 0,
) -> Result:
    """What the loop returns. ``samples`` are in the autoencoder's units, ``sigmas`` are the levels it will ask for."""
    guider = LoopGuider(model)
    guider.set_conds(texts)
    sampler = LoopSampler(loop, draws)
    guider.sample(
        torch.zeros_like(samples),
        samples,
        sampler,
        torch.tensor(sorted(sigmas, reverse=True)),
        callback=latent_preview.prepare_callback(model, steps),
        seed=seed,
    )
    return sampler.result


def draws_that_fit(model: Any, x0: Tensor, draws: int) -> int:
    """How many noise draws go through the model at a time, both texts of each, by its own estimate of its memory."""
    if x0.device.type == "cpu":
        return 1  # one draw keeps a CPU busy
    needed = SAFETY * model.memory_required([2 * len(x0), *x0.shape[1:]])
    return max(1, min(draws, int(mm.get_free_memory(x0.device) / needed)))


class Halving:
    """A denoise_pair that, out of memory, takes half as many draws at a time from then on."""

    def __init__(self, denoise_pair: DenoisePair, batch: int, chunk: int) -> None:
        self.denoise_pair, self.batch, self.draws = denoise_pair, batch, chunk

    def __call__(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor]:
        pairs: list[tuple[Tensor, Tensor]] = []
        done = 0
        while done < len(x):
            pair = self._attempt(x[done : done + self.draws * self.batch], sigma)
            if pair is None:
                self.draws = (self.draws + 1) // 2
                mm.soft_empty_cache()
                continue
            pairs.append(pair)
            done += len(pair[0])
        source, target = zip(*pairs, strict=True)
        return torch.cat(source), torch.cat(target)

    def _attempt(self, x: Tensor, sigma: float) -> tuple[Tensor, Tensor] | None:
        """None when memory ran out. Returning leaves the except block, which holds on to what the pass allocated."""
        try:
            return self.denoise_pair(x, sigma)
        except Exception as error:
            if self.draws == 1 or not _is_out_of_memory(error):
                raise
            return None


def _is_out_of_memory(error: Exception) -> bool:
    is_oom = getattr(mm, "is_oom", None)  # since 0.17
    return is_oom(error) if is_oom else isinstance(error, mm.OOM_EXCEPTION)
