"""Texts as embeddings, by a pipeline's own encoders: a row for each text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

logger = logging.getLogger(__name__)

Embedding = tuple[Tensor, ...]
"""Hidden states [B, tokens, width]; where a model asks for it, also the pooled embedding [B, width]."""


def one_clip(pipe: Any, texts: Sequence[str], device: torch.device) -> Embedding:
    """SD1.x and SD2.x."""
    limit = pipe.tokenizer.model_max_length
    _warn_of_long(pipe.tokenizer, texts, limit)
    tokens = pipe.tokenizer(list(texts), padding="max_length", max_length=limit, truncation=True, return_tensors="pt")
    attention = getattr(pipe.text_encoder.config, "use_attention_mask", False)
    mask = tokens.attention_mask.to(device) if attention else None
    return (pipe.text_encoder(tokens.input_ids.to(device), attention_mask=mask)[0],)


def two_clips(pipe: Any, texts: Sequence[str], device: torch.device) -> Embedding:
    """SDXL. Most were trained with zeros for the empty text, and say so."""
    _warn_of_long(pipe.tokenizer, texts, pipe.tokenizer.model_max_length)
    hidden, _, pooled, _ = pipe.encode_prompt(list(texts), device=device, do_classifier_free_guidance=False)
    if not any(texts) and getattr(pipe.config, "force_zeros_for_empty_prompt", False):
        return torch.zeros_like(hidden), torch.zeros_like(pooled)
    return hidden, pooled


def two_clips_and_t5(pipe: Any, texts: Sequence[str], device: torch.device) -> Embedding:
    """SD3. It also runs without its T5, and then reads no more than CLIP does."""
    if pipe.text_encoder_3 is None:
        _warn_of_long(pipe.tokenizer, texts, pipe.tokenizer.model_max_length)
    else:
        _warn_of_long(pipe.tokenizer_3, texts, 256)
    text = list(texts)
    hidden, _, pooled, _ = pipe.encode_prompt(text, text, text, device=device, do_classifier_free_guidance=False)
    return hidden, pooled


def clip_and_t5(pipe: Any, texts: Sequence[str], device: torch.device) -> Embedding:
    """Flux."""
    _warn_of_long(pipe.tokenizer_2, texts, 512)
    hidden, pooled, _ = pipe.encode_prompt(list(texts), None, device=device)
    return hidden, pooled


def _warn_of_long(tokenizer: Any, texts: Sequence[str], limit: int) -> None:
    for text in texts:
        if (length := len(tokenizer(text).input_ids)) > limit:
            logger.warning("this text has %d tokens, and only the first %d are read: %s", length, limit, text)
