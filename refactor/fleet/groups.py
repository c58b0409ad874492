"""Which changes are equal, in whatever repository: one decision can hold for all of them.

Two changes of one `exact` group do the same to the same commands, with the same claims and
assumptions, on a base of the same family. In one `shape` group they may differ in what
`refactor.fleet.holes` calls holes. Where a change stands, comments and other instructions count for
nothing. There is no version of the program in a hash, as all that a change is, is in it.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from refactor.compose import Step
from refactor.context import clean
from refactor.fleet.holes import Token, filled, shape, tokens
from refactor.identity import instruction_starts, touched
from refactor.model import Change
from refactor.shell import Command, Node, Pipeline
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span, apply
from refactor.syntax import Instruction

_RULES = "1"  # another number makes all groups other ones, and their decisions void


_CUT = Token("\0")


class Group(NamedTuple):
    """The groups that a change is in."""

    exact: str
    shape: str


class Piece(NamedTuple):
    """What a change does to one piece of a text, in tokens."""

    before: tuple[Token, ...]
    after: tuple[Token, ...]


def hashes(step: Step) -> Group:
    """Return the groups of a change, which is what a campaign decides on."""
    change, snapshot = step.change, step.before
    at = _stage_at(snapshot, change)
    claims = sorted(_claims(snapshot, change, at))
    assumes = sorted(set(change.assumes))
    pieces = list(_pieces(snapshot, change))
    written = [[token.written for token in side] for piece in pieces for side in piece]
    sides = [[token for piece in pieces for token in (*piece[side], _CUT)] for side in (0, 1)]
    form = shape(sides[0], sides[1], [*claims, *assumes])
    said = [sorted({filled(one, form.holes) for one in found}) for found in (claims, assumes)]
    others = [[*_other(snapshot, edits.path, edits.edits)] for edits in change.files]
    head = (_RULES, step.transform.id, change.effective_level.name, _family(snapshot, at), others)
    return Group(
        _hash(*head, claims, assumes, written), _hash(*head, *said, form.before, form.after)
    )


def _pieces(snapshot: Snapshot, change: Change) -> Iterator[Piece]:
    """Yield what a change does to commands, or instructions, with those that it is next to."""
    stages = snapshot.fact(_names)
    escape = snapshot.dockerfile.escape
    for span, edits, heredoc in _regions(snapshot, change.edits):
        text = snapshot.text[span.start : span.end]
        moved = [
            Edit(Span(e.span.start - span.start, e.span.end - span.start), e.text) for e in edits
        ]
        inside = _is_inside(snapshot, span.start)
        sides = (
            tokens(one, inside=inside, escape=escape, stages=stages, heredoc=heredoc)
            for one in (text, apply(text, moved))
        )
        yield Piece(*sides)


class _Region(NamedTuple):
    span: Span
    edits: list[Edit]
    heredoc: bool


def _regions(snapshot: Snapshot, edits: Sequence[Edit]) -> list[_Region]:
    """Return the parts of the text that edits are about; those that meet are one."""
    found: list[_Region] = []
    for edit in sorted(edits, key=lambda edit: edit.span):
        span, heredoc = _about(snapshot, edit)
        if found and span.start <= found[-1].span.end:
            last = found.pop()
            both = Span(min(last.span.start, span.start), max(last.span.end, span.end))
            found.append(_Region(both, [*last.edits, edit], last.heredoc or heredoc))
        else:
            found.append(_Region(span, [edit], heredoc))
    return found


def _about(snapshot: Snapshot, edit: Edit) -> tuple[Span, bool]:
    start, end = edit.span
    heredoc = False
    for at in touched(snapshot, [edit]):
        ins = snapshot.dockerfile.instructions[at]
        heredoc = heredoc or bool(ins.heredocs)
        near = _near(snapshot, ins, edit.span)
        start, end = min(start, near.start), max(end, near.end)
    return Span(start, end), heredoc


def _near(snapshot: Snapshot, ins: Instruction, span: Span) -> Span:
    """Return the commands that an edit is in, or else next to, or the instruction."""
    keyword = ins.keyword_span
    joins = span.start <= keyword.start and keyword.end <= span.end < ins.code_end
    places = snapshot.fact(_commands).get(ins.span.start)
    if not places or (span.start < ins.args_span.start and not joins):
        return Span(ins.span.start, max([ins.code_end, *(h.body.end for h in ins.heredocs)]))
    first = bisect_right(places, span.start, key=_end)
    last = bisect_left(places, span.end, key=_start)
    if first == last:  # between two: what is joined goes in front of one, all else behind one
        first = last if joins or not first else first - 1
        first = min(first, len(places) - 1)
        last = first + 1
    return Span(places[first].start, places[last - 1].end)


def _start(span: Span) -> int:
    return span.start


def _end(span: Span) -> int:
    return span.end


def _commands(snapshot: Snapshot) -> dict[int, list[Span]]:
    """Return where the commands of each RUN are that is understood, by where it starts."""
    return {
        run.instruction.span.start: [
            run.instruction.logical.span(run.at(node.start), run.at(node.end))
            for node in _pipelines(run.script.body)
        ]
        for run in snapshot.runs
        if run.script is not None and not run.triggered
    }


def _pipelines(node: Node) -> Iterator[Node]:
    """Yield the commands below a node in order; a pipeline is one."""
    if isinstance(node, Command | Pipeline):
        yield node
    else:
        for part in node.parts:
            if not isinstance(part, str):
                yield from _pipelines(part)


def _is_inside(snapshot: Snapshot, offset: int) -> bool:
    """Whether an offset is one of a RUN's commands."""
    starts = snapshot.fact(instruction_starts)
    at = bisect_right(starts, offset) - 1
    if at < 0:
        return False
    ins = snapshot.dockerfile.instructions[at]
    return ins.keyword == "RUN" and ins.args_span.start <= offset


def _names(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(stage.name.lower() for stage in snapshot.graph.stages if stage.name)


def _stage_at(snapshot: Snapshot, change: Change) -> int:
    """Return the stage that a change is in, the last one if it is in none."""
    stages = snapshot.graph.stages
    if not change.edits:
        return len(stages) - 1
    at = min(edit.span.start for edit in change.edits)
    starts = [stage.start.span.start for stage in stages]
    return max(0, bisect_right(starts, at) - 1)


def _family(snapshot: Snapshot, stage: int) -> str:
    """Return the family of the image that a stage starts from in the end."""
    stages = snapshot.graph.stages
    while stages and (parent := stages[stage].parent) is not None:
        stage = parent
    return str(stages[stage].image.family) if stages else ""


def _claims(snapshot: Snapshot, change: Change, own: int) -> Iterator[str]:
    """Yield claims; stages are called by what they are to the change, not by their numbers."""
    numbered = {
        index for claim in change.claims for word in claim.footprint
        if (index := _number(snapshot, word)) is not None and index != own
    }  # fmt: skip
    names = {index: f"other stage {count}" for count, index in enumerate(sorted(numbered))}
    names[own] = "its stage"
    for claim in change.claims:
        words = []
        for word in claim.footprint:
            index = _number(snapshot, word)
            words.append(word if index is None else names[index])
        yield "; ".join([str(claim.effect), *sorted(words)])


def _number(snapshot: Snapshot, word: str) -> int | None:
    """Return which stage a word of a footprint names, by its label."""
    if not word.startswith("stage "):
        return None
    label = word.removeprefix("stage ")
    return next((s.index for s in snapshot.graph.stages if label in (s.label, str(s.index))), None)


def _other(snapshot: Snapshot, path: str, edits: Sequence[Edit]) -> Iterator[str]:
    """Yield what is written into another file, whose place is that in the build context."""
    home = clean(snapshot.home)
    yield path.removeprefix(f"{home}/") if home else path
    before = snapshot.read(path) or ""
    for edit in edits:
        yield " ".join(before[edit.span.start : edit.span.end].split())
        yield " ".join(edit.text.split())


def _hash(*parts: object) -> str:
    data = json.dumps(parts).encode("utf-8", "surrogatepass")
    return sha256(data).hexdigest()[:32]
