"""A pipeline from a folder or the hub: the class that its model_index.json names, and of its files the right ones."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from ..foreign import loading

FAMILIES: dict[str, tuple[str, ...]] = {
    "SD1.x and SD2.x": (
        "StableDiffusionPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "StableDiffusionDepth2ImgPipeline",
        "StableDiffusionControlNetPipeline",
    ),
    "SDXL": (
        "StableDiffusionXLPipeline",
        "StableDiffusionXLImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
        "StableDiffusionXLControlNetPipeline",
    ),
    "SD3": ("StableDiffusion3Pipeline",),
    "Flux": ("FluxPipeline",),
}
"""The pipelines that can be opened, by family."""

CONTROLLED = {
    "StableDiffusionPipeline": "StableDiffusionControlNetPipeline",
    "StableDiffusionXLPipeline": "StableDiffusionXLControlNetPipeline",
}
"""What a pipeline becomes with a ControlNet."""

LEFT_OUT = ("safety_checker", "image_encoder")
"""Parts that an edit has no use for; they are not even downloaded."""


def opened(name: str | Path, dtype: torch.dtype, controlnet: str | Path | None = None) -> Any:
    """The pipeline, on the CPU. Only safetensors are read, and no code but diffusers' own is run."""
    is_here = Path(name).exists()
    if is_here and not (Path(name) / "model_index.json").exists():
        raise ValueError(f"{name} has no model_index.json; give the folder of a diffusers pipeline")
    with loading(name):
        index = _index(name)
    kind = str(index.get("_class_name"))
    if not any(kind in classes for classes in FAMILIES.values()):
        *most, last = FAMILIES
        raise ValueError(f"{name} is a {kind}, which is not supported; use a model of {', '.join(most)} or {last}")
    parts: dict[str, Any] = {part: None for part in LEFT_OUT if part in index}
    if "safety_checker" in index:
        parts |= {"feature_extractor": None, "requires_safety_checker": False}  # it is the checker's
    if controlnet is not None:
        if kind not in CONTROLLED:
            raise ValueError(f"{name} is a {kind}, which takes no ControlNet; use an SD1.x, SD2.x or SDXL model")
        kind, parts["controlnet"] = CONTROLLED[kind], _controlnet(controlnet, dtype)
    with loading(name):
        return _loaded(_class(kind), name, dtype, **parts)


def be_quiet() -> None:
    """Turns off the libraries' notes and loading bars, for a program with its own terminal. Downloads still show."""
    from diffusers.utils import logging as diffusers_logging
    from huggingface_hub.utils import enable_progress_bars
    from transformers.utils import logging as transformers_logging

    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    enable_progress_bars()  # transformers turned these off along with its own


def _index(name: str | Path) -> dict[str, Any]:
    from diffusers import DiffusionPipeline

    return DiffusionPipeline.load_config(str(name))  # type: ignore[return-value]


def _class(kind: str) -> Any:
    import diffusers

    return getattr(diffusers, kind)


def _controlnet(name: str | Path, dtype: torch.dtype) -> Any:
    with loading(name):
        return _loaded(_class("ControlNetModel"), name, dtype)


def _loaded(kind: Any, name: str | Path, dtype: torch.dtype, **parts: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # every diffusers since 0.33 knows torch_dtype
        variant = "fp16" if _is_halved(_files(name), dtype) else None
        return kind.from_pretrained(str(name), torch_dtype=dtype, variant=variant, use_safetensors=True, **parts)


def _is_halved(files: list[str], dtype: torch.dtype) -> bool:
    """Whether to read the *.fp16.safetensors: if half precision is wanted, or a part has nothing else."""
    weights = [Path(file) for file in files if file.endswith(".safetensors") and file.count("/") < 2]
    halved = {file.parent for file in weights if ".fp16" in file.suffixes}
    whole = {file.parent for file in weights if ".fp16" not in file.suffixes}
    return bool(halved) and (dtype == torch.float16 or not halved <= whole)


def _files(name: str | Path) -> list[str]:
    """Of a folder, or of a model on the hub: where that cannot be reached, what was downloaded before."""
    from huggingface_hub import HfApi, snapshot_download

    folder = Path(name)
    if not folder.exists():
        try:
            return HfApi().list_repo_files(str(name))
        except Exception:  # the loader that comes next says what is wrong
            try:
                folder = Path(snapshot_download(str(name), local_files_only=True))
            except Exception:
                return []
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*.safetensors")]
