"""Requests whose base has moved, or that another version made: planned, made and pushed anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from refactor.fleet import phases
from refactor.fleet.executors import Executor
from refactor.fleet.forge.base import ForgeError
from refactor.fleet.git import GitError
from refactor.fleet.planning import Job, Settings
from refactor.fleet.publishing import NOTHING, Desk, Outcome, known, publish
from refactor.fleet.records import Repository


def stale(
    desk: Desk, repository: Repository, settings: Settings, dry_run: bool = False
) -> str | Outcome:
    """Return why an open request is out of date, or what else there is to say of it.

    A branch that others have pushed to is left alone: they would lose what they did.
    """
    name = repository.id
    plan, branch = desk.ledger.plan(name), desk.ledger.branch(name)
    if plan is None or branch is None:
        return Outcome(name, "unchanged", "it was never published")
    try:
        pull = known(desk, repository, desk.campaign.ours, dry_run)
        heads = desk.remote(repository).heads(desk.campaign.ours, plan.branch)
    except (ForgeError, GitError) as error:
        return Outcome(name, "failed", str(error))
    if pull is not None and pull.state != "open":
        return Outcome(name, "left", f"the request is {pull.state}")
    head = heads.get(desk.campaign.ours, "")
    if not head:
        return Outcome(name, "left", f"there is no branch {desk.campaign.ours} any more")
    if not desk.is_ours(name, head):
        return Outcome(name, "left", f"the branch {desk.campaign.ours} is not as we left it")
    if heads.get(plan.branch, "") != branch.base:
        return f"{plan.branch} has moved"
    if (plan.version, plan.settings) != (settings.version, settings.digest):
        return "it was made by another version or for another configuration"
    if plan.base != branch.base or head != branch.head:
        return "it is not what was made last"
    return Outcome(name, "unchanged", pull.address if pull else "")


def refresh(
    desk: Desk, executor: Executor, repositories: Sequence[Repository], settings: Settings
) -> Iterator[Outcome]:
    """Plan and make branches anew, by the decisions that were taken, and publish them.

    All are planned before any is made: a run that is killed is taken up by `stale`, which sees
    what was planned and not made, or made and not pushed.
    """
    ended = set()
    for plan in phases.plan(desk.ledger, executor, (Job(one, settings) for one in repositories)):
        if plan.state != "planned":
            ended.add(plan.repository)
            state = "failed" if plan.state == "failed" else "left"
            yield Outcome(plan.repository, state, plan.reason)
    left = [one for one in repositories if one.id not in ended]
    jobs = (phases.apply_job(desk.campaign, desk.ledger, settings, one) for one in left)
    made = {}
    for branch in phases.apply(desk.campaign, desk.ledger, executor, filter(None, jobs)):
        made[branch.repository] = branch
    for one in left:
        found = made.get(one.id)
        if found is not None and found.state == "failed":
            yield Outcome(one.id, "failed", found.reason)
        elif found is None or found.state == "nothing":
            yield Outcome(one.id, "left", NOTHING)
        else:
            yield publish(desk, one)
