"""Edits that wait: the ground is edited when the things on it are what they will be, and its texts then say so.

Drawn at once with them, it redraws what they were: its texts still name it, and its mask still leaves room for it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from torch import Tensor

from .run import Edit
from .stages import Look

MOST_WORDS = 1000
"""Of a text: no model reads more, and finding what changed takes the square of it."""

Change = tuple[int, int, tuple[str, ...]]
"""Words [start, end) of a text, and those that take their place."""


def edits_that_wait(edits: Sequence[Edit], masks: Sequence[Tensor], looks: Sequence[Look | None]) -> dict[int, Edit]:
    """Of each area that is edited together with things its number, and the edit as it will have to be asked for.

    Only where all texts start from one source text, so that the changes of the others can be read off it.
    """
    found = [i for i, mask in enumerate(masks) if mask.any()]
    areas = [i for i in found if (seen := looks[i]) is not None and {*seen.kinds} == {"area"}]
    things = [edits[i] for i in found if i not in areas]
    later = {i: _said_after(edits[i], things) for i in areas} if things else {}
    return {i: edit for i, edit in later.items() if edit is not None}


def _said_after(edit: Edit, things: Sequence[Edit]) -> Edit | None:
    """The edit with texts that show the things as they are by then."""
    source, targets = edit.source, [each.target for each in (*things, edit)]
    if not isinstance(source, str) or any(thing.source != source for thing in things):
        return None
    texts = [target for target in targets if isinstance(target, str)]
    if len(texts) < len(targets):
        return None
    before, after = merged(source, *texts[:-1]), merged(source, *texts)
    return None if before is None or after is None else replace(edit, source=before, target=after)


def merged(base: str, *versions: str) -> str | None:
    """The base text with the changes of all its versions. None where two of them change the same words, or one is very
    long.
    """
    words = _words(base)
    if max(map(len, (words, *map(_words, versions)))) > MOST_WORDS:
        return None
    changes = sorted({change for version in versions for change in _changes(words, _words(version))})
    if any(_clash(*pair) for pair in pairwise(changes)):
        return None
    for start, end, new in reversed(changes):
        words[start:end] = new
    return "".join(words)


def _changes(old: list[str], new: list[str]) -> list[Change]:
    codes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [(start, end, tuple(new[low:high])) for tag, start, end, low, high in codes if tag != "equal"]


def _clash(one: Change, other: Change) -> bool:
    """Of two changes in their order: whether they meet in a word, or in one gap between words."""
    return other[0] < one[1] or other[:2] == one[:2]


def _words(text: str) -> list[str]:
    """Words and punctuation marks, each with the space before it; together they are the text."""
    return re.findall(r"\s*\w+|\s*[^\w\s]|\s+$", text)
