"""The Dockerfiles that may be built with one build context, and what they take of it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import NamedTuple

from refactor.context import Context, clean
from refactor.effects import Build, Copy, Event, flat
from refactor.facts import homes, sources
from refactor.outside.compose_files import COMPOSE, builds
from refactor.outside.inline_dockerfiles import held
from refactor.sent import MAX_TEXT, Sent, ignore_file, listed, read_rules
from refactor.snapshot import Snapshot
from refactor.source import Unreadable, decode
from refactor.syntax import Instruction, ParseError, parse

MAX_USERS = 100
_NAME = re.compile(r"(?:.+\.)?(?:docker|container)file(?:[.-].+)?\Z", re.IGNORECASE)
_FROM = re.compile(r"^[ \t]*FROM[ \t]+\S", re.IGNORECASE | re.MULTILINE)
_GLOB = re.compile(r"[*?\[]")
_NOT_RUN = frozenset({"FROM", "ARG", "ADD", "COPY", "LABEL", "MAINTAINER", "EXPOSE"})


class Part(NamedTuple):
    """A stage that no other one needs, and all that it needs: what they take, and their scripts."""

    takes: tuple[str, ...]
    runs: str

    def took(self, path: str) -> bool:
        """Whether a copy takes a folder, or all of a pattern, that a path is in."""
        return any(_covers(source, path) for source in self.takes)


@dataclass(frozen=True)
class User:
    """A Dockerfile. `names` are all its sources that may be in the context.

    `shares`: it is built with the context as far as can be told, by these very ignore rules.
    `unknown` is a copy whose source only the build knows. `says` is the text of all instructions
    that may run or name something, in its lines.
    """

    place: str
    shares: bool
    parts: tuple[Part, ...]
    names: tuple[str, ...]
    unknown: str
    says: str

    def took(self, path: str) -> bool:
        """Whether a copy takes a folder, or all of a pattern, that a path is in."""
        return any(part.took(path) for part in self.parts)

    @property
    def takes(self) -> tuple[str, ...]:
        """What is copied from the context."""
        return tuple(dict.fromkeys(source for part in self.parts for source in part.takes))

    def named(self, name: str) -> str:
        """Return a source that names a file or folder, at any depth; empty if none does."""
        for source in self.names:
            if any(_is(part, name) for part in source.split("/")):
                return source
        return ""


def _covers(source: str, path: str) -> bool:
    if not _GLOB.search(source):
        return not source or path.startswith(f"{source}/")
    return _matches(source, path)


def _is(part: str, name: str) -> bool:
    if part == name or part in ("*", "**"):
        return part == name
    return bool(_GLOB.search(part)) and _matches(part, name)


def _matches(pattern: str, path: str) -> bool:
    try:
        matcher = read_rules(pattern)
    except ValueError:
        return True  # it is not read: it may be any path
    return matcher is not None and matcher.matches(path)


def missing(user: User, sent: Sent) -> str:
    """Return a source that is not sent, empty if all are."""
    paths = [*sent.files, *sent.folders]
    for source in user.takes:
        if _GLOB.search(source):
            if not any(_matches(source, path) for path in paths):
                return source
        elif source and not sent.kind(source):
            return source
    return ""


def user(snapshot: Snapshot, shares: bool = True) -> User:
    """Return what a Dockerfile takes of its context; triggers of ONBUILD take of another one."""
    names: dict[str, None] = {}
    takes: list[dict[str, None]] = []
    unknown = ""
    for stage in snapshot.build.stages:
        takes.append({})
        onbuild = dict(stage.config)["onbuild"]
        assert isinstance(onbuild, tuple)
        for events, found in ((stage.events, takes[-1]), (onbuild, names)):
            for event in flat(events):
                copied, mounted = tuple(taken(snapshot, event)), tuple(_mounted(event))
                if None in copied or None in mounted:
                    unknown = unknown or event.text
                found.update({source: None for source in copied if source is not None})
                names.update({source: None for source in (*copied, *mounted) if source})
                names.update(dict.fromkeys(_elsewhere(event)))
    parts = [
        Part(tuple(s for i in sorted(needed) for s in takes[i]), _scripts(snapshot, needed))
        for needed in _ends(snapshot.build)
    ]
    return User(snapshot.place, shares, tuple(parts), tuple(names), unknown, _says(snapshot))


def _ends(build: Build) -> Iterator[set[int]]:
    """Yield the stages behind each one that no other needs, that one among them."""
    needed: list[set[int]] = []
    for number, stage in enumerate(build.stages):
        mounts = (m.get("from", "") for event in flat(stage.events) for m in _mounts(event))
        direct: set[object] = {stage.base, *(int(m) for m in mounts if m.isdecimal())}
        direct |= {event.origin for event in flat(stage.events) if isinstance(event, Copy)}
        stages = {origin for origin in direct if isinstance(origin, int) and origin < number}
        needed.append({number}.union(*(needed[origin] for origin in stages)))
    inner = set[int]().union(*(found - {number} for number, found in enumerate(needed)))
    return (found for number, found in enumerate(needed) if number not in inner)


def _scripts(snapshot: Snapshot, stages: set[int]) -> str:
    scripts = (run for run in snapshot.runs if run.stage in stages)
    return "\n".join(" ".join(run.instruction.json or (run.whole,)) for run in scripts)


def _says(snapshot: Snapshot) -> str:
    """Return the text with blanks for what runs nothing: comments, copies, labels."""
    parts = []
    for item in snapshot.dockerfile.items:
        text = snapshot.text[item.span.start : item.span.end]
        silent = not isinstance(item, Instruction) or item.keyword in _NOT_RUN
        parts.append(re.sub(r"[^\n]", " ", text) if silent else text)
    return "".join(parts)


def taken(snapshot: Snapshot, event: Event) -> Iterator[str | None]:
    """Yield what a copy takes of the context; None if only the build knows."""
    if not isinstance(event, Copy) or event.origin is not None:
        return
    for value in event.sources:
        backslashes = snapshot.dockerfile.escape == "`"
        text = value.text.replace("\\", "/") if backslashes else value.text
        if value.raw or "\\" in text or ".." in text.split("/"):
            yield None
        elif not text.startswith("<<") and not sources.is_remote(text):
            yield clean(text)


def _mounted(event: Event) -> Iterator[str | None]:
    """Yield what a RUN mounts of the context; None if only the build knows."""
    for mount in _mounts(event):
        if "from" not in mount and mount.get("type", "bind").lower() == "bind":
            source = mount.get("source", mount.get("src", ""))
            yield None if "$" in source else clean(source)


def _mounts(event: Event) -> Iterator[dict[str, str]]:
    """Yield the fields of a RUN's mounts; a stage is a number there."""
    for name, value in getattr(getattr(event, "setting", None), "flags", ()):
        if name == "mount" and value:
            fields = (part.partition("=") for part in value.split(","))
            yield {key.lower(): text for key, _, text in fields}


def _elsewhere(event: Event) -> Iterator[str]:
    """Yield the sources of a copy from what may be another name of the context."""
    named = event.origin if isinstance(event, Copy) else None
    if isinstance(event, Copy) and isinstance(named, str) and not re.search(r"[/:.]", named):
        yield from (clean(value.text) for value in event.sources)


def users(snapshot: Snapshot) -> tuple[User, ...]:
    """Return this Dockerfile and the others that may be built with its context."""
    return (user(snapshot), *snapshot.outside(_others))


def _others(snapshot: Snapshot) -> tuple[User, ...]:
    tree, context, sent = snapshot.repository, snapshot.context, snapshot.sent
    if tree is None or context is None or sent is None:
        return ()
    everything = listed(context, "", "") if context.kind(sent.source) else sent
    inside = (posixpath.join(snapshot.home, p) for p in everything.files if _is_dockerfile(p))
    places = dict.fromkeys((*inside, *_above(snapshot, tree)))
    places.pop(snapshot.place, None)
    found = (_other(snapshot, tree, place) for place in islice(places, MAX_USERS))
    return tuple(other for other in found if other is not None)


def _above(snapshot: Snapshot, tree: Context) -> Iterator[str]:
    """Yield the Dockerfiles beside and above the context, and those that compose files name."""
    folders = {posixpath.dirname(snapshot.place), snapshot.home, ""}
    for folder in list(folders):
        while folder := posixpath.dirname(folder):
            folders.add(folder)
    for folder in sorted(folders):
        for name in tree.names(folder):
            path = posixpath.join(folder, name)
            if _is_dockerfile(name) and tree.kind(path) == "file":
                yield path
            elif COMPOSE.match(name):
                for build in builds(tree, path):
                    yield from build.files if build.context == snapshot.home else ()


def _is_dockerfile(path: str) -> bool:
    name = path.rpartition("/")[2]
    return bool(_NAME.match(name)) and not name.endswith(".dockerignore")


def _other(snapshot: Snapshot, tree: Context, place: str) -> User | None:
    """Read another Dockerfile; one that is not understood takes and names what its text holds."""
    data = held(tree, place) or tree.head(place, MAX_TEXT + 1)
    try:
        text = decode(data)
        found = Snapshot(PurePath(place), text, parse(text), tree, snapshot.aliases, place=place)
        if not found.graph.stages:
            raise Unreadable("no FROM")
        sent = snapshot.sent
        assert sent is not None
        other = user(found, _shares(snapshot, found, sent))
        if other.shares and missing(other, sent):  # its context is another one, it seems
            return user(found, False)
        return other
    except (Unreadable, ParseError):
        text = data.decode("utf-8", "replace")
        if not _FROM.search(text):
            return None
        words = tuple(re.split(r"[\s\"',=]+", text))
        return User(place, True, (Part(("",), text),), words, "", text)


def _shares(snapshot: Snapshot, other: Snapshot, sent: Sent) -> bool:
    if homes.home(other) != snapshot.home:
        return False
    home = f"{snapshot.home}/" if snapshot.home else ""
    own = other.place.removeprefix(home)
    return ignore_file(sent.context, own) == sent.source
