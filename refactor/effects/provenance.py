"""Where every path of a stage comes from, and digests of events that carry no position.

A file system is what a base image left and the writes after it. A digest covers what an event is
and what it can read, so two events that do not touch each other have the same digests in either
order. What no table row bounds reads and writes everything.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from refactor.effects.events import Block, Build, Copy, Event, Exec, Stage, Verbatim, flat
from refactor.facts.installs import looks_like_install
from refactor.facts.packages import argv_operation
from refactor.knowledge import table
from refactor.words import Value

TOP = "/"
_ROOT = (Value(TOP),)
MAX_WRITES = 256
# What the words of the command table stand for. `args` and `cwd` depend on the command.
_REGIONS = {
    "-": (),
    "net": (),
    "any": (TOP,),
    "tmp": ("/tmp", "/var/tmp"),
    "home": ("/root", "/home"),
    "etc": ("/etc",),
    "users": ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/home"),
    "apt-lists": ("/var/lib/apt",),
    "apt-cache": ("/var/cache/apt",),
    "pip-cache": ("/root/.cache",),
    "npm-cache": ("/root/.npm",),
    "python": (TOP,),  # the interpreter in force may be that of any virtual environment
    "node": (TOP,),
    "system-packages": ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/var", "/opt", "/boot"),
}
# Package managers of distributions install what is built already.
_SYSTEM = frozenset("apt apt-get aptitude apk yum dnf microdnf tdnf zypper pacman".split())
_PROGRAMS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
_ACCOUNTS = frozenset({"/etc/passwd", "/etc/group"})
_LINKED = re.compile(r"\A/(?:bin|sbin|lib|lib32|lib64)(?=/|\Z)")  # since 2020 links into /usr
_PATTERN = re.compile(r"((?:[\w@%+=:,.-]*/)*)[\w@%+=:,.-]*\*[\w@%+=:,.*-]*\Z", re.ASCII)
_SAFE_WORD = re.compile(r"[\w@%+=:,./-]+\Z", re.ASCII)


def digest(*parts: object) -> str:
    """Return a short name for values."""
    text = "\0".join(str(part) for part in parts)
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


@dataclass
class FileSystem:
    """A base and the writes after it: later ones shadow earlier ones below the same path."""

    base: str
    writes: list[tuple[str, str]] = field(default_factory=list)

    def write(self, region: str, origin: str) -> None:
        """Let a path, and all below it, come from somewhere else, or be changed in part."""
        if region == TOP or len(self.writes) >= MAX_WRITES:
            origin = digest(self.view(TOP), region, origin)
            self.base, self.writes = origin, []
        else:
            self.writes.append((region, origin))

    def view(self, region: str) -> str:
        """Return a name for all that can be read at a path and below."""
        writes = [(w, o) for w, o in self.writes if _meet(w, region)]
        met = sorted({w for w, _ in writes})
        parts = [(r, [o for w, o in writes if _below(r, w)]) for r in met]
        inside = digest(self.base, parts)
        above = [o for w, o in writes if _below(region, w)]
        return digest(inside, above)


def _below(path: str, parent: str) -> bool:
    return path == parent or parent == TOP or path.startswith(parent.rstrip("/") + "/")


def _meet(one: str, two: str) -> bool:
    return _below(one, two) or _below(two, one)


class Trace(NamedTuple):
    """The digests of a stage's events, in order, and its file system at the end."""

    digests: tuple[str, ...]
    files: FileSystem

    def same_files(self, other: Trace) -> bool:
        """Whether every path that either one writes comes from the same."""
        regions = {TOP}.union(*({r for r, _ in t.files.writes} for t in (self, other)))
        if self.files.base != other.files.base:
            return False
        return all(_own(self.files, r) == _own(other.files, r) for r in regions)


def _own(files: FileSystem, region: str) -> list[str]:
    return [origin for written, origin in files.writes if _meet(written, region) and region != TOP]


def trace(build: Build) -> tuple[Trace, ...]:
    """Follow every stage's files."""
    done: list[Trace] = []
    for stage in build.stages:
        done.append(_stage(stage, done))
    return tuple(done)


def _stage(stage: Stage, done: list[Trace]) -> Trace:
    if isinstance(stage.base, int):
        parent = done[stage.base].files
        files = FileSystem(parent.base, list(parent.writes))
    else:
        files = FileSystem(digest("base", stage.base, stage.platform))
    digests: list[str] = []
    for event in stage.events:
        reads, writes = footprint(event)
        source = ""
        if isinstance(event, Copy) and isinstance(event.origin, int):
            views = [done[event.origin].files.view(_path(s.text, _ROOT)) for s in event.sources]
            source = digest(*views)
        name = digest(event, source, *(files.view(region) for region in sorted(reads)))
        digests.append(name)
        for region in sorted(writes):
            files.write(region, name)
    return Trace(tuple(digests), files)


def footprint(event: Event) -> tuple[frozenset[str], frozenset[str]]:
    """Return the paths that an event may read, and those that it may write."""
    if isinstance(event, Verbatim):
        return frozenset({TOP}), frozenset({TOP})
    if isinstance(event, Copy):
        target = _path(event.destination.text, event.workdir)
        owners = [value for name, value in event.flags if name == "chown"]
        return _accounts(*owners), frozenset({target})
    if isinstance(event, Block):
        inner = [footprint(part) for part in flat(event.parts)]
        reads = frozenset().union(*(r for r, _ in inner))
        return reads, frozenset().union(*(w for _, w in inner))
    return _command(event)


def _command(event: Exec) -> tuple[frozenset[str], frozenset[str]]:
    everything = frozenset({TOP}), frozenset({TOP})
    row = _rows().get(event.argv[0]) if event.argv else None
    words = (*event.argv[1:], *event.assignments, *event.redirects)
    if (
        row is None
        or event.shell_state
        or event.setting.flags
        or any("$(" in w or "`" in w for w in words)
    ):
        return everything
    reads, writes = (_regions(row[key], event) for key in ("reads", "writes"))
    for redirect in event.redirects:
        target = _path(redirect.lstrip("0123456789<>&| "), event.setting.workdir)
        (reads if "<" in redirect else writes).add(target)
    if not row["source"].startswith("shell built-in"):
        reads |= {f"{folder}/{event.argv[0]}" for folder in _PROGRAMS}
    reads |= _accounts(event.setting.user.text)
    return frozenset(reads | writes), frozenset(writes)  # what is written may be kept in part


def runs_others(event: Event) -> bool:
    """Whether a command may run programs that its words do not name as such: the default."""
    if isinstance(event, Verbatim):
        return True
    if isinstance(event, Copy):
        return False
    if isinstance(event, Block):
        return any(runs_others(part) for part in flat(event.parts))
    row = _rows().get(event.argv[0]) if event.argv else None
    words = (*event.argv, *event.assignments, *event.redirects)
    found = argv_operation(event.argv) if event.argv else None
    if looks_like_install(event.argv) or (found is not None and found.manager not in _SYSTEM):
        return True  # it may build what it installs
    if not event.argv:
        return any("$(" in word or "`" in word for word in words)
    return row is None or "any" in row["reads"].split() or any("$(" in w or "`" in w for w in words)


def _accounts(*owners: str | None) -> frozenset[str]:
    """Return where names of users are looked up; the base image's own, and numbers, are not."""
    named = any(o and o != "root" and not o.replace(":", "").isdecimal() for o in owners)
    return _ACCOUNTS if named else frozenset()


def _regions(words: str, event: Exec) -> set[str]:
    found: set[str] = set()
    for word in words.split():
        if word == "cwd":
            found.add(_path(".", event.setting.workdir))
        elif word == "args":
            found |= {_argument(a, event) for a in event.argv[1:]}
        else:
            found |= set(_REGIONS.get(word, (TOP,)))
    return found


def _argument(word: str, event: Exec) -> str:
    """Return the path that an argument may be, or a pattern's folder; an option's value too."""
    value = word.partition("=")[2] if word.startswith("-") and "=" in word else word
    if match := _PATTERN.match(value):
        value = match[1] or "."
    return _path(value, event.setting.workdir)


def _path(text: str, workdir: tuple[Value, ...]) -> str:
    if not _SAFE_WORD.match(text):
        return TOP
    steps = [step.text for step in workdir]
    if not text.startswith("/") and not all(map(_SAFE_WORD.match, steps)):
        return TOP
    path = posixpath.normpath(posixpath.join(*steps, text)) if steps else text
    return _LINKED.sub(r"/usr\g<0>", path, count=1) if path.startswith("/") else TOP


@lru_cache(maxsize=1)
def _rows() -> dict[str, dict[str, str]]:
    return {row["command"]: row for row in table("commands")}
