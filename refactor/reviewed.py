"""A reviewed patch -> the changes that are left in it, and what a person wrote besides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from functools import lru_cache

from refactor.compose import Proposal, Unstable, attempt
from refactor.decisions import Decision
from refactor.engine import Result, Task, outcome, run
from refactor.model import Change, Claim, Effect, Phase, Safety, Transform
from refactor.patch import line_edits
from refactor.snapshot import Snapshot
from refactor.source import decode
from refactor.syntax import parse

BY_HAND = "by-hand"
MAX_TRIES = 60
MAX_WORDS = 250_000
WRONG_FILE = 1_000_000
_PLAIN = frozenset(Effect) - {
    Effect.ORDER, Effect.STAGES, Effect.USER, Effect.BASE, Effect.SETTINGS,
}  # fmt: skip
_TOKEN = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True)
class Target:
    """What a file, and the other files of its repository that the patch speaks of, shall be."""

    text: str
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Nearest:
    """Makes the changes that come nearer to a target, but for those that are `given` by their site.

    `seen` are the decisions so far, by site.
    """

    target: Target
    given: Mapping[str, bool] = field(default_factory=dict)
    seen: dict[str, Decision] = field(default_factory=dict)
    claims: dict[Claim, None] = field(default_factory=dict)

    def __call__(self, proposal: Proposal) -> Change | None:
        """Return the change, if it is to be made."""
        site, key, _ = proposal.identity
        self.claims.update(dict.fromkeys(proposal.change.claims))
        wanted = self.given.get(site)
        if wanted is None:
            wanted = self._nearer(proposal)
        self.seen[site] = Decision(wanted, proposal.transform.id, site, key, proposal.change.reason)
        return proposal.change if wanted else None

    def _nearer(self, proposal: Proposal) -> bool:
        before = proposal.snapshot
        after, _ = attempt(before, [proposal.change])
        if after is None:
            return False
        now = _distance(before.text, before.files, self.target)
        return _distance(after.text, after.files, self.target) < now


@dataclass(frozen=True)
class Match:
    """The changes that lead nearest to a target: how they are found again, and what was decided.

    `halves` are the sites of changes that are not made because only a part of them is left.
    """

    given: Mapping[str, bool]
    distance: int
    decisions: tuple[Decision, ...] = ()
    claims: tuple[Claim, ...] = ()
    halves: frozenset[str] = frozenset()


def matched(task: Task, target: Target) -> Match:
    """Return which changes lead to a target: each is taken if it comes nearer, then tried again."""
    best = _tried(task, target, {})
    tries = 0
    open_sites = [decision.site for decision in best.decisions]
    while best.distance and tries < MAX_TRIES and open_sites:
        site = open_sites.pop()
        given = {decision.site: decision.accept for decision in best.decisions}
        found = _tried(task, target, {**given, site: not given.get(site, False)})
        tries += 1
        if found.distance < best.distance:
            best = found
            open_sites = [decision.site for decision in best.decisions]
    return _without_halves(task, target, best)


def _without_halves(task: Task, target: Target, match: Match) -> Match:
    """Decline what wrote a line that is deleted from the patch, unless it can be without the line.

    Otherwise a line would be written that a person has deleted.
    """
    halves: frozenset[str] = frozenset()
    while match.distance:
        nearest = Nearest(target, match.given)
        try:
            _, found = outcome(task.name, parse(decode(task.data)), task.config, task.site, nearest)
        except Unstable:
            return match
        guilty: set[str] = set()
        for change in _changes_by_hand(
            found.snapshot, target.text, match.claims, task.config.level
        ):
            span = change.edits[0].span
            if span.start == span.end or attempt(found.snapshot, [change])[0] is not None:
                continue
            for mark in found.marks:
                step = found.steps[mark.step]
                if step.identity and mark.span.start < span.end and span.start < mark.span.end:
                    guilty.add(step.identity.site)
        if guilty <= halves:
            return match
        halves |= guilty
        given = {decision.site: decision.accept for decision in match.decisions}
        declined = _tried(task, target, {**given, **dict.fromkeys(halves, False)})
        match = replace(declined, halves=halves)
    return match


def applied(task: Task, target: Target, match: Match) -> Result:
    """Make the changes that a patch holds, and what is left of it by hand, if that verifies."""
    nearest = Nearest(target, match.given)

    def decide(proposal: Proposal) -> Change | None:
        return proposal.change if proposal.transform.id == BY_HAND else nearest(proposal)

    extra = (_by_hand(target.text, match.claims, task.config.level),) if match.distance else ()
    return run(task.name, task.data, task.config, task.site, decide, extra)


def _tried(task: Task, target: Target, given: Mapping[str, bool]) -> Match:
    nearest = Nearest(target, given)
    try:
        _, found = outcome(task.name, parse(decode(task.data)), task.config, task.site, nearest)
    except Unstable:
        return Match(given, len(task.data) + 1)
    made = {step.identity.site for step in found.steps if step.identity}
    return Match(
        given, _distance(found.snapshot.text, found.snapshot.files, target),
        tuple(d._replace(accept=d.site in made) for d in nearest.seen.values()),
        tuple(nearest.claims),
    )  # fmt: skip


def _distance(text: str, files: Mapping[str, str], target: Target) -> int:
    """Return how many characters are in one text and not in the other, at the same place."""
    found = _difference(text, target.text)
    for path in {*files, *target.others}:
        wanted = target.others.get(path)
        if path in files and files[path] != wanted:
            found += WRONG_FILE  # other files are as the patch has them, or as they were
        found += _difference(files.get(path, ""), wanted or "")
    return found


@lru_cache(maxsize=512)
def _difference(one: str, two: str) -> int:
    """Return how many characters differ: by words, in the lines that are not the same."""
    if one == two:
        return 0
    a, b = one.split("\n"), two.split("\n")
    found = 0
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal":
            found += _words("\n".join(a[i1:i2]), "\n".join(b[j1:j2]))
    return found + 1


def _words(one: str, two: str) -> int:
    a, b = _TOKEN.findall(one), _TOKEN.findall(two)
    if len(a) * len(b) > MAX_WORDS:
        return len(one) + len(two)
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    same = sum(len(token) for i, _, n in blocks for token in a[i : i + n])
    return len(one) + len(two) - 2 * same


def _by_hand(text: str, claims: Sequence[Claim], level: Safety) -> Transform:
    """Return a transform that makes the rest of a target, as a person wrote it."""

    def propose(snapshot: Snapshot, options: None) -> Iterator[Change]:
        yield from _changes_by_hand(snapshot, text, claims, level)

    doc = "What a person wrote into a patch."
    return Transform(BY_HAND, doc, Phase.MERGE, ("",), propose, highest=level)


def _changes_by_hand(
    snapshot: Snapshot, text: str, claims: Sequence[Claim], level: Safety
) -> Iterator[Change]:
    # Claims of structure are all or nothing to the verifier: with them, a comment may be too much.
    plain = tuple(claim for claim in claims if claim.effect in _PLAIN)
    for edit in line_edits(snapshot.text, text):
        line = snapshot.dockerfile.line(edit.span.start)
        reason = f"edited by hand, from line {line} on"
        for allowed in ((), tuple(claims), plain):
            change = Change(reason, (edit,), allowed, level, by_hand=True)
            if attempt(snapshot, [change])[0] is not None:
                break
        yield change
