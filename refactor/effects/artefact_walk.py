"""What a stage that builds a program leaves in its image, path by path.

The walk knows where copies put the files of the build context, what build commands write, and
which folders, users and packages the stage makes. What no rule covers stops it: nothing that is
not known is ever left out.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from refactor.effects.dropping import is_cleanup, is_update, packages_of
from refactor.effects.events import Copy, Event, Exec, Stage
from refactor.effects.order import directory
from refactor.effects.placed import Placed
from refactor.facts.installs import Unknown
from refactor.facts.packages import command_of, unwrap
from refactor.sent import Sent
from refactor.syntax import Instruction
from refactor.words import Value, expand, pairs

_GLOB = re.compile(r"[\w./@+*?-]+\Z")
# They look, print or wait; with a redirection they write.
_LOOKS = frozenset(
    "[ basename cat date dir dirname du echo env false file find getent grep head hostname id ldd "
    "ls printenv printf pwd readlink realpath sha256sum sleep sort stat tail test true uname wc "
    "which whoami :".split()
)
_SHELL = frozenset({"cd", "export", "set", "unset", "umask", "exit"})
_CHANGES = frozenset({"chmod", "strip", "upx", "touch"})
_USERS = frozenset({"adduser", "addgroup", "groupadd", "useradd", "usermod", "groupmod"})


class Built(NamedTuple):
    """What a build command writes: programs by their paths, and folders of output.

    `sources` is the folder that it builds; what it writes elsewhere in it is for builds alone.
    `links` says what its programs need: `static`, or the `libc` that they were built with.
    """

    programs: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    sources: str = ""
    links: str = ""
    assumes: tuple[str, ...] = ()


class Step(NamedTuple):
    """An instruction that makes events, with these, and the variables that are known there."""

    instruction: Instruction
    events: tuple[Event, ...]
    env: Mapping[str, str]


Reader = Callable[[Exec, str, Mapping[str, str], Placed], Built | Unknown | None]


@dataclass
class World:
    """What is in the image. `kept` are paths that came from elsewhere, and stay as they are.

    `programs` are those that were built, with what they link to; `trees` where copies went;
    `owned`: a copy gave files to another user.
    """

    placed: Placed
    programs: dict[str, str] = field(default_factory=dict)
    assumes: dict[str, None] = field(default_factory=dict)
    outputs: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    packages: list[tuple[str, Step]] = field(default_factory=list)
    users: list[Step] = field(default_factory=list)
    trees: set[str] = field(default_factory=set)
    owned: bool = False

    @property
    def projects(self) -> set[str]:
        """The folders that are built, and those of copies that the sources came with."""
        return self.sources | {t for t in self.trees if any(below(s, t) for s in self.sources)}

    def in_sources(self, path: str) -> bool:
        """Whether a path is in a folder that is built, or in an output of it."""
        return any(below(path, folder) for folder in self.sources | self.outputs)

    def is_built(self, path: str) -> bool:
        """Whether a build wrote a path."""
        return path in self.programs or any(below(path, folder) for folder in self.outputs)


def below(path: str, folder: str) -> bool:
    """Whether a path is a folder, or in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def steps(stage: Stage, instructions: tuple[Instruction, ...]) -> list[Step]:
    """Return a stage's RUN, COPY and ADD with what is known of the environment at each."""
    found: list[Step] = []
    env: dict[str, str] = {}
    at = runs = 0
    for ins in instructions:
        if ins.keyword in ("ENV", "ARG"):
            _set(ins, env)
        if ins.keyword in ("COPY", "ADD"):
            end = at + 1
        elif ins.keyword == "RUN":
            end = stage.runs[runs]
            runs += 1
        else:
            continue
        found.append(Step(ins, stage.events[at:end], dict(env)))
        at = end
    return found


def _set(ins: Instruction, env: dict[str, str]) -> None:
    """Note the variables of an ENV; the value of an ARG is never known, and is `$`."""
    if ins.keyword == "ARG":
        env |= {word.partition("=")[0]: "$" for word in ins.args.split()}
        return
    known = {name: Value(text, text if "$" in text else "") for name, text in env.items()}
    for name, word in pairs(ins, "\\"):
        value = expand(word, known)
        env[name] = "$" if value.raw else value.text


def walk(steps: list[Step], sent: Sent, reader: Reader) -> World | Unknown:
    """Return what steps leave in the image; or the first thing that is not known."""
    world = World(Placed(sent))
    for step in steps:
        for event in step.events:
            stop = _take(world, step, event, reader)
            if stop is not None:
                return stop
    return world


def _take(world: World, step: Step, event: Event, reader: Reader) -> Unknown | None:
    if isinstance(event, Copy):
        return _copy(world, event)
    if not isinstance(event, Exec) or not event.must:
        return _unclear(event)
    if is_update(event) or is_cleanup(event) or (event.argv[:1] and event.argv[0] in _SHELL):
        return None if not event.redirects else _unclear(event)
    if names := packages_of(event):
        world.packages += [(name, step) for name in names]
        return None
    where = directory(event)
    if event.redirects and not _quiet(event):
        return None if _writes_source(event) else _unclear(event)
    known = reader(event, where, step.env, world.placed)
    if isinstance(known, Unknown):
        return known
    if known is not None:
        _build(world, known)
        return None
    return _command(world, step, event, where)


def _quiet(event: Exec) -> bool:
    """Whether all that a command's output goes to is thrown away, or another output."""
    return all(r.replace(" ", "").endswith(("/dev/null", "&1", "&2")) for r in event.redirects)


def _writes_source(event: Exec) -> bool:
    """Whether all that a command does is to write a text into a source, as a stand-in."""
    names = [redirect.lstrip("0123456789<>&| ") for redirect in event.redirects]
    plain = event.argv[:1] in (("echo",), ("printf",)) and "$(" not in event.text
    return plain and all(name.endswith((".rs", ".go", ".java", ".kt", ".cs")) for name in names)


def _unclear(event: Event) -> Unknown:
    return Unknown(
        "S502", f"what `{event.text[:80]}` leaves in the image is not known",
        "split by hand, or write it as plain commands of their own",
    )  # fmt: skip


def _copy(world: World, event: Copy) -> Unknown | None:
    target = event.destination
    world.owned = world.owned or any(name == "chown" for name, _ in event.flags)
    if event.origin is not None:
        return _other_stage(world, event)
    files = world.placed.puts(event)
    if files is None or target.raw:
        return Unknown("S502", f"what `{event.text[:80]}` puts into the image is not known",
                       "name sources that are in the build context")  # fmt: skip
    for path in files:
        world.programs.pop(path, None)
    world.placed.take(files)
    folder = target.text.endswith("/") or target.text not in files
    path = posixpath.normpath(target.text)
    world.trees.add(path if folder else posixpath.dirname(path))
    return None


def _other_stage(world: World, event: Copy) -> Unknown | None:
    """Take a copy from another stage or image: what it brings stays."""
    target = event.destination.text
    plain = not event.destination.raw and target.startswith("/") and len(event.sources) == 1
    source = event.sources[0].text if event.sources else ""
    if not plain or any(c in source for c in "*?[") or event.inline:
        return _unclear(event)
    if target.endswith("/"):
        name = posixpath.basename(source.rstrip("/"))
        if "." not in name and "/bin" not in target:
            return _unclear(event)  # a folder would be emptied into it
        target = posixpath.join(target, name)
    world.kept.add(posixpath.normpath(target))
    return None


def _build(world: World, known: Built) -> None:
    for path in known.programs:
        world.placed.drop(path)
        world.programs[path] = known.links
    world.outputs |= known.outputs
    world.kept |= known.kept
    world.assumes |= dict.fromkeys(known.assumes)
    if known.sources:
        world.sources.add(known.sources)


def _command(world: World, step: Step, event: Exec, where: str) -> Unknown | None:
    """Take a command of the system."""
    words, _ = unwrap(command_of(event.argv).words)
    argv = tuple(word.text for word in words)
    name = argv[0].rpartition("/")[2] if argv else ""
    if name in _LOOKS and "-delete" not in argv and "-exec" not in argv:
        return None
    if name in _USERS:
        if step not in world.users:
            world.users.append(step)
        return None
    paths = _paths(argv, where)
    if name == "rm" and paths is None and where:
        return _remove_some(world, event, argv, where)
    if paths is None or not where:
        return _unclear(event)
    if name == "mkdir":
        world.folders |= {path for path in paths if not world.in_sources(path)}
        return None
    if name in _CHANGES and all(_is_own(world, path) for path in paths):
        return None
    if name == "rm":
        return _remove(world, event, paths)
    if name in ("cp", "mv") and len(paths) == 2:
        return _move(world, event, name, *paths)
    return _unclear(event)


def _paths(argv: tuple[str, ...], where: str) -> list[str] | None:
    """Return the absolute paths that arguments name; None if one is no plain path."""
    names = [word for word in argv[1:] if not word.startswith("-")]
    if argv[0].endswith("chmod"):
        names = names[1:]
    if any(c in name for name in names for c in "*?[{$~`\"'\\"):
        return None
    return [posixpath.normpath(posixpath.join(where, name)) for name in names]


def _is_own(world: World, path: str) -> bool:
    """Whether a path is one that the application brings, so that its attributes go with it."""
    return (
        world.in_sources(path) or path in world.programs or path in world.kept
        or world.placed.kind(path) == "file"
    )  # fmt: skip


def _remove_some(world: World, event: Exec, argv: tuple[str, ...], where: str) -> Unknown | None:
    """Take a removal with patterns: of what was built before, or of nothing that stays."""
    for word in (word for word in argv[1:] if not word.startswith("-")):
        pattern = posixpath.normpath(posixpath.join(where, word))
        gone = {o for o in world.outputs if below(pattern, o)}
        world.folders -= {f for f in world.folders if below(f, pattern)}
        met = [p for p in (*world.placed.files, *world.programs, *world.kept)
               if fnmatchcase(p, pattern) or below(p, pattern)]  # fmt: skip
        if met or not _GLOB.match(word) or (not gone and not world.in_sources(pattern)):
            return _unclear(event)
        world.outputs -= gone
    return None


def _remove(world: World, event: Exec, paths: list[str]) -> Unknown | None:
    """Take a removal: of sources and caches, not of what is built."""
    for path in paths:
        if any(below(program, path) for program in world.programs):
            return _unclear(event)
        world.outputs -= {o for o in world.outputs if below(path, o) or below(o, path)}
        world.placed.drop(path)
        world.folders -= {folder for folder in world.folders if below(folder, path)}
        world.kept -= {kept for kept in world.kept if below(kept, path)}
    return None


def _move(world: World, event: Exec, name: str, source: str, target: str) -> Unknown | None:
    """Take a copy or move of a program that was built."""
    if not world.is_built(source) or "." in posixpath.basename(target):
        return _unclear(event)
    if target in world.folders | world.sources or event.argv[-1].endswith("/"):
        target = posixpath.join(target, posixpath.basename(source))
    world.programs[target] = world.programs.get(source, "libc")
    if name == "mv":
        world.programs.pop(source, None)
    return None
