"""What ComfyUI says of the nodes in each language. ``tests/comfyui`` holds the English to what the nodes say."""

import json
import re
import sys
from pathlib import Path

import pytest

from diffedit_core import keeping, refine, settings
from diffedit_core.masks import RULES

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "locales"))

import words  # noqa: E402

ENGLISH = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((words.HERE / words.ENGLISH).iterdir())
}
TEXTS = set(words.texts(ENGLISH))
NODES = {node["display_name"] for node in ENGLISH["nodeDefs"].values()}
SETTINGS = (settings.EditSettings, settings.ContrastSettings, settings.CutSettings, settings.DecodingSettings)
OPTIONS = {
    name
    for group in (*SETTINGS, refine.Refinement, keeping.KeepSettings)
    for _, knob in group.knobs()
    for name in knob.names or ()
} | set(RULES)
HOW = "run locales/words.py on a ComfyUI, and fill in what is empty"


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_a_language_has_a_word_for_every_text_and_none_that_is_stale(language):
    there = words.words_of(language)
    assert set(there) == TEXTS, f"{HOW}: {sorted(set(there) ^ TEXTS)}"
    assert [text for text, word in there.items() if not word.strip()] == [], HOW


def test_the_files_are_made_of_the_words():
    made = words.files(ENGLISH)
    assert set(words.HERE.rglob("*.json")) == set(made)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: {HOW}"


def test_what_changes_in_a_node_is_noticed():
    english = {"nodeDefs": {"A": {"name": "mask", "tooltip": "A new tooltip."}}}
    assert words.said(english, words.words_of("zh"))["nodeDefs"]["A"] == {"name": "遮罩", "tooltip": "A new tooltip."}
    made = {path.name: text for path, text in words.files(english).items()}
    assert json.loads(made["zh.json"]) == {"mask": "遮罩", "A new tooltip.": ""}


def test_the_texts_of_the_page_are_among_the_words():
    assert ENGLISH["main"]["diffedit"] == words.page_texts(), HOW
    assert {"Undo", "Run once, then turn the knobs."} < set(words.page_texts())


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_a_translation_says_what_the_english_does(language):
    """As far as can be seen: it is one, and it has the same numbers, options and names of nodes."""
    there = words.words_of(language)
    for english, word in there.items():
        assert word != english or len(english.split()) < 3, english
        numbers = re.findall(r"\d+(?:\.\d+)?", english)
        assert set(numbers) <= set(re.findall(r"\d+(?:\.\d+)?", word)), f"{english}: {word}"
        for option in OPTIONS:
            if re.search(rf"(^|[.;] ){option}( \([\d.]+\))?: ", english):
                assert re.search(rf"\b{option}\b", word, re.ASCII), f"{english}: {word} lacks {option}"
        for node in NODES:
            assert not re.search(rf"\b{node}\b", english) or there[node] in word, f"{english}: {word}"


@pytest.mark.parametrize("language", [words.ENGLISH, *words.LANGUAGES])
def test_nothing_is_read_as_a_placeholder(language):
    """The frontend's messages use these characters."""
    for text in TEXTS if language == words.ENGLISH else words.words_of(language).values():
        assert not set("{}|@") & set(text), text


def test_nodes_have_names_of_their_own_in_each_language():
    for language in words.LANGUAGES:
        assert len({words.words_of(language)[node] for node in NODES}) == len(NODES)
