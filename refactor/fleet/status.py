"""How the requests stand: merged, open, failing CI, in conflict, closed."""

from __future__ import annotations

from refactor.fleet.forge.base import Forge, ForgeError, place
from refactor.fleet.git import GitError
from refactor.fleet.publishing import Desk, Outcome
from refactor.fleet.records import Repository, Request

STATES = ("merged", "open", "failing", "conflicted", "closed", "failed")


def look(desk: Desk, repository: Repository, request: Request, dry_run: bool = False) -> Outcome:
    """Ask how a request stands and record it; one that is merged or closed is not asked about."""
    if request.state != "open":
        return Outcome(repository.id, state(request), told(request))
    forge = desk.forge(repository)
    try:
        now = (
            _branch(desk, repository, request)
            if forge is None
            else _request(desk, repository, forge, request)
        )
    except (ForgeError, GitError) as error:
        return Outcome(repository.id, "failed", str(error))
    if not dry_run:
        desk.record(now)
    return Outcome(repository.id, state(now), told(now))


def state(request: Request) -> str:
    """Return one word for how a request stands."""
    if request.state != "open":
        return request.state
    if request.conflict:
        return "conflicted"
    return "failing" if request.checks == "failing" else "open"


def told(request: Request) -> str:
    """Return the rest in a sentence."""
    parts = [request.address]
    parts += ["draft"] if request.draft and request.state == "open" else []
    parts += [f"CI {request.checks}"] if request.checks not in ("", "none") else []
    parts += [request.note] if request.note else []
    return ", ".join(part for part in parts if part)


def _request(desk: Desk, repository: Repository, forge: Forge, request: Request) -> Request:
    where = place(repository.address)
    pull = forge.look(where, request.number)
    checks = forge.checks(where, pull) if pull.state == "open" else request.checks
    foreign = pull.state == "open" and not desk.is_ours(repository.id, pull.head)
    note = "others have pushed to the branch" if foreign else ""
    return request._replace(
        state=pull.state, checks=checks, conflict=pull.conflict and pull.state == "open", note=note
    )


def _branch(desk: Desk, repository: Repository, request: Request) -> Request:
    """Without a forge: a branch that is gone was merged, or not wanted; git cannot tell which."""
    name = desk.campaign.ours
    head = desk.remote(repository).heads(name).get(name)
    if head is None:
        return request._replace(state="closed", note="the branch is gone")
    note = "" if desk.is_ours(repository.id, head) else "others have pushed to the branch"
    return request._replace(note=note)
