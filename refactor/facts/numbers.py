"""USER instructions that are names, and the numbers to write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from refactor.effects.numbered import Kept as Kept
from refactor.effects.numbered import makes_folder, number
from refactor.facts.stages import Stage
from refactor.snapshot import Snapshot
from refactor.syntax import Instruction


class Named(NamedTuple):
    """A USER that is a name, and what it becomes."""

    instruction: Instruction
    stage: Stage
    name: str
    becomes: str | Kept


def users(snapshot: Snapshot) -> Iterator[Named]:
    """Yield each USER that is no number, no variable and not root."""
    for stage in snapshot.graph.stages:
        for ins in stage.instructions:
            name = ins.args.partition(":")[0]
            if (
                ins.keyword == "USER"
                and "$" not in name
                and not name.isdecimal() | (name == "root")
            ):
                yield Named(ins, stage, ins.args, _becomes(snapshot, stage, ins.args))


def _becomes(snapshot: Snapshot, stage: Stage, user: str) -> str | Kept:
    found = number(snapshot.build, stage.index, stage.image, user)
    if isinstance(found, Kept):
        return found
    for other in snapshot.graph.stages:
        if other is stage or _starts_from(snapshot, other, stage.index):
            folder = makes_folder(snapshot.build, other.index, stage.image, user)
            if folder:
                reason = f"WORKDIR makes {folder}, of which {user} is not the only owner"
                return Kept("U403", reason, "make it with mkdir and chown, or name the group")
    return found


def _starts_from(snapshot: Snapshot, stage: Stage, index: int) -> bool:
    while stage.parent is not None and stage.parent != index:
        stage = snapshot.graph.stages[stage.parent]
    return stage.parent == index
