"""Small models of the classes that write texts, with fixed random weights: they write rubbish until they are taught."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

SPECIAL = ["<pad>", "<s>", "</s>", "<image>", "<user>", "<answer>"]
CHAT = (
    "{% for message in messages %}<user>{% if message.content is string %}{{ message.content }}{% else %}"
    "{% for part in message.content %}{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}<answer>{% endif %}"
)
WIDTH = 64
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
    "initializer_range": 0.02,  # BLIP's own is as good as 0
}


def tokenizer(around: str = "$A", chat: bool = False) -> hf.PreTrainedTokenizerFast:
    """Every byte is a token, with what stands around a text."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    whole = Tokenizer(models.BPE({token: i for i, token in enumerate([*SPECIAL, *letters])}, []))
    whole.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    whole.decoder = decoders.ByteLevel()
    whole.post_processor = processors.TemplateProcessing(single=around, special_tokens=[("<s>", 1), ("</s>", 2)])
    made = hf.PreTrainedTokenizerFast(
        tokenizer_object=whole,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<image>", "<user>", "<answer>"],
    )
    if chat:
        made.chat_template = CHAT
    return made


def images() -> hf.CLIPImageProcessor:
    return hf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def t5() -> tuple[Any, Any]:
    config = hf.T5Config(
        vocab_size=262, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, decoder_start_token_id=0,
        pad_token_id=0, eos_token_id=2,
    )  # fmt: skip
    return seeded(lambda: hf.T5ForConditionalGeneration(config)), tokenizer("$A </s>")


def llama(chat: bool = True) -> tuple[Any, Any]:
    config = hf.LlamaConfig(vocab_size=262, **TEXT)
    return seeded(lambda: hf.LlamaForCausalLM(config)), tokenizer(chat=chat)


def blip() -> tuple[Any, Any]:
    text = {
        "vocab_size": 262, "hidden_size": 32, "encoder_hidden_size": 32, "intermediate_size": 64, "projection_dim": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 256, "bos_token_id": 1,
        "eos_token_id": 2, "sep_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    config = hf.BlipConfig(text_config=text, vision_config=VISION, projection_dim=32, image_text_hidden_size=32)
    shown = hf.BlipImageProcessor(size={"height": 32, "width": 32})
    return seeded(lambda: hf.BlipForConditionalGeneration(config), loud=8), hf.BlipProcessor(
        shown, tokenizer("<s> $A </s>")
    )


def git() -> tuple[Any, Any]:
    text = {
        "vocab_size": 262, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
        "max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    config = hf.GitConfig(vision_config=VISION, **text)
    return seeded(lambda: hf.GitForCausalLM(config), loud=8), hf.GitProcessor(images(), tokenizer("<s> $A </s>"))


def vit_gpt2() -> tuple[Any, Any]:
    """Whose files name no processor: an image processor and a tokenizer lie side by side."""
    decoder = hf.GPT2Config(
        vocab_size=262, n_embd=32, n_layer=1, n_head=2, n_positions=256, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        add_cross_attention=True, is_decoder=True,
    )  # fmt: skip
    config = hf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(hf.ViTConfig(**VISION), decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 1, 0, 2
    return seeded(lambda: hf.VisionEncoderDecoderModel(config=config), loud=16), (images(), tokenizer())


def paligemma() -> tuple[Any, Any]:
    """Which is told what to do in its own words, and repeats them in front of the caption."""
    text = {
        "vocab_size": 262, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 256, "pad_token_id": 0, "bos_token_id": 1,
        "eos_token_id": 2, "model_type": "gemma",
    }  # fmt: skip
    vision = {**VISION, "vision_use_head": False, "model_type": "siglip_vision_model", "projection_dim": 32}
    config = hf.PaliGemmaConfig(
        vision_config=vision, text_config=text, image_token_index=3, projection_dim=32, hidden_size=32
    )
    shown = hf.SiglipImageProcessor(size={"height": 32, "width": 32})
    shown.image_seq_length = 4
    model = seeded(lambda: hf.PaliGemmaForConditionalGeneration(config), loud=16)
    return model, hf.PaliGemmaProcessor(shown, tokenizer())


def llava() -> tuple[Any, Any]:
    """A chat model that sees pictures."""
    config = hf.LlavaConfig(
        text_config=hf.LlamaConfig(vocab_size=262, **TEXT),
        vision_config=hf.CLIPVisionConfig(**VISION),
        image_token_index=3,
        vision_feature_layer=-1,
    )
    processor = hf.LlavaProcessor(
        images(), tokenizer(), patch_size=16, vision_feature_select_strategy="default", chat_template=CHAT,
        image_token="<image>", num_additional_image_tokens=1,
    )  # fmt: skip
    return seeded(lambda: hf.LlavaForConditionalGeneration(config)), processor


@contextmanager
def own_randomness(seed: int = 0) -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def seeded(make: Any, loud: float = 1.0) -> Any:
    """Random weights are too small for a picture to make a difference to what is written; louder ones are not."""
    with own_randomness():
        model = make().eval()
    for weights in model.parameters():
        if weights.ndim > 1:
            weights.data.mul_(loud)
    return model


def saved(made: tuple[Any, Any], folder: Path) -> str:
    model, readers = made
    model.save_pretrained(folder)
    for reader in readers if isinstance(readers, tuple) else (readers,):
        reader.save_pretrained(folder)
    return str(folder)


def taught(writer: Any, inputs: dict[str, torch.Tensor], answer: str) -> None:
    """Trains it until the likeliest answer to the inputs is this one."""
    asked = inputs["input_ids"]
    ids = [*writer.tokenizer(answer, add_special_tokens=False).input_ids, writer.tokenizer.eos_token_id]
    ids = torch.cat([asked, torch.tensor([ids])], 1)
    labels = torch.where(torch.arange(ids.shape[1]) < asked.shape[1], -100, ids)
    given = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    optimizer = torch.optim.AdamW(writer.model.parameters(), lr=3e-3)
    for _ in range(400):
        loss = writer.model(**given).loss
        if loss < 0.02:
            return
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(writer.model.parameters(), 1.0)
        optimizer.step()
    raise AssertionError(f"the model did not learn its answer: the loss is {loss.item():.2f}")
