"""What is said on stdout and stderr, wherever they lead. Each command line is a process of its own."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from soak.forked import Conditions, Ended, ran
from soak.odd_pictures import doubtful, encoded, scene

KEEP = ["keep", "a.png", "b.png", "-o", "o.png"]


@pytest.fixture
def folder(tmp_path) -> Path:
    changed = scene(48, 64).copy()
    changed[10:20, 30:44] = 255 - changed[10:20, 30:44]
    (tmp_path / "a.png").write_bytes(encoded(scene(48, 64), "PNG"))
    (tmp_path / "b.png").write_bytes(encoded(changed, "PNG"))
    return tmp_path


def said(ended: Ended) -> tuple[int, str, str]:
    return ended.code, ended.out, ended.err


HELP = [["--help"], ["edit", "--help"], ["--version"]]


@pytest.mark.parametrize("argv", [*HELP, KEEP, [*KEEP, "--json"]], ids=" ".join)
def test_whoever_reads_no_further_has_seen_enough(folder, argv):
    assert said(ran(argv, folder, Conditions(stdout="gone"))) == (0, "", "")
    assert (folder / "o.png").exists() == ("keep" in argv)


@pytest.mark.parametrize("argv", [*HELP, KEEP, [*KEEP, "--json"]], ids=" ".join)
def test_what_a_full_disk_does_not_take_is_said(folder, argv):
    full = "diffedit: cannot write to stdout: No space left on device\n"
    assert said(ran(argv, folder, Conditions(stdout="full"))) == (2, "", full)


@pytest.mark.parametrize("how", [Conditions("closed"), Conditions("closed", "closed", "closed")])
def test_closed_streams_hinder_nothing(folder, how):
    assert ran(KEEP, folder, how).code == 0
    assert (folder / "o.png").exists()


def test_what_is_said_on_a_closed_stderr_is_said_nowhere_else(folder):
    assert said(ran(["keep", "none.png", "b.png", "--json"], folder, Conditions(stderr="closed"))) == (2, "", "")


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_name_that_is_no_text_can_be_shown(folder, flags):
    name = "\udcff\U0001f34e.png"
    ended = ran([*KEEP[:3], "-o", name, *flags], folder, Conditions())
    assert (ended.code, ended.err) == (0, "")
    assert (folder / name).exists()
    assert json.loads(ended.out)["written"]["picture"] == name if flags else "\\udcff\U0001f34e.png" in ended.out


def test_what_pillow_warns_of_is_said_in_one_line_of_ours(folder):
    (folder / "a.jpg").write_bytes(doubtful()["exif cut.jpg"])
    ended = ran(["keep", "a.jpg", "a.jpg", "-o", "o.png"], folder, Conditions())
    line = "diffedit: Corrupt EXIF data. Expecting to read 12 bytes but only got 1.\n"
    assert (ended.code, ended.err) == (0, 2 * line)  # of the original, and of the edited picture


def test_a_file_that_is_read_only_stays(folder):
    kept = folder / "o.png"
    kept.write_text("mine")
    kept.chmod(0o444)
    assert said(ran(KEEP, folder, Conditions())) == (2, "", "diffedit: cannot write o.png: it is read-only\n")
    assert kept.read_text() == "mine"


def test_a_device_stays_a_device(folder):
    try:
        os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    (folder / "o.png").symlink_to("null")
    why = "cannot write o.png: it is no file but a pipe, a socket or a device"
    assert said(ran(KEEP, folder, Conditions())) == (2, "", f"diffedit: {why}\n")
    assert stat.S_ISCHR((folder / "null").stat().st_mode)
