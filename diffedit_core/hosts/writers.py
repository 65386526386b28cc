"""Models that write the texts of an edit: captions of a picture, wordings of a text, both texts of an instruction."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..draws import Noise, seeded_noise, stream
from ..pictures import from_pil, to_pil
from ..wording import CAPTION, STARTS, WORDINGS, UnreadableError, both_texts, tidy, wordings_asked
from .foreign import first_line, loading

TEMPERATURE, TOP_K = 0.8, 10  # of the wordings in diffusers' guide to DiffEdit
TOKENS = 128  # of a caption or a wording, at most
TOKENS_OF_BOTH = 256
SIDE = 1024  # of the picture that a chat model is shown, at most: a photograph would be thousands of tokens


@dataclass(frozen=True)
class Writer:
    """Any model of transformers that turns pictures or texts into text."""

    name: str
    model: Any
    tokenizer: Any
    processor: Any = None  # of pictures, with or without texts; None for a model of texts alone

    @classmethod
    def from_pretrained(
        cls, name: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32
    ) -> Writer:
        """From a folder, or from the hub by name. Only safetensors are read, and no code that comes with the model."""
        with loading(name):
            kind, tokenizer, processor, config = _opened(str(name))
            precision = {"dtype" if hasattr(config, "dtype") else "torch_dtype": dtype}  # its name before 4.56
            model = kind.from_pretrained(str(name), **precision, use_safetensors=True, trust_remote_code=False)
        return cls(str(name), model.to(device).eval(), tokenizer, processor)

    def caption(self, picture: Tensor | Image.Image) -> str:
        """What the picture [1, H, W, 3] shows, in a sentence."""
        if self.processor is None:
            raise ValueError(f"{self.name} sees no pictures; take a model that does for the caption, such as BLIP")
        if caption := tidy(self._answers(self._chat(CAPTION, picture) if self.chats else self._shown(picture))[0]):
            return caption
        raise ValueError(f"{self.name} wrote no caption; write it yourself")

    def wordings(self, text: str, seed: int = 0) -> list[str]:
        """Captions of pictures that show what the text names, whose embeddings are to be averaged.

        The same seed draws alike for every text, so that two texts are worded as much alike as the model finds them.
        """
        inputs = self._asked(wordings_asked(text), copies=WORDINGS)
        if wordings := [wording for answer in self._answers(inputs, seeded_noise(seed)) if (wording := tidy(answer))]:
            return wordings
        raise ValueError(f"{self.name} wrote no wordings of {text!r}; write several yourself")

    def texts(
        self, instruction: str, picture: Tensor | Image.Image | None = None, caption: str = "", seed: int = 0
    ) -> tuple[str, str]:
        """The source and the target text. A model that sees no pictures needs the caption."""
        if self.processor is None and not caption:
            raise ValueError(f"{self.name} sees no pictures; give it a caption, or take a model that sees them")
        seen = None if self.processor is None else picture

        def ask(prompt: str, number: int) -> str:
            """The likeliest answer first, then others."""
            noise = stream(seeded_noise(seed), number) if number else None
            return self._answers(self._asked(prompt, seen), noise, TOKENS_OF_BOTH)[0]

        try:
            return both_texts(ask, instruction, caption)
        except UnreadableError as cause:
            raise ValueError(f"{self.name} wrote {cause}") from cause

    @property
    def chats(self) -> bool:
        return bool(self._template)

    @property
    def _template(self) -> str:
        return str(getattr(self.processor or self.tokenizer, "chat_template", None) or "")

    def _asked(self, prompt: str, picture: Tensor | Image.Image | None = None, copies: int = 1) -> Mapping[str, Tensor]:
        if self.chats:
            return self._chat(prompt, picture, copies)
        if self.processor is not None or not self.model.config.is_encoder_decoder:
            raise ValueError(f"{self.name} cannot be asked anything: it has no chat template; take a model that chats")
        return self.tokenizer([prompt] * copies, return_tensors="pt")

    def _chat(self, prompt: str, picture: Tensor | Image.Image | None = None, copies: int = 1) -> Mapping[str, Tensor]:
        said: Any = prompt
        if self.processor is not None:
            shown = [] if picture is None else [{"type": "image", "image": _small(picture)}]
            said = [*shown, {"type": "text", "text": prompt}]
        return (self.processor or self.tokenizer).apply_chat_template(
            [[{"role": "user", "content": said}]] * copies,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            **({"enable_thinking": False} if "enable_thinking" in self._template else {}),
        )

    def _shown(self, picture: Tensor | Image.Image) -> Mapping[str, Tensor]:
        start = STARTS.get(self.model.config.model_type)
        try:
            return self.processor(images=_pil(picture), return_tensors="pt", **({"text": start} if start else {}))
        except (TypeError, ValueError) as cause:  # of models that need more than a picture, each something else
            raise ValueError(f"{self.name} writes no captions of a picture alone: {first_line(cause)}") from cause

    @torch.no_grad()
    def _answers(self, inputs: Mapping[str, Tensor], noise: Noise | None = None, tokens: int = TOKENS) -> list[str]:
        """The likeliest ones, or as the noise draws them."""
        given = {name: _for_model(value, self.model) for name, value in inputs.items()}
        drawn = {} if noise is None else {"logits_processor": [Drawn(noise)], "num_beams": 1}
        ids = self.model.generate(**given, do_sample=False, max_new_tokens=tokens, **drawn)
        return self.tokenizer.batch_decode(_without(given.get("input_ids"), ids), skip_special_tokens=True)


class Drawn:
    """Turns taking the likeliest token into drawing one at a temperature, from noise that is given.

    The largest of log p + Gumbel noise is drawn with probability p. So the global generator is left alone, and a seed
    says the same on every device.
    """

    def __init__(self, noise: Noise) -> None:
        self.noise, self.tokens = noise, 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if scores.isnan().any():
            raise ValueError("the writer predicts NaN; use bf16 or float32")
        best, where = scores.float().topk(min(TOP_K, scores.shape[-1]))  # [B, k]
        normal = self.noise(self.tokens, best.shape)
        gumbel = -torch.log(-torch.special.log_ndtr(normal.double())).to(best)
        self.tokens += 1
        return torch.full_like(scores, -torch.inf).scatter(1, where, (best / TEMPERATURE + gumbel).to(scores.dtype))


class Desk:
    """Holds one writer at a time, and makes room for the next."""

    def __init__(self, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.device, self.dtype = device, dtype
        self.writer: Writer | None = None

    def seat(self, name: str) -> Writer:
        if self.writer is None or self.writer.name != name:
            self.clear()
            self.writer = Writer.from_pretrained(name, self.device, self.dtype)
        return self.writer

    def clear(self) -> None:
        self.writer = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _opened(name: str) -> tuple[Any, Any, Any, Any]:
    """The class of the model, its tokenizer, its processor if it sees pictures, and its config."""
    import transformers as hf

    config = hf.AutoConfig.from_pretrained(name, trust_remote_code=False)
    if type(config) in hf.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        processor = hf.AutoProcessor.from_pretrained(name, trust_remote_code=False)
        if hasattr(processor, "tokenizer"):
            return hf.AutoModelForImageTextToText, processor.tokenizer, processor, config
        images = hf.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
        tokenizer = hf.AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        return hf.AutoModelForImageTextToText, tokenizer, images, config
    kinds = {
        hf.AutoModelForSeq2SeqLM: hf.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
        hf.AutoModelForCausalLM: hf.MODEL_FOR_CAUSAL_LM_MAPPING,
    }
    kind = next((kind for kind, configs in kinds.items() if type(config) in configs), None)
    if kind is None:
        raise ValueError(f"a {config.model_type} writes nothing; take a model that turns pictures or texts into text")
    return kind, hf.AutoTokenizer.from_pretrained(name, trust_remote_code=False), None, config


def _without(question: Tensor | None, ids: Tensor) -> Tensor:
    """The answer alone, of a model that begins with what it was asked. BLIP's start is a part of its caption."""
    if question is None or not torch.equal(ids[:, : question.shape[1]], question):
        return ids
    return ids[:, question.shape[1] :]


def _for_model(value: Any, model: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.to(model.device, model.dtype) if value.is_floating_point() else value.to(model.device)


def _pil(picture: Tensor | Image.Image) -> Image.Image:
    return to_pil(from_pil(picture) if isinstance(picture, Image.Image) else picture)


def _small(picture: Tensor | Image.Image) -> Image.Image:
    image = _pil(picture).copy()
    image.thumbnail((SIDE, SIDE))
    return image
