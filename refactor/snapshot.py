"""One immutable state of a Dockerfile, and the facts that are computed from it when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from refactor.bound_comments import bound
from refactor.context import Context, Overlay, clean, subtree
from refactor.effects import Build, build
from refactor.facts.stages import Graph, ShellInForce, default_shell, graph, set_shell
from refactor.hazards import hazards
from refactor.sent import MAX_TEXT, Sent, sent
from refactor.shell import Command, Opaque, Script, read
from refactor.source import Unreadable, decode, encode
from refactor.syntax import Dockerfile, Instruction, parse_again
from refactor.verify import Evidence

if TYPE_CHECKING:
    from refactor.facts.applications import Application
    from refactor.facts.invocations import Invocations

T = TypeVar("T")


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
    """A Dockerfile, the repository around it, and the configuration that facts depend on.

    `home` is the build context's folder in the repository, `place` the Dockerfile's own path there.
    `files` are the texts of the repository's other files that changes wrote so far; `today` is a
    date, `YYYY-MM-DD`, or empty: it only ever decides what is said, never what is done.
    """

    path: PurePath
    text: str
    dockerfile: Dockerfile
    repository: Context | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    engine: str = "buildkit"
    published: bool = False
    home: str = ""
    place: str = "Dockerfile"
    files: Mapping[str, str] = field(default_factory=dict)
    today: str = ""
    _facts: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    _surroundings: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def fact(self, compute: Callable[[Snapshot], T]) -> T:
        """Return a fact, computed once."""
        known = self._facts
        if compute not in known:
            known[compute] = compute(self)
        found: T = known[compute]
        return found

    def outside(self, compute: Callable[[Snapshot], T]) -> T:
        """Return a fact that does not depend on the text, computed once for all texts."""
        if compute not in self._surroundings:
            self._surroundings[compute] = compute(self)
        found: T = self._surroundings[compute]
        return found

    @property
    def context(self) -> Context | None:
        """The build context: what COPY and ADD can see, if nothing is left out."""
        return self.outside(_context)

    @property
    def sent(self) -> Sent | None:
        """The build context's files without those that .dockerignore leaves out."""
        return self.outside(_sent)

    @property
    def application(self) -> Application | None:
        """What the sources in the build context say of the application."""
        return self.outside(_application)

    @property
    def invocations(self) -> Invocations | None:
        """How the image is started, probed and built from outside the Dockerfile."""
        return self.outside(_invocations)

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

    def with_text(self, text: str, files: Mapping[str, str] | None = None) -> Snapshot:
        """Return the same project with another text, read anew, and other files."""
        files = files or {}
        repository = self.repository
        if files and repository is not None:
            repository = Overlay(repository, {path: encode(t) for path, t in files.items()})
        return Snapshot(
            self.path, text, parse_again(text, self.dockerfile), repository, self.aliases,
            self.engine, self.published, self.home, self.place, {**self.files, **files},
            self.today, {}, {} if files else self._surroundings,
        )  # fmt: skip

    def read(self, path: str) -> str | None:
        """Return the text of a file of the repository; None if there is none.

        Raises Unreadable if it is no text, or is too large.
        """
        if self.repository is None or self.repository.kind(path) != "file":
            return None
        data = self.repository.head(path, MAX_TEXT + 1)
        if len(data) > MAX_TEXT:
            raise Unreadable(f"{path}: larger than {MAX_TEXT} bytes")
        return decode(data)


def _context(snapshot: Snapshot) -> Context | None:
    tree, home = snapshot.repository, snapshot.home
    return None if tree is None else subtree(tree, home)


def _sent(snapshot: Snapshot) -> Sent | None:
    if snapshot.context is None:
        return None
    home, place = clean(snapshot.home), clean(snapshot.place)
    inside = not home or place.startswith(f"{home}/")
    return sent(snapshot.context, place[len(home) :].lstrip("/") if inside else "")


def _application(snapshot: Snapshot) -> Application | None:
    from refactor.facts.applications import application

    return None if snapshot.sent is None else application(snapshot.sent)


def _invocations(snapshot: Snapshot) -> Invocations | None:
    from refactor.facts.invocations import invocations

    tree = snapshot.repository
    return None if tree is None else invocations(tree, snapshot.home, snapshot.place)


def _graph(snapshot: Snapshot) -> Graph:
    return graph(snapshot.dockerfile, snapshot.aliases)


def _build(snapshot: Snapshot) -> Build:
    return build(snapshot.dockerfile, snapshot.graph)


def _evidence(snapshot: Snapshot) -> Evidence:
    found = hazards(snapshot.build, snapshot.graph)
    comments = snapshot.dockerfile.comments
    held = bound(snapshot.text)
    return Evidence(snapshot.build, found, comments, snapshot.graph, snapshot, held)


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
