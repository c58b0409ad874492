"""A reviewed patch -> the changes that are left in it, and what a person wrote besides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from refactor.batch import Task
from refactor.compose import Proposal, Unstable, attempt
from refactor.decisions import Decision
from refactor.engine import Result, outcome, run
from refactor.model import Change, Claim, Effect, Phase, Safety, Transform
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span, decode
from refactor.syntax import parse

BY_HAND = "by-hand"
MAX_TRIES = 60
_PLAIN = frozenset(Effect) - {Effect.ORDER, Effect.STAGES, Effect.USER, Effect.BASE}
_TOKEN = re.compile(r"\n|[^\S\n]+|[^\s]+")


@dataclass(frozen=True)
class Target:
    """What a file, and the other files of its repository that the patch speaks of, shall be."""

    text: str
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Match:
    """The changes that lead nearest to a target, and which were found besides."""

    made: frozenset[str]
    left: frozenset[str]
    claims: tuple[Claim, ...]
    distance: int
    decisions: tuple[Decision, ...] = ()


def matched(task: Task, target: Target) -> Match:
    """Return which changes lead to a target: each is taken if it comes nearer, then tried again."""
    best = _tried(task, target, {})
    tries = 0
    sites = sorted(best.made | best.left)
    while best.distance and tries < MAX_TRIES and sites:
        site = sites.pop()
        flipped = dict.fromkeys(best.made, True) | dict.fromkeys(best.left, False)
        flipped[site] = site not in best.made
        found = _tried(task, target, flipped)
        tries += 1
        if found.distance < best.distance:
            best = found
            sites = sorted(best.made | best.left)
    return best


def applied(task: Task, target: Target, match: Match) -> Result:
    """Make the changes that a patch holds, and what is left of it by hand, if that verifies."""

    def decide(proposal: Proposal) -> Change | None:
        wanted = proposal.transform.id == BY_HAND or proposal.identity.site in match.made
        return proposal.change if wanted else None

    extra = (_by_hand(target.text, match.claims, task.config.level),) if match.distance else ()
    return run(task.name, task.data, task.config, task.site, decide, extra)


def _tried(task: Task, target: Target, given: Mapping[str, bool]) -> Match:
    """Run once: a change that nothing is said of is made if it comes nearer to the target."""
    seen: dict[str, Decision] = {}
    claims: dict[Claim, None] = {}

    def decide(proposal: Proposal) -> Change | None:
        site = proposal.identity.site
        claims.update(dict.fromkeys(proposal.change.claims))
        wanted = given.get(site)
        if wanted is None:
            wanted = _nearer(proposal, target)
        transform, reason = proposal.transform.id, proposal.change.reason
        seen[site] = Decision(wanted, transform, site, proposal.identity.key, reason)
        return proposal.change if wanted else None

    try:
        _, found = outcome(task.name, parse(decode(task.data)), task.config, task.site, decide)
    except Unstable:
        return Match(frozenset(), frozenset(seen), (), len(task.data) + 1)
    made = frozenset(step.identity.site for step in found.steps if step.identity)
    distance = _distance(found.snapshot.text, found.snapshot.files, target)
    decisions = tuple(d._replace(accept=d.site in made) for d in seen.values())
    return Match(made, frozenset(seen) - made, tuple(claims), distance, decisions)


def _nearer(proposal: Proposal, target: Target) -> bool:
    before = proposal.snapshot
    after, _ = attempt(before, [proposal.change])
    if after is None:
        return False
    now = _distance(before.text, before.files, target)
    return _distance(after.text, after.files, target) < now


def _distance(text: str, files: Mapping[str, str], target: Target) -> int:
    """Return how many characters are in one text and not in the other, at the same place."""
    found = _difference(text, target.text)
    for path in {*files, *target.others}:
        found += _difference(files.get(path, ""), target.others.get(path, ""))
    return found


def _difference(one: str, two: str) -> int:
    if one == two:
        return 0
    a, b = _TOKEN.findall(one), _TOKEN.findall(two)
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    a, b = a[head:], b[head:]
    while a and b and a[-1] == b[-1]:
        a.pop()
        b.pop()
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    same = sum(len(token) for i, _, n in blocks for token in a[i : i + n])
    return sum(map(len, a)) + sum(map(len, b)) - 2 * same


def _by_hand(text: str, claims: Sequence[Claim], level: Safety) -> Transform:
    """Return a transform that makes the rest of a target, as a person wrote it."""

    # Claims of structure are all or nothing to the verifier: with them, a comment may be too much.
    plain = tuple(claim for claim in claims if claim.effect in _PLAIN)

    def propose(snapshot: Snapshot, options: None) -> Iterator[Change]:
        for edit in _edits(snapshot.text, text):
            line = snapshot.dockerfile.line(edit.span.start)
            reason = f"edited by hand, from line {line} on"
            for allowed in ((), tuple(claims), plain):
                change = Change(reason, (edit,), allowed, level, by_hand=True)
                if attempt(snapshot, [change])[0] is not None:
                    break
            yield change

    doc = "What a person wrote into a patch."
    return Transform(BY_HAND, doc, Phase.MERGE, ("",), propose, highest=level)


def _edits(before: str, after: str) -> Iterator[Edit]:
    """Yield what makes one text of another, by whole lines."""
    old, new = before.splitlines(True), after.splitlines(True)
    at = 0
    offsets = [0]
    for line in old:
        at += len(line)
        offsets.append(at)
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield Edit(Span(offsets[i1], offsets[i2]), "".join(new[j1:j2]))
