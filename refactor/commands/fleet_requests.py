"""`dfr fleet publish`, `status`, `refresh` and `rollback`: pull and merge requests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from refactor.commands import fleet_session as given
from refactor.commands import options
from refactor.commands.options import fail
from refactor.report import text

if TYPE_CHECKING:
    from refactor.fleet.phases import Choice
    from refactor.fleet.publishing import Desk, Outcome
    from refactor.fleet.records import Repository

PUBLISH_HELP = """Push the branches, and open or refresh a pull or merge request for each.

It is a draft while a change is above safe. At most one change a second is made on all servers
together, and what a server asks to wait is waited. A branch that others have pushed to is left
alone; a request that was closed is not opened again. A run that ends early goes on where it was.

Tokens come from the environment (GITHUB_TOKEN, GITLAB_TOKEN, FORGEJO_TOKEN, or what campaign.toml
names) or from git's credential helpers. A repository without a forge is only pushed to.

\b
  dfr fleet publish slim --dry-run
  dfr fleet publish slim --limit 10
"""
STATUS_HELP = """Ask how the requests stand: merged, open, failing, conflicted, closed.

\b
  dfr fleet status slim
  dfr fleet status slim --only 'github.com/acme/web-*'
"""
REFRESH_HELP = """Make open requests anew whose base has moved, or that another version made.

They are planned and made by the decisions that were taken; what was not decided is not made. A
branch that others have pushed to is left alone.

\b
  dfr fleet refresh slim --dry-run
  dfr fleet refresh slim
"""
ROLLBACK_HELP = """Close the open requests of the campaign with a sentence, and delete its branches.

What is merged stays, and so does a branch that others have pushed to. What is closed here is not
opened again: a new campaign needs a new name.

\b
  dfr fleet rollback slim --dry-run
  dfr fleet rollback slim --only github.com/acme/shop --yes
"""

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def _group() -> None: ...


@app.command(help=PUBLISH_HELP)
def publish(
    folder: given.Folder,
    dry_run: given.DryRun = False,
    limit: given.Limit = 0,
    only: given.Only = "",
    pilot: given.Pilot = "",
    stop_ratio: given.StopRatio = None,
    quiet: given.Quiet = False,
) -> None:
    """Publish."""
    from refactor.fleet.publishing import publish

    with given.session(folder, quiet, dry_run) as session:
        desk = _desk(session)
        todo = _chosen(desk, given.choice(only, limit, pilot))
        outcomes = _limited((publish(desk, one, dry_run) for one in todo), limit)
        raise typer.Exit(_done(session, "publish", outcomes, stop_ratio))


@app.command(help=STATUS_HELP)
def status(
    folder: given.Folder,
    dry_run: given.DryRun = False,
    limit: given.Limit = 0,
    only: given.Only = "",
    quiet: given.Quiet = False,
) -> None:
    """Ask how requests stand."""
    from refactor.fleet.status import look

    with given.session(folder, quiet, dry_run) as session:
        desk = _desk(session)
        todo = (
            (one, request)
            for one in _chosen(desk, given.choice(only, limit, ""))
            if (request := desk.ledger.request(one.id)) is not None
        )
        outcomes = (look(desk, one, request, dry_run) for one, request in todo)
        raise typer.Exit(_done(session, "status", _limited(outcomes, limit), None))


@app.command(help=REFRESH_HELP)
def refresh(
    folder: given.Folder,
    dry_run: given.DryRun = False,
    limit: given.Limit = 0,
    only: given.Only = "",
    stop_ratio: given.StopRatio = None,
    jobs: given.Jobs = 0,
    scheduler: given.Scheduler = "",
    quiet: given.Quiet = False,
) -> None:
    """Refresh."""
    from refactor.fleet import phases, refreshing
    from refactor.fleet.publishing import Outcome

    with given.session(folder, quiet, dry_run) as session:
        desk = _desk(session)
        settings = phases.settings(session.campaign, session.ledger, options.version())

        def outcomes() -> Iterator[Outcome]:
            todo: list[Repository] = []
            for one in _chosen(desk, given.choice(only, limit, "")):
                request = desk.ledger.request(one.id)
                if request is None or request.state != "open":
                    continue
                found = refreshing.stale(desk, one, settings, dry_run)
                if isinstance(found, Outcome):
                    yield found
                elif dry_run:
                    yield Outcome(one.id, "would", found)
                else:
                    todo.append(one)
                if limit and len(todo) == limit:
                    break
            if todo:
                executor = session.executor(jobs, scheduler)
                yield from refreshing.refresh(desk, executor, todo, settings)

        raise typer.Exit(_done(session, "refresh", outcomes(), stop_ratio))


@app.command(help=ROLLBACK_HELP)
def rollback(
    folder: given.Folder,
    dry_run: given.DryRun = False,
    limit: given.Limit = 0,
    only: given.Only = "",
    words: Annotated[
        str, typer.Option("--message", help="What is said when a request is closed.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    quiet: given.Quiet = False,
) -> None:
    """Roll back."""
    from refactor.fleet.rolling_back import roll_back

    with given.session(folder, quiet, dry_run) as session:
        desk = _desk(session)
        if not (dry_run or yes):
            if not sys.stdin.isatty():
                fail("there is no terminal to ask on: give --yes, or --dry-run to look first")
            asked = f"Close the requests of {session.campaign.name}, and delete its branches?"
            typer.confirm(asked, abort=True, err=True)
        todo = _chosen(desk, given.choice(only, limit, ""))
        outcomes = (roll_back(desk, one, words, dry_run) for one in todo)
        raise typer.Exit(_done(session, "rollback", _limited(outcomes, limit), None))


def _desk(session: given.Session) -> Desk:
    from refactor.fleet import phases
    from refactor.fleet.forge.servers import servers
    from refactor.fleet.publishing import Desk

    room = phases.settings(session.campaign, session.ledger, options.version()).room

    def say(words: str) -> None:
        session.log("forge", said=words)
        session.say(words)

    return Desk(session.campaign, session.ledger, servers(session.campaign, say), room)


def _chosen(desk: Desk, choice: Choice) -> Iterator[Repository]:
    """Yield the repositories that are chosen and have a branch or a request."""
    wanted: Callable[[str], bool] = choice.of(desk.campaign, desk.ledger)
    for one in desk.ledger.repositories():
        known = desk.ledger.branch(one.id) or desk.ledger.request(one.id)
        if known is not None and wanted(one.id):
            yield one


def _limited(outcomes: Iterable[Outcome], limit: int) -> Iterator[Outcome]:
    """Yield outcomes until so many of them are of repositories where there was something to do."""
    count = 0
    for one in outcomes:
        yield one
        count += one.state not in ("unchanged", "left")
        if limit and count == limit:
            return


def _done(
    session: given.Session, phase: str, outcomes: Iterable[Outcome], ratio: float | None
) -> int:
    """Print what became of each repository, record it in the log, and return the exit code."""

    def shown() -> Iterator[Outcome]:
        for one in outcomes:
            if one.state != "failed" and not session.quiet:  # a failure is said in any case
                typer.echo(text.flat(f"{one.state}: {one.repository}: {one.reason}".rstrip(": ")))
            yield one

    return session.work(phase, shown(), given.tally(session.campaign, ratio), None)
