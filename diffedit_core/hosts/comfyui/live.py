"""Live masks: what Mask Refine nodes were last given, held for as long as somebody may turn their knobs."""

from __future__ import annotations

import io
import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...focus import Size, resized
from ...pictures import to_pil
from ...sheets import heat, overlay
from .refining import Given, refined, said_of

MOST_HELD, MOST_BYTES = 16, 512 * 2**20
"""Of all nodes of all pages together. The one that was looked at the longest ago goes first."""

SIDE = 512
"""Pixels of the longer side, of what is shown on a node."""


@dataclass(frozen=True)
class Held:
    """One node's last run: what it was given and what its widgets said."""

    given: Given  # of the first picture
    settings: Mapping[str, Any]

    @property
    def size(self) -> int:
        return sum(each.nbytes for each in (self.given.mask, self.given.picture) if each is not None)

    def mask(self, settings: Mapping[str, Any]) -> Tensor:
        """[1, H, W]. What is not among the settings is as it was in the run."""
        with torch.inference_mode():
            return refined(self.given, **{**self.settings, **settings})

    def seen(self, view: str, settings: Mapping[str, Any]) -> tuple[Image.Image, str]:
        """Made small enough to be shown on the node, with what is to be said of it."""
        if view == "picture":
            return to_pil(self._picture), ""
        if view == "heatmap":
            return to_pil(heat(self._heat)), ""
        mask = self.mask(settings)
        small, said = _small(mask), said_of(self.given, {**self.settings, **settings}, mask)
        return to_pil(small if view == "mask" else overlay(self._picture, small)), said

    @cached_property
    def _picture(self) -> Tensor:
        """Where there is none, the heatmap in grey."""
        return self._heat[..., None].expand(-1, -1, -1, 3) if self.given.picture is None else _small(self.given.picture)

    @cached_property
    def _heat(self) -> Tensor:
        return _small(self.given.mask / self.given.mask.max().clamp_min(1e-12))


class LiveMasks:
    """Each by a word that only the page which ran the node is told, so no page can see another's."""

    def __init__(self, most: int = MOST_HELD, most_bytes: int = MOST_BYTES) -> None:
        self.most, self.most_bytes = most, most_bytes
        self._held: OrderedDict[str, tuple[str, Held]] = OrderedDict()
        self._lock = threading.Lock()  # runs hold, and the page's requests look

    def hold(self, owner: str, held: Held) -> str:
        """In place of what the owner, a node on a page, held before."""
        word = uuid.uuid4().hex
        with self._lock:
            for other in [key for key, (whose, _) in self._held.items() if whose == owner]:
                del self._held[other]
            self._held[word] = owner, held
            while len(self._held) > self.most or self.bytes > self.most_bytes:
                self._held.popitem(last=False)
        return word

    def get(self, word: str) -> Held | None:
        with self._lock:
            if word not in self._held:
                return None
            self._held.move_to_end(word)
            return self._held[word][1]

    def drop(self, word: str) -> None:
        with self._lock:
            self._held.pop(word, None)

    @property
    def bytes(self) -> int:
        return sum(held.size for _, held in self._held.values())

    def __len__(self) -> int:
        return len(self._held)


def as_file(image: Image.Image) -> tuple[bytes, str]:
    """Its bytes, and their type."""
    kind = "PNG" if image.mode == "L" else "JPEG"
    file = io.BytesIO()
    image.save(file, kind, compress_level=1, quality=85)
    return file.getvalue(), f"image/{kind.lower()}"


def _small(planes: Tensor) -> Tensor:
    height, width = planes.shape[1:3]
    shrink = min(1.0, SIDE / max(height, width))
    size: Size = (max(1, round(height * shrink)), max(1, round(width * shrink)))
    return resized(planes, size)
