"""`dfr fleet report`: a campaign as a page, as CSV and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from refactor.commands import fleet_session as given
from refactor.commands import options
from refactor.fleet.ledger import Ledger
from refactor.fleet.reviewing import (
    Group,
    Review,
    by_repository,
    groups,
    repositories,
    sampled,
)
from refactor.report import fleet_data, fleet_html
from refactor.report.fleet_html import Left, Shown
from refactor.report.fleet_numbers import numbers

HELP = """Show how far a campaign is: one page that needs no network, a table, and data.

report.html has figures, bars, outliers and the largest groups of equal changes, to accept or
decline by keyboard: it saves a file for `dfr fleet review --decisions`. report.csv has a line for
each repository, report.json everything; docs/fleet.schema.json describes it.

\b
  dfr fleet report slim
  dfr fleet report slim --format csv --output -
"""
FORMATS = ("html", "csv", "json")
GROUPS, SAMPLES, NAMES = 200, 5, 20  # of the page
_WRITTEN = 5000  # groups of the data

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def _group() -> None: ...


@app.command(help=HELP)
def report(
    folder: given.Folder,
    format: Annotated[
        str, typer.Option("--format", metavar="html|csv|json", help="Only this one.")
    ] = "",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file of the one format; `-` is standard output."),
    ] = None,
    most: Annotated[
        int, typer.Option("--groups", help="So many groups are on the page.", min=0)
    ] = GROUPS,
    quiet: given.Quiet = False,
) -> None:
    """Report."""
    if format and format not in FORMATS:
        options.fail(f"--format {format}: one of {', '.join(FORMATS)}")
    if output and not format:
        options.fail("--output needs --format")
    with given.session(folder, quiet, dry_run=True) as session:
        campaign, ledger = session.campaign, session.ledger
        found = numbers(ledger, campaign)
        version = options.version()
        for name in [format] if format else FORMATS:
            if name == "csv":
                written = fleet_data.table(found)
            elif name == "json":
                kept = [
                    g for kind in ("exact", "shape") for g in groups(ledger, kind, limit=_WRITTEN)
                ]
                written = fleet_data.document(found, kept, campaign.name, version)
            else:
                shown, left = _page(ledger, most)
                written = fleet_html.document(found, shown, left, campaign.name, version)
            path = output or campaign.folder / f"report.{name}"
            options.put(path, written.encode("utf-8", "backslashreplace"))
            if path != Path("-"):
                session.say(f"report: {path}")


def _page(ledger: Ledger, most: int) -> tuple[list[Shown], Left]:
    """Return the largest groups, as they are asked for, and what is left out."""
    review = Review(ledger)
    units = _units(review)
    shown = [
        Shown(
            group, sampled(ledger, group, SAMPLES),
            list(islice(repositories(ledger, group), NAMES)), review.rules.get(group.rule),
        )
        for group in islice(units, most)
    ]  # fmt: skip
    rest = list(units)
    return shown, Left(len(rest), sum(group.changes for group in rest))


def _units(review: Review) -> Iterator[Group]:
    """Yield what one answer can be for: shape groups, the exact ones that are alone, risky ones."""
    for shape in review.shapes:
        exacts = review.exacts[shape.subject]
        if shape.level == "risky":
            for exact in exacts:
                yield from by_repository(review.ledger, exact.subject)
        else:
            yield exacts[0] if len(exacts) == 1 else shape
