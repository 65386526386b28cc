"""As many noise draws in one pass as memory has room for."""

from __future__ import annotations

from typing import Any

import comfy.model_management as mm
import torch
from torch import Tensor

from ...denoiser import DenoisePair

SAFETY = 1.5
"""ComfyUI's own margin on a model's memory estimate."""


def draws_that_fit(model: Any, x0: Tensor, draws: int) -> int:
    """How many noise draws, under both texts each, fit into memory by the model's own estimate."""
    if x0.device.type == "cpu":
        return 1  # one draw keeps a CPU busy
    needed = SAFETY * model.memory_required([2 * len(x0), *x0.shape[1:]])
    return max(1, min(draws, int(mm.get_free_memory(x0.device) / needed)))


class Halving:
    """A denoise_pair that halves the number of draws at a time when memory runs out."""

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
        """None when memory ran out. Returning frees what the except block holds on to."""
        try:
            return self.denoise_pair(x, sigma)
        except Exception as error:
            if self.draws == 1 or not _is_out_of_memory(error):
                raise
            return None


def _is_out_of_memory(error: Exception) -> bool:
    is_oom = getattr(mm, "is_oom", None)  # since 0.17
    return is_oom(error) if is_oom else isinstance(error, mm.OOM_EXCEPTION)
