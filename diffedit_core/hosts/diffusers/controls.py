"""Controls: what a ControlNet or a depth model is shown besides the noise, drawn from the picture or given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ...pictures import Margin, to_bytes

Control = Callable[[Tensor], Tensor]
"""Of the pictures that the model sees, [B, H, W, 3] in 0..1, what it is shown of them: [B or 1, H, W, 3]."""


def canny(picture: Tensor) -> Tensor:
    """White edges on black."""
    edges = [cv2.Canny(cv2.cvtColor(to_bytes(each), cv2.COLOR_RGB2GRAY), 100, 200) for each in picture.cpu()]
    return torch.from_numpy(np.stack(edges)).to(picture)[..., None].expand(-1, -1, -1, 3) / 255


@dataclass(frozen=True)
class Drawn:
    control: Control
    meaning: str


CONTROLS: dict[str, Drawn] = {"canny": Drawn(canny, "the picture's edges")}
"""Controls that are drawn from the picture, by name."""


def control_of(asked: str | Tensor | Control, multiple: int) -> Control:
    """By name, as a picture [1 or B, H, W, 3] of the size of the one to be edited, or any function of the picture."""
    if isinstance(asked, str):
        if asked not in CONTROLS:
            raise ValueError(f"control is {asked!r}; it must be one of {', '.join(CONTROLS)}, or a picture")
        return CONTROLS[asked].control
    return _given(asked, multiple) if isinstance(asked, Tensor) else asked


def _given(control: Tensor, multiple: int) -> Control:
    shown = Margin.around(control, multiple).add(control)

    def same(picture: Tensor) -> Tensor:
        if shown.shape[1:3] != picture.shape[1:3]:
            raise ValueError(
                f"the control is {shown.shape[2]}x{shown.shape[1]} and the model looks at {picture.shape[2]}x"
                f"{picture.shape[1]}; give a control of the picture's size, and for a large picture turn focus off, "
                f"or let the control be drawn: {', '.join(CONTROLS)}"
            )
        return shown

    return same
