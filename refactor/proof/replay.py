"""The states between a Dockerfile and its refactoring, so that the one that broke it is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from refactor.compose import Outcome, Proposal, Step
from refactor.model import Change
from refactor.proof.results import Cause
from refactor.snapshot import Snapshot
from refactor.source import apply


class State(NamedTuple):
    """The Dockerfile's text, and the texts of the other files that were written so far."""

    text: str
    files: Mapping[str, str]


class Key(NamedTuple):
    """A change, wherever in the text it stands."""

    transform: str
    reason: str
    site: str


@dataclass(frozen=True)
class Decline:
    """Declines the changes of some sites, and takes all others."""

    sites: frozenset[str]

    def __call__(self, proposal: Proposal) -> Change | None:
        """Return the change, if it is to be made."""
        return None if proposal.identity.site in self.sites else proposal.change


def first_broken(outcome: Outcome, is_broken: Callable[[State], bool]) -> tuple[Cause, Key] | None:
    """Return the change behind which it is broken; None if it is not broken at the end.

    The accepted changes are replayed one by one, by halving: as many looks as their number has
    binary digits. The first state is not looked at: it is the Dockerfile as it was.
    """
    steps = outcome.steps
    if not steps or not is_broken(_state(steps, len(steps), outcome.snapshot)):
        return None
    good, bad = 0, len(steps)
    while bad - good > 1:
        middle = (good + bad) // 2
        if is_broken(_state(steps, middle, outcome.snapshot)):
            bad = middle
        else:
            good = middle
    step = steps[bad - 1]
    at = min((e.span.start for e in step.change.edits), default=0)
    cause = Cause(step.transform.id, step.change.reason, step.before.dockerfile.line(at))
    site = step.identity.site if step.identity else ""
    return cause, Key(step.transform.id, step.change.reason, site)


def _state(steps: Sequence[Step], count: int, last: Snapshot) -> State:
    """Return the state after the first `count` steps; several may have been made at once."""
    if count == len(steps):
        return State(last.text, last.files)
    before = steps[count].before
    together = [step.change for step in steps[:count] if step.before is before]
    text = apply(before.text, [edit for change in together for edit in change.edits])
    files = dict(before.files)
    for edits in (edits for change in together for edits in change.files):
        files[edits.path] = apply(before.read(edits.path) or "", edits.edits)
    return State(text, files)
