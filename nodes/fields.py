"""Sockets and widgets that several nodes share, and options that only newer versions of ComfyUI know."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from comfy_api.latest import io

from ..diffedit_core.masks import RULES

T = TypeVar("T")

CATEGORY = "DiffEdit"
MAX_SEED = 2**64 - 1
# A seed that changed by itself after every run would run the model again for every knob that is turned behind it.
UNCHANGED: Any = getattr(getattr(io, "ControlAfterGenerate", None), "fixed", True)  # since 0.14
RULE_VALUES = "0 = the rule's own value. " + " ".join(
    f"{name} ({rule.default:g}): {rule.meaning}." for name, rule in RULES.items()
)

Trajectory = io.Custom("DIFFEDIT_TRAJECTORY")


def supported(make: Callable[..., T], *args: Any, **options: Any) -> T:
    """``make(*args, **options)`` without the options that this version of ComfyUI does not have."""
    known = inspect.signature(make).parameters
    return make(*args, **{name: value for name, value in options.items() if name in known})


def advanced(make: Callable[..., T], *args: Any, **options: Any) -> T:
    """A widget that is folded away until asked for, where ComfyUI can."""
    return supported(make, *args, **options, advanced=True)


def seed() -> io.Int.Input:
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=MAX_SEED,
        control_after_generate=UNCHANGED,
        tooltip="Draws the noise. The same seed gives the same result, on every device.",
    )


def rule_value() -> io.Float.Input:
    return io.Float.Input("value", default=0.0, min=-10.0, max=100.0, step=0.01, tooltip=RULE_VALUES)


def mask_outputs() -> list[io.Mask.Output]:
    return [
        io.Mask.Output(
            "mask", display_name="mask", tooltip="White where the two texts disagree, at the picture's size."
        ),
        io.Mask.Output(
            "heatmap",
            display_name="heatmap",
            tooltip="How much they disagree at each place, in units of the noise. MaskRefine cuts masks from it.",
        ),
    ]


def contrast_inputs() -> list[io.Input]:
    return [
        io.Model.Input(
            "model", tooltip="Any diffusion or flow model that KSampler takes; ControlNets, LoRAs included."
        ),
        io.Latent.Input("latent", tooltip="The picture, from VAE Encode."),
        io.Conditioning.Input("source", tooltip="Says what is in the picture where it shall change."),
        io.Conditioning.Input(
            "target", tooltip="Says what shall be there instead, and everything else in the source text's words."
        ),
    ]
