"""A small text encoder that writes, for ComfyUI's own Generate Text: Qwen3's 0.6B shapes, nearly all of them holes.

Run by the ComfyUI's interpreter: ``python writer.py <ComfyUI folder> <models folder> <the last token> <its answer>``.
Attention adds nothing and one layer says of each token which one follows, so it answers what it is made to answer to
whatever ends in that token. Each token can be followed by one other, so none may come twice.
"""

from __future__ import annotations

import json
import math
import sys
from itertools import pairwise
from pathlib import Path

from checkpoints import FOLDER, fill  # which makes ComfyUI's modules known

import comfy.text_encoders.llama  # isort: skip
import torch
from transformers import Qwen2Tokenizer

NAME = "qwen3.5_4b_bf16.safetensors"  # of the graph's own model
END = "<|im_end|>"
HALF = 512  # of the width: below it stands which token it is, above it which one follows


def main(models: Path, last: str, answer: str) -> None:
    tokenizer = Qwen2Tokenizer.from_pretrained(str(FOLDER / "comfy" / "text_encoders" / "qwen25_tokenizer"))
    chain = [tokenizer.convert_tokens_to_ids(each) for each in tokenizer.tokenize(answer)]
    (first,) = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(last))
    chain = [first, *chain, tokenizer.convert_tokens_to_ids(END)]
    if len(set(chain)) < len(chain):
        raise ValueError(f"a token of {answer!r} comes twice")
    shapes = shapes_of(comfy.text_encoders.llama.Qwen3_06B({}, torch.float16, "meta", torch.nn))
    folder = models / "text_encoders"
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / NAME, shapes, rows_of(chain, shapes))


def shapes_of(network: torch.nn.Module) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in network.state_dict().items()}


def rows_of(chain: list[int], shapes: dict[str, list[int]]) -> dict[str, dict[int, torch.Tensor]]:
    """{name: {row: its values}}; all other rows are zeros."""
    width, inner = shapes["model.layers.0.mlp.gate_proj.weight"][::-1]
    reads = {place: one(width, place) for place in range(len(chain))}
    writes = {HALF + after: one(inner, place) for place, after in pairwise(range(len(chain)))}
    tokens = {token: one(width, place) + one(width, HALF + place) for place, token in enumerate(chain)}
    layer = {"gate_proj": reads, "up_proj": reads, "down_proj": writes}
    rows = {f"model.layers.0.mlp.{name}.weight": values for name, values in layer.items()}
    return {"model.embed_tokens.weight": tokens, **rows}


def one(width: int, place: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(place), width)


def write(path: Path, shapes: dict[str, list[int]], rows: dict[str, dict[int, torch.Tensor]]) -> None:
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
        for name, shape in shapes.items():
            norm = {0: fill(name, shape, torch.Generator())} if len(shape) == 1 else {}
            for row, values in (rows.get(name, {}) | norm).items():
                file.seek(8 + len(text) + header[name]["data_offsets"][0] + 4 * row * len(values))
                file.write(values.float().numpy().tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[2]), *sys.argv[3:5])
