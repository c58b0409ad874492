"""Edits that make two stages of one."""

from __future__ import annotations

import re

from refactor.edits import delete_commands, delete_word, removable, with_comments
from refactor.facts import slim_bases
from refactor.facts.environments import VENV, interpreter
from refactor.facts.python_split import Split, Thinner
from refactor.facts.stages import as_keyword
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span, apply
from refactor.syntax import SPACE, Instruction

_COMMENT = re.compile(r"^[ \t]*#")


def split_environment(snapshot: Snapshot, plan: Split) -> tuple[Edit, ...] | None:
    """Put a builder in front of a stage, and let the stage take its environment.

    None if a RUN cannot be taken apart without losing a comment.
    """
    start = plan.stage.start.span.start
    newline = snapshot.dockerfile.newline(start)
    stays = [ins for ins in plan.copied if ins not in plan.gone]
    found = [Edit(Span(start, start), builder(snapshot, plan, stays) + newline)]
    folder = plan.own or VENV
    taken = f"COPY --from={plan.builder} {folder} {folder}{newline}"
    path = f'ENV PATH="{VENV}/bin:$PATH"{newline}'
    taken += "" if plan.own else path
    if plan.first not in plan.gone:
        place = with_comments(snapshot, plan.first).start
        found.append(Edit(Span(place, place), taken))
    for ins in plan.gone:
        found.append(Edit(removable(snapshot, ins), taken if ins is plan.first else ""))
    for thinner in plan.thinner:
        edits = _thin(thinner)
        if edits is None:
            return None
        found += edits
    return tuple(found)


def idle(snapshot: Snapshot, edits: tuple[Edit, ...]) -> str:
    """Return why a split would make no image smaller: its base would stay the full one."""
    found = slim_bases.idle(snapshot.with_text(apply(snapshot.text, edits)))
    return found.reason if found else ""


def builder(snapshot: Snapshot, plan: Split, stays: list[Instruction]) -> str:
    """Return the text of the builder: instructions as they stand.

    A comment inside an instruction, or above it, is written once: where the instruction goes.
    """
    newline = snapshot.dockerfile.newline(plan.stage.start.span.start)
    pieces: list[str] = []
    for ins in plan.copied:
        if ins is plan.stage.start:
            pieces.append(_named(snapshot, plan) + newline)
            continue
        if ins is plan.first and not plan.own:
            pieces.append(f"RUN {interpreter(plan.stage.image)} -m venv {VENV}{newline}")
            pieces.append(f'ENV PATH="{VENV}/bin:$PATH"{newline}')
        span = ins.span if ins in stays else with_comments(snapshot, ins)
        lines = snapshot.text[span.start : span.end].rstrip("\r\n").split("\n")
        if ins in stays:
            lines = [line for line in lines if not _COMMENT.match(line)]
        pieces.append("\n".join(lines).rstrip("\r") + newline)
    return "".join(pieces)


def _named(snapshot: Snapshot, plan: Split) -> str:
    """Return the FROM of the builder."""
    start = plan.stage.start
    place = as_keyword(start)
    end = start.logical.span(start.start, place[0]).end if place else start.code_end
    text = snapshot.text[start.span.start : end].rstrip(SPACE + "\n\\`")
    return f"{text} AS {plan.builder}"


def _thin(thinner: Thinner) -> list[Edit] | None:
    """Leave commands and words of a RUN out."""
    run = thinner.run
    found: list[Edit] = []
    if thinner.commands:
        edits = delete_commands(run, list(thinner.commands))
        if not edits:
            return None
        found += edits
    for command, word, becomes in thinner.words:
        if becomes:
            span = run.instruction.logical.span(run.at(word.start), run.at(word.end))
            found.append(Edit(span, " ".join(becomes)))
            continue
        edits = delete_word(run, command, word)
        if not edits:
            return None
        found += edits
    return found
