"""What results must hold. An error says what to do."""

from __future__ import annotations

from torch import Tensor


def check_finite(values: Tensor, what: str, cause: str = "half precision (fp16)") -> None:
    if not values.isfinite().all():
        raise ValueError(f"{what} NaN or infinity, which {cause} often causes; run the model in float32 or bfloat16")
