"""What was meant to change: where two pictures that lie on each other still differ by more than noise."""

from __future__ import annotations

import cv2
import numpy as np

from .shapes import fill_holes, keep_parts, parts_touching, without_hairs

STRONG, WEAK = 25 / 255, 10 / 255


def meant(original: np.ndarray, aligned: np.ndarray, sensitivity: float) -> np.ndarray:
    """Where the pictures [H, W, 3] differ: [H, W] of 0 and 1."""
    off = cv2.blur(np.abs(aligned - original).max(-1), (3, 3)) * sensitivity
    found = parts_touching(off > WEAK, off > STRONG)
    found = without_hairs(found.astype(np.float32), 1)
    return fill_holes(keep_parts(found, 0.0005, 0), 0.005)
