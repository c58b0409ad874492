"""A campaign on the tests' forge: made, planned and applied, and published by a clock of its own.

As a program (`python -m tests.fleet_desk FOLDER publish|rollback`) it is for tests that kill it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from refactor.fleet import inventory, phases
from refactor.fleet.campaign import load
from refactor.fleet.forge.client import Pace
from refactor.fleet.forge.servers import Servers
from refactor.fleet.ledger import Ledger
from refactor.fleet.publishing import Desk, Outcome, publish
from refactor.fleet.records import Repository
from refactor.fleet.rolling_back import roll_back
from tests.fleet_clock import StillClock

J = TypeVar("J")
R = TypeVar("R")
VERSION = "1"
DOCKERFILE = """\
FROM debian:bookworm
MAINTAINER me@example.com
RUN apt-get update && apt-get install -y curl
CMD curl localhost
"""


class Here:
    """Work in this process, one job after the other."""

    def run(self, work: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R]]:
        """Yield each job with its result."""
        for job in jobs:
            yield job, work(job)


def desk(folder: Path, version: str = VERSION) -> Desk:
    """Open a campaign; time goes on by waiting alone."""
    campaign = load(folder)
    ledger = Ledger.open(campaign.ledger)
    servers = Servers(campaign.source, lambda words: None, Pace(StillClock()))
    return Desk(campaign, ledger, servers, phases.settings(campaign, ledger, version).room)


def begun(folder: Path, toml: str) -> Desk:
    """Make a campaign, plan it, and make the branches of all that is accepted."""
    folder.mkdir()
    (folder / "campaign.toml").write_text(toml)
    campaign = load(folder)
    with Ledger.create(campaign.ledger) as ledger:
        inventory.record(campaign, ledger, lambda words: None)
    found = desk(folder)
    jobs = phases.plan_jobs(campaign, found.ledger, phases.Choice(), VERSION)
    plans = list(phases.plan(found.ledger, Here(), jobs))
    assert [plan.state for plan in plans if plan.state != "planned"] == [], plans
    applied(found)
    return found


def applied(found: Desk, version: str = VERSION) -> None:
    """Make the branches."""
    jobs = phases.apply_jobs(found.campaign, found.ledger, phases.Choice(), version)
    branches = list(phases.apply(found.campaign, found.ledger, Here(), jobs))
    assert not [branch for branch in branches if branch.state == "failed"], branches


def wanted(found: Desk) -> list[Repository]:
    """Return the repositories that are not left out."""
    return [one for one in found.ledger.repositories() if not one.skipped]


def published(found: Desk, dry_run: bool = False) -> list[Outcome]:
    """Publish all."""
    return [publish(found, one, dry_run) for one in wanted(found)]


if __name__ == "__main__":
    opened = desk(Path(sys.argv[1]))
    phases_of: dict[str, Callable[[Desk, Repository], Outcome]] = {
        "publish": publish, "rollback": roll_back,
    }  # fmt: skip
    for repository in wanted(opened):
        phases_of[sys.argv[2]](opened, repository)
