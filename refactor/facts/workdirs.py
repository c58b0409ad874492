"""The working directory of a stage, where a WORKDIR sets it and where none does."""

from __future__ import annotations

from refactor.facts.stages import Stage
from refactor.snapshot import Snapshot
from refactor.syntax import Instruction
from refactor.words import Value


def directories(snapshot: Snapshot) -> dict[int, Value]:
    """Return what each WORKDIR sets, an absolute path if that is known, by its start (a fact)."""
    found: dict[int, Value] = {}
    for stage, model in zip(snapshot.graph.stages, snapshot.build.stages, strict=True):
        made = dict(model.config)["directories"]
        assert isinstance(made, tuple)
        own = [ins for ins in stage.instructions if ins.keyword == "WORKDIR"]
        found |= {ins.span.start: path for ins, (path, _) in zip(own, made, strict=True)}
    return found


def assumed(snapshot: Snapshot, stage: Stage, ins: Instruction) -> tuple[str, ...]:
    """Return what is assumed where a directory rests on an image that is no official one."""
    above = [i for i in stage.instructions if i.span.start < ins.span.start]
    image = stage.image
    if any(i.keyword == "WORKDIR" and i.args.startswith("/") for i in above):
        return ()
    if "/" not in image.name:
        return ()
    return (f"{image.name} starts in {image.workdir}",)


def unset(snapshot: Snapshot) -> tuple[Instruction, ...]:
    """Return the instructions above every WORKDIR of their stage and of those it is from."""
    found: list[Instruction] = []
    free: list[bool] = []
    for stage in snapshot.graph.stages:
        still = stage.parent is None or free[stage.parent]
        for ins in stage.instructions:
            still = still and (ins.trigger or ins).keyword != "WORKDIR"
            if still:
                found.append(ins)
        free.append(still)
    return tuple(found)
