"""The words of the nodes, as a real server gives them to its frontend."""

from __future__ import annotations

import json
import sys

from server import PACK, Server

sys.path.insert(0, str(PACK / "locales"))

import words


def test_the_english_is_what_the_nodes_say(object_info: dict) -> None:
    for name, part in words.english(object_info).items():
        written = json.loads((words.HERE / words.ENGLISH / f"{name}.json").read_text(encoding="utf-8"))
        assert written == part, "run locales/words.py on a ComfyUI"


def test_the_server_gives_every_language(server: Server) -> None:
    given = server.get("/i18n")
    for language in (words.ENGLISH, *words.LANGUAGES):
        for path in (words.HERE / language).iterdir():
            part = json.loads(path.read_text(encoding="utf-8"))
            here = given[language] if path.stem == "main" else given[language][path.stem]
            assert {key: here[key] for key in part} == part
