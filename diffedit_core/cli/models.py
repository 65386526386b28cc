"""Which model: the flags that name it, and the host that they make."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from torch import Tensor

from ..hosts.diffusers import CONTROLS, DiffusersHost, Memory, be_quiet
from ..toybox import weights
from .files import Opened, open_picture
from .flags import add_flags, from_flags, given_flags

DTYPES = {"float32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
NAME_A_MODEL = (
    "name a model: --model FOLDER (in the diffusers layout) or --model NAME (on the hub), for example "
    "--model stable-diffusion-v1-5/stable-diffusion-v1-5"
)


def add_model_flags(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("the model")
    group.add_argument("--model", metavar="PATH", help="a folder in the diffusers layout, a name on the hub, or: demo")
    group.add_argument("--controlnet", metavar="PATH", help="a ControlNet to lead the model by --control")
    drawn = "; ".join(f"{name}: {control.meaning}" for name, control in CONTROLS.items())
    group.add_argument("--control", metavar="FILE", help=f"what a ControlNet or a depth model is shown, or {drawn}")
    group.add_argument("--control-scale", type=float, metavar="X", help="how strongly a ControlNet leads [1.0]")
    add_flags(parser, Memory(), "getting along with less memory")


def where(args: Namespace) -> tuple[torch.device, torch.dtype]:
    name = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError, ImportError) as cause:
        inner = isinstance(cause, (NotImplementedError, ImportError)) or "INTERNAL" in str(cause)
        why = "this PyTorch has no such device" if inner else str(cause).splitlines()[0]
        raise ValueError(f"--device {name} cannot be used here: {why}") from None
    if device.type == "meta":
        raise ValueError("--device meta cannot be used here: it holds no numbers")
    return device, DTYPES[args.dtype or ("fp16" if device.type == "cuda" else "float32")]


def check_named(args: Namespace) -> None:
    if not args.model:
        raise ValueError(NAME_A_MODEL)


def host_of(args: Namespace, opened: Opened | None = None) -> DiffusersHost:
    """Of many pictures there is none to make sure that the control fits."""
    check_named(args)
    device, dtype = where(args)
    be_quiet()
    memory, control = from_flags(args, Memory()), _control(args, opened)
    if args.control is None and (useless := given_flags(args, ["control-scale"])):
        raise ValueError(f"{', '.join(useless)} would change nothing: there is no --control")
    inpaint = getattr(args, "inpaint_model", None)
    filler = DiffusersHost.from_pretrained(inpaint, device, dtype, memory=memory) if inpaint else None
    return DiffusersHost.from_pretrained(
        weights() if args.model == "demo" else args.model,
        device,
        dtype,
        controlnet=args.controlnet,
        control=control,
        control_scale=1.0 if args.control_scale is None else args.control_scale,
        filler=filler,
        memory=memory,
    )


def control_of(args: Namespace) -> list[Path]:
    """The file that the control is read from."""
    name: str | None = args.control
    if name is None or (name in CONTROLS and not Path(name).exists()):
        return []
    return [Path(name)]


def _control(args: Namespace, opened: Opened | None) -> str | Tensor | None:
    if not (files := control_of(args)):
        return args.control
    if opened is None:
        raise ValueError(f"--control {args.control} shows one picture; for many, give {', '.join(CONTROLS)}")
    shown = open_picture(files[0])
    if shown.size != opened.size:
        (height, width), (own_height, own_width) = opened.size, shown.size
        raise ValueError(
            f"the control {args.control} is {own_width}x{own_height} but the picture {args.image} is {width}x{height}; "
            "make it of this picture"
        )
    return shown.picture
