"""One immutable state of a Dockerfile, and the facts that are computed from it when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Protocol, TypeVar

from refactor.effects import Build, build
from refactor.facts.stages import Graph, ShellInForce, default_shell, graph, set_shell
from refactor.hazards import hazards
from refactor.shell import Command, Opaque, Script, read
from refactor.syntax import Dockerfile, Instruction, parse
from refactor.verify import Evidence

T = TypeVar("T")


class Context(Protocol):
    """A build context: what COPY and ADD can see. Paths are relative, with forward slashes."""

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string if there is nothing."""

    def head(self, path: str, count: int) -> bytes:
        """Return at most the first `count` bytes of a file."""


@dataclass(frozen=True, slots=True)
class Run:
    """A RUN (or a RUN behind ONBUILD) and its script; `opaque` says why there is none.

    `text` is the whole file's. `ordinal` counts a stage's RUNs from 0; it is -1 behind ONBUILD.
    """

    text: str
    instruction: Instruction
    stage: int
    shell: ShellInForce
    script: Script | None
    opaque: str
    ordinal: int

    @property
    def triggered(self) -> bool:
        """Whether ONBUILD defers it to a child stage."""
        return self.ordinal < 0

    @property
    def whole(self) -> str:
        """The arguments and what stands in heredocs."""
        bodies = (self.text[h.body.start : h.body.end] for h in self.instruction.heredocs)
        return "\n".join((self.instruction.args, *bodies))

    def place(self, command: Command) -> int:
        """Return where a command of the script starts in the file."""
        return self.instruction.logical.home(self.at(command.start))

    def at(self, offset: int) -> int:
        """Return the logical line's offset of a script's offset."""
        return self.instruction.args_start + offset


@dataclass(frozen=True)
class Snapshot:
    """A Dockerfile with its context and the configuration that facts depend on."""

    path: PurePath
    text: str
    dockerfile: Dockerfile
    context: Context | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    engine: str = "buildkit"
    published: bool = False
    _facts: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def fact(self, compute: Callable[[Snapshot], T]) -> T:
        """Return a fact, computed once."""
        if compute not in self._facts:
            self._facts[compute] = compute(self)
        found: T = self._facts[compute]
        return found

    @property
    def graph(self) -> Graph:
        """The stage graph."""
        return self.fact(_graph)

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every RUN, in order."""
        return self.fact(_runs)

    @property
    def build(self) -> Build:
        """The effects model."""
        return self.fact(_build)

    @property
    def evidence(self) -> Evidence:
        """What the verifier compares."""
        return self.fact(_evidence)

    def with_text(self, text: str) -> Snapshot:
        """Return the same project with another text, parsed afresh."""
        return Snapshot(
            self.path, text, parse(text), self.context, self.aliases, self.engine, self.published
        )


def _graph(snapshot: Snapshot) -> Graph:
    return graph(snapshot.dockerfile, snapshot.aliases)


def _build(snapshot: Snapshot) -> Build:
    return build(snapshot.dockerfile, snapshot.graph)


def _evidence(snapshot: Snapshot) -> Evidence:
    found = hazards(snapshot.build, snapshot.graph)
    return Evidence(snapshot.build, found, snapshot.dockerfile.comments)


def _runs(snapshot: Snapshot) -> tuple[Run, ...]:
    found: list[Run] = []
    ends: list[ShellInForce] = []
    for stage in snapshot.graph.stages:
        parent = ends[stage.parent] if stage.parent is not None else None
        in_force = default_shell(stage.image, parent)
        count = 0
        for ins in stage.instructions[1:]:
            target = ins.trigger or ins
            if target.keyword == "RUN":
                found.append(
                    _run(snapshot.text, target, stage.index, in_force, -1 if ins.trigger else count)
                )
                count += not ins.trigger
            elif ins.keyword == "SHELL":
                in_force = set_shell(ins)
        ends.append(in_force)
    return tuple(found)


def _run(text: str, ins: Instruction, stage: int, in_force: ShellInForce, ordinal: int) -> Run:
    opaque = ""
    script = None
    if ins.json is not None:
        opaque = "exec form"
    elif ins.heredocs:
        opaque = "a heredoc"
    elif in_force.dialect is None:
        opaque = "not a POSIX shell"
    else:
        found = read(ins.args, in_force.dialect)
        opaque, script = (str(found), None) if isinstance(found, Opaque) else ("", found)
    return Run(text, ins, stage, in_force, script, opaque, ordinal)
