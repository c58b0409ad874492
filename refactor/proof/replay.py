"""The states between a Dockerfile and its refactoring, so that the one that broke it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from refactor.compose import Decide, Outcome, Proposal, State, everything
from refactor.model import Change
from refactor.proof.results import Cause


class Key(NamedTuple):
    """A change, wherever in the text it stands."""

    transform: str
    reason: str
    site: str


@dataclass(frozen=True)
class Decline:
    """Declines the changes of some sites; of all others it does what was decided before."""

    sites: frozenset[str]
    before: Decide = everything

    def __call__(self, proposal: Proposal) -> Change | None:
        """Return the change to make, if any."""
        return None if proposal.identity.site in self.sites else self.before(proposal)


def first_broken(outcome: Outcome, is_broken: Callable[[State], bool]) -> tuple[Cause, Key] | None:
    """Return the change behind which it is broken; None if it is not broken at the end.

    The accepted changes are replayed one by one, by halving: as many looks as their number has
    binary digits. The first state is not looked at: it is the Dockerfile as it was.
    """
    steps = outcome.steps
    if not steps or not is_broken(outcome.state(len(steps))):
        return None
    good, bad = 0, len(steps)
    while bad - good > 1:
        middle = (good + bad) // 2
        if is_broken(outcome.state(middle)):
            bad = middle
        else:
            good = middle
    step = steps[bad - 1]
    at = min((e.span.start for e in step.change.edits), default=0)
    cause = Cause(step.transform.id, step.change.reason, step.before.dockerfile.line(at))
    site = step.identity.site if step.identity else ""
    return cause, Key(step.transform.id, step.change.reason, site)
