"""What was decided on groups of equal changes, and what that means for one repository.

The narrower decision holds: on one change, on an exact group in one repository, on a shape group in
one, on the exact group, on the shape group. Risky changes are only accepted in one repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from refactor.config import ConfigError
from refactor.decisions import MAX_BYTES, Decided, Decision
from refactor.fleet.campaign import Campaign
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Change, Plan, Ruling

VERSION = 1
SAMPLES = 5  # so many of a shape group must have been shown before it is accepted
KINDS = ("exact", "shape", "site")
_WORDS = ("accept", "decline")


class GroupDecisionsError(ConfigError):
    """The file of decisions cannot be used; the message names it and says why."""


class Row(NamedTuple):
    """A decision of a file; `samples` is how many changes of a shape group were shown before it."""

    ruling: Ruling
    samples: int = 0


def read(path: Path) -> list[Row]:
    """Return the decisions of a file; raise GroupDecisionsError if there are none to be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise GroupDecisionsError(f"{path}: larger than {MAX_BYTES} bytes")
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise GroupDecisionsError(
                f"{path}: version {data['version']!r} of decisions on groups; "
                f"this program reads {VERSION}"
            )
        return [_row(found) for found in data["decisions"]]
    except OSError as error:
        raise GroupDecisionsError(f"{path}: {error.strerror or error}") from None
    except GroupDecisionsError:
        raise
    except (ValueError, RecursionError) as error:
        raise GroupDecisionsError(f"{path}: no decisions on groups: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise GroupDecisionsError(f"{path}: no decisions on groups ({error!r})") from None


def _row(data: Mapping[str, Any]) -> Row:
    kind, word = str(data["kind"]), str(data["decision"])
    if kind not in KINDS or word not in _WORDS:
        raise ValueError(f"{kind!r} is not one of {KINDS}, or {word!r} not one of {_WORDS}")
    repository, path = str(data.get("repository", "")), str(data.get("path", ""))
    if kind == "site" and not (repository and path):
        raise ValueError("a decision on a site names its repository and path")
    ruling = Ruling(
        kind, str(data["subject"]), repository, path, word, str(data.get("reason", "")),
        float(data.get("at", 0)),
    )  # fmt: skip
    return Row(ruling, int(data.get("samples", 0)))


def document(rows: Iterable[Row], campaign: str, version: str) -> str:
    """Return a file of decisions, each on a line, in an order of their own: so versions merge."""
    lines = ",\n".join(f"    {json.dumps(_written(row))}" for row in sorted(rows))
    body = f"[\n{lines}\n  ]" if lines else "[]"
    return (
        f'{{\n  "version": {VERSION},\n  "tool": {json.dumps(f"dockerfile-refactor {version}")},\n'
        f'  "campaign": {json.dumps(campaign)},\n  "decisions": {body}\n}}\n'
    )


def _written(row: Row) -> dict[str, object]:
    found = {key: value for key, value in row.ruling._asdict().items() if value or key == "at"}
    return {**found, "samples": row.samples} if row.ruling.kind == "shape" else found


def recorded(ledger: Ledger) -> Iterator[Row]:
    """Yield the decisions of a ledger."""
    for ruling in ledger.decisions():
        yield Row(ruling, samples(ledger, ruling.subject) if ruling.kind == "shape" else 0)


def samples(ledger: Ledger, shape: str) -> int:
    """Return how many changes of a shape group somebody was shown."""
    return int(ledger.get(f"samples/{shape}", "0"))


def put_samples(ledger: Ledger, shape: str, count: int) -> None:
    """Record how many changes of a shape group were shown; never less than before."""
    if count > samples(ledger, shape):
        ledger.put(f"samples/{shape}", str(count))


def wanted_samples(changes: int) -> int:
    """Return how many changes of a shape group of so many must be shown to accept it."""
    return min(SAMPLES, changes)


def judged(ledger: Ledger, rows: Iterable[Row]) -> tuple[list[Row], list[str]]:
    """Return the decisions that may be taken, and what is to be said of all."""
    taken, said = [], []
    for row in rows:
        refused, note = _judged(ledger, row)
        said += [note] if note else []
        taken += [] if refused else [row]
    return taken, said


def record(ledger: Ledger, rows: Iterable[Row]) -> None:
    """Put decisions into a ledger; of two on the same the later one holds, in any order."""
    known = {ruling[:4]: ruling.at for ruling in ledger.decisions()}
    with ledger.transaction():
        for ruling, count in rows:
            if ruling.kind == "shape":
                put_samples(ledger, ruling.subject, count)
            if known.get(ruling[:4], 0.0) <= ruling.at:
                known[ruling[:4]] = ruling.at
                ledger.put_decisions([ruling])


def _judged(ledger: Ledger, row: Row) -> tuple[bool, str]:
    """Return whether a decision is not taken, and what is to be said of it."""
    ruling, count = row
    about = f"{ruling.kind} {ruling.subject}"
    if ruling.kind == "site":
        return False, _stale_site(ledger, ruling)
    level, changes = next(
        ledger.rows(
            f'SELECT MIN("level"), COUNT(*) FROM "changes" WHERE "{ruling.kind}" = ?',
            [ruling.subject],
        )
    )
    if not changes:
        return False, f"{about}: no change of this group is planned (unmet): {ruling.reason}"
    if ruling.decision == "decline":
        return False, ""
    if level == "risky" and (ruling.kind == "shape" or not ruling.repository):
        return True, f"{about}: not taken: risky changes are accepted repository by repository"
    wanted = wanted_samples(changes)
    if ruling.kind == "shape" and max(count, samples(ledger, ruling.subject)) < wanted:
        return True, (
            f"{about}: not taken: a shape group is accepted after {wanted} of its changes were "
            f"shown, and of this one {count} were"
        )
    return False, ""


def _stale_site(ledger: Ledger, ruling: Ruling) -> str:
    site, _, key = ruling.subject.partition("/")
    about = f"{ruling.repository}: {ruling.path}: site {site}"
    found = [
        change.key
        for _, change in ledger.changes(
            '"repository" = ? AND "path" = ? AND "site" = ?', ruling.repository, ruling.path, site
        )
    ]
    if not found:
        return f"{about}: no such change is planned (unmet): {ruling.reason}"
    if ruling.decision == "accept" and key not in found:
        return f"{about}: something else is planned now than what was accepted (stale)"
    return ""


def decisions_for(ledger: Ledger, plan: Plan, campaign: Campaign) -> dict[str, Decided]:
    """Return the decisions on the files of a plan, for `refactor.decisions.Recall`."""
    concerning = list(_concerning(ledger, plan.repository))
    rules = {ruling[:3]: ruling for ruling in concerning}
    sites = {(r.path, r.subject.partition("/")[0]): r for r in concerning if r.kind == "site"}
    unseen = campaign.review.accept == "safe"
    found = {}
    for file in plan.files:
        decisions = []
        for change in file.changes:
            site = sites.get((file.path, change.site))
            word = verdict(change, plan.repository, rules)
            if site is not None:
                key = site.subject.partition("/")[2]
                decisions.append(_decision(change, site.decision == "accept", key))
            elif word or (unseen and change.level == "safe"):
                decisions.append(_decision(change, word != "decline", change.key))
        if decisions:
            found[file.path] = Decided(file.before, tuple(decisions))
    return found


def _decision(change: Change, accept: bool, key: str) -> Decision:
    return Decision(accept, change.transform, change.site, key, change.reason)


def _concerning(ledger: Ledger, repository: str) -> Iterator[Ruling]:
    """Yield the decisions that may concern a repository's changes."""
    names = ", ".join(f'"{name}"' for name in Ruling._fields)
    for kind in ("exact", "shape"):
        for row in ledger.rows(
            f'SELECT {names} FROM "decisions" WHERE "kind" = ? AND "repository" IN (\'\', ?) AND '
            f'"subject" IN (SELECT "{kind}" FROM "changes" WHERE "repository" = ?)',
            [kind, repository, repository],
        ):
            yield Ruling(*row)
    for row in ledger.rows(
        f'SELECT {names} FROM "decisions" WHERE "kind" = \'site\' AND "repository" = ?',
        [repository],
    ):
        yield Ruling(*row)


Rules = Mapping[tuple[str, str, str], Ruling]


def verdict(change: Change, repository: str, rules: Rules) -> str:
    """Return what is decided on a change by its groups: accept, decline or nothing.

    `rules` are by kind, subject and repository.
    """
    for kind, group, where in (
        ("exact", change.exact, repository),
        ("shape", change.shape, repository),
        ("exact", change.exact, ""),
        ("shape", change.shape, ""),
    ):
        ruling = rules.get((kind, group, where))
        if ruling is None:
            continue
        risky = change.level == "risky" and ruling.decision == "accept"
        if not risky or (kind == "exact" and where):
            return ruling.decision
    return ""
