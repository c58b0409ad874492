"""A repository -> its plan: what the engine would do to each Dockerfile of its newest commit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple

from refactor.compose import Decide, Outcome, everything
from refactor.config import Config, ConfigError, load_in
from refactor.context import Context
from refactor.details import difference
from refactor.discover import discover_in
from refactor.engine import Changed, Failed, Refused, Result, told
from refactor.fleet import groups
from refactor.fleet.clones import Room, newest
from refactor.fleet.git import GitError, without_user
from refactor.fleet.records import Change, File, Plan, Remark, Repository
from refactor.fleet.trees import GitTree, NoCommit
from refactor.project import Site, bases
from refactor.registry import Unusable, select
from refactor.source import MAX_BYTES

STATUS = {"Changed": "changed", "Unchanged": "unchanged", "Refused": "refused", "Failed": "failed"}


@dataclass(frozen=True)
class Settings:
    """What a campaign decides on a plan; `config` is what holds where a repository says nothing.

    `version` and `digest` are recorded with the plan.
    """

    config: Config
    room: Room
    files: int = 0
    version: str = ""
    digest: str = ""


class Job(NamedTuple):
    """One repository to plan."""

    repository: Repository
    settings: Settings


class Passed(NamedTuple):
    """A repository that is left out, and why."""

    reason: str


class Work(NamedTuple):
    """A Dockerfile that is ready: its path, its bytes, and what is configured for it."""

    path: str
    data: bytes
    config: Config


def planned(job: Job) -> Plan:
    """Plan a repository; whatever goes wrong becomes a plan that failed."""
    start = time.monotonic()
    found = Plan(
        job.repository.id, "failed", version=job.settings.version, settings=job.settings.digest
    )
    tree = None
    try:
        clone = newest(job.repository, job.settings.room)
        found = found._replace(branch=clone.branch)
        tree = GitTree(job.repository, clone.folder, "HEAD", job.settings.room, job.settings.files)
        found = found._replace(base=tree.commit, date=tree.date)
        tree.fetch_usual()
        found = of_tree(tree, found, job.settings)
    except NoCommit:
        found = found._replace(state="skipped", reason="empty")
    except (GitError, OSError, RecursionError) as error:
        found = found._replace(reason=without_user(str(error)) or type(error).__name__)
    finally:
        if tree is not None:
            tree.close()
    return found._replace(seconds=round(time.monotonic() - start, 3))


def of_tree(tree: Context, plan: Plan, settings: Settings) -> Plan:
    """Return a plan with what the engine would do to a tree."""
    try:
        work, passed_over = ready(tree, settings.config)
    except (ConfigError, Unusable) as error:
        return plan._replace(reason=str(error))
    counts = tuple(sorted((why, count) for why, count in passed_over.items() if count))
    if isinstance(work, Passed):
        return plan._replace(state="skipped", reason=work.reason, passed_over=counts)
    files = tuple(_file(one, tree, settings) for one in work)
    return plan._replace(state="planned", files=files, passed_over=counts)


def ready(tree: Context, config: Config) -> tuple[list[Work] | Passed, Mapping[str, int]]:
    """Return the Dockerfiles of a tree with what holds for each, or why none is worked on.

    The counts are of files that are passed over, by reason. Raises ConfigError and Unusable if a
    configuration in the tree cannot be used.
    """
    if not load_in(tree, "Dockerfile")[0].fleet:
        return Passed("opted out"), {}
    paths, passed_over = discover_in(tree)
    if not paths:
        return Passed("no Dockerfile"), passed_over
    data = {path: tree.head(path, MAX_BYTES + 1) for path in paths}
    references = frozenset(name for one in data.values() for name in bases(one))
    found = []
    for path in paths:
        own, folder = load_in(tree, path)
        if not own.fleet:
            passed_over["opted out"] += 1
            continue
        own = own.for_name(path[len(folder) :].lstrip("/"))
        settings = replace(lower(config, own), references=references)
        select((), tuple(settings.options))  # a name that is not known is an error
        found.append(Work(path, data[path], settings))
    return found or Passed("opted out"), passed_over


def lower(campaign: Config, own: Config) -> Config:
    """Return what both allow: the more careful level, what both select, what neither ignores."""
    return replace(
        campaign,
        level=max(campaign.level, own.level) if "level" in own.given else campaign.level,
        select=_both(campaign.select, own.select),
        ignore=(*campaign.ignore, *own.ignore),
        engine=own.engine if "engine" in own.given else campaign.engine,
        images={**campaign.images, **own.images},
        options={**campaign.options, **own.options},
    )


def _both(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Return what two selections have in common; empty stands for what is on by default."""
    if not one or not other:
        return one or other
    named = [{entry.id for entry in select(names, ())} for names in (one, other)]
    common = tuple(sorted(named[0] & named[1]))
    if not common:
        raise Unusable(f"the repository selects only {', '.join(other)}, the campaign others")
    return common


def worked(work: Work, tree: Context, decide: Decide) -> tuple[Result, Outcome | None]:
    """Run the engine on a Dockerfile of a tree."""
    return told(work.path, work.data, work.config, Site(tree, work.path), decide)


def _file(work: Work, tree: Context, settings: Settings) -> File:
    """Return what the engine would do to one Dockerfile."""
    try:
        work.path.encode()
    except UnicodeEncodeError:
        return File(work.path, "refused", "its name is no UTF-8")
    before = sha256(work.data).hexdigest()
    result, outcome = worked(work, tree, everything)
    reason = result.reason if isinstance(result, Refused | Failed) else ""
    made = isinstance(result, Changed) and outcome is not None
    changes = tuple(_changes(work, outcome, settings)) if made and outcome else ()
    remarks = tuple(
        Remark(work.path, r.kind, r.transform, r.code, r.line, r.reason, r.unlock)
        for r in result.remarks
        if r.kind != "change"
    )
    return File(work.path, STATUS[type(result).__name__], reason, before, changes, remarks)


def _changes(work: Work, outcome: Outcome, settings: Settings) -> Iterator[Change]:
    first = outcome.steps[0].before
    for number, step in enumerate(outcome.steps):
        change = step.change
        start = min((edit.span.start for edit in change.edits), default=0)
        site, key = step.identity[:2] if step.identity else ("", "")
        exact, shape = groups.hashes(step)
        yield Change(
            work.path, number, step.transform.id, change.effective_level.name.lower(),
            change.reason, first.dockerfile.line(outcome.home(number, start)), site, key,
            exact, shape, change.assumes, "".join(difference(change, step.before, work.path)),
        )  # fmt: skip
