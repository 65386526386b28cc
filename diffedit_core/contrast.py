"""Two texts -> heatmap: where do the model's predictions differ? (DiffEdit, step 1)"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from .denoiser import Denoise, DenoisePair, Noise, NoiseProcess, OnStep, sample

STATISTICS = ("mean_abs", "signed")


def contrast(
    denoise_pair: DenoisePair,
    x0: Tensor,
    process: NoiseProcess,
    sigma: float,
    *,
    noise: Noise,
    draws: int = 10,
    statistic: str = "mean_abs",
    chunk: int = 1,
    on_step: OnStep | None = None,
) -> Tensor:
    """How much the two predictions differ at each place, over several noise draws at one level: [B, ...] float32.

    In units of the noise (|eps_source - eps_target|), whatever the model predicts. Guidance with one shared negative
    only scales the result, so denoise_pair needs none. ``chunk`` draws go through the model at a time: it bounds
    memory and changes nothing else.
    """

    def differences() -> Iterator[Tensor]:
        for indices in torch.arange(draws).split(chunk):
            noises = [noise(int(i), x0.shape[1:]).to(x0) for i in indices]
            # draw by draw, and within a draw image by image: [k * B, C, ...]
            x = torch.cat([process.add(x0, n, sigma) for n in noises])
            source, target = denoise_pair(x, sigma)
            difference = (source.float() - target.float()) / sigma
            for k, index in enumerate(indices.tolist()):
                if on_step:
                    on_step(index + 1, draws, target[k * len(x0) : (k + 1) * len(x0)])
                yield difference[k * len(x0) : (k + 1) * len(x0)]

    _check(draws, chunk)
    return summarize(differences(), statistic)


def purist_contrast(
    denoise_source: Denoise,
    denoise_target: Denoise,
    x0: Tensor,
    process: NoiseProcess,
    sigmas: Sequence[float],
    *,
    noise: Noise,
    draws: int = 10,
    statistic: str = "mean_abs",
    on_step: OnStep | None = None,
) -> Tensor:
    """The same, but every draw is denoised all the way down ``sigmas`` (ascending) under each text: [B, ...] float32.

    The difference is that of the finished latents. It costs ``2 * len(sigmas[1:])`` predictions a draw, and it needs
    guidance, which here is not a mere scale.
    """
    total = 2 * draws * (len(sigmas) - 1)

    def denoised(denoise: Denoise, x: Tensor, done: int) -> Tensor:
        def told(i: int, _: int, prediction: Tensor) -> None:
            if on_step:
                on_step(done + i, total, prediction)

        return sample(denoise, x, sigmas, told).float()

    def differences() -> Iterator[Tensor]:
        for index in range(draws):
            x = process.add(x0, noise(index, x0.shape[1:]).to(x0), sigmas[-1])
            done = total * index // draws
            source = denoised(denoise_source, x, done)
            yield source - denoised(denoise_target, x, done + len(sigmas) - 1)

    _check(draws)
    return summarize(differences(), statistic)


def summarize(differences: Iterator[Tensor], statistic: str) -> Tensor:
    """Mean over draws and channels. Summed draw by draw, so that chunks cannot change the rounding."""
    per_draw, finish = _STATISTICS[statistic] if statistic in _STATISTICS else _unknown(statistic)
    total, count = torch.zeros(()), 0
    for difference in differences:  # [B, C, ...]
        total = total.to(difference.device) + per_draw(difference)
        count += 1
    heatmap = finish(total / count)  # [B, ...]
    if not heatmap.isfinite().all():
        raise ValueError(
            "the model's predictions contain NaN or infinity, which half precision (fp16) often causes; "
            "run the model in float32 or bfloat16"
        )
    return heatmap


_Part = Callable[[Tensor], Tensor]
_STATISTICS: dict[str, tuple[_Part, _Part]] = {
    # what everybody published: the mean of |d| over draws and channels
    "mean_abs": (lambda d: d.abs().mean(1), lambda mean: mean),
    # the mean of d over draws first, so that what the noise contributes cancels; then the length over channels
    "signed": (lambda d: d, lambda mean: mean.norm(dim=1)),
}


def _unknown(statistic: str) -> tuple[_Part, _Part]:
    raise ValueError(f"statistic is {statistic!r}; it must be one of {', '.join(STATISTICS)}")


def _check(draws: int, chunk: int = 1) -> None:
    if draws < 1 or chunk < 1:
        raise ValueError(f"draws is {draws} and chunk is {chunk}; both must be at least 1")
