"""Edits that let a stage take a virtual environment from its builder."""

from __future__ import annotations

from collections.abc import Iterator

from refactor.edits import append_line, delete_lines, delete_word, insert_line, replace_logical
from refactor.effects import moved_installs
from refactor.effects.environments import groups
from refactor.effects.moved_installs import Obstacle as Obstacle
from refactor.effects.moved_installs import Plan as Plan
from refactor.facts.environments import VENV, elsewhere
from refactor.model import Claim, Effect
from refactor.shell import Command, Word
from refactor.snapshot import Snapshot
from refactor.source import Edit
from refactor.syntax import Instruction


def plans(snapshot: Snapshot) -> Iterator[tuple[Plan | Obstacle, Instruction]]:
    """Yield what becomes of stages that take over what pip has installed, and where that shows."""
    for found in moved_installs.plans(snapshot.build, snapshot.graph, snapshot):
        at = found.at if isinstance(found, Obstacle) else found.copies[0]
        yield found, _makers(snapshot, found.taker)[at]


def claim(snapshot: Snapshot, plan: Plan) -> Claim:
    """Return the claim that a plan is carried out."""
    return Claim(Effect.STAGES, moved_installs.footprint(snapshot.build, plan))


def move_installs(snapshot: Snapshot, plan: Plan) -> tuple[Edit, ...] | None:
    """Make the environment in front of the first install, and take it over in place of the rest.

    None if a comment stands where something would be left out.
    """
    takers = _makers(snapshot, plan.taker)
    first, *gone = (takers[number] for number in plan.copies)
    if any(ins.comments for ins in (first, *gone)):
        return None
    newline = snapshot.dockerfile.newline(first.span.start)
    path = f'ENV PATH="{VENV}/bin:$PATH"'
    made = f"RUN python -m venv {VENV}{newline}{path}"
    found = [insert_line(snapshot, _makers(snapshot, plan.builder)[plan.start], made)]
    for run in snapshot.runs:
        if run.stage != plan.builder or run.script is None:
            continue
        for command in run.script.commands():
            for word in _places(command):
                edits = delete_word(run, command, word)
                if not edits:
                    return None
                found += edits
    found += delete_lines(snapshot, gone, first)
    found.append(replace_logical(first, first.args_start, first.args_end, f"{VENV} {VENV}"))
    if not plan.was:
        found.append(append_line(snapshot, first, path))
        return tuple(found)
    for ins in snapshot.graph.stages[plan.taker].instructions:
        if ins.keyword == "ENV" and f"{plan.was}:" in ins.args:
            at = ins.args_start + ins.args.index(f"{plan.was}:")
            found.append(replace_logical(ins, at, at + len(plan.was), f"{VENV}/bin"))
    return tuple(found)


def _makers(snapshot: Snapshot, stage: int) -> dict[int, Instruction]:
    """Return the instructions that make layers, by the number of each event of theirs."""
    makers = (
        ins
        for ins in snapshot.graph.stages[stage].instructions
        if ins.keyword in ("RUN", "COPY", "ADD")
    )
    spans = groups(snapshot.build.stages[stage])
    return {
        number: ins
        for ins, (begin, end) in zip(makers, spans, strict=False)
        for number in range(begin, end)
    }


def _places(command: Command) -> list[Word]:
    """Return the words by which an install goes elsewhere."""
    if elsewhere(command.argv) is None:
        return []
    words = command.words
    return [
        word
        for before, word in zip((words[0], *words), words, strict=False)
        if word.text in ("--user", "--prefix")
        or word.text.startswith("--prefix=")
        or before.text == "--prefix"
    ]
