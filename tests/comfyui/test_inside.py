"""The in-process tests, by the interpreter of every ComfyUI: what needs ComfyUI's own classes lives in ``inside/``."""

from collections.abc import Callable

from installations import HERE, Installation, ran
from table import families_in, rows

INSIDE = HERE / "inside"


def test_inside_comfyui(installation: Installation, record_property: Callable[[str, object], None]) -> None:
    ended = ran(
        installation,
        "-m",
        "pytest",
        str(INSIDE),
        "-c",
        str(INSIDE / "pytest.ini"),
        "-p",
        "no:cacheprovider",
        COMFYUI_PATH=str(installation.folder),
    )
    families = families_in(ended.stdout)
    record_property("families", (installation.name, families))
    assert ended.returncode == 0 and " passed" in ended.stdout, ended.stdout[-20000:]
    assert families and all(said.startswith("ran") or said == "not in this version" for said in families.values())


def test_the_table_has_a_row_for_each_family_and_a_column_for_each_comfyui():
    old = families_in("1 passed\nfamily flux: ran, 9 tests\nfamily krea2: not in this version\n")
    new = families_in("family flux: ran, 9 tests\nfamily krea2: 7 of 9 tests failed\nfamily next: ran, 1 tests\n")
    assert rows({"Old-0.3": old, "New-0.33": new}) == [
        "family  Old-0.3              New-0.33",
        "flux    ran, 9 tests         ran, 9 tests",
        "krea2   not in this version  7 of 9 tests failed",
        "next    no word of it        ran, 1 tests",
    ]
