"""The files that a run writes: checked before any work is done, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from .compositing import heat, overlay, panels
from .masks import fit
from .pictures import Margin, check_writable, save, to_pil, written_whole


def planned(paths: Mapping[str, Path | None], inputs: Iterable[Path | None], size: tuple[int, int]) -> dict[str, Path]:
    """The paths that are wanted, by what goes there; an error for any that cannot or should not be written."""
    wanted = {name: path for name, path in paths.items() if path}
    taken = {path.resolve() for path in inputs if path}
    for name, path in wanted.items():
        check_writable(path, size, others=(".npy",) if name == "heatmap" else ())
        if path.resolve() in taken:
            raise ValueError(f"{path} is another of the files to read or write; name a different one for the {name}")
        taken.add(path.resolve())
    return wanted


def beside(image: Path, what: str) -> Path:
    """cat.jpg -> cat-mask.png"""
    return image.with_name(f"{image.stem}-{what}.png")


def write_mask(path: Path, mask: Tensor) -> None:
    save(to_pil(mask), path)


def write_heatmap(path: Path, heatmap: Tensor, margin: Margin) -> None:
    """The numbers [h, w] themselves as .npy, or a picture of them at the picture's size."""
    if path.suffix.lower() == ".npy":
        with written_whole(path) as draft:
            np.save(draft, heatmap[0].float().cpu().numpy())
        return
    height, width = (side + -side % margin.multiple for side in (margin.height, margin.width))
    save(to_pil(heat(margin.remove(fit(heatmap.cpu(), (height, width))))), path)


def write_panels(path: Path, pictures: Mapping[str, Tensor]) -> None:
    """Pictures under their labels, side by side."""
    save(to_pil(panels(list(pictures.values()), list(pictures))), path)


def mask_over(picture: Tensor, mask: Tensor) -> Tensor:
    return overlay(picture, mask.to(picture))
