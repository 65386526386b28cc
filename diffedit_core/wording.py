"""What a language model is asked for the texts of an edit, and what is read out of its answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

WORDINGS = 16
"""Of each text, to average: as many as in diffusers' guide to DiffEdit."""

ANSWERS = 4
"""That a writer may give before it is told apart from one that cannot do it."""

CAPTION = "Describe this picture in one short sentence in English. Answer with the sentence only."

STARTS = {"blip": "a photograph of", "paligemma": "<image>caption en"}
"""What models that don't chat are given beside the picture, by their type. The others get nothing."""

EXAMPLE = ("a grey cat asleep on a red sofa", "a grey dog asleep on a red sofa")

Ask = Callable[[str, int], str]
"""Gives a model's answer to a prompt; the number makes it another answer."""


LONGEST = 2**13
"""Letters of an answer that are read; writers give a few hundred."""


class UnreadableError(ValueError):
    """Answers that hold no two texts, and why."""


def wordings_asked(text: str) -> str:
    """The prompt of diffusers' guide, where "a bowl" is the text."""
    return (
        f"Provide a caption for images containing {text}. "
        "The captions should be in English and should be no longer than 150 characters."
    )


def texts_asked(instruction: str, caption: str = "") -> str:
    shown = f'The picture shows: "{caption}".\n' if caption else ""
    source, target = EXAMPLE
    return (
        f"{shown}A picture will be edited like this: {instruction}\n"
        'Write two short sentences in English. "source" describes the picture as it is now, with the thing that will '
        'change. "target" is the same sentence after the edit: change as few words as possible and repeat all others.\n'
        f'Answer in JSON only, for example for "make the cat a dog": {json.dumps({"source": source, "target": target})}'
    )


def both_texts(ask: Ask, instruction: str, caption: str = "") -> tuple[str, str]:
    """The source and the target text, from the first answer that holds them."""
    prompt, why = texts_asked(instruction, caption), ""
    for number in range(ANSWERS):
        answer = ask(prompt, number)
        try:
            return texts_of(answer)
        except UnreadableError as cause:
            why = f"{cause}: {answer.strip()[:80]!r}"
    raise UnreadableError(
        f"no two texts that can be used in {ANSWERS} answers, of which the last {why}; "
        "give source and target yourself, or take another writer"
    )


def texts_of(answer: str) -> tuple[str, str]:
    """Two texts that differ and have words in common, out of JSON in whatever stands around it, or named lines."""
    answer = without_thoughts(answer)[:LONGEST]
    if not answer:
        raise UnreadableError("is empty")
    pairs = [pair for pair in _pairs(answer) if all(pair)]
    if not pairs:
        raise UnreadableError("holds no source and target")
    found = next((pair for pair in pairs if pair != EXAMPLE), None)
    if found is None:
        raise UnreadableError("repeats the example")
    words, others = (re.findall(r"\w+", text.lower()) for text in found)
    if words == others:
        raise UnreadableError("says the same twice")
    if not set(words) & set(others):
        raise UnreadableError("has two texts with no word in common")
    return found


def tidy(answer: str) -> str:
    """The first line with words in it, without the bullets, quotes and brackets around it."""
    lines = (line.strip(" \t\"'`*•-{}[],") for line in without_thoughts(answer).splitlines())
    return next((" ".join(line.split()) for line in lines if re.search(r"\w", line)), "")


def without_thoughts(answer: str) -> str:
    """What follows the thinking aloud. Thoughts that never end are no answer."""
    return re.sub(r"<think>.*?(</think>|$)", "", answer, flags=re.DOTALL).strip()


def _pairs(answer: str) -> Iterator[tuple[str, str]]:
    for found in _jsons(answer):
        yield from _in_json(found)
    named = re.search(
        r"\bsource\b[^\w:=]*[:=]\s*(?P<source>.+?)\btarget\b[^\w:=]*[:=]\s*(?P<target>[^\n]+)",
        answer,
        re.IGNORECASE | re.DOTALL,
    )
    if named:
        yield (
            tidy(_to_last_word(named["source"])),
            tidy(named["target"].split('"')[1] if '"' in named["target"] else named["target"]),
        )


def _to_last_word(text: str) -> str:
    return text[: max((end for end, sign in enumerate(text, start=1) if re.match(r"\w", sign)), default=0)]


def _jsons(answer: str) -> Iterator[Any]:
    """Whatever parses, from each bracket on."""
    for bracket in re.finditer(r"[{\[]", answer):
        try:
            yield json.JSONDecoder(strict=False).raw_decode(answer[bracket.start() :])[0]
        except RecursionError:  # nor are the brackets within it those of two texts
            return
        except ValueError:  # also a number of thousands of digits
            continue


def _in_json(found: Any) -> Iterator[tuple[str, str]]:
    """By their names, or where they are the only two texts, in order."""
    if isinstance(found, dict):
        sides = [[text for name, text in found.items() if side in name.lower()] for side in ("source", "target")]
        texts = [each[0] for each in sides if each] if all(sides) else list(found.values())
    else:
        texts = found
    if isinstance(texts, Sequence) and len(texts) == 2 and all(isinstance(text, str) for text in texts):
        yield tidy(texts[0]), tidy(texts[1])
