"""`dfr fleet apply`: commits of what was accepted, in branches that nobody has seen yet."""

from __future__ import annotations

import typer

from refactor.commands import fleet_session as given
from refactor.commands import options
from refactor.report import text

HELP = """Make a branch for each repository with what was accepted; nothing is pushed.

A commit for each transform, or one for all ([commits] each). Author, date and message depend only
on the campaign and the commit that was planned for, so the same decisions make the same commits.
They are kept in results/, as a bundle that git fetches from, and as a patch.

\b
  dfr fleet apply slim
  dfr fleet apply slim --only 'github.com/acme/web-*' --dry-run
"""

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def _group() -> None: ...


@app.command(help=HELP)
def apply(
    folder: given.Folder,
    dry_run: given.DryRun = False,
    limit: given.Limit = 0,
    only: given.Only = "",
    pilot: given.Pilot = "",
    stop_ratio: given.StopRatio = None,
    jobs: given.Jobs = 0,
    scheduler: given.Scheduler = "",
    quiet: given.Quiet = False,
) -> None:
    """Apply."""
    from refactor.fleet import clones, phases

    with given.session(folder, quiet, dry_run) as session:
        chosen = given.choice(only, limit, pilot)
        todo = phases.apply_jobs(session.campaign, session.ledger, chosen, options.version())
        if dry_run:
            for job in todo:
                typer.echo(text.flat(job.repository.id))
            return
        if missing := phases.unplanned(session.campaign, session.ledger, chosen, options.version()):
            session.say(f"without a plan as things are now: {missing}; `dfr fleet plan` makes it")
        if not scheduler:
            clones.clear(session.campaign.cache)
        executor = session.executor(jobs, scheduler)
        records = phases.apply(session.campaign, session.ledger, executor, todo)
        tally = given.tally(session.campaign, stop_ratio)
        raise typer.Exit(session.work("apply", records, tally, None))
