"""Campaigns whose repositories are planned from texts: there is no git in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from refactor.config import Config
from refactor.context import MemoryContext
from refactor.fleet.campaign import Campaign, load
from refactor.fleet.clones import Room
from refactor.fleet.ledger import Ledger
from refactor.fleet.planning import Settings, of_tree
from refactor.fleet.records import Plan, Repository
from refactor.model import Safety

Texts = Mapping[str, Mapping[str, str]]


def campaign(
    folder: Path, texts: Texts, *, more: str = "", select: tuple[str, ...] = ()
) -> Campaign:
    """Make a campaign of repositories, each with files by their paths, and plan all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign.toml").write_text(
        f'name = "test"\n[refactor]\nlevel = "risky"\n{more}', encoding="utf-8"
    )
    found = load(folder)
    with Ledger.create(found.ledger) as ledger:
        ledger.put_repositories(Repository(id, f"https://{id}.git") for id in texts)
        for number, (id, files) in enumerate(texts.items()):
            with ledger.transaction():
                ledger.put_plan(plan(id, files, select)._replace(seconds=float(number % 7)))
    return found


def plan(repository: str, files: Mapping[str, str], select: tuple[str, ...] = ()) -> Plan:
    """Return the plan of a repository with some files, by these transforms or the usual ones."""
    tree = MemoryContext({path: text.encode() for path, text in files.items()})
    settings = Settings(Config(level=Safety.RISKY, select=select), Room("", 1, 1, 1))
    return of_tree(tree, Plan(repository, "failed", base="c0ffee"), settings)
