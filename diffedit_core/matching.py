"""The colours of one picture brought to those of another, by the part that both share. Pictures are [H, W, 3]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Match:
    """What the map from one picture's colours to the other's is made of."""

    meaning: str


MATCHES: Mapping[str, Match] = {
    "none": Match("leaves its colours as they are"),
    "tint": Match("a gain and an offset for each colour"),
    "curve": Match("also a low-order curve, and light that falls off smoothly"),
}


@dataclass(frozen=True)
class Colouring:
    """Of each colour its gain and offset."""

    gain: np.ndarray  # [3]
    offset: np.ndarray  # [3]

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        return (picture * self.gain + self.offset).clip(0, 1).astype(np.float32)


def match_colours(picture: np.ndarray, like: np.ndarray, same: np.ndarray, how: str) -> Colouring:
    """What brings the picture's colours to those ``like`` has where both are the ``same``, bool [H, W]."""
    gain, offset = np.ones(3), np.zeros(3)
    if how != "none" and same.any():
        for i in range(3):
            x, y = picture[same][:, i], like[same][:, i]
            gain[i] = (np.std(y) + 0.05) / (np.std(x) + 0.05)
            offset[i] = np.median(y) - gain[i] * np.median(x)
    return Colouring(gain, offset)
