"""A review of a campaign: groups of equal changes, the largest first, and what was said of them.

Each answer is in the ledger as soon as it is given, so that a lost connection loses none.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from refactor.fleet.group_decisions import put_samples, samples, wanted_samples
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Change, Ruling

MANY = 10  # so many are shown when samples are asked for


class Group(NamedTuple):
    """Equal changes that one answer is for; `repository` is empty where it is for all.

    `exacts` is how many exact groups a shape group is made of; `reason` is the first of `reasons`.
    """

    kind: str
    subject: str
    repository: str
    transform: str
    level: str
    reason: str
    changes: int
    files: int
    repositories: int
    exacts: int
    reasons: int

    @property
    def counts(self) -> str:
        """How often it is, in words."""
        files = _counted(self.files, "file", "files")
        times = f"{self.changes:,} times in {files}" if self.changes > self.files else f"in {files}"
        if self.repository:
            return f"this change, {times}"
        return (
            f"this change, {times} of {_counted(self.repositories, 'repository', 'repositories')}"
        )

    @property
    def why(self) -> str:
        """The reason, or one of them."""
        return self.reason if self.reasons == 1 else f"for example: {self.reason}"

    @property
    def rule(self) -> tuple[str, str, str]:
        """What a decision on it is known by."""
        return self.kind, self.subject, self.repository

    @property
    def wanted(self) -> int:
        """How many of its changes must have been shown before it is accepted."""
        return wanted_samples(self.changes) if self.kind == "shape" else 0


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


class Sample(NamedTuple):
    """A change of a group, and where it is."""

    repository: str
    change: Change


_COUNTS = (
    'MIN("transform"), MIN("level"), MIN("reason"), COUNT(*), '
    'COUNT(DISTINCT "repository" || char(10) || "path"), COUNT(DISTINCT "repository"), '
    'COUNT(DISTINCT "exact"), COUNT(DISTINCT "reason")'
)


def groups(
    ledger: Ledger, kind: str, condition: str = "1", values: Sequence[str] = (), limit: int = -1
) -> Iterator[Group]:
    """Yield exact or shape groups of planned changes, the largest first."""
    for row in ledger.rows(
        f'SELECT "{kind}", {_COUNTS} FROM "changes" WHERE {condition} GROUP BY "{kind}" '
        f'ORDER BY COUNT(*) DESC, "{kind}" LIMIT {limit:d}',
        values,
    ):
        yield Group(kind, row[0], "", *row[1:])


def by_repository(ledger: Ledger, exact: str) -> Iterator[Group]:
    """Yield an exact group in each of its repositories: one by one they are decided on."""
    for row in ledger.rows(
        f'SELECT "repository", {_COUNTS} FROM "changes" WHERE "exact" = ? '
        'GROUP BY "repository" ORDER BY COUNT(*) DESC, "repository"',
        [exact],
    ):
        yield Group("exact", exact, *row)


def sampled(ledger: Ledger, group: Group, count: int, skip: int = 0) -> list[Sample]:
    """Return some changes of a group, as unlike as there are: of all its exact groups first.

    The order is one by chance, but each time the same; `skip` are those that were seen already.
    """
    where, values = f'"{group.kind}" = ?', [group.subject]
    if group.repository:
        where, values = f'{where} AND "repository" = ?', [*values, group.repository]
    rows = sorted(
        ledger.rows(f'SELECT rowid, "exact", "repository" FROM "changes" WHERE {where}', values)
    )
    random.Random(group.subject).shuffle(rows)
    seen: dict[str, int] = {}
    ranked = []
    for row, exact, repository in rows:
        rank = (seen.get(exact, 0), seen.get(repository, 0))
        seen[exact] = seen.get(exact, 0) + 1
        seen[repository] = seen.get(repository, 0) + 1
        ranked.append((rank, row))
    ranked.sort(key=lambda found: found[0])
    found = []
    for _, row in ranked[skip : skip + count]:
        found += [Sample(*one) for one in ledger.changes("rowid = ?", row)]
    return found


def repositories(ledger: Ledger, group: Group) -> Iterator[tuple[str, int]]:
    """Yield the repositories of a group with how many of its changes are there, most first."""
    yield from ledger.rows(
        f'SELECT "repository", COUNT(*) FROM "changes" WHERE "{group.kind}" = ? '
        'GROUP BY "repository" ORDER BY COUNT(*) DESC, "repository"',
        [group.subject],
    )


class Question(NamedTuple):
    """A group to be decided on, and where one is: changes that are decided, and all of them."""

    group: Group
    decided: int
    total: int


@dataclass
class Review:
    """A session over the groups of a ledger; `passed` are levels that need no answer.

    `only` is a pattern: the groups are those that a repository of such an id has. `limit` is how
    many shapes there are at most, the largest (0: all).
    """

    ledger: Ledger
    passed: frozenset[str] = frozenset()
    only: str = ""
    limit: int = 0
    now: Callable[[], float] = time.time
    shapes: list[Group] = field(init=False)
    exacts: dict[str, list[Group]] = field(init=False)
    rules: dict[tuple[str, str, str], Ruling] = field(init=False)
    opened: set[str] = field(default_factory=set)
    shown: dict[str, int] = field(default_factory=dict)
    past: list[list[tuple[tuple[str, str, str], Ruling | None]]] = field(default_factory=list)
    at: int = 0

    def __post_init__(self) -> None:
        """Read the groups once: nothing is planned meanwhile."""
        having = '"shape" IN (SELECT "shape" FROM "changes" WHERE "repository" GLOB ?)'
        condition, values = (having, [self.only]) if self.only else ("1", [])
        self.shapes = list(groups(self.ledger, "shape", condition, values, self.limit or -1))
        self.exacts = {}
        of = dict(self.ledger.rows('SELECT DISTINCT "exact", "shape" FROM "changes"'))
        for group in groups(self.ledger, "exact"):
            self.exacts.setdefault(of[group.subject], []).append(group)
        self.rules = {r[:3]: r for r in self.ledger.decisions() if r.kind != "site"}

    def question(self) -> Question | None:
        """Return the largest group that is not decided; None when there is none."""
        while self.at < len(self.shapes):
            group = next(self._open(self.shapes[self.at]), None)
            if group is not None:
                decided = sum(shape.changes for shape in self.shapes[: self.at])
                return Question(group, decided, sum(shape.changes for shape in self.shapes))
            self.at += 1
        return None

    def left(self) -> list[Group]:
        """Return all groups that are not decided."""
        return [group for shape in self.shapes for group in self._open(shape)]

    def answer(self, group: Group, accept: bool, repository: str = "") -> None:
        """Take an answer, for a group or for what of it is in one repository."""
        word = "accept" if accept else "decline"
        reason = f"{group.transform}: {group.reason}"
        ruling = Ruling(
            group.kind, group.subject, repository or group.repository, "", word, reason,
            round(self.now(), 3),
        )  # fmt: skip
        self.past.append([(ruling[:3], self.rules.get(ruling[:3]))])
        self._put(ruling)

    def undo(self) -> Ruling | None:
        """Take the last answer back; return it, or None if there is none."""
        if not self.past:
            return None
        undone = None
        with self.ledger.transaction():
            for key, before in self.past.pop():
                undone = self.rules.pop(key)
                self.ledger.delete_decision(undone)
                if before is not None:
                    self.rules[key] = before
                    self.ledger.put_decisions([before])
        self.at = 0
        return undone

    def open(self, group: Group) -> None:
        """Ask for the exact groups of a shape group one by one."""
        self.opened.add(group.subject)

    def samples(self, group: Group, count: int) -> list[Sample]:
        """Return changes of a group that were not shown yet, and record that they are."""
        key = f"{group.kind}/{group.subject}/{group.repository}"
        skip = self.shown.get(key, 0)
        found = sampled(self.ledger, group, count, skip)
        self.shown[key] = skip + len(found)
        if group.kind == "shape":
            put_samples(self.ledger, group.subject, self.shown[key])
        return found

    def missing(self, group: Group) -> int:
        """Return how many more changes must be shown before a group is accepted."""
        return max(0, group.wanted - samples(self.ledger, group.subject)) if group.wanted else 0

    def _put(self, ruling: Ruling) -> None:
        self.rules[ruling[:3]] = ruling
        self.ledger.put_decisions([ruling])

    def _open(self, shape: Group) -> Iterator[Group]:
        """Yield what of a shape group is to be asked."""
        if shape.level in self.passed:
            return
        ruling = self.rules.get(shape.rule)
        risky = shape.level == "risky"
        if ruling is not None and (not risky or ruling.decision == "decline"):
            return
        left = [g for g in self.exacts[shape.subject] if self._is_open(g, risky)]
        if risky:
            for group in left:
                yield from (
                    one
                    for one in by_repository(self.ledger, group.subject)
                    if one.rule not in self.rules
                )
        elif len(left) > 1 and shape.subject not in self.opened:
            yield shape
        else:
            yield from left

    def _is_open(self, exact: Group, risky: bool) -> bool:
        ruling = self.rules.get(exact.rule)
        return ruling is None or (risky and ruling.decision == "accept")
