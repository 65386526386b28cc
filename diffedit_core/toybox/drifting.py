"""Drifts: what edit models do to the rest of a picture, with the exact answers. Pictures are uint8 [H, W, 3]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

SHIFT = 12.0  # pixels of the original, at most
ZOOM = 0.94, 1.06
ROTATION = 2.0  # degrees, either way
CROP = 0.12  # share of the picture that may be lost on each side
RESIZE = 0.55, 1.45
STRETCH = 0.9, 1.1  # of the width against the height
CANVASES = 4 / 3, 3 / 4, 16 / 9, 9 / 16  # of a letterbox
MULTIPLE = 16  # of which models make both sides

Change = Callable[[np.ndarray], np.ndarray]
"""A picture through an autoencoder, and back."""


@dataclass(frozen=True)
class Drift:
    """What happens to a picture, in the order in which it happens.

    The autoencoder comes first: ours was trained on pictures as they are, and makes something else of bars and tints.
    """

    size: tuple[int, int]  # height and width of the original
    autoencoder: bool = False
    shift: tuple[float, float] = (0.0, 0.0)  # right and down
    zoom: float = 1.0
    rotation: float = 0.0  # degrees, clockwise
    crop: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # shares lost left, above, right and below
    resized: tuple[int, int] | None = None  # height and width of what comes out
    letterbox: bool = False  # keeps the picture's shape, with black bars beside it
    vignette: float = 0.0  # share of light that the corners lose
    gamma: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of 1
    blur: float = 0.0  # deviation, in pixels of what comes out
    sharpening: float = 0.0
    noise: float = 0.0  # deviation, in levels
    jpeg: int = 100

    @property
    def out(self) -> tuple[int, int]:
        """The height and width of what comes out."""
        return self.resized or self.size

    @property
    def matrix(self) -> np.ndarray:
        """[3, 3]: where (x, y, 1) of the original comes out. Pixels are counted at their middle."""
        height, width = self.size
        angle, (right, down) = np.deg2rad(self.rotation), self.shift
        cos, sin = self.zoom * np.cos(angle), self.zoom * np.sin(angle)
        middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])  # of the border's coordinates
        turn = np.array([[cos, -sin, right + width / 2], [sin, cos, down + height / 2], [0, 0, 1]])
        left, above, _, _ = self.crop
        window = np.array([[1, 0, -left * width], [0, 1, -above * height], [0, 0, 1]])
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        return np.linalg.inv(half) @ self._fitted() @ window @ turn @ middle @ half

    def _fitted(self) -> np.ndarray:
        """[3, 3]: the window that the crop leaves, in the picture that comes out."""
        height, width = self._window
        down, right = self.out[0] / height, self.out[1] / width
        if self.letterbox:
            down = right = min(down, right)
        x, y = (self.out[1] - right * width) / 2, (self.out[0] - down * height) / 2
        return np.array([[right, 0, x], [0, down, y], [0, 0, 1]])

    @property
    def _window(self) -> tuple[float, float]:
        left, above, right, below = self.crop
        return self.size[0] * (1 - above - below), self.size[1] * (1 - left - right)

    @property
    def bars(self) -> np.ndarray:
        """Where the picture that comes out shows nothing: bool [h, w]."""
        y, x = np.ogrid[: self.out[0], : self.out[1]]
        (right, _, left), (_, down, above), _ = self._fitted()
        height, width = self._window
        inside = (x + 0.5 >= left) & (x + 0.5 <= left + right * width)
        return ~(inside & (y + 0.5 >= above) & (y + 0.5 <= above + down * height))

    @property
    def covered(self) -> np.ndarray:
        """Which pixels of the original the picture that comes out still shows: bool [H, W]."""
        y, x = np.mgrid[: self.size[0], : self.size[1]]
        at = self.matrix[:2] @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
        (right, _, left), (_, down, above), _ = self._fitted()
        height, width = self._window
        inside = (at[0] >= left - 0.5) & (at[0] <= left + right * width - 0.5)
        return (inside & (at[1] >= above - 0.5) & (at[1] <= above + down * height - 0.5)).reshape(self.size)

    def coloured(self, picture: np.ndarray) -> np.ndarray:
        """The colours that come out, of a picture float [h, w, 3] in 0..1 that has the size of what comes out."""
        (right, _, left), (_, down, above), _ = self._fitted()
        height, width = self._window
        y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
        across = 2 * ((x + 0.5 - left) / (right * width)) - 1
        along = 2 * ((y + 0.5 - above) / (down * height)) - 1
        light = 1 - self.vignette * (across**2 + along**2)[..., None] / 2
        return (picture * light).clip(0) ** np.array(self.gamma) * np.array(self.gain) + np.array(self.offset)


def drifted(picture: np.ndarray, drift: Drift, seed: int = 0, through: Change | None = None) -> np.ndarray:
    """The picture as it comes out. Where an autoencoder is asked for, it goes ``through`` that."""
    height, width = drift.out
    matrix = drift.matrix
    shrink = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    if drift.autoencoder:
        if through is None:
            raise ValueError("this drift goes through an autoencoder; give one")
        picture = through(picture)
    values = picture.astype(np.float32) / 255
    if shrink < 0.9:  # what is made smaller must not alias
        values = cv2.GaussianBlur(values, (0, 0), 0.45 * np.sqrt(1 / shrink**2 - 1))
    warped = cv2.warpAffine(
        values, matrix[:2], (width, height), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101
    )
    values = drift.coloured(warped.clip(0, 1)).astype(np.float32)
    values[drift.bars] = 0
    if drift.blur:
        values = cv2.GaussianBlur(values, (0, 0), drift.blur)
    if drift.sharpening:
        values += drift.sharpening * (values - cv2.GaussianBlur(values, (0, 0), 1))
    if drift.noise:
        values += np.random.default_rng(seed).normal(0, drift.noise / 255, values.shape).astype(np.float32)
    return _compressed(_levels(values), drift.jpeg) if drift.jpeg < 100 else _levels(values)


def _levels(values: np.ndarray) -> np.ndarray:
    return (255 * values).round().clip(0, 255).astype(np.uint8)


def _compressed(picture: np.ndarray, quality: int) -> np.ndarray:
    _, file = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(file, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1])


Draw = Callable[[np.random.Generator, Drift], Drift]


def _shift(rng: np.random.Generator, drift: Drift) -> Drift:
    angle, far = rng.uniform(0, 2 * np.pi), SHIFT * np.sqrt(rng.uniform())
    return replace(drift, shift=(float(far * np.cos(angle)), float(far * np.sin(angle))))


def _crop(rng: np.random.Generator, drift: Drift) -> Drift:
    left, above, right, below = (float(share) for share in rng.uniform(0, CROP, 4))
    return _of_size(replace(drift, crop=(left, above, right, below)), 1 - above - below, 1 - left - right)


def _resize(rng: np.random.Generator, drift: Drift) -> Drift:
    by, stretch = rng.uniform(*RESIZE), np.sqrt(rng.uniform(*STRETCH))
    return _of_size(drift, by / stretch, by * stretch)


def _letterbox(rng: np.random.Generator, drift: Drift) -> Drift:
    shape = np.sqrt(rng.choice(CANVASES))
    return replace(_of_size(drift, 1 / shape, shape), letterbox=True)


def _of_size(drift: Drift, down: float, right: float) -> Drift:
    """One that comes out larger by these factors, in multiples."""
    sides = (max(4, round(side * by / MULTIPLE)) for side, by in zip(drift.out, (down, right), strict=True))
    height, width = (MULTIPLE * side for side in sides)
    return replace(drift, resized=(height, width))


def _tint(rng: np.random.Generator, drift: Drift) -> Drift:
    return replace(drift, gain=_three(rng, 0.9, 1.08), offset=_three(rng, -8 / 255, 8 / 255))


def _gamma(rng: np.random.Generator, drift: Drift) -> Drift:
    of_all = float(np.exp(rng.uniform(-0.16, 0.16)))
    r, g, b = (of_all * own for own in _three(rng, 0.97, 1.03))
    return replace(drift, gamma=(r, g, b))


def _three(rng: np.random.Generator, low: float, high: float) -> tuple[float, float, float]:
    r, g, b = (float(value) for value in rng.uniform(low, high, 3))
    return r, g, b


DRIFTS: dict[str, Draw] = {
    "shift": _shift,
    "zoom": lambda rng, drift: replace(drift, zoom=float(rng.uniform(*ZOOM))),
    "rotation": lambda rng, drift: replace(drift, rotation=float(rng.uniform(-ROTATION, ROTATION))),
    "crop": _crop,
    "resize": _resize,
    "letterbox": _letterbox,
    "tint": _tint,
    "gamma": _gamma,
    "vignette": lambda rng, drift: replace(drift, vignette=float(rng.uniform(0.05, 0.3))),
    "blur": lambda rng, drift: replace(drift, blur=float(rng.uniform(0.4, 1.2))),
    "sharpening": lambda rng, drift: replace(drift, sharpening=float(rng.uniform(0.3, 1.0))),
    "autoencoder": lambda rng, drift: replace(drift, autoencoder=True),
    "jpeg": lambda rng, drift: replace(drift, jpeg=int(rng.integers(60, 96))),
    "noise": lambda rng, drift: replace(drift, noise=float(rng.uniform(1, 8))),
}
"""Each by its name. In this order they are put together."""

SHAPES = ("crop", "resize", "letterbox")
"""Of these a picture has one at most."""


def draw_drift(seed: int, size: tuple[int, int], names: Sequence[str]) -> Drift:
    """The drift of this seed, with what is named, for pictures of this height and width."""
    rng, drift = np.random.default_rng((seed, 7)), Drift(size)
    for name, draw in DRIFTS.items():
        if name in names:
            drift = draw(rng, drift)
    return drift


def draw_names(seed: int, among: Sequence[str] = tuple(DRIFTS)) -> tuple[str, ...]:
    """Several drifts that may come together: each as often as not."""
    rng = np.random.default_rng((seed, 8))
    shape = str(rng.choice(SHAPES))
    names = [name for name in among if rng.random() < 0.5 and (name not in SHAPES or name == shape)]
    return tuple(names) if len(names) > 1 else draw_names(seed + 1_000_003, among)
