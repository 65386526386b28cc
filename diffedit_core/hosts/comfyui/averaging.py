"""Texts of one meaning -> one CONDITIONING: the average of what a text encoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...stopping import may_stop
from .guider import Conditioning

COUNT = "diffedit_texts"  # of how many texts a conditioning is the average


def average(clip: Any | None, texts: str, conditionings: Sequence[Conditioning]) -> Conditioning:
    """Of the texts, one a line, and of conditionings, of which an average counts as much as the texts it holds."""
    lines = [line.strip() for line in texts.splitlines() if line.strip()]
    if lines and clip is None:
        raise ValueError("the texts must be encoded: connect the CLIP of your checkpoint, or leave the texts empty")
    encoded = [_encoded(clip, line) for line in lines] if clip else []
    together = [*encoded, *conditionings]
    if not together:
        raise ValueError("there is nothing to average: write texts, one a line, or connect a conditioning")
    if len({len(each) for each in together}) > 1:
        counts = ", ".join(str(len(each)) for each in together)
        raise ValueError(f"these conditionings have {counts} parts: average first, and combine or set areas afterwards")
    return [_average_of(entries) for entries in zip(*together, strict=True)]


def _encoded(clip: Any, line: str) -> Conditioning:
    may_stop()
    return clip.encode_from_tokens_scheduled(clip.tokenize(line))


def _average_of(entries: Sequence[Any]) -> list[Any]:
    """Of one entry of each conditioning. All but embeddings and masks of tokens is the first one's."""
    if len(entries) == 1:
        return list(entries[0])
    counts = [options.get(COUNT, 1) for _, options in entries]
    merged = {**entries[0][1], COUNT: sum(counts)}
    pooled = [options.get("pooled_output") for _, options in entries]
    if any(each is not None for each in pooled):
        merged["pooled_output"] = _mean(pooled, counts)
    masks = [options.get("attention_mask") for _, options in entries]
    if all(mask is not None for mask in masks):
        merged["attention_mask"] = torch.stack(_padded(masks)).amax(0)  # a token counts if any text has it
    return [_mean(_padded([embedding for embedding, _ in entries]), counts), merged]


def _mean(values: Sequence[Tensor | None], counts: Sequence[int]) -> Tensor:
    """Weighted by the counts, over those that are there."""
    there = [(value, count) for value, count in zip(values, counts, strict=True) if value is not None]
    if len({value.shape for value, _ in there}) > 1:
        shapes = " and ".join(str(list(shape)) for shape in dict.fromkeys(value.shape for value, _ in there))
        raise ValueError(f"these texts were encoded differently ({shapes}): encode all of them with the same CLIP")
    first = there[0][0]
    stacked = torch.stack([value.to(first.device, torch.float32) for value, _ in there], -1)
    weights = torch.tensor([count for _, count in there], dtype=torch.float32, device=first.device)
    return (stacked * (weights / weights.sum())).sum(-1).to(first.dtype)


def _padded(tokens: Sequence[Tensor]) -> list[Tensor]:
    """[B, tokens, ...] with zeros behind the shorter ones, as ComfyUI's Conditioning (Average) has it."""
    longest = max(each.shape[1] for each in tokens)
    return [F.pad(each, [0, 0] * (each.ndim - 2) + [0, longest - each.shape[1]]) for each in tokens]
