"""What the phases of a campaign share: options, the lock, the log, the bar and the last line."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from refactor.commands import options
from refactor.commands.options import DONE, ERROR, fail
from refactor.config import ConfigError
from refactor.fleet.campaign import Campaign, load
from refactor.fleet.ledger import Ledger
from refactor.registry import Unusable
from refactor.report import text

if TYPE_CHECKING:
    from refactor.fleet.executors import Executor
    from refactor.fleet.phases import Choice, Tally

T = TypeVar("T")
PATIENCE = 3.0  # seconds: workers of a run that was killed hold its lock until they notice

Folder = Annotated[Path, typer.Argument(help="The campaign's folder.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Limit = Annotated[
    int, typer.Option("--limit", help="At most so many repositories; 0 is all.", min=0)
]
Only = Annotated[
    str, typer.Option("--only", metavar="GLOB", help="Only repositories whose id matches.")
]
Pilot = Annotated[
    str,
    typer.Option("--pilot", metavar="5%", help="Only this share, or number, of the repositories."),
]
StopRatio = Annotated[
    float | None,
    typer.Option(
        "--stop-on-failure-ratio", metavar="0.2", min=0, max=1,
        help="Stop when more than this share failed, of ten or more.",
    ),
]  # fmt: skip
Jobs = Annotated[int, typer.Option("--jobs", "-j", help="Processes; 0 takes one a core.", min=0)]
Scheduler = Annotated[
    str,
    typer.Option(
        "--scheduler", metavar="ADDRESS", help="Work on this dask.distributed cluster instead."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")]


class Session:
    """A campaign that this process alone works on."""

    def __init__(self, campaign: Campaign, ledger: Ledger, log: IO[str], quiet: bool) -> None:
        self.campaign = campaign
        self.ledger = ledger
        self.quiet = quiet
        self._log = log

    def log(self, phase: str, **values: Any) -> None:
        """Append a line to the log."""
        row = {"at": round(time.time(), 3), "phase": phase, **values}
        self._log.write(json.dumps(row) + "\n")
        self._log.flush()

    def say(self, words: str, always: bool = False) -> None:
        """Say a line on standard error."""
        if always or not self.quiet:
            options.say(text.line(words))

    def progress(self, items: Iterable[T], total: int | None, what: str) -> Iterator[T]:
        """Show a bar while somebody looks on."""
        if self.quiet or not sys.stderr.isatty():
            yield from items
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        # No thread draws it: workers are forked while it is shown.
        with Progress(
            *columns, console=Console(stderr=True), transient=True, auto_refresh=False
        ) as bar:
            task = bar.add_task(what, total=total)
            for item in items:
                bar.advance(task)
                bar.refresh()
                yield item

    def executor(self, jobs: int, scheduler: str) -> Executor:
        """Return who does the work."""
        from refactor.fleet import executors

        seconds = 2.0 * self.campaign.limits.seconds  # git is given up before its worker is
        if scheduler:
            try:
                import distributed  # noqa: F401
            except ModuleNotFoundError:
                fail("--scheduler needs dask: pip install 'dockerfile-refactor[distributed]'")
            return executors.Dask(scheduler)
        count = jobs or self.campaign.run.jobs or os.cpu_count() or 1
        return executors.Local(count, seconds)

    def work(self, phase: str, records: Iterable[Any], tally: Tally, total: int | None) -> int:
        """Take a phase's records in turn, and return the exit code."""
        from refactor.fleet.phases import Stopped, counted

        start = time.monotonic()
        code = DONE
        try:
            for record in self.progress(counted(records, tally), total, phase):
                self.log(phase, repository=record.repository, state=record.state,
                         reason=record.reason, seconds=record.seconds)  # fmt: skip
                if record.state == "failed":
                    self.say(f"{record.repository}: failed: {record.reason}", always=True)
        except Stopped as stopped:
            self.log(phase, stopped=str(stopped))
            self.say(f"stopped: {stopped}; what was done is recorded", always=True)
            code = ERROR
        except KeyboardInterrupt:
            self.say(f"{phase}: interrupted; what was done is recorded", always=True)
            raise
        counts = ", ".join(f"{count} {state}" for state, count in sorted(tally.states.items()))
        seconds = time.monotonic() - start
        self.log(phase, done=dict(tally.states), seconds=round(seconds, 3))
        self.say(f"{phase}: {counts or 'nothing to do'} in {seconds:.1f} s")
        return ERROR if tally.states["failed"] else code


@contextmanager
def session(folder: Path, quiet: bool = False, dry_run: bool = False) -> Iterator[Session]:
    """Open a campaign for one phase; what cannot be used ends the program with a message.

    A dry run looks on while another process works.
    """
    try:
        campaign = load(folder)
        with (
            locked(campaign.folder, dry_run),
            Ledger.open(campaign.ledger) as ledger,
            campaign.log.open("a", encoding="utf-8") as log,
        ):
            yield Session(campaign, ledger, log, quiet)
    except (ConfigError, Unusable) as error:
        fail(str(error))


@contextmanager
def locked(folder: Path, shared: bool = False) -> Iterator[None]:
    """Keep other processes from working on a campaign, until this one ends, however it does."""
    with (folder / ".lock").open("a") as file:
        end = time.monotonic() + PATIENCE
        while not (free := _taken(file)) and not shared and time.monotonic() < end:
            time.sleep(0.1)
        if not (free or shared):
            _busy(folder)
        yield


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _busy(folder: Path) -> NoReturn:
    fail(f"{folder}: another dfr works on this campaign")


def choice(only: str, limit: int, pilot: str) -> Choice:
    """Return which repositories are chosen."""
    from refactor.fleet.phases import Choice

    if pilot and not pilot.removesuffix("%").replace(".", "", 1).isdigit():
        fail(f"--pilot {pilot}: a share, such as 5%, or a number")
    if pilot and "." in pilot and not pilot.endswith("%"):
        fail(f"--pilot {pilot}: a share, such as 5%, or a whole number")
    return Choice(only, limit, pilot)


def tally(campaign: Campaign, ratio: float | None) -> Tally:
    """Return a count that stops at the ratio of failures that is asked for."""
    from refactor.fleet.phases import Tally

    return Tally(campaign.limits.stop_on_failure_ratio if ratio is None else ratio)
