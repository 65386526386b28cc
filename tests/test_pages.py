"""What the pages promise is there: tests, files, templates and flags that they name."""

import json
import re
from pathlib import Path

import pytest

from diffedit_core.cli.program import make_parser

ROOT = Path(__file__).parents[1]
SEEDS = (ROOT / "docs" / "seeds.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
HELP = ROOT / "web" / "docs"
NODES = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8"))
CHINESE = json.loads((ROOT / "locales" / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
TEMPLATES = [path.stem for path in (ROOT / "workflows").glob("*.json")]


def test_every_line_of_the_seeds_names_a_test_that_is_there():
    rows = [line.split(" | ") for line in SEEDS.splitlines() if line.startswith("|") and "---" not in line]
    rows = [row for row in rows if row[0] != "| What it shows"]
    assert len(rows) > 30
    for row in rows:
        (named,) = re.findall(r"`(tests/\S+?\.py)::(test_\w+)`", row[2])
        assert f"def {named[1]}(" in (ROOT / named[0]).read_text(), f"{named[0]} has no {named[1]}"


def test_the_seeds_graphs_are_templates():
    for name in re.findall(r"graphs? \*(.+?)\*", SEEDS):
        assert any(title.startswith(name) or f"{name})" in title or name in title for title in TEMPLATES), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flags_that_a_page_names_are_flags(page):
    known = set()
    for command in make_parser()._subparsers._group_actions[0].choices.values():
        known |= set(command._option_string_actions)
    known |= {"--wait", "--workflow", "--cpu", "--fp32-vae", "--resume", "--count", "--ways"}
    known |= {"--set", "--graph", "--head", "--address", "--seconds", "--price"}  # of other programs
    known |= {"--mask-", "--refine-"}  # beginnings
    for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", page.read_text()):
        assert flag in known, f"{page.name}: {flag}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / link).exists(), f"{page.name}: {link}"


def pictures_in(page):
    """They are looked up from the folder of all pages, whichever page shows them."""
    return re.findall(r"!\[.+?\]\((.+?)\)", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("node", NODES)
def test_a_node_has_its_help_in_english_and_in_chinese(node):
    english, chinese = HELP / f"{node}.md", HELP / node / "zh.md"
    text = chinese.read_text(encoding="utf-8")
    assert text.startswith(f"# {CHINESE[node]['display_name']}\n")
    for name, socket in CHINESE[node]["inputs"].items():
        assert socket["name"] in text and name in text, f"{chinese} does not mention {name}"
    for number, socket in CHINESE[node]["outputs"].items():
        own, translated = NODES[node]["outputs"][number]["name"], socket["name"]
        assert f"**{translated}**" in text and own in text, f"{chinese} does not mention the output {own}"
    assert pictures_in(english) == pictures_in(chinese)


def test_every_picture_of_the_help_is_there_and_is_shown():
    shown = {name for page in HELP.glob("*.md") for name in pictures_in(page)}
    assert shown == {str(path.relative_to(HELP)) for path in HELP.rglob("*.jpg")}
    sheets = re.findall(r'^    "(\w+/\w+)": ', (ROOT / "bench" / "knob_pictures.py").read_text(), re.MULTILINE)
    assert shown == {f"DiffEdit_{sheet}.jpg" for sheet in sheets}
