"""Edits that move a COPY behind the RUN that does not need it."""

from __future__ import annotations

from refactor.edits import with_comments
from refactor.facts import sources
from refactor.facts.reordering import Ahead, Plan
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span
from refactor.syntax import SPACE


def move_copy(snapshot: Snapshot, plan: Plan, ahead: list[Ahead]) -> tuple[Edit, ...]:
    """Move a COPY behind a RUN, comments above it included; other copies take its place."""
    assert plan.last is not None
    ins, last = plan.copy, plan.last.instruction
    newline = snapshot.dockerfile.newline(ins.span.start)
    whole = with_comments(snapshot, ins)
    text = snapshot.text[whole.start : whole.end].rstrip("\r\n") + newline
    text = _absolute(snapshot, plan, text, whole.start)
    flags = "".join(f"{ins.logical.text[f.start : f.end]} " for f in ins.flags)
    copies = "".join(
        f"COPY {flags}{' '.join(copy.sources)} {copy.folder}{newline}" for copy in ahead
    )
    gap = newline if _blank_at(snapshot.text, whole.end) else ""
    if not copies and gap:
        whole = Span(whole.start, snapshot.text.index("\n", whole.end) + 1)
    removed = Edit(whole, copies)
    if plan.cut is None:
        end = last.span.end
        lead = "" if snapshot.text[:end].endswith("\n") else newline
        text = text if snapshot.text[:end].endswith("\n") else text.rstrip("\r\n")
        return (removed, Edit(Span(end, end), f"{lead}{gap}{text}"))
    left, right = (plan.last.at(offset) for offset in (plan.cut[0].end, plan.cut[1].start))
    place = Span(last.logical.span(left - 1, left).end, last.logical.home(right))
    again = last.logical.text[last.start : last.args_start]
    return (removed, Edit(place, f"{newline}{gap}{text}{again}"))


def _absolute(snapshot: Snapshot, plan: Plan, text: str, start: int) -> str:
    """Return a COPY's text for a place where another directory may be in force."""
    written, at = sources.destination(plan.copy, snapshot.dockerfile.escape)
    there = plan.directory
    if written.startswith("/") or there == plan.event.workdir:
        return text
    home = plan.copy.logical.home(at) - start
    return text[:home] + plan.event.destination.text + text[home + len(written) :]


def _blank_at(text: str, at: int) -> bool:
    end = text.find("\n", at)
    return end >= 0 and not text[at:end].strip(SPACE)
