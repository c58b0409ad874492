"""Plan and apply: repositories are worked on elsewhere, and recorded here, one a transaction."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from refactor import config as configuration
from refactor.config import Config, ConfigError
from refactor.decisions import Decisions
from refactor.fleet import applying, planning
from refactor.fleet.applying import Applied
from refactor.fleet.campaign import Campaign, named_tokens
from refactor.fleet.clones import Room
from refactor.fleet.executors import Executor, Lost
from refactor.fleet.group_decisions import decisions_for
from refactor.fleet.ledger import Ledger
from refactor.fleet.planning import Settings
from refactor.fleet.records import Branch, Plan, Repository

MIN_FOR_RATIO = 10


class Choice(NamedTuple):
    """Which repositories a phase is about: a pattern of ids, a number, a share."""

    only: str = ""
    limit: int = 0
    pilot: str | int = ""

    def of(self, campaign: Campaign, ledger: Ledger) -> Callable[[str], bool]:
        """Return whether a repository is among those that are worked on.

        A pilot is the same part each time, and a larger one holds a smaller one.
        """
        pilot = self.pilot or campaign.limits.pilot
        chosen: set[str] | None = None
        if pilot:
            names = [one.id for one in ledger.repositories() if not one.skipped]
            share = str(pilot).endswith("%")
            count = math.ceil(len(names) * float(str(pilot)[:-1]) / 100) if share else int(pilot)
            names.sort(
                key=lambda name: hashlib.sha256(f"{campaign.name}\0{name}".encode()).digest()
            )
            chosen = set(names[:count])

        def wanted(name: str) -> bool:
            return (chosen is None or name in chosen) and (
                not self.only or fnmatch(name, self.only)
            )

        return wanted


class Stopped(Exception):
    """More failed than the campaign allows."""


@dataclass
class Tally:
    """How many repositories came to which state; raises Stopped at a ratio of failures."""

    ratio: float = 0.0
    states: Counter[str] = field(default_factory=Counter)

    def add(self, state: str) -> None:
        """Count a repository."""
        self.states[state] += 1
        failed, done = self.states["failed"], self.states.total()
        if self.ratio and done >= MIN_FOR_RATIO and failed / done > self.ratio:
            raise Stopped(
                f"{failed} of {done} repositories failed: more than the ratio of {self.ratio:g}"
            )


def settings(campaign: Campaign, ledger: Ledger, version: str) -> Settings:
    """Return what holds for each plan; raise ConfigError if the configuration is no use."""
    asked = campaign.refactor
    found = configuration.read(campaign.folder / asked.config) if asked.config else Config()
    limits = campaign.limits
    room = Room(
        str(campaign.cache.absolute()), limits.seconds, limits.clone_bytes,
        limits.cache_bytes, tuple(named_tokens(campaign.source).items()),
    )  # fmt: skip
    config = replace(
        found, level=asked.safety, select=asked.select or found.select,
        ignore=(*found.ignore, *asked.ignore), overrides=(), today=ledger.get("today"), root=None,
    )  # fmt: skip
    if found.overrides:
        raise ConfigError(f"{asked.config}: overrides are for paths of a repository, not for all")
    return Settings(config, room, limits.files, version, campaign.settings)


def today() -> str:
    """Return the date that a campaign begins with: all of it is planned as on that day."""
    return date.today().isoformat()


def plan_jobs(
    campaign: Campaign, ledger: Ledger, choice: Choice, version: str
) -> list[planning.Job]:
    """Return the repositories that are to be planned."""
    found = settings(campaign, ledger, version)
    wanted = choice.of(campaign, ledger)
    jobs = [
        planning.Job(one, found)
        for one in ledger.unplanned(version, found.digest)
        if wanted(one.id)
    ]
    return jobs[: choice.limit or None]


def plan(ledger: Ledger, executor: Executor, jobs: Iterable[planning.Job]) -> Iterator[Plan]:
    """Plan repositories and record each; yield the records."""
    for job, result in executor.run(planning.planned, jobs):
        if isinstance(result, Lost):
            known = job.settings
            result = Plan(
                job.repository.id, "failed", result.reason, version=known.version,
                settings=known.digest,
            )  # fmt: skip
        with ledger.transaction():
            ledger.put_plan(result)
        yield result


def apply_jobs(
    campaign: Campaign, ledger: Ledger, choice: Choice, version: str
) -> Iterator[applying.Job]:
    """Yield the repositories whose branch is not what plan and decisions make of it."""
    found = settings(campaign, ledger, version)
    wanted = choice.of(campaign, ledger)
    count = 0
    for one in ledger.repositories():
        if one.skipped or not wanted(one.id):
            continue
        job = apply_job(campaign, ledger, found, one)
        if job is not None and not _is_done(campaign, ledger.branch(one.id), job):
            yield job
            count += 1
            if count == choice.limit:
                return


def unplanned(campaign: Campaign, ledger: Ledger, choice: Choice, version: str) -> int:
    """Return how many repositories have no plan of this program and this campaign."""
    wanted = choice.of(campaign, ledger)
    return sum(wanted(one.id) for one in ledger.unplanned(version, campaign.settings))


def apply_job(
    campaign: Campaign, ledger: Ledger, found: Settings, repository: Repository
) -> applying.Job | None:
    """Return the work on one repository; None if nothing is accepted, or was ever made."""
    known = ledger.plan(repository.id)
    if known is None or known.state != "planned":
        return None
    if (known.version, known.settings) != (found.version, found.digest):
        return None
    decisions = decisions_for(ledger, known, campaign)
    if not any(d.accept for decided in decisions.values() for d in decided.decisions):
        branch = ledger.branch(repository.id)
        if branch is None or branch.state == "nothing":
            return None
    slim = known._replace(
        files=tuple(file._replace(changes=(), remarks=()) for file in known.files)
    )
    return applying.Job(
        repository, slim, decisions, found, campaign.commits, campaign.ours,
        digest(known, decisions, campaign),
    )  # fmt: skip


def digest(known: Plan, decisions: Decisions, campaign: Campaign) -> str:
    """Return what tells whether a branch is that of a plan, its decisions and the configuration."""
    commits = campaign.commits
    told = [
        known.base, known.version, known.settings, campaign.ours, commits.each, commits.author,
        commits.sign_off, commits.message,
        sorted((path, decided.decisions) for path, decided in decisions.items()),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _is_done(campaign: Campaign, branch: Branch | None, job: applying.Job) -> bool:
    if branch is None or branch.decided != job.decided or branch.state == "failed":
        return False
    return not branch.bundle or (campaign.folder / branch.bundle).is_file()


def apply(
    campaign: Campaign, ledger: Ledger, executor: Executor, jobs: Iterable[applying.Job]
) -> Iterator[Branch]:
    """Make the branches of repositories and record each; yield the records."""
    for job, result in executor.run(applying.applied, jobs):
        if isinstance(result, Lost):
            result = Applied(
                Branch(
                    job.repository.id, "failed", result.reason, job.branch, job.plan.base,
                    decided=job.decided,
                )
            )  # fmt: skip
        branch = result.branch
        if branch.state == "made":
            folder = campaign.result(branch.repository)
            folder.mkdir(parents=True, exist_ok=True)
            _put(folder / "change.patch", result.patch.encode("utf-8", "surrogateescape"))
            _put(folder / "branch.bundle", result.bundle)
            place = (folder / "branch.bundle").relative_to(campaign.folder).as_posix()
            branch = branch._replace(bundle=place)
        with ledger.transaction():
            ledger.put_branch(branch)
        yield branch


def _put(path: Path, data: bytes) -> None:
    """Write a file whole, or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(data)
    os.replace(new, path)


def counted(records: Iterable[Any], tally: Tally) -> Iterator[Any]:
    """Yield records, and count them."""
    for record in records:
        yield record
        tally.add(record.state)
