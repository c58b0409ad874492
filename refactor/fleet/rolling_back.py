"""Open requests are closed with a sentence and branches deleted, as long as they are ours."""

from __future__ import annotations

from refactor.fleet.forge.base import ForgeError, Pull, place
from refactor.fleet.git import GitError
from refactor.fleet.publishing import Desk, Outcome, known
from refactor.fleet.records import Repository, Request
from refactor.fleet.remotes import Taken
from refactor.report.markdown import code


def roll_back(
    desk: Desk, repository: Repository, words: str = "", dry_run: bool = False
) -> Outcome:
    """Close a repository's request and delete its branch; `words` are said instead of ours."""
    try:
        return _rolled_back(desk, repository, words or sentence(desk.campaign.name), dry_run)
    except Taken as error:
        return Outcome(repository.id, "left", str(error))
    except (ForgeError, GitError) as error:
        return Outcome(repository.id, "failed", str(error))


def sentence(campaign: str) -> str:
    """Return what is said when a request is closed."""
    return (
        f"The campaign {code(campaign)} is taken back by those who run it, so this is closed and "
        "its branch deleted. Nothing needs to be done here."
    )


def _rolled_back(desk: Desk, repository: Repository, words: str, dry_run: bool) -> Outcome:
    name, branch = repository.id, desk.campaign.ours
    request = desk.ledger.request(name)
    pull = known(desk, repository, branch, dry_run)
    head = desk.remote(repository).heads(branch).get(branch, "")
    is_open = pull is not None and pull.state == "open"
    if head and not desk.is_ours(name, head):
        return Outcome(name, "left", f"the branch {branch} is not as we left it")
    if pull is not None and pull.state == "merged":
        return Outcome(name, "left", f"{pull.address} is merged")
    if not head and not is_open:
        return Outcome(name, "unchanged", "there is nothing to take back")
    if dry_run:
        what = f"{pull.address} would be closed, and " if pull and is_open else ""
        return Outcome(name, "would", f"{what}{branch} would be deleted")
    _taken_back(desk, repository, pull if is_open else None, head, words)
    found = request or Request(name, pull.number if pull else 0, "", "closed", head, checks="none")
    address = pull.address if pull else found.address
    desk.record(found._replace(state="closed", address=address, conflict=False, note="rolled back"))
    return Outcome(name, "closed", address or branch)


def _taken_back(
    desk: Desk, repository: Repository, pull: Pull | None, head: str, words: str
) -> None:
    forge = desk.forge(repository)
    if forge is not None and pull is not None:
        forge.close(place(repository.address), pull.number, words)
    if head:
        if repository.forge:
            desk.servers.pace.wait()
        desk.remote(repository).delete(desk.campaign.ours, head)
