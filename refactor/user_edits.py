"""Edits that let a stage run as another user."""

from __future__ import annotations

import re

from refactor.edits import MAX_INDENT, Layout, with_comments
from refactor.facts.non_root import Plan
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span
from refactor.syntax import Instruction

_BLANK_ABOVE = re.compile(r"\n[ \t\r]*\n\Z")


def set_user(snapshot: Snapshot, plan: Plan) -> tuple[Edit, ...]:
    """Write USER, and a RUN with the commands of a plan if there are any."""
    newline = snapshot.dockerfile.newline(plan.stage.start.span.start)
    user = f"USER {plan.user}{newline}"
    if not plan.commands:
        return (_insert(snapshot, plan, plan.user_at, user),)
    run = f"RUN {_script(snapshot, plan)}{newline}"
    if plan.run_at is plan.user_at:
        return (_insert(snapshot, plan, plan.user_at, run + user),)
    return (
        _insert(snapshot, plan, plan.run_at, run),
        _insert(snapshot, plan, plan.user_at, user),
    )


def _script(snapshot: Snapshot, plan: Plan) -> str:
    """Return the commands in the layout that RUNs of the file have."""
    runs = [ins for ins in snapshot.dockerfile.instructions if ins.keyword == "RUN"]
    several = [ins for ins in runs if "\n" in snapshot.text[ins.span.start : ins.code_end]]
    layout = Layout.of(snapshot, (several or runs or [plan.stage.start])[0])
    if len(layout.indent.expandtabs(4)) > MAX_INDENT:
        layout = layout._replace(indent="    ")
    return layout.between("&&", []).join(plan.commands)


def _insert(snapshot: Snapshot, plan: Plan, at: Instruction | None, text: str) -> Edit:
    """Write lines in front of an instruction and its comments, or at a stage's end."""
    if at is not None:
        place = with_comments(snapshot, at).start
        apart = place != at.span.start and _BLANK_ABOVE.search(snapshot.text[:place])
        gap = snapshot.dockerfile.newline(at.span.start) if apart else ""
        return Edit(Span(place, place), text + gap)
    end = plan.stage.instructions[-1].span.end
    if snapshot.text[:end].endswith("\n"):
        return Edit(Span(end, end), text)
    newline = snapshot.dockerfile.newline(plan.stage.start.span.start)
    return Edit(Span(end, end), newline + text.rstrip("\r\n"))
