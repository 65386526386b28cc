"""Random graphs in API format, made from what a server says of its nodes: types that fit, and values of every kind."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Graph = dict[str, dict[str, Any]]
Link = list[Any]  # [node, output]

OURS = "DiffEdit_"
STRANGE = "StandIn_Strange_"
MADE_STRANGE = 0.03
"""How many of the pictures, masks and latents for our nodes are what only other people's nodes would make."""
SIDES = (1, 2, 3, 7, 8, 9, 15, 16, 24, 33, 40, 64, 64, 65, 96, 128, 131, 192)
PICTURES = ((64, 64), (48, 40), (1, 1), (2, 3), (3, 192), (192, 9), (16, 15), (65, 66), (128, 128), (192, 150))
"""(width, height) of the pictures that the server has."""

USUAL = ((64, 64), (48, 40), (128, 128), (192, 150))
"""Those in which an autoencoder finds a cell."""

CONNECTED = 0.75
"""How many of the optional inputs are given something."""

LINKED = 0.02
"""How many of our widgets get their value from another node, which no server checks."""

GOALS: dict[str, float] = {
    "DiffEdit_DiffEditMask": 3,
    "DiffEdit_FastMask": 2,
    "DiffEdit_DDIMInvert": 2,
    "DiffEdit_MaskedDenoise": 4,
    "DiffEdit_MaskRefine": 5,
    "DiffEdit_Edit": 1,
    "DiffEdit_DepthModel": 0.2,
    "DiffEdit_Focus": 4,
    "DiffEdit_PasteBack": 5,
    "DiffEdit_KeepTheRest": 4,
    "DiffEdit_BoxesAndPoints": 2,
    "DiffEdit_Panels": 2,
    "DiffEdit_AverageTexts": 2,
    "DiffEdit_DemoScene": 1,
}
CORE = (
    *("EmptyImage", "LoadImage", "LoadImageMask", "ImageScale", "ImageScaleBy", "ImageInvert", "ImageBatch"),
    *("ImagePadForOutpaint", "ImageBlend", "ImageBlur", "ImageQuantize", "ImageSharpen", "ImageScaleToTotalPixels"),
    *("ImageCrop", "ImageFlip", "ImageRotate", "RepeatImageBatch", "ImageFromBatch", "ImageStitch", "RebatchImages"),
    *("ImageCompositeMasked", "JoinImageWithAlpha", "PorterDuffImageComposite", "Canny", "Morphology", "MaskToImage"),
    *("ImageToMask", "ImageColorToMask", "SolidMask", "InvertMask", "CropMask", "MaskComposite", "FeatherMask"),
    *("GrowMask", "ThresholdMask", "SplitImageWithAlpha", "ImageScaleToMaxDimension", "ResizeAndPadImage"),
    *("EmptyLatentImage", "EmptySD3LatentImage", "EmptyHunyuanLatentVideo", "EmptyLTXVLatentVideo", "LatentBatch"),
    *("EmptyMochiLatentVideo", "EmptyLatentAudio", "EmptyAceStepLatentAudio", "EmptyCosmosLatentVideo"),
    *("EmptyHunyuanImageLatent", "EmptyFlux2LatentImage", "EmptyChromaRadianceLatentImage", "EmptyLatentHunyuan3Dv2"),
    *("LTXVConcatAVLatent", "LatentUpscale", "LatentUpscaleBy", "LatentRotate", "LatentFlip", "LatentCrop"),
    *("LatentComposite", "LatentCompositeMasked", "LatentBlend", "LatentAdd", "LatentSubtract", "LatentMultiply"),
    *("LatentInterpolate", "LatentConcat", "LatentCut", "LatentBatchSeedBehavior", "LatentFromBatch"),
    *("RepeatLatentBatch", "RebatchLatents", "SetLatentNoiseMask", "VAEEncode", "VAEEncodeForInpaint", "VAEDecode"),
    *("VAEEncodeTiled", "VAEDecodeTiled", "CLIPTextEncode", "ConditioningCombine", "ConditioningAverage"),
    *("ConditioningConcat", "ConditioningZeroOut", "ConditioningSetArea", "ConditioningSetAreaPercentage"),
    *("ConditioningSetMask", "ConditioningSetTimestepRange", "ConditioningSetAreaStrength", "ReferenceLatent"),
    *("InpaintModelConditioning", "KSampler", "BasicScheduler", "KarrasScheduler", "ExponentialScheduler"),
    *("SDTurboScheduler", "SplitSigmas", "FlipSigmas", "ManualSigmas", "PrimitiveInt", "PrimitiveFloat"),
    *("PrimitiveString", "PrimitiveStringMultiline", "PrimitiveBoolean", "ModelSamplingDiscrete", "ModelSamplingFlux"),
    *("ModelSamplingContinuousEDM", "ModelSamplingSD3", "RescaleCFG", "FreeU_V2", "DifferentialDiffusion"),
    *("PerturbedAttentionGuidance", "CLIPSetLastLayer", "StringConcatenate"),
)
LEAVES = {
    "IMAGE": ("LoadImage", "LoadImage", "EmptyImage"),
    "MASK": ("SolidMask", "LoadImageMask", "LoadImage"),
    "LATENT": ("VAEEncode", "VAEEncode", "EmptyLatentImage"),
    "CONDITIONING": ("CLIPTextEncode",),
    "MODEL": ("DiffEdit_DemoModel",),
    "CLIP": ("DiffEdit_DemoModel",),
    "VAE": ("DiffEdit_DemoModel",),
    "SIGMAS": ("BasicScheduler", "KarrasScheduler"),
    "DIFFEDIT_TRAJECTORY": ("DiffEdit_DDIMInvert",),
    "DIFFEDIT_WAY_BACK": ("DiffEdit_Focus",),
    "DIFFEDIT_EDITS": ("DiffEdit_Edit",),
    "INT": ("PrimitiveInt",),
    "FLOAT": ("PrimitiveFloat",),
    "STRING": ("PrimitiveString",),
    "BOOLEAN": ("PrimitiveBoolean",),
}
LOOPS = {"steps": 3, "draws": 4, "tries": 2, "drafts": 2, "iterations": 2, "area": 0.05}
"""What every value more of costs a pass through the model: no more than this."""

SMALL = {"length": 17, "frames_number": 9, "amount": 3, "batch_size": 4, "expand": 16, "iterations": 2, "seconds": 2}
SMALL |= {"scale_by": 2, "megapixels": 0.03, "left": 40, "top": 40, "right": 40, "bottom": 40, "largest_size": 192}
SMALL |= {"steps": 3, "lyrics_strength": 1, "tile_size": 64, "spacing_width": 64, "target_width": 192}
OF_PIXELS = ("EmptyChromaRadianceLatentImage",)
"""Where a cell is a pixel, so that for another model a small picture is a large one."""

MOST = 192  # of a number of ComfyUI's own, such as a side
TEXTS = (
    "",
    " ",
    "a red circle on sand",
    "a blue star on sand",
    "((((",
    "(a:99) (b:-99)",
    "\n\n",
    "embedding:none",
    "💥 " * 9,
)
TEXTS += (
    "a red circle\na red disc\n\n  a round thing",
    "x" * 3000,
    "<lora:a:1> [b|c] {d|e}",
    "\x00\ufffe",
    "line\r\nline",
)
MANUAL = ("14, 1, 0.1, 0", "", "0", "1, 1, 1", "0, 5, 20", "nan, 1, 0", "-3, 2", "1e9, 1, 0")
"""What is written by hand as noise levels."""


@dataclass(frozen=True)
class Socket:
    name: str
    kind: str
    about: Mapping[str, Any]
    is_optional: bool

    @property
    def is_widget(self) -> bool:
        return self.kind in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


@dataclass(frozen=True)
class Kind:
    """A node, as the server describes it."""

    name: str
    sockets: tuple[Socket, ...]
    outputs: tuple[str, ...]
    shows: bool  # runs though nothing is connected to it

    @classmethod
    def of(cls, name: str, described: Mapping[str, Any]) -> Kind:
        sockets = [
            _socket(each, spec, group == "optional")
            for group in ("required", "optional")
            for each, spec in described["input"].get(group, {}).items()
        ]
        outputs = tuple(each if isinstance(each, str) else "COMBO" for each in described["output"])
        return cls(name, tuple(sockets), outputs, bool(described["output_node"]))

    @property
    def is_ours(self) -> bool:
        return self.name.startswith(OURS)


def _socket(name: str, spec: Sequence[Any], is_optional: bool) -> Socket:
    about = spec[1] if len(spec) > 1 else {}
    if isinstance(spec[0], list):  # as nodes of the older kind list the names
        return Socket(name, "COMBO", {**about, "options": spec[0]}, is_optional)
    return Socket(name, spec[0], about, is_optional)


def kinds_of(object_info: Mapping[str, Any]) -> dict[str, Kind]:
    """Our nodes and the cheap ones of ComfyUI, as far as this server has them and every required input can be made."""
    names = [name for name in object_info if name.startswith((OURS, STRANGE))]
    names += [name for name in CORE if name in object_info]
    found = {name: Kind.of(name, object_info[name]) for name in names}
    makeable = {output for kind in found.values() for output in kind.outputs}
    return {
        name: kind
        for name, kind in found.items()
        if all(each.is_widget or each.is_optional or each.kind in makeable for each in kind.sockets)
    }


@dataclass
class Wiring:
    """A graph that grows, with the sizes that most of it shares."""

    kinds: Mapping[str, Kind]
    dice: random.Random
    graph: Graph = field(default_factory=dict)
    home: tuple[int, int] = (64, 64)
    batch: int = 1
    agreement: float = 1.0  # how likely two things are of one size

    @classmethod
    def drawn(cls, kinds: Mapping[str, Kind], dice: random.Random) -> Wiring:
        batch = dice.choice([1, 1, 1, 1, 2, 3])
        home = dice.choice(PICTURES if dice.random() < 0.3 else USUAL)
        return cls(kinds, dice, {}, home, batch, dice.choice([1, 1, 1, 0.95, 0.6]))

    def node(self, name: str, depth: int) -> str:
        """A new node of this kind, with everything that goes into it. Its number."""
        kind = self.kinds[name]
        inputs = {
            socket.name: self._given(kind, socket, depth)
            for socket in kind.sockets
            if not socket.is_optional or self.dice.random() < CONNECTED
        }
        if name in ("LoadImage", "LoadImageMask"):
            inputs["image"] = picture_name(self.home if self._agrees() else self.dice.choice(PICTURES))
        return self._add(name, inputs)

    def _add(self, name: str, inputs: dict[str, Any]) -> str:
        number = str(len(self.graph) + 1)
        self.graph[number] = {"class_type": name, "inputs": inputs}
        return number

    def _agrees(self) -> bool:
        return self.dice.random() < self.agreement

    def _given(self, kind: Kind, socket: Socket, depth: int) -> Any:
        socketless = socket.about.get("socketless") or socket.kind == "COMBO"
        if not socket.is_widget or (kind.is_ours and not socketless and self.dice.random() < LINKED):
            link = self.link(socket.kind, depth - 1)
            return self._made_strange(link, socket.kind) if kind.is_ours else link
        return self._value(kind, socket)

    def _made_strange(self, link: Link, kind: str) -> Link:
        name = STRANGE + kind
        if name not in self.kinds or self.dice.random() > MADE_STRANGE:
            return link
        (how,) = (each for each in self.kinds[name].sockets if each.is_widget)
        return [self._add(name, {"given": link, how.name: self.dice.choice(how.about["options"])}), 0]

    def link(self, wanted: str, depth: int) -> Link:
        """An output of this type: one that is there already, or of a new node."""
        there = list(self.outputs(wanted))
        if there and self.dice.random() < (0.8 if wanted in ("MODEL", "CLIP", "VAE") else 0.45):
            return self.dice.choice(there)
        made_by = [name for name, kind in self.kinds.items() if wanted in kind.outputs and not name.startswith(STRANGE)]
        if depth <= 0 or self.dice.random() < 0.6:
            made_by = [name for name in LEAVES.get(wanted, made_by) if name in self.kinds] or made_by
        number = self.node(self.dice.choice(made_by), depth)
        outputs = self.kinds[self.graph[number]["class_type"]].outputs
        return [number, self.dice.choice([i for i, each in enumerate(outputs) if each == wanted])]

    def outputs(self, wanted: str) -> list[Link]:
        return [
            [number, i]
            for number, node in self.graph.items()
            for i, each in enumerate(self.kinds[node["class_type"]].outputs)
            if each == wanted
        ]

    def _value(self, kind: Kind, socket: Socket) -> Any:
        dice, about = self.dice, socket.about
        if socket.kind == "COMBO":
            return dice.choice(about["options"]) if about.get("options") else about.get("default", "")
        if socket.kind == "BOOLEAN":
            return dice.random() < 0.5
        if socket.kind == "STRING":
            return self._text(kind, socket)
        if kind.name in OF_PIXELS and socket.kind == "INT" and socket.name != "batch_size":
            return dice.choice([16, 32])
        if socket.name in ("width", "height") and not kind.is_ours:
            side = self.home[socket.name == "height"] if self._agrees() else dice.choice(SIDES)
            return min(max(side, about.get("min", 0)), about.get("max", side))
        if socket.name == "batch_size":
            return self.batch if self._agrees() else dice.randint(1, SMALL["batch_size"])
        if socket.name == "value" and kind.is_ours and dice.random() < 0.8:
            return round(dice.choice([0, dice.random()]), 3)  # which most rules take
        if kind.is_ours and dice.random() < 0.4:
            return about["default"] if socket.name not in LOOPS else self._number(kind, socket)
        return self._number(kind, socket)

    def _number(self, kind: Kind, socket: Socket) -> float:
        """At a limit, beside one, or anywhere between."""
        if kind.name == "PrimitiveInt":
            return self.dice.choice([-5, -1, 0, 1, 2, 7, 2**40])
        low, high = limits(kind, socket)
        if kind.is_ours and socket.kind == "FLOAT" and self.dice.random() < 0.01:
            return float("nan")  # which a server takes for any number
        at = self.dice.choice(["low", "high", "between", "between", "beside"])
        value = {"low": low, "high": high, "beside": self.dice.choice([low + 1, high - 1, 0, 1])}.get(
            at, self.dice.uniform(low, min(high, low + self.dice.choice([3, 24, high - low])))
        )
        value = min(max(value, low), high)
        return int(value) if socket.kind == "INT" else round(float(value), 3)

    def _text(self, kind: Kind, socket: Socket) -> str:
        if socket.name == "corrections":
            return self.dice.choice(["", painted(self.dice), painted(self.dice), "0x0", "8x8 +65", "x"])
        if kind.name == "ManualSigmas":
            return self.dice.choice(MANUAL)
        return self.dice.choice(TEXTS)


def limits(kind: Kind, socket: Socket) -> tuple[float, float]:
    """Between which a value is drawn: the widget's own, unless they cost too much."""
    low, high = socket.about.get("min", -1000), socket.about.get("max", 1000)
    if kind.is_ours:
        high = min(high, LOOPS.get(socket.name, high))
    elif socket.name not in ("seed", "noise_seed"):
        most = SMALL.get(socket.name, MOST)
        low, high = max(low, -most), min(high, most)
    return low, max(low, high)


def picture_name(size: tuple[int, int]) -> str:
    return f"drawn_{size[0]}x{size[1]}.png"


def painted(dice: random.Random) -> str:
    """Corrections, as the page writes them."""
    width, height, runs, left = dice.randint(1, 60), dice.randint(1, 60), [], 0
    while left < width * height and len(runs) < 40:
        runs.append(min(dice.randint(1, 300), width * height - left))
        left += runs[-1]
    return " ".join([f"{width}x{height}", *(dice.choice(["", "+", "-"]) + str(run) for run in runs)])


def drawn_graph(kinds: Mapping[str, Kind], dice: random.Random) -> Graph:
    """One to three of our nodes with whatever leads to them, and all that they make looked at."""
    wiring = Wiring.drawn(kinds, dice)
    goals = dice.choices(list(GOALS), list(GOALS.values()), k=dice.choice([1, 1, 2, 3]))
    for goal in goals:
        wiring.node(goal, dice.choice([1, 2, 2, 3]))
    return looked_at(wiring.graph, kinds)


def looked_at(graph: Graph, kinds: Mapping[str, Kind]) -> Graph:
    """With a look at every picture, mask and latent that goes into a node of ours or comes out of it."""
    ours = {number: kinds[node["class_type"]] for number, node in graph.items() if kinds[node["class_type"]].is_ours}
    whole = dict(graph)
    for number, kind in ours.items():
        links = {name: link for name, link in graph[number]["inputs"].items() if isinstance(link, list)}
        typed = {socket.name: socket.kind for socket in kind.sockets}
        for link in (links[name] for name in links if typed[name] in LOOKED_AT):
            whole[f"in_{link[0]}_{link[1]}"] = {"class_type": "StandIn_Look", "inputs": {"seen": link}}
        for i, made in enumerate(kind.outputs):
            looks = "StandIn_Look" if made in LOOKED_AT else "PreviewAny"
            name = "seen" if made in LOOKED_AT else "source"
            whole[f"out_{number}_{i}"] = {"class_type": looks, "inputs": {name: [number, i]}}
        if kind.name in ("DiffEdit_PasteBack", "DiffEdit_KeepTheRest"):
            whole[f"outside_{number}"] = {"class_type": "StandIn_Outside", "inputs": outside(graph, number)}
    return whole


LOOKED_AT = ("IMAGE", "MASK", "LATENT")


def outside(graph: Graph, number: str) -> dict[str, Any]:
    """What is needed to see that a picture changed nowhere else: in the mask given, where nothing lets it grow."""
    inputs = graph[number]["inputs"]
    seen = {"original": inputs["original"], "picture": [number, 0], "changed": [number, 1]}
    is_bound = "mask" in inputs and "way_back" not in inputs and inputs.get("room", 0) == 0
    is_bound = is_bound and inputs.get("refused") != "edited"  # which pastes nothing
    return {**seen, "within": inputs["mask"]} if is_bound else seen


def spoiled(graph: Graph, kinds: Mapping[str, Kind], dice: random.Random) -> tuple[str, str] | None:
    """One value of one of our widgets, past what it can be. Its node and name; None where there is none."""
    places = [
        (number, socket)
        for number, node in graph.items()
        if node["class_type"] in kinds and kinds[node["class_type"]].is_ours
        for socket in kinds[node["class_type"]].sockets
        if socket.kind in ("INT", "FLOAT", "COMBO") and not isinstance(node["inputs"].get(socket.name, []), list)
    ]
    if not places:
        return None
    number, socket = dice.choice(places)
    about = socket.about
    graph[number]["inputs"][socket.name] = dice.choice(
        ["none of them", "", 7, None]
        if socket.kind == "COMBO"
        else [about["min"] - 1, about["max"] + 1, about["max"] * 1000 + 1, "many", None, {}, 1e300, float("inf")]
    )
    return number, socket.name
