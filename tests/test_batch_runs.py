"""Runs without a model: what is done once, what is left after a stop, and what a failure costs."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from echoing import MakeEcho
from test_batch_tables import write_lines

from diffedit_core.batch.jobs import RESULTS, SHEET, Plan
from diffedit_core.batch.journal import Journal, lines
from diffedit_core.batch.lock import locked
from diffedit_core.batch.processes import Processes
from diffedit_core.batch.running import Runner, Tally, run
from diffedit_core.batch.tables import table
from diffedit_core.batch.whole import written_whole
from diffedit_core.batch.work import HopelessError, work_through

TESTS = Path(__file__).parent


def alone(make: MakeEcho) -> Runner:
    return lambda jobs, deliver: work_through(make(0), jobs, deliver)


def many(count: int) -> list[dict]:
    return [{"image": f"{i}.png", "source": f"text {i}", "out": f"{i % 3}/{i}.png"} for i in range(count)]


class Place:
    """A folder with a table, and what has been worked on."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out, self.log = folder, folder / "out", folder / "log"

    def run(self, rows: list, runner: Runner | None = None, **settings) -> Tally:
        path = write_lines(self.folder / "t.jsonl", rows)
        plan = Plan(table(path), self.out, settings)
        return run(plan, runner or alone(MakeEcho(self.log)), lambda tally: None, lambda line: None)

    def lines(self) -> list[dict]:
        return [json.loads(text) for text in (self.out / RESULTS).read_text().splitlines()]

    def worked(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []

    def check(self, rows: list) -> None:
        """All is there, and nothing else."""
        written = {path.relative_to(self.out).as_posix() for path in self.out.rglob("*") if path.is_file()}
        assert written == {RESULTS, SHEET, ".diffedit/lock", *(row["out"] for row in rows)}
        assert all((self.out / row["out"]).read_text() == row["source"] for row in rows)
        assert sorted(line["image"] for line in self.lines()) == sorted(row["image"] for row in rows)


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path)


def test_a_run_and_the_same_again(place):
    assert place.run(many(9)) == Tally(9, 0, 9, 0, 9)
    place.check(many(9))
    assert place.run(many(9)) == Tally(9, 9)
    assert len(place.worked()) == 9


def test_an_edited_table_redoes_what_changed_only(place):
    rows = many(6)
    place.run(rows)
    rows[2]["source"] = "another"
    rows.reverse()
    rows.append({"image": "new.png", "source": "new", "out": "new.png"})
    assert place.run(rows) == Tally(7, 5, 2, 0, 2)
    place.check(rows)
    assert place.worked()[6:] == ["2.png", "new.png"]


def test_other_settings_redo_all_and_the_first_ones_again_only_what_was_overwritten(place):
    place.run(many(3))
    assert place.run(many(3), steps=5).done == 3
    assert place.run(many(3), steps=5).before == 3
    assert place.run(many(3)).done == 3
    place.check(many(3))


def test_another_tables_results_are_let_be(place):
    rows = many(6)
    place.run(rows[:3])
    place.run(rows[3:])
    place.check(rows)
    assert place.run(rows) == Tally(6, 6)


def test_a_picture_without_its_line_or_a_line_without_its_picture_is_done_again(place):
    place.run(many(5))
    (place.out / "1/1.png").unlink()
    kept = [line for line in (place.out / RESULTS).read_text().splitlines(True) if '"2.png"' not in line]
    (place.out / RESULTS).write_text("".join(kept))
    assert place.run(many(5)) == Tally(5, 3, 2, 0, 2)
    place.check(many(5))
    assert sorted(place.worked()[5:]) == ["1.png", "2.png"]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_was_cut_off_is_dropped(place, cut):
    place.run(many(3))
    whole = (place.out / RESULTS).read_bytes()
    (place.out / RESULTS).write_bytes(whole[:-cut])
    assert place.run(many(3)).before == 2
    place.check(many(3))


def test_drafts_that_a_killed_run_left_are_removed(place):
    place.run(many(2))
    (place.out / ".diffedit" / ".diffedit-0.png").write_text("half")
    place.run(many(2))
    place.check(many(2))


def test_a_bad_row_costs_its_own_line(place):
    rows = many(4)
    rows[1]["source"], rows[2]["source"] = "unreadable", "odd"
    rows.append({"image": "twice.png", "out": "0/0.png"})
    assert place.run(rows) == Tally(5, 0, 2, 3, 2)
    errors = {line["row"]: line["error"] for line in place.lines() if "error" in line}
    assert errors == {
        2: "this one cannot be read",
        3: "KeyError: 'odd'",
        5: "out is 0/0.png, as in row 1; give each row its own",
    }
    rows[1]["source"] = "mended"
    tally = place.run(rows)
    assert (tally.before, tally.done, tally.failed) == (2, 1, 2)
    assert len(place.lines()) == 5


def test_warnings_stand_in_the_rows_own_line(place, capsys):
    rows = many(3)
    rows[1]["source"] = "doubtful"
    place.run(rows)
    assert [line.get("warnings") for line in place.lines()] == [None, ["this one is doubtful"], None]
    assert capsys.readouterr().err == ""


def test_without_a_model_the_run_stops_and_says_so(place):
    for runner in (alone(MakeEcho(place.log, "none")), Processes(MakeEcho(place.log, "none"), 2)):
        with pytest.raises(HopelessError, match="there is no model none"):
            place.run(many(5), runner)
    assert place.lines() == []
    assert place.run(many(5)).done == 5


def test_processes_do_all_and_each_once(place):
    assert place.run(many(40), Processes(MakeEcho(place.log), 3)).done == 40
    place.check(many(40))
    assert sorted(place.worked()) == sorted(row["image"] for row in many(40))
    assert len({line["process"] for line in place.lines()}) > 1


def pressed(make: MakeEcho) -> MakeEcho:
    os.kill(os.getpid(), signal.SIGINT)
    return make


class PressedMeanwhile:
    """Ctrl-C while a process imports what it needs: before it works."""

    def __init__(self, make: MakeEcho) -> None:
        self.make = make

    def __reduce__(self) -> tuple:
        return pressed, (self.make,)


def test_a_process_does_not_hear_an_interruption_that_comes_while_it_starts(place, capfd):
    assert place.run(many(4), Processes(PressedMeanwhile(MakeEcho(place.log)), 2)) == Tally(4, 0, 4, 0, 4)
    assert "Traceback" not in capfd.readouterr().err


def test_no_more_processes_are_started_than_there_are_rows(place):
    started = []

    class Counted(Processes):
        def _start(self, number: int) -> Any:
            started.append(number)
            return super()._start(number)

    assert place.run(many(2), Counted(MakeEcho(place.log), 1000)).done == 2
    assert started == [0, 1]


def test_a_row_that_ends_its_process_costs_itself_alone(place):
    rows = many(20)
    for number in (3, 4, 11):
        rows[number]["source"] = "deadly"
    tally = place.run(rows, Processes(MakeEcho(place.log), 2))
    assert (tally.done, tally.failed) == (17, 3)
    errors = {line["row"]: line["error"] for line in place.lines() if "error" in line}
    assert errors.keys() == {4, 5, 12}
    assert "exit code -9" in errors[4]


def test_processes_that_only_end_are_given_up(place):
    rows = [{**row, "source": "deadly"} for row in many(30)]
    with pytest.raises(HopelessError, match="in a row ended by themselves"):
        place.run(rows, Processes(MakeEcho(place.log), 1))


def test_a_name_that_the_disk_does_not_take_costs_its_row(place):
    place.run([])
    (place.out / "1" / "1.png").mkdir(parents=True)
    tally = place.run(many(4))
    assert (tally.done, tally.failed) == (3, 1)
    (error,) = [line for line in place.lines() if "error" in line]
    assert error["row"] == 2 and "cannot write" in error["error"]


def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(place, monkeypatch):
    good = os.fsync

    def full(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink().suffix == ".png":
            raise OSError(errno.ENOSPC, "No space left on device")
        good(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ValueError, match="No space left on device"):
            place.run(many(50))
    assert place.lines() == []
    assert place.run(many(50)).done == 50
    place.check(many(50))


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """As on a disk that is nearly full: no file of this process can be larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", range(3300, 4500, 150))
def test_a_journal_that_the_disk_does_not_take_stops_the_run_and_the_next_one_goes_on(place, size):
    with small_files(size), pytest.raises(ValueError, match=r"cannot write .*results.jsonl: File too large"):
        place.run(many(50))
    whole = (place.out / RESULTS).read_bytes().count(b"\n")
    assert len(place.worked()) >= whole > 5
    assert place.run(many(50)) == Tally(50, whole, 50 - whole, 0, 50 - whole)
    place.check(many(50))


def test_a_sheet_that_the_disk_does_not_take_is_said(place):
    with small_files(2000), pytest.raises(ValueError, match=r"cannot write .*sheet.html: File too large"):
        place.run(many(3))
    assert place.run(many(3)) == Tally(3, 3)
    place.check(many(3))


def test_a_folder_that_cannot_be_locked_is_said(place):
    (place.out / ".diffedit" / "lock").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"cannot write into .*: Is a directory"):
        place.run(many(1))


@pytest.mark.parametrize(
    "written", [None, [], {}, ["0/0.png"], {"picture": 5}, {"picture": "x" * 300}, {"picture": "\0"}]
)
def test_a_line_that_somebody_changed_is_done_again(place, written):
    place.run(many(3))
    first, *others = place.lines()
    write_lines(place.out / RESULTS, [{**first, "written": written}, *others])
    assert place.run(many(3)) == Tally(3, 2, 1, 0, 1)
    place.check(many(3))


def test_two_runs_at_once_in_one_folder_are_refused(place):
    place.run(many(1))
    with locked(place.out / ".diffedit" / "lock", place.out), pytest.raises(ValueError, match="another run is writing"):
        place.run(many(1))


def test_a_folder_of_somebody_elses_is_refused(place):
    place.out.mkdir()
    (place.out / "mine.png").touch()
    with pytest.raises(ValueError, match="holds other files"):
        place.run(many(1))
    assert [path.name for path in place.out.iterdir()] == ["mine.png"]


def test_an_interruption_leaves_what_is_done_and_says_how_to_go_on(place):
    def interrupted(jobs, deliver):
        work = alone(MakeEcho(place.log))

        def some():
            for number, job in enumerate(jobs):
                if number == 5:
                    raise KeyboardInterrupt
                yield job

        work(some(), deliver)

    with pytest.raises(KeyboardInterrupt, match=r"interrupted: [345] of 9 pictures are done; the same command goes on"):
        place.run(many(9), interrupted)
    done = len(place.lines())
    assert place.run(many(9)) == Tally(9, done, 9 - done, 0, 9 - done)
    place.check(many(9))


KILLED = """
import sys, time; sys.path[:0] = [{tests!r}]
from pathlib import Path
from test_batch_runs import Place, many, Processes, MakeEcho
place = Place(Path({folder!r}))
place.run(many(400), Processes(MakeEcho(place.log), 2) if {processes} else None)
"""


@pytest.mark.parametrize("processes", [False, True])
def test_killed_at_any_moment_it_goes_on(place, processes):
    script = KILLED.format(tests=str(TESTS), folder=str(place.folder), processes=processes)
    lost = 0
    for _ in range(3):
        before = len([*lines(place.out / RESULTS)])
        process = subprocess.Popen([sys.executable, "-c", script])
        until = time.monotonic() + 120
        while len([*lines(place.out / RESULTS)]) <= before + 10 and process.poll() is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        lost += len({*place.worked()}) - len([*lines(place.out / RESULTS)])
    done = len([*lines(place.out / RESULTS)])
    assert done > 0
    tally = place.run(many(400))
    assert tally == Tally(400, done, 400 - done, 0, 400 - done)
    place.check(many(400))


def test_a_journal_takes_each_row_once(tmp_path):
    journal = Journal(tmp_path / "j", lambda line: True)
    assert journal.add([{"key": "a", "n": 1}, {"key": "a", "n": 1}, {"key": "b"}]) == [
        {"key": "a", "n": 1},
        {"key": "b"},
    ]
    assert journal.add([{"key": "b"}]) == []
    journal.close()
    again = Journal(tmp_path / "j", lambda line: line["key"] == "a")
    again.close()
    assert again.done == {"a"}
    assert [*lines(tmp_path / "j")] == [{"key": "a", "n": 1}]


def test_a_journal_holds_what_is_no_json_as_text(tmp_path):
    """As an id in a Parquet table can be: a day, bytes."""
    journal = Journal(tmp_path / "j", lambda line: True)
    journal.add([{"key": "a", "id": date(2024, 2, 29)}, {"key": "b", "id": b"\xff"}])
    journal.close()
    assert [line["id"] for line in lines(tmp_path / "j")] == ["2024-02-29", "b'\\xff'"]


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    happened = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        happened.append(Path(f"/proc/self/fd/{handle}").readlink())
        sync(handle)

    def replaced(draft: Path, target: Path) -> Path:
        happened.append("moved")
        return replace(draft, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    with written_whole(tmp_path / "a.png") as draft:
        draft.write_text("x")
    assert happened == [draft, "moved", tmp_path]


def test_no_process_is_left_behind(place):
    place.run(many(5), Processes(MakeEcho(place.log), 2))
    assert multiprocessing.active_children() == []
