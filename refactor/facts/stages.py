"""The stage graph: what each FROM starts from, and the shell in force at each instruction."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from refactor.facts.images import Family, Image, image
from refactor.shell import Dialect
from refactor.source import Span
from refactor.syntax import Dockerfile, Flag, Instruction
from refactor.words import Value, cut, expand, parse_words

_VARIABLE = re.compile(r"\$\{[^}]*\}|\$\w+")
_MOUNT_ORIGIN = re.compile(r"(?:\A|,)from=([^,\"$]+)(?=,|\Z)", re.IGNORECASE)
TARGET_PLATFORM = frozenset({"$TARGETPLATFORM", "${TARGETPLATFORM}"})
_POSIX = frozenset({"sh", "ash", "dash"})
_BASH = frozenset({"bash"})


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM and the instructions after it. `parent` is the index of the stage it starts from."""

    index: int
    name: str
    start: Instruction
    base: Value
    parent: int | None
    image: Image
    instructions: tuple[Instruction, ...]

    @property
    def label(self) -> str:
        """The name, or the index where there is none."""
        return self.name or str(self.index)

    @property
    def start_word(self) -> str:
        """What it starts from, as it is written."""
        return cut(self.start.args)[0]


class Graph(NamedTuple):
    """The instructions before the first FROM, and the stages."""

    globals: tuple[Instruction, ...]
    stages: tuple[Stage, ...]

    def resolve(self, name: str, before: int) -> int | None:
        """Return the index of the stage that a `--from` or FROM names, if it is an earlier one."""
        for stage in reversed(self.stages[:before]):
            if stage.name and stage.name == name.lower():
                return stage.index
        return int(name) if name.isdecimal() and int(name) < before else None

    def numbered(self, mount: str, before: int) -> str:
        """Return the value of a `--mount` with the stage that it is from by its number."""
        match = _MOUNT_ORIGIN.search(mount)
        found = self.resolve(match[1], before) if match else None
        if match is None or found is None:
            return mount
        return f"{mount[: match.start(1)]}{found}{mount[match.end(1) :]}"

    def children(self, index: int) -> tuple[Stage, ...]:
        """Return the stages that start from a stage, directly, for some build arguments."""
        return tuple(s for s in self.stages if s.parent == index or self._may_start(s, index))

    def _may_start(self, stage: Stage, index: int) -> bool:
        """Whether a FROM with a variable in it may name an earlier stage."""
        word = stage.start_word
        if "$" not in word or index >= stage.index or not self.stages[index].name:
            return False
        fixed = map(re.escape, _VARIABLE.split(word.lower()))
        return bool(re.fullmatch(".*".join(fixed), self.stages[index].name))


def graph(dockerfile: Dockerfile, aliases: Mapping[str, str]) -> Graph:
    """Return the stage graph."""
    cuts = [i for i, ins in enumerate(dockerfile.instructions) if ins.keyword == "FROM"]
    head = dockerfile.instructions[: cuts[0]] if cuts else dockerfile.instructions
    arguments: dict[str, Value] = {}
    for ins in head:
        if ins.keyword == "ARG":
            for word in parse_words(ins.args, dockerfile.escape):
                name, _, default = word.partition("=")
                arguments[name] = expand(default, arguments, dockerfile.escape)
    stages: list[Stage] = []
    names: dict[str, int] = {}
    for index, (start, end) in enumerate(pairwise([*cuts, len(dockerfile.instructions)])):
        first = dockerfile.instructions[start]
        words = first.args.split()
        base = expand(words[0] if words else "", arguments, dockerfile.escape)
        name = words[2].lower() if len(words) == 3 and words[1].upper() == "AS" else ""
        parent = names.get(base.text.lower())
        known = stages[parent].image if parent is not None else image(base.text, aliases)
        stages.append(
            Stage(index, name, first, base, parent, known, dockerfile.instructions[start:end])
        )
        if name:
            names[name] = index
    return Graph(head, tuple(stages))


def as_keyword(start: Instruction) -> tuple[int, int] | None:
    """Return where the AS of a FROM is in its logical line."""
    first, gap, rest = cut(start.args)
    word, _, _ = cut(rest)
    if word.upper() != "AS":
        return None
    at = start.args_start + len(first) + len(gap)
    return at, at + len(word)


def is_windows(stage: Stage) -> bool:
    """Whether a stage is known to be one of Windows."""
    return stage.image.family is Family.WINDOWS


class Reference(NamedTuple):
    """Where a stage is named as the origin of another one, of a COPY or of a mount."""

    stage: int
    place: Span


def name_place(stage: Stage) -> Span | None:
    """Return where the name behind AS is, if it is written in one piece."""
    logical = stage.start.logical
    start, end = stage.start.args_end - len(stage.name), stage.start.args_end
    whole = stage.name and logical.text[start:end].lower() == stage.name
    return logical.span(start, end) if whole and logical.contiguous(start, end) else None


def references(graph: Graph) -> Iterator[Reference]:
    """Yield where stages are named as they stand; those behind ONBUILD too."""
    for stage in graph.stages:
        word, start = stage.start_word, stage.start.args_start
        if stage.parent is not None and _names(graph, stage.parent, word):
            place = stage.start.logical.span(start, start + len(word))
            yield Reference(stage.parent, place)
        for ins in stage.instructions[1:]:
            target = ins.trigger or ins
            for flag in target.flags:
                yield from _named(graph, stage.index, target, flag)


def _named(graph: Graph, before: int, ins: Instruction, flag: Flag) -> Iterator[Reference]:
    value = flag.value or ""
    start = flag.end - len(value)
    if ins.logical.text[flag.start : flag.end] != f"--{flag.name}={value}":
        return  # quotes or escapes: where the name is cannot be told
    if flag.name == "mount" and ins.keyword == "RUN":
        match = _MOUNT_ORIGIN.search(value)
        value, start = (match[1], start + match.start(1)) if match else ("", start)
    elif flag.name != "from" or ins.keyword not in ("ADD", "COPY"):
        return
    found = graph.resolve(value, before)
    if found is not None and _names(graph, found, value):
        yield Reference(found, ins.logical.span(start, start + len(value)))


def _names(graph: Graph, index: int, word: str) -> bool:
    return word.lower() == graph.stages[index].name


def target_flag(graph: Graph, stage: Stage) -> Flag | None:
    """Return the flag of a FROM with an image that asks for the target's platform: the default."""
    flag = next((flag for flag in stage.start.flags if flag.name == "platform"), None)
    if flag is None or flag.value not in TARGET_PLATFORM or stage.parent is not None:
        return None
    return None if any("=" in word for word in target_arguments(graph)) else flag


def target_arguments(graph: Graph) -> list[str]:
    """Return the global declarations of TARGETPLATFORM, with their default values."""
    words = [w for ins in graph.globals if ins.keyword == "ARG" for w in ins.args.split()]
    return [word for word in words if word.partition("=")[0] == "TARGETPLATFORM"]


class ShellInForce(NamedTuple):
    """The SHELL of an instruction: `command` is empty for the engine's default.

    `dialect` is None if it is no shell that is understood (PowerShell, cmd, python).
    """

    command: tuple[str, ...]
    dialect: Dialect | None
    certain: bool

    @property
    def errexit(self) -> bool:
        """Whether the shell itself is started with -e."""
        return any(re.match(r"-[a-zA-Z]*e|errexit\Z", word) for word in self.command[1:])


# What starts commands where no SHELL says otherwise (Dockerfile reference: SHELL).
DEFAULT_SHELL = ("/bin/sh", "-c")


def default_shell(base: Image, parent: ShellInForce | None) -> ShellInForce:
    """Return the shell that a stage starts with."""
    if parent is not None:
        return parent
    if base.family is Family.WINDOWS:
        return ShellInForce((), None, True)
    return ShellInForce((), Dialect.POSIX, base.plain_shell)


def set_shell(instruction: Instruction) -> ShellInForce:
    """Return the shell that a SHELL instruction sets."""
    return shell_of(instruction.json or ())


def shell_of(command: tuple[str, ...]) -> ShellInForce:
    """Return the shell that a SHELL instruction's words are."""
    program = command[0].replace("\\", "/").rpartition("/")[2] if command else ""
    if program in _POSIX:
        return ShellInForce(command, Dialect.POSIX, True)
    return ShellInForce(command, Dialect.BASH if program in _BASH else None, True)
