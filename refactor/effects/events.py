"""The events of an abstract build: frozen values that carry no position and no RUN boundary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from refactor.words import Value

Pairs = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """What an instruction runs under: all that a later layer inherits, and the RUN's own flags.

    `env` and `args` are digests of the variables: thousands of them must cost no more than one.
    `volumes` are those declared so far: some engines drop what is written below them later.
    """

    env: int
    args: int
    user: Value
    workdir: tuple[Value, ...]
    shell: tuple[str, ...]
    volumes: frozenset[str]
    flags: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Exec:
    """One command. `shell_state` holds what earlier commands of the RUN left in its shell.

    `must`: its failure fails the build; otherwise its status is ignored or decides a `Block`.
    `quoted`: of the words in `argv` that a shell would not take as they stand, whether quotes
    keep it from that: `$a` and `'$a'` are two things.
    """

    argv: tuple[str, ...]
    assignments: tuple[str, ...]
    redirects: tuple[str, ...]
    setting: Setting
    shell_state: tuple[str, ...]
    must: bool
    quoted: tuple[bool, ...] = ()

    @property
    def text(self) -> str:
        """The command as one line."""
        return " ".join((*self.assignments, *self.argv))


@dataclass(frozen=True, slots=True)
class Block:
    """Commands whose control flow is taken verbatim: tokens and events in order."""

    kind: str
    parts: tuple[Event | str, ...]
    must: bool

    @property
    def text(self) -> str:
        """The block as one line."""
        return " ".join(p if isinstance(p, str) else p.text for p in self.parts)


@dataclass(frozen=True, slots=True)
class Verbatim:
    """A script that is not understood: equal only to itself, reads and writes anything."""

    content: str
    setting: Setting

    @property
    def text(self) -> str:
        """The script's beginning."""
        return self.content if len(self.content) < 80 else self.content[:77] + "..."


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY, or an ADD that is one; `origin` is a stage's index, an image, or None: the context."""

    keyword: str
    sources: tuple[Value, ...]
    destination: Value
    origin: int | str | None
    flags: tuple[tuple[str, str | None], ...]
    inline: tuple[str, ...]
    workdir: tuple[Value, ...]
    user: Value
    volumes: frozenset[str]

    @property
    def text(self) -> str:
        """The instruction as one line."""
        words = [v.text for v in (*self.sources, self.destination)]
        return " ".join((self.keyword, *words))


Event = Exec | Block | Verbatim | Copy


def flat(events: tuple[Event | str, ...]) -> Iterator[Event]:
    """Yield events and those inside blocks, in order."""
    for event in events:
        if isinstance(event, Block):
            yield from flat(event.parts)
        elif not isinstance(event, str):
            yield event


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage ends up with. `layers` counts instructions that make one.

    `base` is the index of an earlier stage or an image reference; `platform` are FROM's flags.
    """

    name: str
    base: int | Value
    platform: str | None
    events: tuple[Event, ...]
    runs: tuple[int, ...]
    config: tuple[tuple[str, object], ...]
    layers: int


class Build(NamedTuple):
    """An abstract build of every stage."""

    arguments: Pairs
    stages: tuple[Stage, ...]
    directives: tuple[tuple[str, str], ...]
