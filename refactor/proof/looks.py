"""What one state of a Dockerfile comes to: its build, how it differs, what it answers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from refactor.model import Effect
from refactor.proof import declaring
from refactor.proof.differences import Comparison
from refactor.proof.results import Build, Match, Question, Verdict


class Trouble(NamedTuple):
    """Why something is broken: what tells it from other troubles, and a sentence."""

    key: str
    sentence: str


@dataclass(frozen=True)
class Look:
    """What one state of the Dockerfile comes to. `troubles` are why it is broken, worst first."""

    build: Build
    comparison: Comparison | None = None
    matches: tuple[Match, ...] = ()
    undeclared: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    troubles: tuple[Trouble, ...] = ()


def verdict(look: Look) -> tuple[Verdict, str]:
    """Return the verdict on what is not broken, and one sentence for it."""
    assert look.comparison is not None
    answered = sum(not question.before.error for question in look.questions)
    asked = f"; answers kept: {answered}" if answered else "; neither was asked"
    if not answered and look.questions:
        asked = "; there was no answer to compare"
    if look.comparison.is_empty:
        return Verdict.EQUIVALENT, f"the images hold the same{asked}"
    return Verdict.DECLARED, f"all that differs is what the changes declare{asked}"


def troubles_of(
    comparison: Comparison,
    declared: Collection[Effect],
    undeclared: Sequence[str],
    questions: Sequence[Question],
) -> Iterator[Trouble]:
    """Yield why what was built is broken; nothing if it is not."""
    for defect in sorted(declaring.harmful(comparison, declared)):
        sentence = f"{defect.kind} {defect.path}: {defect.what}"
        yield Trouble(sentence, sentence)
    for question in questions:
        if not question.is_kept:
            before, after = question.before, question.after
            now = after.error or f"{after.status} {after.body}"
            was = f"{before.status} {before.body}" if before.status is not None else before.body
            yield Trouble(question.text, f"{question.text}: {was} before, now {now}")
    for sentence in undeclared:
        key = re.sub(r"\d[\d,.]*|\bfiles?\b", "", sentence.partition(" (")[0])
        yield Trouble(key, f"no change declares this: {sentence}")
