"""Instructions that touch, and which of their pairs can stand in one instruction."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.facts import lines
from refactor.facts.pragmas import PRAGMA
from refactor.model import Unfit as Unfit
from refactor.snapshot import Snapshot
from refactor.syntax import SPACE, Instruction
from refactor.words import is_legacy, pairs, parse_words

_USED = re.compile(r"\$\{?(\w+)")


class Group(NamedTuple):
    """Instructions whose pairs can be those of one, and why the one below does not join them."""

    instructions: tuple[Instruction, ...]
    hindrance: Unfit | None
    below: Instruction | None


def groups(snapshot: Snapshot) -> Iterator[Group]:
    """Yield the ENV and LABEL instructions that touch, in order."""
    members: list[Instruction] = []
    names: set[str] = set()
    uses: set[str] = set()
    for ins in snapshot.dockerfile.instructions:
        known = ins.keyword in ("ENV", "LABEL")
        if members and not (known and _touch(snapshot, members[-1], ins)):
            yield Group(tuple(members), None, None)
            members, names, uses = [], set(), set()
        if not known:
            continue
        sets, reads = _variables(snapshot, ins)
        clash = _clash(ins, names & sets, (names & reads) | (uses & sets)) if members else None
        found = clash or (_apart(snapshot, members[-1], ins) if members else None)
        if found:
            yield Group(tuple(members), found, ins)
            members, names, uses = [], set(), set()
        members.append(ins)
        names |= sets
        uses |= reads
    if members:
        yield Group(tuple(members), None, None)


def _touch(snapshot: Snapshot, above: Instruction, ins: Instruction) -> bool:
    """Whether two instructions of one keyword stand on neighbouring lines, with nothing between."""
    same = above.keyword == ins.keyword and above.span.end == ins.span.start
    return same and not snapshot.text[above.code_end : above.span.end].strip(SPACE + "\n")


def _variables(snapshot: Snapshot, ins: Instruction) -> tuple[set[str], set[str]]:
    """Return the names that an instruction sets, and the variables that may be in it."""
    keys = pairs(ins, snapshot.dockerfile.escape)
    return {key.strip("\"'") for key, _ in keys}, set(_USED.findall(ins.args))


def _clash(ins: Instruction, twice: set[str], used: set[str]) -> Unfit | None:
    if twice:
        return Unfit("G202", f"{min(twice)} is set twice", "keep the last one")
    if used and ins.keyword == "ENV":
        return Unfit("G203", f"{min(used)} is set in one line and used in another",
                         "none: all pairs of an ENV see the variables before it")  # fmt: skip
    return None


def _apart(snapshot: Snapshot, above: Instruction, ins: Instruction) -> Unfit | None:
    """Return why the pairs of two instructions are not one list."""
    escape = snapshot.dockerfile.escape
    if is_legacy(above, escape) or is_legacy(ins, escape):
        return Unfit("G201", "`KEY value` takes the whole line as its value",
                         "write it as `KEY=value`")  # fmt: skip
    words = [*parse_words(above.args, escape), *parse_words(ins.args, escape)]
    if parse_words(f"{above.args} {ins.args}", escape) != words:
        return Unfit("G204", "a quote is not closed", "close it")
    if _is_read(snapshot, above) or _is_read(snapshot, ins):
        return Unfit("G205", "a tool reads the line together with the comment above it",
                         "group by hand what the comment is not of")  # fmt: skip
    if any(comment.start < ins.logical.home(ins.args_start) for comment in ins.comments):
        return Unfit("G206", "a comment stands between keyword and pairs", "move the comment")
    return None


def _is_read(snapshot: Snapshot, ins: Instruction) -> bool:
    """Whether a comment in or above an instruction is for a tool, that reads the line below it."""
    heading = lines.heading(snapshot, ins)
    spans = [*ins.comments, *([heading.span] if heading else [])]
    text = "\n".join(snapshot.text[span.start : span.end] for span in spans)
    return any(PRAGMA.match(line.strip(SPACE)) for line in text.split("\n"))
