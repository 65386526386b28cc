"""The icon and the banner of the registry's listing: ``python -m bench.listing``.

The icon is the toybox's own drawing, half before an edit and half after it. The banner is a real run of the demo model.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from bench.cases import CHOICE, pictures_of
from diffedit_core.editing import Edit, edit
from diffedit_core.hosts.diffusers import DiffusersHost
from diffedit_core.pictures import to_bytes, to_pil
from diffedit_core.sheets import FRAME, INK, overlay
from diffedit_core.toybox import judge, task, weights
from diffedit_core.toybox.scenes import SIZE, Frame

OUT = Path(__file__).parents[1] / "docs"
SEED = CHOICE[0] + 950
ICON, BANNER = 400, (1260, 540)
PANEL, GAP, LETTERS = 384, 27, 40
TITLE, SAYING = "DiffEdit", "Say what should change. Everything else stays as it was, to the pixel."


def icon() -> Image.Image:
    """A scene before and after its edit, cut along a diagonal through what changes."""
    made = task(SEED + 1, "both", Frame(3 * SIZE, SIZE))
    down, right = (int(each.mean()) for each in np.nonzero(made.region > 0.5))
    side = SIZE
    box = (slice(max(0, down - side // 2), None), slice(max(0, right - side // 2), None))
    before, after = (each[box][:side, :side] for each in (made.image, made.edited))
    rows, columns = np.indices(before.shape[:2])
    drawn = np.where((rows + columns < side)[..., None], before, after)
    image = Image.fromarray(drawn).resize((ICON, ICON), Image.Resampling.LANCZOS)
    ImageDraw.Draw(image).line((0, ICON, ICON, 0), fill=FRAME, width=6)
    return image


def banner(number: int = 7) -> Image.Image:
    """A picture, where the model finds the edit, and the picture with the edit."""
    host = DiffusersHost.from_pretrained(weights(), "cpu")
    made = task(SEED + number, "colour", Frame(PANEL, SIZE))
    picture = pictures_of([made.image])
    done = edit(host, picture, Edit(made.source, made.target), seed=number)
    if not judge(made, to_bytes(done.picture[0])):
        raise ValueError(f"scene {number} is not edited as asked; choose another")
    sheet = Image.new("RGB", BANNER, "white")
    pen, top = ImageDraw.Draw(sheet), BANNER[1] - PANEL - GAP
    pen.text((GAP, top / 2 - 24), TITLE, fill=FRAME, font=ImageFont.load_default(60), anchor="lm")
    pen.text((BANNER[0] - GAP, top / 2 - 24), SAYING, fill=INK, font=ImageFont.load_default(26), anchor="rm")
    shown = (picture, overlay(picture, done.masks[0]), done.picture)
    for place, (each, text) in enumerate(zip(shown, (made.source, "found by itself", made.target), strict=True)):
        left = GAP + place * (PANEL + GAP)
        sheet.paste(to_pil(each), (left, top))
        middle, lines = (left + PANEL / 2, top - 8), fill(text, LETTERS)
        pen.multiline_text(middle, lines, fill=INK, font=ImageFont.load_default(19), anchor="md", align="center")
    return sheet


def main() -> None:
    torch.set_num_threads(1)
    icon().save(OUT / "icon.png")
    banner().save(OUT / "banner.png")


if __name__ == "__main__":
    main()
