"""The lines in and around an instruction that are no code."""

from __future__ import annotations

import re

from refactor.snapshot import Snapshot
from refactor.source import Span
from refactor.syntax import SPACE, Instruction, Trivia, TriviaKind

_BLANK_LINES = re.compile(rf"(?:^[{SPACE}]*\n)+|^[{SPACE}]+\Z", re.MULTILINE)


def blank(snapshot: Snapshot, ins: Instruction) -> list[Span]:
    """Return the runs of blank lines inside a continued instruction; heredocs are left out."""
    end = ins.heredocs[0].body.start if ins.heredocs else ins.span.end
    found = _BLANK_LINES.finditer(snapshot.text, ins.span.start, end)
    return [Span(*match.span()) for match in found]


def heading(snapshot: Snapshot, ins: Instruction) -> Trivia | None:
    """Return the comment right above an instruction."""
    above, _ = snapshot.fact(_neighbours)[ins.span.start]
    return above if above and above.kind is TriviaKind.COMMENT else None


def whole(snapshot: Snapshot, ins: Instruction, last: Instruction | None = None) -> Span:
    """Return the lines of an instruction; blank lines on both sides of it become one.

    With `last`, of all up to that one, which must follow without a line between them.
    """
    last = last or ins
    above, below = snapshot.fact(_neighbours)[ins.span.start]
    below = snapshot.fact(_neighbours)[last.span.start][1]
    both = above and below and above.kind is below.kind is TriviaKind.BLANK
    if below and both:
        return Span(ins.span.start, below.span.end)
    if above and above.kind is TriviaKind.BLANK and last.span.end == len(snapshot.text):
        return Span(above.span.start, last.span.end)  # else the file would end with blank lines
    return Span(ins.span.start, last.span.end)


def _neighbours(snapshot: Snapshot) -> dict[int, tuple[Trivia | None, Trivia | None]]:
    """Return what stands right above and below each instruction, by its start."""
    items = snapshot.dockerfile.items
    return {
        item.span.start: (
            above if isinstance(above, Trivia) else None,
            below if isinstance(below, Trivia) else None,
        )
        for above, item, below in zip((None, *items), items, (*items[1:], None), strict=False)
        if isinstance(item, Instruction)
    }
