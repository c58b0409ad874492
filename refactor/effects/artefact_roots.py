"""Which files, programs and shell an image needs to be started, probed, and reached from outside.

A root is a command line of the configuration or of another file of the repository. Its program is
one that was built or copied, or one of the base; what cannot be told stops the search.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from refactor.effects.artefact_walk import World
from refactor.effects.events import Stage
from refactor.facts.installs import Unknown
from refactor.facts.runtimes import STANDARD_PATH, Base
from refactor.shell import Dialect, Opaque, read

if TYPE_CHECKING:
    from refactor.effects.stages import Surroundings

_SHELLS = frozenset({"sh", "bash", "dash", "ash"})
_BUILT_IN = frozenset(
    "[ : . break cd command continue echo eval exec exit export false kill local printf pwd read "
    "return set shift source test trap true type ulimit umask unset wait".split()
)
# They are in every Debian, and applets of every Alpine's busybox.
_COMMON = frozenset(
    "awk base64 basename cat chgrp chmod chown cp cut date df dirname env expr find grep head "
    "hostname id ls mkdir mktemp mv nproc printenv readlink realpath rm rmdir sed seq sh sleep "
    "sort stat tail tee timeout touch tr uname uniq wc which whoami xargs".split()
)
_RUNS_REST = frozenset({"exec", "env", "nohup", "nice", "command"})
_ASSIGNS = re.compile(r"[A-Za-z_]\w*=")
_PLAIN = re.compile(r"[\w@%+=:,./-]+\Z", re.ASCII)
_INNER = re.compile(r"\$\((?!\()\s*([^\s;|&)`]+)|`\s*([^\s;|&)`]+)[^`]*`")
_GOES_ON = re.compile(r"(?:&&|\|\|?|;;|[{(]|\b(?:then|do|else|in))\s*\Z")
MAX_SCRIPT = 64 * 1024
_UNLOCK = "keep what it needs in the image by hand, or take it out"


class Start(NamedTuple):
    """A command line, where it is written, and whether its program is the image's own."""

    where: str
    argv: tuple[str, ...]
    code: str = "S502"
    arguments: bool = False


@dataclass
class Needed:
    """What roots need: copied paths, programs of the base, folders in PATH, and a shell."""

    paths: dict[str, None] = field(default_factory=dict)
    programs: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    shell: str = ""


def starts(stage: Stage, around: Surroundings) -> Iterator[Start]:
    """Yield every command line that is known to run in a container of a stage."""
    config = dict(stage.config)
    entrypoint, cmd, health = (config.get(key) for key in ("entrypoint", "cmd", "healthcheck"))
    first = _words(entrypoint)
    rest = _words(cmd) if not entrypoint or _is_json(entrypoint) else ()
    if first or rest:
        yield Start("ENTRYPOINT" if first else "CMD", (*first, *rest))
    if health and (words := _words(health)):
        yield Start("HEALTHCHECK", words, "S505")
    if around.invocations is None:
        return
    for call in around.invocations.commands:
        where = f"{call.path}:{call.line}"
        if call.argv:
            replaced = call.role == "command" and bool(first)
            yield Start(where, call.argv, "S522", replaced)
        elif call.text:
            yield Start(where, ("$",), "S522")


def _is_json(value: object) -> bool:
    return isinstance(value, tuple) and not isinstance(value[1], str)


def _words(value: object) -> tuple[str, ...]:
    """Return the words of an ENTRYPOINT, CMD or HEALTHCHECK, as they are run."""
    if not isinstance(value, tuple) or len(value) < 3:
        return ()
    if isinstance(value[1], str):
        text = value[1]
        kind, _, script = text.partition(" ")
        if kind.upper() == "NONE":
            return ()
        shell = value[2] or ("/bin/sh", "-c")
        return (*shell, script if kind == "CMD" else text)
    words: tuple[str, ...] = value[1]
    return () if value[0] == "NONE" else words


class Search:
    """Looks roots up in what a stage left."""

    def __init__(self, world: World, workdir: str, path: str, builder: Base) -> None:
        self.world = world
        self.workdir = workdir
        before = (*builder.folders, *STANDARD_PATH)
        parts = path.replace("${PATH}", "$PATH").split(":") if path else ["$PATH"]
        self.path = [p for part in parts for p in (before if part == "$PATH" else (part,))]
        self.needed = Needed()
        self.seen: set[str] = set()

    def take(self, start: Start) -> Unknown | None:
        """Note what a root needs, or return what is not known of it."""
        argv = start.argv
        if start.arguments:
            self.arguments(argv)
            return None
        while argv and (argv[0] in _RUNS_REST or _ASSIGNS.match(argv[0])):
            argv = argv[1:]
        if not argv:
            return None
        name = argv[0].rpartition("/")[2]
        if name in _SHELLS and argv[0] in (name, f"/bin/{name}", f"/usr/bin/{name}"):
            return self.shell(start, argv)
        stop = self.program(start, argv[0])
        self.arguments(argv[1:])
        return stop

    def shell(self, start: Start, argv: tuple[str, ...]) -> Unknown | None:
        """Note what a shell's script needs."""
        self.needed.shell = self.needed.shell or start.where
        if argv[0].endswith("bash"):
            self.needed.programs.add("bash")
        options = [word for word in argv[1:] if word.startswith("-")]
        rest = [word for word in argv[1:] if not word.startswith("-")]
        if not rest:
            return _unknown(start, "a shell without a script")
        if any("c" in option for option in options):
            return self.script(start, rest[0], argv[0].endswith("bash"))
        self.arguments(rest[1:])
        return self.program(start, rest[0])

    def script(self, start: Start, text: str, bash: bool) -> Unknown | None:
        """Note what the commands of a script need."""
        found = read(_joined(text), Dialect.BASH if bash else Dialect.POSIX)
        if isinstance(found, Opaque):
            return _unknown(start, "a script that is not understood")
        for pair in _INNER.findall(text):
            inner = pair[0] or pair[1]
            if inner not in _BUILT_IN and (stop := self.program(start, inner)):
                return stop
        for command in found.commands():
            words = tuple(w.text if w.literal is None else w.literal for w in command.words)
            while words and words[0] in _RUNS_REST:
                words = words[1:]
            if not words or words[0] in ("$@", '"$@"') or words[0] in _BUILT_IN:
                continue
            stop = self.take(start._replace(argv=words))
            if stop is not None:
                return stop
        return None

    def program(self, start: Start, name: str) -> Unknown | None:
        """Note a program."""
        if not _PLAIN.match(name):
            return _unknown(start, f"`{name[:60]}`")
        for path in self.places(name):
            if self.world.programs.get(path) == "tool":
                return _unknown(start, f"{path}, a tool that may need what builds")
            if self.world.is_built(path) or path in self.world.kept:
                self.found(path, name)
                return None
            if self.world.placed.kind(path) == "file":
                return self.file(start, path, name)
        base = name.rpartition("/")[2]
        if "/" in name and posixpath.dirname(name) not in STANDARD_PATH:
            return _unknown(start, f"`{name[:60]}`, which is not known to be there")
        if base in _COMMON:
            self.needed.shell = self.needed.shell or start.where
        else:
            self.needed.programs.add(base)
        return None

    def places(self, name: str) -> list[str]:
        """Return where a program may be."""
        if "/" in name:
            return [posixpath.normpath(posixpath.join(self.workdir, name))]
        return [posixpath.join(folder, name) for folder in self.path if folder.startswith("/")]

    def found(self, path: str, name: str) -> None:
        """Note a path that a root runs."""
        self.needed.paths[path] = None
        if "/" not in name:
            self.needed.folders.add(posixpath.dirname(path))

    def file(self, start: Start, path: str, name: str) -> Unknown | None:
        """Note a file of the build context that is run: a script, or a program as it is."""
        self.found(path, name)
        text = self.world.placed.text(path)
        if path in self.seen:
            return None
        self.seen.add(path)
        if text is None or not text.startswith("#!") or len(text) > MAX_SCRIPT:
            return _unknown(start, f"{path}, which is no script that is read")
        first, _, body = text.partition("\n")
        interpreter = first[2:].split()
        shell = interpreter[-1].rpartition("/")[2] if interpreter else ""
        if shell not in _SHELLS:
            return _unknown(start, f"{path}, a script of {first[2:].strip()[:40]}")
        self.needed.shell = self.needed.shell or start.where
        if shell == "bash":
            self.needed.programs.add("bash")
        return self.script(start, body, shell == "bash")

    def arguments(self, words: tuple[str, ...] | list[str]) -> None:
        """Note the files that words name."""
        for word in words:
            for part in re.split(r"[=:,]", word):
                self.value(part)

    def value(self, text: str) -> None:
        """Note a path, if a text is one that the stage put there."""
        text = text.removeprefix("file://").removeprefix("file:").removesuffix("/*")
        if not text or not _PLAIN.match(text) or text.strip("./") == "":
            return
        path = posixpath.normpath(posixpath.join(self.workdir, text))
        known = self.world.is_built(path) or self.world.placed.kind(path)
        if known or path in self.world.kept | self.world.folders:
            self.needed.paths[path] = None


def _joined(text: str) -> str:
    """Return a script on one line, as the instructions of a Dockerfile are."""
    lines = (line.strip() for line in text.replace("\\\n", " ").split("\n"))
    found = ""
    for line in (line for line in lines if line and not line.startswith("#")):
        found += (" " if not found or _GOES_ON.search(found) else "; ") + line
    return found.strip()


def _unknown(start: Start, what: str) -> Unknown:
    return Unknown(start.code, f"{start.where} runs {what}", _UNLOCK)


def missing(needed: Needed, base: Base, packages: set[str]) -> Unknown | None:
    """Return what a runtime base lacks of what is needed."""
    if needed.shell and not base.shell:
        return Unknown("S523", f"{needed.shell} needs a shell, and the base for it is not known",
                       "write CMD and ENTRYPOINT in their JSON form, or name the release "
                       "in the base's tag")  # fmt: skip
    if lost := needed.programs - base.programs - packages:
        return Unknown("S505", f"`{min(lost)}` is run, and would not be there", _UNLOCK)
    return None
