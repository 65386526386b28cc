"""As many noise draws in one pass as memory has room for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import comfy.model_management as mm
import torch
from torch import Tensor

from ...denoiser import DenoisePair
from ...shortage import is_out_of_memory

SAFETY = 1.5
"""ComfyUI's own margin on a model's memory estimate."""


def draws_that_fit(model: Any, texts: Iterable[Sequence[Mapping[str, Any]]], x0: Tensor, draws: int) -> int:
    """How many noise draws, under both of the texts each, fit into memory by the model's own estimate."""
    if x0.device.type == "cpu":
        return 1  # one draw keeps a CPU busy
    shapes = _shapes(model, texts, len(x0))
    needed = SAFETY * model.memory_required([2 * len(x0), *x0.shape[1:]], cond_shapes=shapes)
    return max(1, min(draws, int(_free_memory(model, x0) / needed)))


def _shapes(model: Any, texts: Iterable[Sequence[Mapping[str, Any]]], count: int) -> dict[str, list[Any]]:
    """What the model counts of its texts beside the latent, such as reference pictures: once for each image."""
    shapes = dict[str, list[Any]]()
    for entry in chain(*texts):
        for name in set(model.memory_usage_factor_conds) & set(entry.get("model_conds", {})):
            held = entry["model_conds"][name].process_cond(batch_size=count, area=None)
            shapes.setdefault(name, []).append(held.size())
    return shapes


def _free_memory(model: Any, x0: Tensor) -> float:
    """With what ComfyUI would give back for it: since 0.12 it may unload weights of the model itself."""
    of_model = getattr(model.current_patcher, "get_free_memory", mm.get_free_memory)
    return of_model(x0.device)


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
    return is_out_of_memory(error) or (is_oom(error) if is_oom else isinstance(error, mm.OOM_EXCEPTION))
