"""The fixpoint: one transform at a time on a fresh parse; a change is kept if it verifies."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

from refactor.bound_comments import bound, places
from refactor.facts.pragmas import is_skipped
from refactor.facts.secret_words import mask
from refactor.identity import Identity, Lineage
from refactor.model import Change, FileEdits, Finding, Notice, Refusal, Safety, Transform, occurs
from refactor.snapshot import Snapshot
from refactor.source import Edit, Moves, Overlap, Span, Unreadable, apply
from refactor.syntax import ParseError
from refactor.verify import verify

MAX_ROUNDS = 10
MAX_PASSES = 50
MAX_DROPS = 8
MAX_GROWTH = 65536


class Proposal(NamedTuple):
    """A change that somebody decides on, and the state that it would be made on.

    `again` is whether another change was made at this site instead of what was proposed.
    """

    transform: Transform
    change: Change
    snapshot: Snapshot
    identity: Identity
    again: bool = False


Decide = Callable[[Proposal], Change | None]


def everything(proposal: Proposal) -> Change:
    """Decide for each change: all are made, and all have an identity."""
    return proposal.change


class Step(NamedTuple):
    """A change that was kept, and the state that it was made on.

    `identity` is None where nobody decided.
    """

    transform: Transform
    change: Change
    before: Snapshot
    identity: Identity | None = None


class Drop(NamedTuple):
    """A change that the verifier did not let through: a bug of its transform."""

    transform: Transform
    change: Change
    reason: str


class State(NamedTuple):
    """The Dockerfile's text, and the texts of the other files that were written so far."""

    text: str
    files: Mapping[str, str]


class Mark(NamedTuple):
    """Which step wrote a range of the final text."""

    span: Span
    step: int


@dataclass(frozen=True)
class Outcome:
    """The final state and how it came about.

    `pending` counts what the final text could still get at lower levels, by level; `left` is what
    it could get at this one, but for a decision.
    """

    snapshot: Snapshot
    steps: tuple[Step, ...]
    marks: tuple[Mark, ...]
    refusals: tuple[tuple[Transform, Refusal], ...]
    notices: tuple[tuple[Transform, Notice], ...]
    drops: tuple[Drop, ...]
    pending: Mapping[Safety, int]
    options: Mapping[str, Any] = field(default_factory=dict)
    left: tuple[Proposal, ...] = ()

    def state(self, count: int) -> State:
        """Return the state after the first `count` steps; several may have been made at once."""
        if count == len(self.steps):
            return State(self.snapshot.text, self.snapshot.files)
        before = self.steps[count].before
        together = [step.change for step in self.steps[:count] if step.before is before]
        text = apply(before.text, [edit for change in together for edit in change.edits])
        others = (edits for change in together for edits in change.files)
        return State(text, {**before.files, **_files(before, others)})

    def home(self, step: int, offset: int) -> int:
        """Return where an offset of the text that a step was made on was in the first text.

        `step` may be the number of steps: then the offset is one of the last text.
        """
        for end, moves in reversed(self._rounds):
            if end <= step:
                offset = moves.home(offset)
        return offset

    @cached_property
    def _rounds(self) -> tuple[tuple[int, Moves], ...]:
        """The rounds of steps made on one text: where each ends, and how it moves offsets."""
        found, at = [], 0
        for _, together in groupby(self.steps, key=lambda step: id(step.before)):
            steps = list(together)
            edits = [edit for step in steps for edit in step.change.edits]
            at += len(steps)
            found.append((at, Moves(edits)))
        return tuple(found)


@dataclass
class _Run:
    current: Snapshot
    level: Safety
    decide: Decide | None
    options: Mapping[str, Any]
    steps: list[Step] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    findings: dict[str, tuple[Snapshot, list[Any]]] = field(default_factory=dict)
    seen: set[tuple[str, ...]] = field(default_factory=set)
    lineage: Lineage | None = None
    taken: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)
    identities: dict[int, Identity] = field(default_factory=dict)


class Unstable(RuntimeError):
    """The transforms do not come to rest; the message names those that still fire."""


def refactor(
    snapshot: Snapshot,
    transforms: Sequence[Transform],
    level: Safety = Safety.SAFE,
    decide: Decide | None = None,
    options: Mapping[str, Any] | None = None,
) -> Outcome:
    """Apply transforms until none changes anything: the last round is quiet.

    `decide` is asked for each change; it returns the change to make, or None.
    """
    run = _Run(snapshot, level, decide, options or {})
    run.lineage = Lineage.of(snapshot) if decide else None
    run.seen.add(_state(snapshot))
    for _ in range(MAX_ROUNDS):
        before = run.current
        fired = [transform.id for transform in transforms if _exhaust(run, transform)]
        if run.current is before:
            return _outcome(run, transforms)
        if len(run.current.text) > 2 * len(snapshot.text) + MAX_GROWTH:
            raise Unstable(f"the text keeps growing: {', '.join(fired)}")
    raise Unstable(f"no rest after {MAX_ROUNDS} rounds: {', '.join(fired)}")


def _state(snapshot: Snapshot) -> tuple[str, ...]:
    return (snapshot.text, *(f"{path}\0{text}" for path, text in sorted(snapshot.files.items())))


def _outcome(run: _Run, transforms: Sequence[Transform]) -> Outcome:
    pending: Counter[Safety] = Counter()
    refusals: list[tuple[Transform, Refusal]] = []
    notices: list[tuple[Transform, Notice]] = []
    for transform in transforms:
        for finding in run.findings[transform.id][1]:
            if isinstance(finding, Change):
                if finding.effective_level < run.level:
                    pending[finding.effective_level] += 1
            elif isinstance(finding, Refusal):
                refusals.append((transform, finding))
            else:
                notices.append((transform, finding))
    return Outcome(
        run.current, tuple(run.steps), tuple(run.marks), tuple(refusals), tuple(notices),
        tuple(run.drops), pending, run.options, tuple(_left(run, transforms)),
    )  # fmt: skip


def _left(run: _Run, transforms: Sequence[Transform]) -> Iterator[Proposal]:
    """Yield what is proposed for the last text, which is what was decided against."""
    if run.lineage is None:
        return
    for transform in transforms:
        changes = [c for c in _proposals(run, transform) if _is_open(run, transform, c)]
        named = run.lineage.identities(run.current, transform.id, changes, run.taken)
        for change, identity in zip(changes, named, strict=True):
            again = identity.site in run.replaced
            yield Proposal(transform, change, run.current, identity, again)


def _exhaust(run: _Run, transform: Transform) -> bool:
    """Apply one transform until it has nothing more to do; return whether it did anything."""
    fired = False
    for _ in range(MAX_PASSES):
        changes = _decided(run, transform, _proposals(run, transform))
        if not changes or not _apply(run, transform, _disjoint(changes)):
            return fired
        fired = True
        state = _state(run.current)
        if state in run.seen:
            raise Unstable(f"{transform.id} goes back to a text that was there before")
        run.seen.add(state)
    raise Unstable(f"{transform.id} does not come to rest")


def _proposals(run: _Run, transform: Transform) -> list[Change]:
    """Return the changes proposed for the present text; what is proposed for one text is kept."""
    known = run.findings.get(transform.id)
    if known is None or known[0] is not run.current:
        found: list[Any] = []
        lowered = run.current.fact(_lowered)
        reaches = transform.highest >= run.level
        if reaches and occurs(transform.triggers, lowered):
            for finding in transform.propose(run.current, run.options.get(transform.id)):
                spans = _spans(finding)
                if not is_skipped(run.current, spans, transform.answers | {transform.id}):
                    finding = _unless_torn(run.current, finding)
                    told = mask(finding.reason)  # a reason may quote what stands in the file
                    same = told == finding.reason
                    found.append(finding if same else replace(finding, reason=told))
        known = run.findings[transform.id] = (run.current, found)
    return [finding for finding in known[1] if isinstance(finding, Change)]


def _unless_torn(snapshot: Snapshot, finding: Finding) -> Finding:
    """Return a finding; a refusal of a change that tears a comment off the line it is read with."""
    if not isinstance(finding, Change) or finding.by_hand:
        return finding
    held = snapshot.fact(_held)
    if not any(_meets(held, edit.span) for edit in finding.edits):
        return finding
    with suppress(Overlap):
        if bound(apply(snapshot.text, finding.edits)) != bound(snapshot.text):
            return Refusal(
                "N101", "a `# renovate:` comment would no longer stand above its line",
                "put the comment, and what it is of, somewhere else", finding.edits[0].span.start,
            )  # fmt: skip
    return finding


def _meets(held: Sequence[Span], span: Span) -> bool:
    first = bisect_left(held, span.start, key=lambda one: one.end)
    return first < len(held) and held[first].start <= span.end


def _held(snapshot: Snapshot) -> list[Span]:
    return places(snapshot.text)


def _lowered(snapshot: Snapshot) -> str:
    return snapshot.text.lower()


def _spans(finding: Change | Refusal | Notice) -> list[Span]:
    if isinstance(finding, Change):
        return [edit.span for edit in finding.edits]
    return [Span(finding.offset, finding.offset)]


def _decided(run: _Run, transform: Transform, changes: list[Change]) -> list[Change]:
    """Return the changes that are to be made: those of the level, as whoever decides wants them."""
    changes = [change for change in changes if _is_open(run, transform, change)]
    if run.decide is None or run.lineage is None:
        return changes
    identities = run.lineage.identities(run.current, transform.id, changes, run.taken)
    run.identities = {}
    wanted = []
    for change, identity in zip(changes, identities, strict=True):
        again = identity.site in run.replaced
        decided = run.decide(Proposal(transform, change, run.current, identity, again))
        if decided is not None:
            run.identities[id(decided)] = identity
            wanted.append(decided)
    return wanted


def _is_open(run: _Run, transform: Transform, change: Change) -> bool:
    if change.effective_level < run.level:
        return False
    return not any(d.change == change and d.transform.id == transform.id for d in run.drops)


def _disjoint(changes: list[Change]) -> list[Change]:
    """Return the changes that touch no earlier one; the others come again on the next parse."""
    taken: list[Span] = []
    chosen: list[Change] = []
    for change in changes:
        spans = [edit.span for edit in change.edits]
        if not any(span.meets(other) for span in spans for other in taken[-200:]):
            chosen.append(change)
            taken += spans
    return chosen


def _apply(run: _Run, transform: Transform, changes: list[Change]) -> bool:
    """Apply changes together; if that does not verify, halve until the wrong ones are found."""
    after, reason = attempt(run.current, changes)
    if after is not None:
        _keep(run, transform, changes, after)
        return True
    if sum(not drop.change.by_hand for drop in run.drops) >= MAX_DROPS:
        return False  # each takes a parse of the whole text, and one is a bug to report already
    if len(changes) == 1:
        run.drops.append(Drop(transform, changes[0], reason))
        return False
    half = len(changes) // 2
    # The second half's offsets are only good on the present text: it comes again if this one fits.
    return _apply(run, transform, changes[:half]) or _apply(run, transform, changes[half:])


def attempt(current: Snapshot, changes: Sequence[Change]) -> tuple[Snapshot | None, str]:
    """Return the state with changes made; None and why if they do not verify together."""
    edits = [edit for change in changes for edit in change.edits]
    try:
        files = _files(current, [edits for change in changes for edits in change.files])
        text = apply(current.text, edits)
        after = current.with_text(text, files)
    except (Overlap, ParseError, Unreadable) as error:
        return None, str(error)
    if text == current.text and not files:
        return None, "the change changes nothing"
    claims = [claim for change in changes for claim in change.claims]
    assumes = [sentence for change in changes for sentence in change.assumes]
    spare = any(change.by_hand for change in changes)
    reason = verify(current.evidence, after.evidence, claims, assumes, spare)
    return (None, reason) if reason else (after, "")


def _files(current: Snapshot, changed: Iterable[FileEdits]) -> dict[str, str]:
    """Return the new texts of other files; several changes may edit one in different places."""
    edits: dict[str, list[Edit]] = {}
    for file in changed:
        edits.setdefault(file.path, []).extend(file.edits)
    before = {path: current.read(path) or "" for path in edits}
    found = {path: apply(before[path], parts) for path, parts in edits.items()}
    return {path: text for path, text in found.items() if text != before[path]}


def _keep(run: _Run, transform: Transform, changes: list[Change], after: Snapshot) -> None:
    moves = Moves([edit for change in changes for edit in change.edits])
    run.marks = [
        Mark(Span(moves.after(m.span.start), moves.after(m.span.end)), m.step) for m in run.marks
    ]
    if run.lineage is not None:
        named = [(change, run.identities[id(change)]) for change in changes]
        run.lineage = run.lineage.after(run.current, named, after)
        for change, identity in named:
            proposed = any(change is c for c in _proposals(run, transform))
            (run.taken if proposed else run.replaced).add(identity.site)
    for change in changes:
        step = len(run.steps)
        run.steps.append(Step(transform, change, run.current, run.identities.get(id(change))))
        for edit in change.edits:
            start = moves.before(edit.span.start)
            run.marks.append(Mark(Span(start, start + len(edit.text)), step))
    run.current = after
