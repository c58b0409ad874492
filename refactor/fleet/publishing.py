"""A branch -> a pull or merge request: pushed, opened or brought up to date, never twice.

A run that is killed between two steps is taken up where it was: what we are about to push is
recorded before, and whether a request is there is asked, not remembered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from refactor.fleet import phases
from refactor.fleet.campaign import Campaign
from refactor.fleet.clones import Room, at
from refactor.fleet.forge import codeowners
from refactor.fleet.forge.base import Forge, ForgeError, Pull, Wanted, place
from refactor.fleet.forge.client import Refused
from refactor.fleet.forge.servers import Servers
from refactor.fleet.git import GitError
from refactor.fleet.group_decisions import decisions_for
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Branch, Plan, Repository, Request
from refactor.fleet.remotes import Remote, Taken
from refactor.fleet.request_text import Words, joined, words
from refactor.fleet.trees import GitTree

NOTHING = "nothing is left to ask for: `dfr fleet rollback` closes the request"


class Outcome(NamedTuple):
    """What became of a repository in a phase, in one word and one sentence.

    The states: opened, refreshed, pushed (there is no forge), unchanged, left (alone), failed;
    closed by a rollback; and in `status` those of the request.
    """

    repository: str
    state: str
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Desk:
    """What is at hand for work on requests: the campaign, its ledger and its servers."""

    campaign: Campaign
    ledger: Ledger
    servers: Servers
    room: Room

    def remote(self, repository: Repository) -> Remote:
        """Return where a repository is."""
        return Remote(repository, self.room, self.servers.push_environment(repository))

    def forge(self, repository: Repository) -> Forge | None:
        """Return a repository's forge, None where git is all there is."""
        if not repository.forge:
            return None
        return self.servers.forge(repository.forge, repository.server)

    def is_ours(self, repository: str, head: str) -> bool:
        """Whether a commit is one that we pushed, or were about to push."""
        request, branch = self.ledger.request(repository), self.ledger.branch(repository)
        heads = self.ledger.get(_pushed(repository)).split()
        heads += [request.head] if request else []
        heads += [branch.head] if branch and branch.state == "made" else []
        return head in heads

    def record(self, request: Request) -> None:
        """Put a request into the ledger, as it is now."""
        with self.ledger.transaction():
            self.ledger.put_request(request._replace(checked=self.servers.pace.clock.now()))


def publish(desk: Desk, repository: Repository, dry_run: bool = False) -> Outcome:
    """Publish a repository's branch; raise ConfigError where the campaign is wrong for all."""
    try:
        return _published(desk, repository, dry_run)
    except Taken as error:
        return Outcome(repository.id, "left", str(error))
    except (ForgeError, GitError) as error:
        return Outcome(repository.id, "failed", str(error))


class _Work(NamedTuple):
    """What is published: `expected` is where the branch is now, `pull` the request that is open."""

    plan: Plan
    branch: Branch
    text: Words
    expected: str
    pull: Pull | None


def _published(desk: Desk, repository: Repository, dry_run: bool) -> Outcome:
    found = _work(desk, repository, dry_run)
    if isinstance(found, Outcome):
        return found
    request = desk.ledger.request(repository.id)
    is_new = found.expected != found.branch.head
    body = joined(found.text.body, found.pull.body) if found.pull else ""
    is_complete = request is not None and (request.number > 0 or not repository.forge)
    if not is_new and is_complete and (found.pull is None or _same(body, found.pull.body)):
        return Outcome(repository.id, "unchanged", request.address if request else "")
    if dry_run:
        what = "brought up to date" if found.pull or found.expected else "opened"
        kind = " as a draft" if found.text.draft and not found.pull else ""
        return Outcome(repository.id, "would", f"{found.branch.name} would be {what}{kind}")
    if is_new:
        _push(desk, repository, found)
    forge = desk.forge(repository)
    if forge is None:
        desk.record(Request(repository.id, 0, "", "open", found.branch.head, checks="none"))
        return Outcome(repository.id, "pushed", found.branch.name)
    return _asked(desk, repository, forge, found, body)


def _work(desk: Desk, repository: Repository, dry_run: bool) -> _Work | Outcome:
    """Return what there is to do, or why there is nothing."""
    name = repository.id
    branch, plan = desk.ledger.branch(name), desk.ledger.plan(name)
    if repository.skipped:
        return Outcome(name, "left", repository.skipped)
    if branch is None or plan is None or branch.state != "made":
        request = desk.ledger.request(name)
        if request is not None and request.state == "open":
            return Outcome(name, "left", NOTHING)
        return Outcome(name, "unchanged", "there is nothing to publish")
    if plan.state != "planned" or plan.base != branch.base:
        return Outcome(name, "left", plan.reason or "it was planned anew: `dfr fleet apply` first")
    pull = known(desk, repository, branch.name, dry_run)
    if pull is not None and pull.state != "open":
        return Outcome(name, "left", f"the request is {pull.state}, and not opened again")
    heads = desk.remote(repository).heads(branch.name, plan.branch)
    expected = heads.get(branch.name, "")
    request = desk.ledger.request(name)
    if request is not None and not repository.forge and (request.state != "open" or not expected):
        return Outcome(name, "left", f"the branch {branch.name} is gone, and not pushed again")
    if plan.branch not in heads:
        return Outcome(name, "left", f"there is no branch {plan.branch} any more")
    if expected and not desk.is_ours(name, expected):
        return Outcome(name, "left", f"the branch {branch.name} is not as we left it")
    decisions = decisions_for(desk.ledger, plan, desk.campaign)
    if phases.digest(plan, decisions, desk.campaign) != branch.decided:
        return Outcome(name, "left", "what is decided has changed: `dfr fleet apply` first")
    text = words(desk.campaign, plan, branch, decisions)
    ready = request is not None and request.number and not request.draft
    if pull is not None and not pull.draft and ready and text.draft:
        return Outcome(
            name, "left",
            f"{pull.address} is no draft, and a change is above safe now: make it one first",
        )  # fmt: skip
    return _Work(plan, branch, text, expected, pull)


def known(desk: Desk, repository: Repository, branch: str, dry_run: bool = False) -> Pull | None:
    """Return the request from our branch as it is now; what is no longer open is recorded."""
    forge = desk.forge(repository)
    if forge is None:
        return None
    request = desk.ledger.request(repository.id)
    where = place(repository.address)
    number = request.number if request else 0
    pull = forge.look(where, number) if number else forge.find(where, branch)
    ended = pull is not None and pull.state != "open"
    if pull is not None and ended and (not request or request.state != pull.state) and not dry_run:
        desk.record(
            Request(
                repository.id, pull.number, pull.address, pull.state, pull.head, pull.draft,
                checks="none", note=request.note if request else "",
            )
        )  # fmt: skip
    return pull


def _push(desk: Desk, repository: Repository, found: _Work) -> None:
    """Push, after it is recorded what: if we are killed now, the branch is known to be ours."""
    key = _pushed(repository.id)
    heads = desk.ledger.get(key).split()
    with desk.ledger.transaction():
        desk.ledger.put(key, " ".join(dict.fromkeys([*heads, found.branch.head])))
    if repository.forge:
        desk.servers.pace.wait()
    bundle = desk.campaign.folder / found.branch.bundle
    desk.remote(repository).push(found.branch, bundle, found.expected)


def _pushed(repository: str) -> str:
    return f"pushed/{repository}"


def _asked(desk: Desk, repository: Repository, forge: Forge, found: _Work, body: str) -> Outcome:
    """Open the request, or bring it up to date; it is recorded when all of it is done."""
    where, text, pull = place(repository.address), found.text, found.pull
    request = desk.ledger.request(repository.id)
    state = "refreshed" if pull else "opened"
    if pull is None:
        wanted = Wanted(text.title, text.body, found.branch.name, found.plan.branch, text.draft)
        pull = forge.open(where, wanted)
    elif not _same(body, pull.body):
        forge.describe(where, pull.number, body)
    note = request.note if request else ""
    if request is None or not request.number:
        note = _decorated(desk, repository, forge, pull, found)
    draft = request.draft if request and request.number else pull.draft
    desk.record(
        Request(
            repository.id, pull.number, pull.address, "open", found.branch.head, draft, "pending",
            note=note,
        )
    )  # fmt: skip
    return Outcome(repository.id, state, f"{pull.address}{f' ({note})' if note else ''}")


def _decorated(desk: Desk, repository: Repository, forge: Forge, pull: Pull, found: _Work) -> str:
    """Add labels and reviewers; return what of it was declined: the request stands without."""
    where, declined = place(repository.address), []
    labels = desk.campaign.request.labels
    try:
        if labels:
            forge.label(where, pull.number, labels)
    except Refused as error:
        declined.append(f"labels: {error}")
    try:
        reviewers = desk.campaign.request.reviewers
        if desk.campaign.request.codeowners and not forge.asks_owners:
            reviewers += _owners(desk, repository, found)
        if reviewers:
            forge.ask(where, pull.number, tuple(dict.fromkeys(reviewers)))
    except (Refused, GitError) as error:
        declined.append(f"reviewers: {error}")
    return "; ".join(declined)


def _owners(desk: Desk, repository: Repository, found: _Work) -> tuple[str, ...]:
    """Return whom CODEOWNERS names for what is changed."""
    clone = at(repository, found.branch.base, desk.room)
    tree = GitTree(repository, clone.folder, found.branch.base, desk.room)
    try:
        for name in codeowners.PLACES:
            if tree.kind(name) == "file":
                text = tree.head(name, codeowners.MAX_BYTES).decode("utf-8", "replace")
                return codeowners.owners(text, found.branch.files)
    finally:
        tree.close()
    return ()


def _same(one: str, other: str) -> bool:
    """Whether two bodies are the same but for line ends, which forges change."""
    return one.split() == other.split()
