"""Changes decided one by one: what comes next is found anew from the answers so far.

Nothing is kept of a session but its answers, so that to undo one is to leave it out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

from refactor.compose import Decide, Proposal, Unstable, attempt
from refactor.decisions import Decided, Decision, Decisions, by_hand
from refactor.details import line
from refactor.engine import Task, outcome
from refactor.identity import Identity
from refactor.model import Change
from refactor.source import decode
from refactor.syntax import parse


class Scope(Enum):
    """What an answer holds for, besides the change that it was given on."""

    CHANGE = "this change"
    TRANSFORM = "all changes of the transform"
    REST = "all changes that follow"
    FILE = "the rest of the file, which is left undecided"


class Answer(NamedTuple):
    """What a person said at one change, and how far it goes."""

    path: str
    transform: str
    identity: Identity
    reason: str
    accept: bool
    scope: Scope = Scope.CHANGE
    text: str | None = None


class Question(NamedTuple):
    """A change to be decided, and where one is: the numbers start with 1."""

    path: str
    proposal: Proposal
    number: int
    total: int
    file: int
    files: int
    line: int


class _Unanswered(BaseException):
    """Ends a run at the first change that nobody has decided on."""

    def __init__(self, proposal: Proposal) -> None:
        super().__init__()
        self.proposal = proposal


@dataclass
class Review:
    """A session over files that have changes; `known` was decided before it."""

    tasks: Sequence[Task]
    known: Decisions = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    folds: dict[str, dict[str, Decision]] = field(default_factory=dict)
    at: int = 0

    def question(self) -> Question | None:
        """Return the next change to be decided; None when there is none."""
        while self.at < len(self.tasks):
            found = self.tasks[self.at]
            asked = self._next(found)
            if asked is not None:
                proposal, line = asked
                done = len(self.folds[found.name])
                total = done + len(self._open(found, {}))
                return Question(
                    found.name, proposal, done + 1, total, self.at + 1, len(self.tasks), line
                )
            self.at += 1
        return None

    def answer(
        self, question: Question, accept: bool, scope: Scope = Scope.CHANGE, text: str | None = None
    ) -> None:
        """Take an answer; `text` is what a person wrote for the lines of the change."""
        transform, change, _, identity, _ = question.proposal
        self.answers.append(
            Answer(question.path, transform.id, identity, change.reason, accept, scope, text)
        )

    def undo(self) -> Answer | None:
        """Take the last answer back; return it, or None if there is none."""
        if not self.answers:
            return None
        last = self.answers.pop()
        names = [found.name for found in self.tasks]
        for name in names[names.index(last.path) :]:
            self.folds.pop(name, None)
        self.at = names.index(last.path)
        return last

    def refusal(self, question: Question, text: str) -> str:
        """Return why what a person wrote for the lines of a change cannot be taken, or nothing."""
        before = question.proposal.snapshot
        change = by_hand(question.proposal.change, before.text, text)
        after, reason = attempt(before, [change])
        return "" if after is not None else reason

    def depending(self, question: Question) -> list[str]:
        """Return what is proposed only if a change is made, as sentences."""
        found = self.tasks[self.at]
        site = question.proposal.identity.site
        with_it = self._open(found, {site: True})
        without = self._open(found, {site: False})
        said = [said for other, said in with_it.items() if other not in without and other != site]
        # What is proposed without it has another identity if it would be written differently.
        instead = Counter(_transform(w) for other, w in without.items() if other not in with_it)
        gone = []
        for sentence in said:
            if instead[_transform(sentence)]:
                instead[_transform(sentence)] -= 1
            else:
                gone.append(sentence)
        return gone

    def decisions(self, saved: Decisions | None = None) -> dict[str, Decided]:
        """Return all that is decided, with what was known before, or saved."""
        found = dict(self.known if saved is None else saved)
        for done in self.tasks:
            fold = self.folds.get(done.name)
            if fold:
                digest = sha256(done.data).hexdigest()
                new = Decided(digest, tuple(fold.values()))
                found[done.name] = found.get(done.name, Decided()).merged(new)
        return found

    def _next(self, found: Task) -> tuple[Proposal, int] | None:
        """Run a file on the answers so far, up to the first change without one."""
        fold: dict[str, Decision] = {}
        self.folds[found.name] = fold

        def decide(proposal: Proposal) -> Change | None:
            decision = self._decision(found.name, proposal)
            if decision is None:
                if self._is_left(found.name):
                    return None
                raise _Unanswered(proposal)
            fold[proposal.identity.site] = decision
            return decision.made(proposal)

        try:
            self._run(found, decide)
        except _Unanswered as asked:
            edits = asked.proposal.change.edits
            at = min((edit.span.start for edit in edits), default=0)
            return asked.proposal, line(asked.proposal.snapshot, at)
        except Unstable:
            return None  # the run that follows the session says so
        return None

    def _open(self, found: Task, assumed: Mapping[str, bool]) -> dict[str, str]:
        """Return the undecided changes if all are made that `assumed` does not decline."""
        sites: dict[str, str] = {}

        def decide(proposal: Proposal) -> Change | None:
            decision = self._decision(found.name, proposal)
            if decision is not None:
                return decision.made(proposal)
            site = proposal.identity.site
            sites.setdefault(site, f"{proposal.transform.id}: {proposal.change.reason}")
            return proposal.change if assumed.get(site, True) and not proposal.again else None

        with suppress(Unstable):
            self._run(found, decide)
        return sites

    def _run(self, found: Task, decide: Decide) -> None:
        outcome(found.name, parse(decode(found.data)), found.config, found.site, decide)

    def _decision(self, path: str, proposal: Proposal) -> Decision | None:
        """Return what is decided on a change, by itself or by an answer that goes further."""
        identity = proposal.identity
        own = [a for a in self.answers if a.path == path and a.scope is not Scope.FILE]
        given = Decided("", tuple(map(_as_decision, own))).on(identity)
        if given is not None and (not given.is_stale(identity.key) or given.text is not None):
            return given._replace(site=identity.site)
        before = self.known.get(path, Decided()).on(identity)
        if before is not None and not before.is_stale(identity.key):
            return before
        if not self._is_left(path):
            transform, reason = proposal.transform.id, proposal.change.reason
            for answer in (*self._rules(transform), *self._rules("")):
                return Decision(answer.accept, transform, identity.site, identity.key, reason)
        return None

    def _rules(self, transform: str) -> Iterator[Answer]:
        """Yield the answers that hold for all of a transform, or for all; the last one first."""
        for answer in reversed(self.answers):
            own = answer.scope is Scope.TRANSFORM and answer.transform == transform
            if own or (answer.scope is Scope.REST and not transform):
                yield answer

    def _is_left(self, path: str) -> bool:
        return any(a.path == path and a.scope is Scope.FILE for a in self.answers)


def _transform(sentence: str) -> str:
    return sentence.partition(":")[0]


def _as_decision(answer: Answer) -> Decision:
    site, key = answer.identity.site, answer.identity.key
    return Decision(answer.accept, answer.transform, site, key, answer.reason, answer.text)
