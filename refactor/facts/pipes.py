"""Stages with a pipe that may fail unseen, and the SHELL that would tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from refactor.effects.pipefail import (
    Obstacle,
    affected,
    assumptions,
    is_piped,
    obstacle,
    shell_for,
)
from refactor.facts.stages import Stage
from refactor.snapshot import Run, Snapshot

_STARTS = frozenset({"CMD", "ENTRYPOINT", "HEALTHCHECK"})


class Plan(NamedTuple):
    """A SHELL to write in front of a RUN."""

    run: Run
    stage: Stage
    shell: tuple[str, ...]
    assumes: tuple[str, ...]


class Kept(NamedTuple):
    """A stage that keeps its shell, and the RUN where that shows."""

    run: Run
    why: Obstacle


def plans(snapshot: Snapshot) -> Iterator[Plan | Kept]:
    """Yield what is to be done about the first pipe of each stage; children wait for parents."""
    planned: set[int] = set()
    for run in snapshot.runs:
        stage = snapshot.graph.stages[run.stage]
        if run.triggered or stage.index in planned or run.shell.command or run.script is None:
            continue
        model = snapshot.build.stages[run.stage]
        start = model.runs[run.ordinal - 1] if run.ordinal else 0
        if not any(map(is_piped, model.events[start : model.runs[run.ordinal]])):
            continue
        planned |= {stage.index, *_descendants(snapshot, stage)}
        yield _judge(snapshot, run, stage, start)


def _judge(snapshot: Snapshot, run: Run, stage: Stage, start: int) -> Plan | Kept:
    command = shell_for(stage.image)
    if not command:
        why = Obstacle("P101", "whether the image has bash is not known", "write SHELL by hand")
        return Kept(run, why)
    found = affected(snapshot.build, stage.index, start, command)
    for index in found.stages:
        first = run.instruction.span.start if index == stage.index else 0
        for ins in snapshot.graph.stages[index].instructions:
            shells = ins.keyword in _STARTS and ins.json is None and ins.args.upper() != "NONE"
            if ins.span.start > first and shells:
                reason = f"the shell of {ins.keyword} would change too"
                return Kept(run, Obstacle("P105", reason, "write it in exec form"))
    if hindrance := obstacle(found, command, stage.image):
        return Kept(run, hindrance)
    return Plan(run, stage, command, assumptions(command, stage.image))


def _descendants(snapshot: Snapshot, stage: Stage) -> Iterator[int]:
    for child in snapshot.graph.stages:
        if child.parent == stage.index:
            yield child.index
            yield from _descendants(snapshot, child)
