"""A picture and two texts -> the picture with the change drafted into it, wherever the model likes to put it.

The contrast of two texts says where something is, but not where a new thing could go: each draw of noise proposes
another place. A draft settles on one, because what the noisier levels put somewhere is there when the next one looks
(FlowEdit, Kulikov et al. 2024, in sigma units). It changes more than it should, so it only shows the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from .checks import check_finite, check_latents
from .denoiser import Denoise, NoiseProcess, OnStep
from .draws import Noise
from .solvers import step


def draft(
    source: Denoise,
    target: Denoise,
    x0: Tensor,
    process: NoiseProcess,
    sigmas: Sequence[float],
    *,
    noise: Noise,
    on_step: OnStep | None = None,
) -> Tensor:
    """The clean latent with the change in it, [B, C, ...], down the ascending ``sigmas``.

    The picture and the changed picture are predicted from the same noise, fresh at each level. Both follow
    dx/dsigma = (x - x0) / sigma, and so does their difference, with the difference of the predictions for x0.
    """
    check_latents(x0)
    change = torch.zeros_like(x0)
    for done, (sigma, below) in enumerate(pairwise(reversed(sigmas)), start=1):
        x = process.add(x0, noise(done, x0.shape[1:]).to(x0), sigma)
        x0_target = target(x + change, sigma)
        change = step(change, x0_target - source(x, sigma), sigma, below)
        if on_step:
            on_step(done, len(sigmas) - 1, x0_target)
    check_finite(change, "the draft ended in")
    return x0 + change
