"""Edits that put the metadata at the end of a stage in order, and pairs into one instruction."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from refactor.edits import Layout, with_comments
from refactor.facts.adjacent import groups as groups
from refactor.facts.metadata import IN_ORDER, closing
from refactor.facts.stages import Stage
from refactor.model import Unfit as Unfit
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span
from refactor.syntax import SPACE, Instruction


def join_pairs(snapshot: Snapshot, instructions: Sequence[Instruction]) -> tuple[Edit, ...]:
    """Write the pairs of several ENV or LABEL instructions in the first, each on its line."""
    layout = Layout.of_many(snapshot, [*instructions])
    cut = f" {layout.escape}{layout.newline}{layout.indent}"
    return tuple(
        Edit(Span(left.code_end, right.logical.home(right.args_start)), cut)
        for left, right in pairwise(instructions)
    )


class _Block(NamedTuple):
    """An instruction with the comments directly above it; the last line's end is no part of it."""

    ins: Instruction
    span: Span

    @property
    def has_comment(self) -> bool:
        """Whether a comment stands above it."""
        return self.span.start < self.ins.span.start


def put_in_order(snapshot: Snapshot, stage: Stage) -> tuple[Edit, ...] | Unfit:
    """Move each instruction, with the comments directly above it, where the order wants it.

    Blank lines stay where they are. No edits if all is in order.
    """
    text = snapshot.text
    blocks = [_block(snapshot, ins) for ins in closing(stage)]
    wanted = sorted(blocks, key=lambda block: IN_ORDER.index(block.ins.keyword))
    moved = [at for at, block in enumerate(blocks) if wanted[at] != block]
    if not moved:
        return ()
    gaps = [text[above.span.end : below.span.start] for above, below in pairwise(blocks)]
    region = range(moved[0], moved[-1] + 1)
    if any(text[b.span.end : b.ins.span.end].strip(f"{SPACE}\n") for b in blocks):
        return Unfit("O203", "a line goes on, and nothing follows", "delete the `\\` at its end")
    if any(gaps[at].strip(f"{SPACE}\n") for at in region[:-1]):
        return Unfit("O201", "a comment among them belongs to none of them",
                       "move the comment")  # fmt: skip
    old, new = _headings(blocks, gaps), _headings(wanted, gaps)
    if old.intersection(region) or new - old:
        return Unfit("O202", "a comment may be about more than the line below it",
                       "put a blank line where it ends to count")  # fmt: skip
    return tuple(
        Edit(blocks[at].span, text[wanted[at].span.start : wanted[at].span.end]) for at in moved
    )


def _block(snapshot: Snapshot, ins: Instruction) -> _Block:
    return _Block(ins, Span(with_comments(snapshot, ins).start, ins.code_end))


def _headings(blocks: list[_Block], gaps: list[str]) -> set[int]:
    """Return where a comment's instruction is followed, without a blank line, by one without."""
    return {
        at
        for at, gap in enumerate(gaps)
        if gap.count("\n") == 1 and blocks[at].has_comment and not blocks[at + 1].has_comment
    }
