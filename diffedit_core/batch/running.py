"""A whole run: what is to be done, less what is done already, through workers and into the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from .addresses import address
from .jobs import OWN, RESULTS, SHEET, Job, Plan
from .journal import Journal, Line, lines
from .landing import Landing
from .lock import locked
from .sheet import relative, write_sheet
from .whole import writing
from .work import Deliver, failure

Runner = Callable[[Iterable[Job], Deliver], None]
"""Works through jobs and delivers their results, in any order."""


@dataclass
class Tally:
    """How far a run is."""

    rows: int
    before: int  # done by an earlier run
    done: int = 0
    failed: int = 0
    evaluations: int = 0

    def count(self, line: Line) -> None:
        if "error" in line:
            self.failed += 1
        else:
            self.done += 1
            self.evaluations += line.get("evaluations", {}).get("total", 0)

    @property
    def left(self) -> int:
        return self.rows - self.before - self.done - self.failed


@dataclass
class Survey:
    """What the table asks for, before anything is done."""

    rows: int = 0
    keys: set[str] = field(default_factory=set)  # of the rows that can be done
    names: set[str] = field(default_factory=set)  # of the files that come of them

    @classmethod
    def of(cls, plan: Plan) -> Survey:
        found = cls()
        for job in plan.jobs():
            found.rows += 1
            if not job.problem:
                found.keys.add(job.key)
                found.names.update(name.casefold() for name in job.files.values())
        return found

    def still_holds(self, line: Line, out: Path) -> bool:
        """Whether a line of an earlier run is still good: of this table, or of another one whose files are let be."""
        written = _files_of(line)
        if "error" in line or not written or not all(_is_there(out / name) for name in written):
            return False
        return line["key"] in self.keys or not any(name.casefold() in self.names for name in written)


def _files_of(line: Line) -> list[str]:
    """None of a line that somebody has changed by hand."""
    written = line.get("written")
    names = [*written.values()] if isinstance(written, dict) and "picture" in written else []
    return names if all(isinstance(name, str) for name in names) else []


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no name at all
        return False


def run(plan: Plan, runner: Runner, on_start: Callable[[Tally], None], on_line: Callable[[Line], None]) -> Tally:
    """Rows that are done are not done again; rows that failed are."""
    own = _prepared(plan.out)
    with locked(own / "lock", plan.out):
        _clear(own)
        survey = Survey.of(plan)
        journal = Journal(plan.out / RESULTS, lambda line: survey.still_holds(line, plan.out), own)
        tally = Tally(survey.rows, len(journal.done & survey.keys))
        on_start(tally)

        def landed(line: Line) -> None:
            tally.count(line)
            on_line(line)

        try:
            with _then_a_page(plan, survey.keys), closing(journal), Landing(plan.out, own, journal, landed) as landing:
                runner(_left(plan, frozenset(journal.done), landing), landing.put)
        except KeyboardInterrupt:
            left = f"{tally.before + tally.done} of {tally.rows} pictures are done"
            raise KeyboardInterrupt(f"interrupted: {left}; the same command goes on from there") from None
    return tally


@contextmanager
def _then_a_page(plan: Plan, keys: set[str]) -> Iterator[None]:
    """Also of a run that ends early."""
    try:
        yield
    except BaseException:
        with suppress(ValueError):  # a full disk is said already
            write_page(plan, keys)
        raise
    write_page(plan, keys)


def write_page(plan: Plan, keys: set[str]) -> None:
    """Of this table: other tables' pictures are let be."""

    def shown() -> Iterator[Line]:
        return (line for line in lines(plan.out / RESULTS) if line["key"] in keys or "error" in line)

    def original(image: object) -> str | None:
        place = address(image, plan.table.base) if isinstance(image, str) else None
        return relative(place, plan.out) if isinstance(place, Path) else place

    write_sheet(plan.out / SHEET, shown, original, plan.out / OWN)


def _left(plan: Plan, done: frozenset[str], landing: Landing) -> Iterator[Job]:
    for job in plan.jobs():
        if job.key in done:
            continue
        if job.problem:
            landing.put(failure(job, job.problem))
        else:
            yield job


def _clear(own: Path) -> None:
    """Of the drafts of a run that was killed."""
    with writing(f"into {own}"):
        for draft in own.glob(".diffedit-*"):
            draft.unlink()


def _prepared(out: Path) -> Path:
    """The folder for drafts. A folder that holds anything else is somebody's, and nothing is written into it."""
    with writing(f"into {out}"):
        if out.is_dir() and not (out / OWN).is_dir() and any(out.iterdir()):
            raise ValueError(f"{out} holds other files; name a new or an empty folder for the results")
        own = out / OWN
        own.mkdir(parents=True, exist_ok=True)
    return own
