"""What is asked of a writer, and what is read out of what it may answer."""

from __future__ import annotations

import json

import pytest

from diffedit_core.wording import (
    ANSWERS,
    EXAMPLE,
    UnreadableError,
    both_texts,
    texts_asked,
    texts_of,
    tidy,
    wordings_asked,
)

RED, BLUE = "a woman in a red dress", "a woman in a blue dress"
PLAIN = json.dumps({"source": RED, "target": BLUE})
READ = {
    "plain": PLAIN,
    "prose around it": f"Sure! Here you are:\n{PLAIN}\nI hope that helps {{a bit}}.",
    "fenced": f"```json\n{PLAIN}\n```",
    "over several lines": json.dumps({"source": RED, "target": BLUE}, indent=2),
    "twice": f"{PLAIN}\n{PLAIN}",
    "capitals": json.dumps({"Source": RED, "TARGET": BLUE}),
    "longer names": json.dumps({"source_text": RED, "target_text": BLUE}),
    "the other way round": json.dumps({"target": BLUE, "source": RED}),
    "more than was asked for": json.dumps({"why": "colour", "source": RED, "target": BLUE, "words": 1}),
    "other names": json.dumps({"before": RED, "after": BLUE}),
    "within": json.dumps({"texts": {"source": RED, "target": BLUE}}),
    "a list": json.dumps([RED, BLUE]),
    "spaces and quotes": json.dumps({"source": f"  '{RED}' ", "target": f"{BLUE}\n"}),
    "a first one that is empty": json.dumps({"source": "", "target": ""}) + PLAIN,
    "the example first": json.dumps([*EXAMPLE]) + PLAIN,
    "thoughts": f'<think>Perhaps {{"source": "a dog", "target": "a cat"}}?</think>\n{PLAIN}',
    "named lines": f"Source: {RED}\nTarget: {BLUE}",
    "named lines in bold": f'**Source:** "{RED}"\n\n**Target:** "{BLUE}"\n\nOnly one word changed.',
    "no braces, as Flan-T5 has none": f'"source": "{RED}", "target": "{BLUE}"',
    "single quotes": f"{{'source': '{RED}', 'target': '{BLUE}'}}",
    "cut off": PLAIN[:-2],
}
UNREADABLE = {
    "": "is empty",
    "  \n": "is empty",
    "<think>The user wants": "is empty",
    f"I see {RED}.": "holds no source and target",
    json.dumps({"source": RED}): "holds no source and target",
    json.dumps({"source": RED, "target": ""}): "holds no source and target",
    json.dumps({"source": 1, "target": 2}): "has two texts with no word in common",
    json.dumps([RED, BLUE, RED]): "holds no source and target",
    "[" * 5000: "holds no source and target",
    f"[{'1' * 5000}]": "holds no source and target",
    "source: a" * 40_000: "holds no source and target",
    f"source: a{' ' * 40_000}b": "holds no source and target",
    json.dumps({"source": RED, "target": f" {RED.upper()}."}): "says the same twice",
    json.dumps({"source": "a woman", "target": "some blue dresses"}): "has two texts with no word in common",
    json.dumps(dict(zip(("source", "target"), EXAMPLE, strict=True))): "repeats the example",
}


@pytest.mark.parametrize("how", READ)
def test_two_texts_are_read_however_they_are_wrapped(how):
    assert texts_of(READ[how]) == (RED, BLUE)


@pytest.mark.parametrize("answer", UNREADABLE)
def test_what_holds_no_two_texts_is_refused_with_the_reason(answer):
    with pytest.raises(UnreadableError, match=UNREADABLE[answer]):
        texts_of(answer)


def test_the_first_answer_that_can_be_read_is_taken_and_no_further_one_asked_for():
    answers, asked = ["", "no idea", PLAIN, "never"], []

    def ask(prompt: str, number: int) -> str:
        asked.append((prompt, number))
        return answers[number]

    assert both_texts(ask, "make the dress blue", RED) == (RED, BLUE)
    assert asked == [(texts_asked("make the dress blue", RED), number) for number in range(3)]


def test_after_some_answers_it_is_given_up_with_what_to_do():
    numbers = []
    with pytest.raises(UnreadableError, match=f"{ANSWERS} answers.*says the same twice.*give source and target") as why:
        both_texts(lambda _, number: numbers.append(number) or f'["a cat", "a cat"] {"x" * 500}', "x")
    assert numbers == [*range(ANSWERS)]
    assert len(str(why.value)) < 300


def test_the_prompts_say_what_was_said():
    asked = texts_asked("make the dress blue", RED)
    assert "make the dress blue" in asked and f'"{RED}"' in asked
    assert "The picture shows" not in texts_asked("make the dress blue")
    assert texts_of(asked + PLAIN) == (RED, BLUE)  # of a model that begins with all that it was asked
    assert wordings_asked("a bowl") == (
        "Provide a caption for images containing a bowl. "
        "The captions should be in English and should be no longer than 150 characters."
    )


@pytest.mark.parametrize(
    ("answer", "text"),
    {
        ' "A bowl  of\tapples." ': "A bowl of apples.",
        "\n---\n* a bowl\n* a basket": "a bowl",
        "<think>hm\n</think>\n\na bowl": "a bowl",
        " \n .. ": "",
    }.items(),
)
def test_a_caption_is_one_line_of_words(answer, text):
    assert tidy(answer) == text
