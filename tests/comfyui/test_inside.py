"""The in-process tests, by the interpreter of every ComfyUI: what needs ComfyUI's own classes lives in ``inside/``."""

from conftest import HERE, run_python
from installations import Installation

INSIDE = HERE / "inside"


def test_inside_comfyui(installation: Installation) -> None:
    said = run_python(
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
    assert " passed" in said, said
