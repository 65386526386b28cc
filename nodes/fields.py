"""Widgets made from the core's knobs, sockets that several nodes share, and options that only newer versions know."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from comfy_api.latest import io

from ..diffedit_core.knobs import Knob, Settings
from ..diffedit_core.masks import RULES

Made = TypeVar("Made")

MASKS, EDITS, PICTURES, DEMO = (f"DiffEdit/{part}" for part in ("mask", "edit", "image", "demo"))
"""Categories, in the words of ComfyUI's own where it has them."""

MAX_SEED = 2**64 - 1
# If the seed changed after each run, turning any downstream knob would run the model again.
UNCHANGED: Any = getattr(getattr(io, "ControlAfterGenerate", None), "fixed", True)  # since 0.14
RULE_VALUES = "0 uses the rule's own value. " + " ".join(
    f"{name} ({rule.default:g}): {rule.value}." for name, rule in RULES.items()
)

Trajectory = io.Custom("DIFFEDIT_TRAJECTORY")
WayBack = io.Custom("DIFFEDIT_WAY_BACK")
Edits = io.Custom("DIFFEDIT_EDITS")


def supported(make: Callable[..., Made], *args: Any, **options: Any) -> Made:
    """``make(*args, **options)`` without the options that this version of ComfyUI does not have."""
    known = inspect.signature(make).parameters
    return make(*args, **{name: value for name, value in options.items() if name in known})


def widgets(settings: Settings, *names: str) -> list[io.Input]:
    """The widgets of these settings, with their values as defaults: those named, or all."""
    knobs = dict(settings.knobs())
    return [_widget(name, knobs[name], getattr(settings, name)) for name in names or knobs]


def _widget(name: str, knob: Knob, default: Any) -> io.Input:
    about: dict[str, Any] = {"default": default, "tooltip": knob.tooltip, "advanced": knob.advanced or None}
    if knob.names:
        return supported(io.Combo.Input, name, options=list(knob.names), **about)
    if isinstance(default, bool):
        return supported(io.Boolean.Input, name, **about)
    if default is None:
        about |= {"default": 0.0, "tooltip": f"{knob.tooltip} 0 leaves it off."}
    numbers = {"min": knob.low, "max": knob.high}
    if isinstance(default, int):
        return supported(io.Int.Input, name, **about, **numbers)
    return supported(io.Float.Input, name, **about, **numbers, step=knob.step)


def seed() -> io.Int.Input:
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=MAX_SEED,
        control_after_generate=UNCHANGED,
        tooltip="Picks the noise. The same seed gives the same result, on every device.",
    )


def rule_value() -> io.Float.Input:
    return io.Float.Input("value", default=0.0, min=-10.0, max=100.0, step=0.01, tooltip=RULE_VALUES)


def painted(name: str) -> io.String.Input:
    """Written by the page as somebody paints on the node; not meant to be read."""
    return supported(
        io.String.Input,
        name,
        optional=True,
        default="",
        socketless=True,
        tooltip="What you painted on the node: what is added to the mask and what is taken away, of each picture of a "
        "batch. Empty leaves the mask as it is.",
        advanced=True,
    )


def contrast_inputs() -> list[io.Input]:
    return [
        io.Model.Input(
            "model", tooltip="Any diffusion or flow model that KSampler takes, with its ControlNets and LoRAs."
        ),
        io.Latent.Input("latent", tooltip="The picture, from VAE Encode."),
        io.Conditioning.Input("source", tooltip="Says what is there now, in the place that should change."),
        io.Conditioning.Input(
            "target", tooltip="Says what should be there instead. Repeat the source text's words for everything else."
        ),
    ]


def mask_outputs() -> list[io.Mask.Output]:
    return [
        io.Mask.Output(
            "mask", display_name="mask", tooltip="White where the two texts disagree, at the picture's size."
        ),
        io.Mask.Output(
            "heatmap",
            display_name="heatmap",
            tooltip="How much they disagree at each place, in units of the noise. Mask Refine can cut masks from it.",
        ),
    ]
