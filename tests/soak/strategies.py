"""What calls are made with: tensors of every size, type and kind, as recipes that a person can read and repeat."""

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from diffedit_core.edges import EDGE_SNAPS
from diffedit_core.masks import RULES
from diffedit_core.refine import Refinement

sizes = st.integers(1, 24)
batches = st.integers(1, 3)
seeds = st.integers(0, 2**32 - 1)
floats = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])
shapes = st.one_of(
    st.tuples(batches, st.integers(1, 4), sizes, sizes),  # pictures
    st.tuples(batches, st.integers(1, 4), st.integers(1, 3), sizes, sizes),  # videos
)
sides = st.one_of(st.integers(1, 7), st.integers(1, 40), st.sampled_from([63, 64, 65, 96, 127, 128, 129, 160]))
slim = st.tuples(st.integers(1, 8), st.integers(100, 600))
planes = st.one_of(st.tuples(sides, sides), slim, slim.map(lambda size: size[::-1]))
"""(height, width)"""

KINDS = ("noise", "flat", "black", "white", "halves", "spots", "smooth", "faint")
BROKEN = ("nan", "inf", "beyond")
LAID = ("as it is", "transposed", "strided", "expanded")
"""How a tensor lies in memory."""


def normal(shape, seed, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def uniform(shape, seed):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Recipe:
    """Of a tensor in 0..1, unless its kind is one of the broken ones."""

    shape: tuple[int, ...]
    kind: str
    seed: int
    dtype: torch.dtype = torch.float32
    laid: str = "as it is"

    @property
    def made(self) -> Tensor:
        values = _filled(self.shape, self.kind, self.seed).to(self.dtype)
        if self.laid == "transposed" and values.ndim > 1:
            return values.transpose(-1, -2).contiguous().transpose(-1, -2)
        if self.laid == "strided" and values.ndim > 1:
            return values.repeat_interleave(2, dim=-1)[..., ::2]
        if self.laid == "expanded" and values.ndim > 1 and len(values):
            return values[:1].expand(values.shape)
        return values


def _filled(shape: tuple[int, ...], kind: str, seed: int) -> Tensor:
    values = uniform(shape, seed)
    if kind in ("flat", "black", "white"):
        return torch.full(shape, {"flat": 0.5, "black": 0.0, "white": 1.0}[kind])
    if kind == "halves":
        return (values > 0.5).float()
    if kind == "spots":
        return (values > 0.97).float()
    if kind == "smooth":
        return values.cumsum(-1).cumsum(0) / max(1, values.numel()) if values.ndim else values
    if kind == "faint":
        return values * 1e-6
    if kind in ("nan", "inf"):
        return torch.where(values > 0.9, float(kind), values)
    return values * 9 - 4 if kind == "beyond" else values


def recipes(shape, kinds=KINDS, dtypes=floats):
    return st.builds(Recipe, shape, st.sampled_from(kinds), seeds, dtypes, st.sampled_from(LAID))


def pictures(size=planes, count=batches, **how):
    return recipes(st.tuples(count, size).map(lambda each: (each[0], *each[1], 3)), **how)


def masks(size=planes, count=batches, **how):
    return recipes(st.tuples(count, size).map(lambda each: (each[0], *each[1])), **how)


def anything(*ranks: int):
    """Tensors that may be of any rank and type, empty or broken: what nobody should give, and somebody does."""
    shape = st.sampled_from(ranks or (0, 1, 2, 3, 4, 5)).flatmap(lambda n: st.tuples(*[st.sampled_from(LENGTHS)] * n))
    return recipes(shape, KINDS + BROKEN, st.sampled_from(TYPES))


LENGTHS = (0, 1, 2, 3, 4, 7, 16)
TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.uint8, torch.bool, torch.int64)

letters = st.characters(codec="utf-8")
words = st.sampled_from(["a", "red", "circle", "blue", "star", "on", "grass", "source", "target", "<think>", "\n", ","])
texts = st.one_of(
    st.sampled_from(["", " ", "a red circle on grass", "a blue star on grass", "e\u0301\U0001f431", "\x00", "\u202e"]),
    st.lists(words, max_size=12).map(" ".join),
    st.text(letters, max_size=40),
    st.text(st.characters(), max_size=10),  # with halves of letters, which no file can hold
    st.builds(lambda text, times: text * times, st.text(letters, min_size=1, max_size=5), st.sampled_from([99, 3000])),
)


@st.composite
def heatmaps(draw):
    """[B, h, w] or [B, t, h, w]: noise, steps, spikes, constants, of any scale."""
    shape = draw(st.one_of(st.tuples(batches, sizes, sizes), st.tuples(batches, st.integers(1, 3), sizes, sizes)))
    base = normal(shape, draw(seeds)).abs()
    kind = draw(st.sampled_from(["noise", "steps", "spikes", "constant"]))
    if kind == "steps":
        base = base.round()
    elif kind == "spikes":
        base = base**6
    elif kind == "constant":
        base = torch.full(shape, draw(st.floats(0, 10)))
    return base * draw(st.sampled_from([1e-6, 1e-3, 1.0, 1e4]))


@st.composite
def rules(draw, names=tuple(RULES)):
    name = draw(st.sampled_from(names))
    low, high = max(RULES[name].low, -3.0), min(RULES[name].high, 6.0)
    return name, draw(st.one_of(st.none(), st.floats(low, high)))


@st.composite
def refinements(draw):
    return Refinement(
        threshold=draw(st.one_of(st.none(), st.floats(0, 1))),
        edge_snap=draw(st.sampled_from(list(EDGE_SNAPS))),
        edge_radius=draw(st.integers(0, 9)),
        open=draw(st.integers(0, 3)),
        close=draw(st.integers(0, 3)),
        min_island=draw(st.sampled_from([0.0, 0.01, 0.3, 1.0])),
        fill_holes=draw(st.sampled_from([0.0, 0.01, 0.3, 1.0])),
        keep_largest=draw(st.integers(0, 3)),
        grow=draw(st.integers(-5, 5)),
        invert=draw(st.booleans()),
        feather=draw(st.sampled_from([0.0, 0.3, 2.0, 9.0])),
        snap=draw(st.sampled_from([0.0, 0.1, 0.49])),
    )


@st.composite
def settings_of(draw, kind, most=None):
    """Any settings of a class that can be: names at random, numbers at their limits and between. ``most`` bounds what
    only costs time, and what it names a part of.
    """
    made = {}
    for name, knob in kind.knobs():
        high = (most or {}).get(name, knob.high)
        if knob.names:
            made[name] = draw(st.sampled_from(list(knob.names)))
        elif isinstance(knob.default, bool):
            made[name] = draw(st.booleans())
        elif isinstance(knob.default, int):
            made[name] = draw(st.one_of(st.integers(int(knob.low), int(high)), st.sampled_from([int(knob.low), high])))
        else:
            numbers = st.one_of(st.floats(knob.low, high), st.sampled_from([float(knob.low), float(high)]))
            made[name] = draw(st.one_of(st.none(), numbers) if knob.default is None else numbers)
    return kind(**made)
