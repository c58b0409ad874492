"""The working directory of a stage, where a WORKDIR sets it and where none does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from refactor.effects.entered import Entry, Unfit, entries, is_there, stays
from refactor.facts.stages import Stage, is_windows
from refactor.snapshot import Run, Snapshot
from refactor.syntax import SPACE, Instruction
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


# Between two RUNs, or a RUN and WORKDIR: they ask for no directory.
_INDIFFERENT = frozenset({"ARG", "ENV", "EXPOSE", "LABEL", "USER"})


class Row(NamedTuple):
    """RUNs in a row, each with the folder that it enters; `back` is where WORKDIR goes then."""

    stage: Stage
    entries: tuple[tuple[Run, Entry], ...]
    back: str

    @property
    def steps(self) -> tuple[str, ...]:
        """The WORKDIR in front of each RUN, and behind the last; empty where none is needed."""
        there = self.entries[0][1].back
        wanted = [*(entry.path for _, entry in self.entries), self.back]
        found = []
        for path in wanted:
            found.append(path if path not in ("", there) else "")
            there = path
        return tuple(found)

    @property
    def assumes(self) -> tuple[str, ...]:
        """What is assumed of the folders."""
        *ahead, behind = self.steps
        found = dict.fromkeys(is_there(path) for path in ahead if path not in ("", "/"))
        if behind not in ("", "/"):
            found[stays(behind)] = None
        return tuple(found)


class Staying(NamedTuple):
    """A RUN whose `cd` stays, and why."""

    run: Run
    found: Unfit


def entering(snapshot: Snapshot) -> Iterator[Row | Staying]:
    """Yield the RUNs that enter a folder first."""
    own = {run.instruction.span.start: run for run in snapshot.runs if not run.triggered}
    for stage, model in zip(snapshot.graph.stages, snapshot.build.stages, strict=True):
        found = [] if is_windows(stage) else entries(model)
        row: list[tuple[Run, Entry]] = []
        for ins in stage.instructions if any(found) else ():
            run = own.get(ins.span.start)
            entry = found[run.ordinal] if run else None
            if run and isinstance(entry, Entry):
                row.append((run, entry))
            elif row and ins.keyword not in _INDIFFERENT:
                yield from _row(stage, row, ins)
                row = []
            if run and isinstance(entry, Unfit):
                yield Staying(run, entry)
        if row:
            yield from _row(stage, row, None)


def _row(
    stage: Stage, row: list[tuple[Run, Entry]], below: Instruction | None
) -> Iterator[Row | Staying]:
    """Yield a row, or why its RUNs stay: WORKDIR must go back unless another one follows."""
    back = row[0][1].back
    last = row[-1][0].instruction
    if below and below.keyword == "WORKDIR" and below.args.startswith("/"):
        yield Row(stage, tuple(row), "")
        return
    found = None
    if not back:
        found = Unfit("W307", "the directory to go back to is not known", "set WORKDIR before it")
    elif not all(entry.kept for _, entry in row):
        found = Unfit("W308", f"a command may delete {back}, and WORKDIR would make it again",
                      "delete it in a RUN of its own")  # fmt: skip
    elif row[-1][0].text[last.code_end : last.span.end].strip(f"{SPACE}\n"):
        found = Unfit("W309", "a line goes on, and nothing follows", "delete the `\\` at its end")
    if found is None:
        yield Row(stage, tuple(row), back)
    else:
        yield from (Staying(run, found) for run, _ in row)
