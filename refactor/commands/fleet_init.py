"""`dfr fleet init`: the folder of a campaign, and the repositories that it is about."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from refactor.commands import fleet_session, options
from refactor.commands.options import fail
from refactor.config import ConfigError
from refactor.fleet.campaign import FILE, FORGES, load
from refactor.fleet.ledger import Ledger
from refactor.report import text

HELP = """Begin a campaign, or look again which repositories it is about.

In a new folder, campaign.toml is written from the options; read it, and change what you like. In a
folder with a campaign.toml, that counts, and repositories that are new are added. A line of a list
that is commented out leaves its repository out.

\b
  dfr fleet init slim --list repositories.txt
  dfr fleet init slim --github acme --level suggested
  dfr fleet init slim                            look again
"""

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def _group() -> None: ...


@app.command(help=HELP)
def init(
    folder: fleet_session.Folder,
    lists: Annotated[
        list[Path] | None,
        typer.Option("--list", help="A file of git addresses or local paths, a line each."),
    ] = None,
    github: Annotated[list[str] | None, typer.Option(help="A GitHub organisation.")] = None,
    gitlab: Annotated[list[str] | None, typer.Option(help="A GitLab group.")] = None,
    forgejo: Annotated[list[str] | None, typer.Option(help="A Forgejo organisation.")] = None,
    url: Annotated[str, typer.Option(help="The API of a server of one's own.")] = "",
    name: Annotated[str, typer.Option(help="The campaign's name; else the folder's.")] = "",
    level: options.Level = None,
    dry_run: fleet_session.DryRun = False,
    quiet: fleet_session.Quiet = False,
) -> None:
    """Begin a campaign."""
    given = {"list": [str(p.absolute()) for p in lists or []], "github": github or [],
             "gitlab": gitlab or [], "forgejo": forgejo or []}  # fmt: skip
    asked = any(given.values())
    file = folder / FILE
    if file.exists() and (asked or level or name):
        fail(f"{file}: is there already: change it, and run `dfr fleet init {folder}`")
    if not file.exists() and not asked:
        fail("which repositories? --list FILE, --github ORG, --gitlab GROUP or --forgejo ORG")
    if not file.exists():
        written = _toml(name or folder.absolute().name, given, url, level or "safe")
        if dry_run:
            typer.echo(written, nl=False)
            return
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(written, encoding="utf-8")
    try:
        _listed(folder, dry_run, quiet)
    except ConfigError as error:
        fail(str(error))


def _listed(folder: Path, dry_run: bool, quiet: bool) -> None:
    from refactor.fleet import inventory
    from refactor.fleet.phases import today

    def say(words: str) -> None:
        if not quiet:
            options.say(text.line(words))

    campaign = load(folder)
    if dry_run:
        for one in inventory.repositories(campaign, say):
            typer.echo(text.flat(f"{one.id}{f' ({one.skipped})' if one.skipped else ''}"))
        return
    with fleet_session.locked(campaign.folder):
        if not campaign.ledger.exists():
            with Ledger.create(campaign.ledger) as ledger:
                ledger.put("today", today())
        with Ledger.open(campaign.ledger) as ledger:
            inventory.record(campaign, ledger, say)
            found = list(ledger.repositories())
    skipped = Counter(one.skipped for one in found if one.skipped)
    told = "".join(f", {count} {reason}" for reason, count in sorted(skipped.items()))
    say(f"{folder / FILE}: {len(found) - skipped.total()} repositories{told}")


def _toml(name: str, given: dict[str, list[str]], url: str, level: str) -> str:
    """Return the configuration of a new campaign."""
    rows = ["# What there is to say: docs/fleet.md", f"name = {json.dumps(name)}", ""]
    for kind in ("list", *FORGES):
        for one in given[kind]:
            rows += ["[[source]]", f"{kind} = {json.dumps(one)}"]
            rows += [f"url = {json.dumps(url)}"] if url and kind != "list" else []
            rows.append("")
    rows += ["[refactor]", f"level = {json.dumps(level)}", ""]
    rows += ["[commits]", 'each = "transform"', ""]
    rows += ["[review]", 'accept = "none"  # or "safe": what nobody has to look at', ""]
    rows += ["[limits]", "seconds = 300", "clone_bytes = 500_000_000", ""]
    return "\n".join(rows)
