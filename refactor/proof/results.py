"""What a proof finds out about one Dockerfile, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from refactor.engine import Remark
from refactor.proof.differences import Comparison


class Verdict(StrEnum):
    """What a proof comes to."""

    UNCHANGED = "nothing to change"
    EQUIVALENT = "equivalent"
    DECLARED = "differs as declared"
    BROKEN = "broken"
    BASELINE = "does not build as it is"
    REFUSED = "not refactored"  # the file is refused, or the tool failed on it


PROVED = frozenset({Verdict.EQUIVALENT, Verdict.DECLARED})


class Build(NamedTuple):
    """A build: how long it took, in seconds, and which steps ran; `failed` is the one that did not.

    `log` are the last lines of what it printed.
    """

    seconds: float
    ran: tuple[str, ...] = ()
    cached: tuple[str, ...] = ()
    failed: str = ""
    log: tuple[str, ...] = ()


_NOT_FOUND = (126, 127)  # the exit status where a program may not be run, or is not there


class Answer(NamedTuple):
    """What one image answers to one question. `error` is why there is no answer.

    `status` is that of the request or the exit, `body` the class of what came back (`json object`,
    `html`, `text`, `empty`), `uid` the user of the process, `stops` the seconds from SIGTERM to the
    end, None if it had to be killed. `text` is what came back, at most 64 KB: it is not compared.
    `is_started` is False if there was no process at all.
    """

    status: int | None
    body: str
    error: str = ""
    uid: int | None = None
    stops: float | None = None
    text: str = ""
    is_started: bool = True


class Question(NamedTuple):
    """What both images were asked (`GET :8000/`, `python --version`), and what they answered."""

    text: str
    before: Answer
    after: Answer

    @property
    def is_kept(self) -> bool:
        """Whether what worked before still does, in the same way.

        What had no answer may have another reason for it now, but its program must still be found.
        """
        if self.before.error:
            found = self.after.is_started and self.after.status not in _NOT_FOUND
            return found or not self.before.is_started or self.before.status in _NOT_FOUND
        same = (self.before.status, self.before.body) == (self.after.status, self.after.body)
        return not self.after.error and same


class Rebuild(NamedTuple):
    """What an edit of one source file costs: both builds with the cache."""

    edited: str
    before: Build
    after: Build


class Match(NamedTuple):
    """A change that was made, and what it declares that was found: a sentence each."""

    transform: str
    reason: str
    found: tuple[str, ...]


class Cause(NamedTuple):
    """The change that broke it."""

    transform: str
    reason: str
    line: int


@dataclass(frozen=True)
class Proof:
    """What was found out. `reason` is one sentence for the verdict.

    `matches` are the changes with what they declare; `undeclared` are differences that no change
    declares, in words.
    """

    path: str
    verdict: Verdict
    reason: str
    changes: tuple[Remark, ...] = ()
    before: Build | None = None
    after: Build | None = None
    comparison: Comparison | None = None
    matches: tuple[Match, ...] = ()
    undeclared: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    rebuild: Rebuild | None = None
    cause: Cause | None = None
