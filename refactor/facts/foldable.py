"""RUN commands that only change the mode or owner of what the COPY in front of them copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from refactor.effects.events import Copy
from refactor.effects.folded import Fold as Fold
from refactor.effects.folded import Unfit as Unfit
from refactor.effects.folded import folds, footprint
from refactor.facts.stages import Stage
from refactor.snapshot import Run, Snapshot
from refactor.syntax import Instruction


class Foldable(NamedTuple):
    """A COPY, the RUN behind it, and what becomes of the RUN's first command."""

    copy: Instruction
    run: Run
    found: Fold | Unfit
    claims: frozenset[str]


def foldable(snapshot: Snapshot) -> Iterator[Foldable]:
    """Yield each command that could be a flag of the COPY in front of it."""
    for stage, model in zip(snapshot.graph.stages, snapshot.build.stages, strict=True):
        runs = [run for run in snapshot.runs if run.stage == stage.index and not run.triggered]
        copies = [ins for ins in stage.instructions if ins.keyword in ("COPY", "ADD")]
        for at, found in folds(model):
            number = sum(end <= at for end in model.runs)
            ordinal = sum(isinstance(event, Copy) for event in model.events[:at]) - 1
            copy, run = copies[ordinal], runs[number]
            if _between(stage, copy, run.instruction):
                continue
            claims = frozenset[str]()
            if isinstance(found, Fold):
                claims = footprint(stage.label, model, at, found)
            source = model.events[at - 1]
            if isinstance(source, Copy) and _is_folder(snapshot, source):
                found = Unfit("F105", "a folder is copied, whose mode would change too", "none")
            yield Foldable(copy, run, found, claims)


def _between(stage: Stage, copy: Instruction, run: Instruction) -> bool:
    """Whether another instruction stands between the two, which may count."""
    inside = (i for i in stage.instructions if copy.span.end <= i.span.start < run.span.start)
    return any(i.keyword in ("USER", "WORKDIR", "SHELL", "VOLUME", "ENV", "ARG") for i in inside)


def _is_folder(snapshot: Snapshot, copy: Copy) -> bool:
    if snapshot.sent is None or copy.origin is not None:
        return False
    return snapshot.sent.kind(copy.sources[0].text) == "dir"
