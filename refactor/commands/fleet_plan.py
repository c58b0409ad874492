"""`dfr fleet plan`: what would be done to each repository."""

from __future__ import annotations

import typer

from refactor.commands import fleet_session as given
from refactor.commands import options
from refactor.report import text

HELP = """Clone the last commit of each repository, without files' contents, and run the engine.

What would change, and what was refused and why, is recorded in the ledger. Repositories that have a
plan of this program and this campaign are not looked at again; those that failed are.

\b
  dfr fleet plan slim
  dfr fleet plan slim --pilot 5% --stop-on-failure-ratio 0.2
  dfr fleet plan slim --scheduler tcp://cluster:8786
"""

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def _group() -> None: ...


@app.command(help=HELP)
def plan(
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
    """Plan."""
    from refactor.fleet import clones, phases

    with given.session(folder, quiet, dry_run) as session:
        chosen = given.choice(only, limit, pilot)
        todo = phases.plan_jobs(session.campaign, session.ledger, chosen, options.version())
        if dry_run:
            for job in todo:
                typer.echo(text.flat(job.repository.id))
            return
        if not scheduler:
            clones.clear(session.campaign.cache)
        executor = session.executor(jobs, scheduler)
        records = phases.plan(session.ledger, executor, todo)
        tally = given.tally(session.campaign, stop_ratio)
        raise typer.Exit(session.work("plan", records, tally, len(todo)))
