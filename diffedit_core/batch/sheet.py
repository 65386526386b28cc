"""All results on one page, which a browser opens from the folder: nothing is served, and nothing is fetched."""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import Callable, Iterable, Iterator
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .jobs import THUMBNAILS
from .journal import Line
from .whole import written_whole

MOST = 10_000
"""Pictures on a sheet: those on which the draws of noise agreed least. More than this nobody looks through."""


def thumbnail_of(key: str) -> str:
    """Its name in the output folder: not too many in one."""
    return f"{THUMBNAILS}/{key[:2]}/{key}.jpg"


def write_sheet(
    path: Path, lines: Callable[[], Iterable[Line]], original: Callable[[Any], str | None], drafts: Path | None = None
) -> None:
    """``original`` says where the picture of a line is, for a link; None where there is no such file."""
    shown = heapq.nsmallest(MOST, (line for line in lines() if "error" not in line), key=_agreement)
    failed = heapq.nsmallest(MOST, (line for line in lines() if "error" in line), key=lambda line: line.get("row", 0))
    with written_whole(path, drafts) as draft, draft.open("w", encoding="utf-8") as file:
        file.writelines(_page(shown, failed, lambda line: original(line.get("image"))))


def relative(path: Path, folder: Path) -> str | None:
    """A link from a page in the folder, where there is a way from one to the other."""
    try:
        return quote(Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix())
    except ValueError:  # on another drive
        return path.resolve().as_uri()


def _page(shown: list[Line], failed: list[Line], original: Callable[[Line], str | None]) -> Iterator[str]:
    yield HEAD.replace("COUNT", f"{len(shown)} pictures, {len(failed)} failed")
    for line in shown:
        yield _figure(line, original(line))
    yield "</main>\n"
    if failed:
        yield "<h2>Failed</h2>\n<table>\n"
        for line in failed:
            cells = (line.get("row", ""), line.get("image", ""), line["error"])
            yield f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>\n"
        yield "</table>\n"
    yield TAIL


def _figure(line: Line, original: str | None) -> str:
    picture = quote(line["written"]["picture"])
    agreement, coverage = _agreement(line), line.get("coverage", line.get("changed", 0.0))
    said = [f"row {line.get('row')}", f"{100 * coverage:.1f} %"]
    said += [f"agreement {agreement:.2f}"] if math.isfinite(agreement) else []
    links = [f'<a href="{escape(original)}">before</a>'] if original else []
    links.append(f'<a href="{picture}">{escape(Path(line["written"]["picture"]).name)}</a>')
    texts = [f"<p>{escape(text)}</p>" for text in _texts(line)]
    data = f'data-row="{line.get("row", 0)}" data-agreement="{agreement}" data-coverage="{coverage}"'
    image = f'<img loading="lazy" src="{quote(thumbnail_of(line["key"]))}" alt="before, mask and after">'
    return (
        f'<figure {data}><a href="{picture}">{image}</a>{"".join(texts)}<p>{" · ".join([*said, *links])}</p></figure>\n'
    )


def _texts(line: Line) -> Iterator[str]:
    for edit in line.get("edits", []):
        yield " → ".join(
            " / ".join([side] if isinstance(side, str) else side) for side in (edit["source"], edit["target"])
        )
    yield from line.get("findings", [])
    yield from line.get("warnings", [])


def _agreement(line: Line) -> float:
    """Of the edit on which the draws agree least; without any, last."""
    return min((edit["agreement"] for edit in line.get("edits", []) if "agreement" in edit), default=math.inf)


HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>COUNT</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 1rem; color: #222; background: #fff }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)); gap: 1rem }
figure { margin: 0; content-visibility: auto; contain-intrinsic-size: auto 240px; overflow-wrap: anywhere }
img { width: 100%; min-height: 140px; object-fit: contain; background: #eee }
p { margin: .2rem 0 } td { border-top: 1px solid #ccc; padding: .2rem .6rem; vertical-align: top }
button { font: inherit; margin-right: .5rem } button[aria-pressed=true] { font-weight: bold }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #1b1b1b } a { color: #8bf } img { background: #333 }
}
</style>
<h1>COUNT</h1>
<p>Before, mask and after. Sorted by:
<button data-by="agreement" aria-pressed="true">agreement</button><button data-by="coverage">coverage</button><button
data-by="row">row</button></p>
<main>
"""

TAIL = """<script>
const main = document.querySelector("main"), buttons = [...document.querySelectorAll("button")];
for (const button of buttons) button.onclick = () => {
  const by = button.dataset.by, again = button.getAttribute("aria-pressed") == "true" && !button.dataset.down;
  for (const each of buttons) { each.setAttribute("aria-pressed", each == button); delete each.dataset.down; }
  if (again) button.dataset.down = "1";
  const value = figure => by == "agreement" && figure.dataset[by] == "inf" ? Infinity : Number(figure.dataset[by]);
  const sign = again ? -1 : 1;
  main.append(...[...main.children].sort((a, b) => sign * ((value(a) > value(b)) - (value(a) < value(b)))));
};
</script>
"""
