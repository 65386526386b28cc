"""What inputs and results must hold. Every error says what to do."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def check_finite(values: Tensor, what: str, cause: str = "half precision (fp16)") -> None:
    if not values.isfinite().all():
        raise ValueError(f"{what} NaN or infinity, which {cause} often causes; run the model in float32 or bfloat16")


def check_batch(counts: Mapping[str, int]) -> int:
    """The size of the batch that several inputs make together: of each there is one for all, or one for each."""
    count = max(counts.values())
    if any(each not in (1, count) for each in counts.values()):
        listed = " and ".join(f"{each} {name}" for name, each in counts.items() if each > 1)
        raise ValueError(f"{listed} do not fit together; give one for all, or one for each")
    return count
