"""A campaign in figures: what became of its repositories, from the ledger alone."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from refactor.fleet.campaign import Campaign
from refactor.fleet.group_decisions import verdict
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Change, Ruling

LEVELS = ("safe", "suggested", "risky")
TIMES = (1.0, 3.0, 10.0, 30.0, 100.0)  # seconds
_PROOF_BYTES = 64 * 1024 * 1024


class Row(NamedTuple):
    """A repository in a line.

    `state` is that of its plan, or skipped, or waiting; changes are those that are planned, by
    level and by what is decided; the request's `state` and `checks` as in the ledger. `before` and
    `after` are bytes of the images that a proof compared, 0 where there is none.
    """

    repository: str
    address: str
    state: str
    reason: str
    files: int
    changed: int
    safe: int
    suggested: int
    risky: int
    accepted: int
    declined: int
    refusals: int
    seconds: float
    branch: str
    commits: int
    request: str
    number: int
    checks: str
    conflict: bool
    link: str
    before: int
    after: int

    @property
    def changes(self) -> int:
        """How many changes are planned."""
        return self.safe + self.suggested + self.risky

    @property
    def undecided(self) -> int:
        """How many of them nobody decided on."""
        return self.changes - self.accepted - self.declined


class Code(NamedTuple):
    """A code of refusals: how many there are, in how many repositories, and the usual reason."""

    code: str
    places: int
    repositories: int
    reason: str


@dataclass
class Numbers:
    """The figures of all repositories together; `transforms` counts changes by level."""

    rows: list[Row] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    transforms: dict[str, Counter[str]] = field(default_factory=dict)
    refusals: list[Code] = field(default_factory=list)

    def states(self) -> Counter[str]:
        """Return how many repositories are in each state."""
        return Counter(row.state for row in self.rows)

    def reasons(self) -> Counter[tuple[str, str]]:
        """Return why repositories were skipped or failed, as state and reason."""
        return Counter((r.state, r.reason) for r in self.rows if r.state in ("skipped", "failed"))

    def times(self) -> list[int]:
        """Return how many plans took less than each of TIMES, and how many took longer."""
        found = [0] * (len(TIMES) + 1)
        for row in self.rows:
            if row.state in ("planned", "failed"):
                found[sum(row.seconds >= limit for limit in TIMES)] += 1
        return found

    def total(self, name: str) -> int:
        """Return the sum of a column."""
        return sum(getattr(row, name) for row in self.rows)


def numbers(ledger: Ledger, campaign: Campaign) -> Numbers:
    """Return the figures of a campaign."""
    found = Numbers()
    found.statuses.update(dict(ledger.rows('SELECT "status", COUNT(*) FROM "files" GROUP BY 1')))
    for transform, level, count in ledger.rows(
        'SELECT "transform", "level", COUNT(*) FROM "changes" GROUP BY 1, 2'
    ):
        found.transforms.setdefault(transform, Counter())[level] += count
    found.refusals = [*_codes(ledger)]
    found.rows = [*_rows(ledger, campaign)]
    return found


def _codes(ledger: Ledger) -> Iterator[Code]:
    usual: dict[str, tuple[int, str]] = {}
    for code, transform, reason, count in ledger.rows(
        'SELECT "code", "transform", "reason", COUNT(*) FROM "remarks" '
        "WHERE \"kind\" = 'refusal' GROUP BY 1, 2, 3"
    ):
        if count > usual.get(code, (0, ""))[0]:
            usual[code] = (count, f"{transform}: {reason}")
    for code, count, repositories in ledger.rows(
        'SELECT "code", COUNT(*), COUNT(DISTINCT "repository") FROM "remarks" '
        "WHERE \"kind\" = 'refusal' GROUP BY 1 ORDER BY 2 DESC, 1"
    ):
        yield Code(code, count, repositories, usual[code][1])


def _rows(ledger: Ledger, campaign: Campaign) -> Iterator[Row]:
    files = _by_repository(ledger, "COUNT(*), SUM(\"status\" = 'changed')", "files")
    refusals = _by_repository(ledger, "SUM(\"kind\" = 'refusal')", "remarks")
    levels, decided = _changes(ledger, campaign)
    plans = _by_repository(ledger, 'MAX("state"), MAX("reason"), MAX("seconds")', "plans")
    branches = {
        row[0]: (row[1], len(json.loads(row[2])))
        for row in ledger.rows('SELECT "repository", "state", "commits" FROM "branches"')
    }
    requests = {request.repository: request for request in ledger.requests()}
    for repository in ledger.repositories():
        name = repository.id
        state, reason, seconds = plans.get(name, ("waiting", "", 0.0))
        if repository.skipped:
            state, reason = "skipped", repository.skipped
        count = levels.get(name, Counter())
        request = requests.get(name)
        branch, commits = branches.get(name, ("", 0))
        before, after = _sizes(campaign, name)
        found, changed = files.get(name, (0, 0))
        yield Row(
            name, repository.address, state, reason, found, changed or 0,
            count["safe"], count["suggested"], count["risky"],
            decided[name]["accept"], decided[name]["decline"],
            refusals.get(name, (0,))[0] or 0, round(seconds, 3), branch, commits,
            request.state if request else "", request.number if request else 0,
            request.checks if request else "", bool(request and request.conflict),
            request.address if request else "", before, after,
        )  # fmt: skip


def _by_repository(ledger: Ledger, columns: str, table: str) -> dict[str, tuple[Any, ...]]:
    query = f'SELECT "repository", {columns} FROM "{table}" GROUP BY "repository"'
    return {row[0]: row[1:] for row in ledger.rows(query)}


def _changes(
    ledger: Ledger, campaign: Campaign
) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    """Return the changes of each repository by level, and by what is decided on them."""
    rulings = list(ledger.decisions())
    rules = {ruling[:3]: ruling for ruling in rulings if ruling.kind != "site"}
    sites = {_place(ruling): ruling.decision for ruling in rulings if ruling.kind == "site"}
    unseen = campaign.review.accept == "safe"
    levels: defaultdict[str, Counter[str]] = defaultdict(Counter)
    decided: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for repository, path, level, site, exact, shape in ledger.rows(
        'SELECT "repository", "path", "level", "site", "exact", "shape" FROM "changes"'
    ):
        change = Change(path, 0, "", level, "", 0, site, "", exact, shape)
        word = sites.get((repository, path, site)) or verdict(change, repository, rules)
        if not word and unseen and level == "safe":
            word = "accept"
        levels[repository][level] += 1
        decided[repository][word] += 1
    return levels, decided


def _place(ruling: Ruling) -> tuple[str, str, str]:
    return ruling.repository, ruling.path, ruling.subject.partition("/")[0]


def _sizes(campaign: Campaign, repository: str) -> tuple[int, int]:
    """Return the sizes of a repository's images before and after, where they were proved."""
    path = campaign.result(repository) / "proof.json"
    before = after = 0
    try:
        if path.stat().st_size > _PROOF_BYTES:
            return 0, 0
        for proof in json.loads(path.read_bytes())["proofs"]:
            if comparison := proof["comparison"]:
                before += int(comparison["before"]["size"])
                after += int(comparison["after"]["size"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return 0, 0
    return before, after
