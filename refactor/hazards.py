"""Why a build would fail, read off the effects model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from refactor.effects import Block, Build, Copy, Event, Exec, Verbatim
from refactor.effects.secret_mounts import leaks
from refactor.facts import sudo
from refactor.facts.images import Image
from refactor.facts.packages import (
    APT,
    LISTS,
    Operation,
    argv_operation,
    cleans_index,
    cleans_lists,
    fetches_index,
    needs_index,
    needs_lists,
    unwrap,
    updates_lists,
)
from refactor.facts.secret_words import of_name
from refactor.facts.stages import Graph
from refactor.knowledge import table
from refactor.shell import Word

_INNER_COMMAND = re.compile(r"(?:\$\(|`|\||;|&&)\s*([^\s|;&)`]+)")
_SYSTEM_PATH = re.compile(r"(?:/usr)?(?:/local)?/s?bin/([^/]+)\Z")


@dataclass(frozen=True, slots=True)
class Hazard:
    """A way to fail. `must`: it will, else it may; the subject is never a position."""

    kind: str
    subject: str
    must: bool

    def covers(self, other: Hazard) -> bool:
        """Whether another hazard is no news beside this one: a command may have got more words."""
        if self.kind != other.kind or (other.must and not self.must):
            return False
        return set(self.subject.split()) <= set(other.subject.split())

    @property
    def assumption(self) -> str:
        """What a change assumes that may bring this hazard."""
        return _ASSUMPTIONS[self.kind].format(self.subject)


_ASSUMPTIONS = {
    "no package lists": "`{}` works without apt's package lists",
    "no package index": "`{}` works without apk's index",
    "no such stage": "`{}` is an image",
}


class Lists(StrEnum):
    """Whether a package manager's lists are there."""

    ABSENT = "absent"
    PRESENT = "present"
    UNKNOWN = "unknown"


class Index(NamedTuple):
    """The lists that a package manager needs: what fetches, deletes and reads them.

    `resource` is what the table of commands calls them.
    """

    hazard: str
    resource: str
    updates: Callable[[Operation | None], bool]
    cleans: Callable[[tuple[str, ...]], bool]
    needs: Callable[[Operation | None], bool]


APT_LISTS = Index("no package lists", "apt-lists", updates_lists, cleans_lists, needs_lists)
APK_INDEX = Index("no package index", "apk-index", fetches_index, cleans_index, needs_index)


def hazards(build: Build, graph: Graph) -> frozenset[Hazard]:
    """Return every hazard of a build."""
    found = _without(APT_LISTS, build, graph)
    if any("apk" in ins.args for stage in graph.stages for ins in stage.instructions):
        found |= _without(APK_INDEX, build, graph)
    return frozenset(found | set(_leaks(build, graph)))


def _leaks(build: Build, graph: Graph) -> Iterator[Hazard]:
    """Yield the secrets that stay in a layer, whose readers are all who have the image."""
    for stage, model in zip(graph.stages, build.stages, strict=True):
        words = (i.args.partition("=")[0] for i in stage.instructions if i.keyword == "ARG")
        arguments = frozenset(word for word in words if of_name(word))
        mounts = any("type=secret" in (f.value or "") for i in stage.instructions for f in i.flags)
        if arguments or mounts:
            for name in leaks(model, arguments):
                yield Hazard("a secret stays in a layer", name, True)


def _without(index: Index, build: Build, graph: Graph) -> set[Hazard]:
    """Return what lacks a package manager's lists."""
    found: set[Hazard] = set()
    ends: list[Lists] = []
    for stage in build.stages:
        image = graph.stages[len(ends)].image
        start = ends[stage.base] if isinstance(stage.base, int) else _at_start(image)
        walk = ListsWalk(start, index)
        walk.events(stage.events)
        found |= walk.found
        ends.append(walk.lists)
    return found


def _at_start(image: Image) -> Lists:
    return Lists.ABSENT if image.known else Lists.UNKNOWN


class ListsWalk:
    """Follows a package manager's lists through events."""

    def __init__(self, start: Lists, index: Index = APT_LISTS) -> None:
        self.lists = start
        self.index = index
        self.found: set[Hazard] = set()

    def events(self, events: tuple[Event | str, ...], until_present: bool = False) -> None:
        """Take events in order; if asked, only until the lists are there."""
        for event in events:
            if until_present and self.lists is Lists.PRESENT:
                return
            if isinstance(event, Block):
                self._block(event)
            elif isinstance(event, Exec):
                self._exec(event)
            elif isinstance(event, Verbatim):
                self._reader(event.text)

    def _block(self, block: Block) -> None:
        before = self.lists
        self.events(block.parts)
        conditional = not block.kind.endswith(("|", "{", "(", "scope", "run", "body", "sequence"))
        if conditional and self.lists is not before:
            self.lists = Lists.UNKNOWN

    def _exec(self, event: Exec) -> None:
        if self.index is APT_LISTS and covers_lists(event.setting.flags):
            return
        found = argv_operation(event.argv)
        if self.index.updates(found):
            self.lists = Lists.PRESENT
        elif self.index.cleans(event.argv):
            self.lists = Lists.ABSENT
        elif self.index.needs(found) and not _is_local(found):
            if self.lists is not Lists.PRESENT:
                must = self.lists is Lists.ABSENT and event.must
                self.found.add(Hazard(self.index.hazard, _subject(found), must))
        elif self.lists is Lists.ABSENT and may_read(event, self.index):
            plain = sudo.command(event.argv) or event.argv
            self._reader(" ".join((*event.assignments, *plain)))

    def _reader(self, text: str) -> None:
        if self.lists is Lists.ABSENT:
            self.found.add(Hazard(self.index.hazard, text, False))


def _subject(found: Operation | None) -> str:
    """Return what is installed: flags may change."""
    assert found is not None
    manager = "apt-get" if found.manager in APT else found.manager
    return " ".join((manager, found.action, *(a.text for a in found.arguments)))


def covers_lists(flags: tuple[tuple[str, str | None], ...]) -> bool:
    """Whether a RUN mounts something over apt's lists, so that the image's are out of reach."""
    for name, value in flags:
        if name == "mount" and value:
            fields = dict(part.partition("=")[::2] for part in value.split(","))
            target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
            if target and (LISTS + "/").startswith(target.rstrip("/") + "/"):
                return True
    return False


def _is_local(found: Operation | None) -> bool:
    """Whether only packages of the file system are asked for (they may still pull others)."""
    return (
        found is not None
        and all(a.text.startswith(("/", "./")) for a in found.arguments)
        and (not found.arguments and found.action in ("list", "search"))
    )


def may_read(event: Event, index: Index = APT_LISTS) -> bool:
    """Whether a command may read a package manager's lists: all do that no table row bounds."""
    if isinstance(event, Verbatim):
        return True
    if isinstance(event, Copy):
        return False
    if isinstance(event, Block):
        return any(may_read(part, index) for part in event.parts if not isinstance(part, str))
    return _may_read((event.argv, event.assignments, event.redirects), index.resource)


@lru_cache(maxsize=8192)
def _may_read(command: tuple[tuple[str, ...], ...], resource: str) -> bool:
    """Whether a command of these words, assignments and redirections may read a resource."""
    argv, assignments, redirects = command
    found = argv_operation(argv)
    if found is not None:
        names = [] if found.manager in APT or found.manager == "apk" else [found.program.text]
    else:
        names = _programs(argv)
    for word in (*argv[1:], *assignments, *redirects):
        if "$(" in word or "`" in word:
            names += _INNER_COMMAND.findall(word)
    return any(_reads(name, resource) for name in names)


def _programs(argv: tuple[str, ...]) -> list[str]:
    """Return the program that a command runs, behind sudo and the like."""
    words, _ = unwrap(tuple(Word(text, 0, 0, text) for text in argv))
    if not words:
        return list(argv[:1])
    module = tuple(word.text for word in words[1:3])
    own = module in (("-m", "venv"), ("-m", "compileall"))
    if own and words[0].text.startswith(("python", "pypy")):
        return []  # what the interpreter brings is copied (PEP 405), or sources are compiled
    if words[0].text == "find" and not any(w.text.startswith(("-exec", "-ok")) for w in words):
        return []
    return [words[0].text]


def _reads(name: str, resource: str) -> bool:
    match = _SYSTEM_PATH.match(name)
    reads = _rows().get(match[1] if match else name)
    return reads is None or "any" in reads or resource in reads


@lru_cache(maxsize=1)
def _rows() -> dict[str, frozenset[str]]:
    return {row["command"]: frozenset(row["reads"].split()) for row in table("commands")}
