"""The commands that run when a container starts, scripts of the build context read through.

Nothing is edited here: a command that is found too many is better than one that is missed.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from refactor.effects.events import Build, Copy, Stage
from refactor.effects.placed import Placed
from refactor.facts import programs
from refactor.facts.images import Image
from refactor.facts.programs import default_command
from refactor.outside import shell_lines
from refactor.sent import Sent

if TYPE_CHECKING:
    from refactor.effects.stages import Surroundings

MAX_DEPTH, MAX_COMMANDS, MAX_SCRIPT = 6, 2000, 64 * 1024
SHELLS = frozenset({"sh", "bash", "ash", "dash", "ksh", "zsh"})
_READERS = SHELLS | {".", "source"}
_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# They run the command behind their own options; the options that take a value.
_PLAIN = (
    "nohup time command catatonit pid1 ddtrace-run opentelemetry-instrument coverage bundle bunx "
    "winpty builtin eval"
)
# Scripts of base images, which run what they are given.
_ENTRIES = frozenset({"docker-entrypoint.sh", "docker-php-entrypoint"})
_WITH_ENTRY = frozenset({"node", "php", "oven/bun", "denoland/deno"})
_CONDA = "-n -p --name --prefix --cwd"
_WRAPPERS = dict.fromkeys(_PLAIN.split(), "") | {
    "exec": "-a", "env": "-u -C -S", "nice": "-n", "tini": "-p -e", "dumb-init": "-r --rewrite",
    "stdbuf": "-i -o -e", "timeout": "-k -s", "xvfb-run": "-n -s -a", "npx": "-p --package -c",
    "conda": _CONDA, "mamba": _CONDA, "micromamba": _CONDA,
}  # fmt: skip
# The word that makes one of these a wrapper.
_ACTIONS = {
    "bundle": "exec",
    "coverage": "run",
    "conda": "run",
    "mamba": "run",
    "micromamba": "run",
}
_KEYWORDS = frozenset("if then else elif do while until ! { ( time case in".split())
_TARGET = re.compile(r"(?<![-=<>&\d])\d?>{1,2}\|?\s*(\"[^\"\n]*\"|'[^'\n]*'|[^\s;&|()<>\"']+)")
_CLOSERS = frozenset("fi done esac } ]] break continue".split())
_FUNCTION = re.compile(r"^[ \t]*(?:function[ \t]+)?([\w-]+)[ \t]*\(\)[ \t]*", re.MULTILINE)
_LABEL = re.compile(r"^[ \t]*\(?[\w\"'*?|. $@{}\[\]-]+\)(?=\s|$)", re.MULTILINE)
_HEREDOC = re.compile(
    r"(<<-?[ \t]*[\"']?(\w+)[\"']?.*\n)((?:.*\n){0,400}?[ \t]*\2)[ \t]*$", re.MULTILINE
)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_NUMBER = re.compile(r"\d+[smhd]?\Z")


def _module(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the module that `python -m` runs, with its arguments; nothing if it runs none."""
    if re.match(r"(?:python|pypy)[\d.]*\Z", argv[0].rpartition("/")[2]) and "-m" in argv[1:-1]:
        at = argv.index("-m")
        if all(word.startswith("-") for word in argv[1:at]):
            return argv[at + 1 :]
    return ()


class Started(NamedTuple):
    """A command, where it stands, and what it writes its output to.

    `directory` is the one in force, empty if that is not known.
    """

    where: str
    argv: tuple[str, ...]
    targets: tuple[str, ...]
    directory: str

    @property
    def name(self) -> str:
        """The program without its folder; `$@` where it is what the script is given."""
        name = self.argv[0].rpartition("/")[2] if self.argv else ""
        return "$@" if re.match(r"\$\{?[@*0-9]", name) else name

    @property
    def text(self) -> str:
        """The command as one line."""
        return " ".join(self.argv)


def image_files(build: Build, index: int, sent: Sent) -> Placed:
    """Return the build context's files in the image of a stage, through copies between stages."""
    done: dict[int, Placed] = {}
    for number, stage in enumerate(build.stages[: index + 1]):
        placed = done[stage.base].copy() if isinstance(stage.base, int) else Placed(sent)
        for event in stage.events:
            if isinstance(event, Copy):
                placed.take(_copied(event, placed, done))
        made = dict(stage.config)["directories"]
        assert isinstance(made, tuple)
        for path, _ in made:
            if path.text.startswith("/") and not path.raw:
                placed.folder(posixpath.normpath(path.text))
        done[number] = placed
    return done[index]


def _copied(event: Copy, placed: Placed, done: dict[int, Placed]) -> dict[str, str]:
    if not isinstance(event.origin, int):
        return placed.puts(event) or {}
    origin, found = done[event.origin], {}
    target = event.destination.text
    folder = len(event.sources) > 1 or target.endswith("/") or placed.kind(target) == "dir"
    for source in event.sources:
        path = posixpath.normpath(posixpath.join("/", source.text))
        if origin.kind(path) == "file":
            name = posixpath.join(target, posixpath.basename(path)) if folder else target
            found[posixpath.normpath(name)] = origin.files[path]
        for file in origin.below(path):
            below = posixpath.join(target, posixpath.relpath(file, path))
            found[posixpath.normpath(below)] = origin.files[file]
    return found


def started(
    stage: Stage, image: Image, placed: Placed | None, around: Surroundings
) -> list[Started]:
    """Return what is run in containers of a stage's image."""
    reader = _Reader(placed, directory(stage), image.name in _WITH_ENTRY)
    entry, command = _argv(stage, "entrypoint"), _argv(stage, "cmd")
    command = command or (() if entry else default_command(image))
    reader.take("ENTRYPOINT" if entry else "CMD", (*entry, *command))
    passes = any(item.name in ("$@", "$*") for item in reader.found)
    if entry and command and passes:
        reader.take("CMD", command)
    reader.take("HEALTHCHECK", _argv(stage, "healthcheck"))
    for call in around.invocations.commands if around.invocations else ():
        if call.kind == "docs":
            continue  # what a reader may try is no use of the image
        replaces = call.role == "command" and entry
        reader.take(f"{call.path}:{call.line}", (*entry, *call.argv) if replaces else call.argv)
        if replaces and passes:
            reader.take(f"{call.path}:{call.line}", call.argv)
    return list(dict.fromkeys(i for i in reader.found if i.name not in ("$@", "$*")))


def directory(stage: Stage) -> str:
    """Return the directory that an image starts in; empty if it is not known."""
    steps = dict(stage.config)["workdir"]
    assert isinstance(steps, tuple)
    known = len(steps) == 1 and not steps[0].raw and steps[0].text.startswith("/")
    return posixpath.normpath(steps[0].text) if known else ""


def _argv(stage: Stage, key: str) -> tuple[str, ...]:
    value = dict(stage.config).get(key)
    if not isinstance(value, tuple) or not value[1]:
        return ()
    words = value[1]
    if isinstance(words, str):
        return ("/bin/sh", "-c", re.sub(r"\A(?:NONE\b|CMD\b)\s*", "", words))
    return tuple(words)


@dataclass
class _Reader:
    placed: Placed | None
    directory: str
    has_entry: bool
    found: list[Started] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def take(self, where: str, argv: tuple[str, ...], depth: int = 0) -> None:
        """Add a command and what it runs."""
        argv = unwrapped(argv)
        if not argv or depth > MAX_DEPTH or len(self.found) > MAX_COMMANDS:
            return
        if argv[0].startswith("-"):
            return  # options alone: of what stands elsewhere
        name = argv[0].rpartition("/")[2]
        if name in _ENTRIES and self.has_entry and not self.script_path(argv[0]):
            self.take(where, argv[1:], depth)
            return
        if name in SHELLS and (text := _script_of(argv)):
            self.script(where, text, depth)
            return
        if (module := _module(argv)) and programs.program(module[0], module[1:]):
            self.found.append(Started(where, module, (), self.directory))
        self.found.append(Started(where, argv, (), self.directory))
        words = [word for word in argv[1:] if not word.startswith("-")]
        path = self.script_path(words[0] if words and name in _READERS else argv[0])
        if path:
            self.file(path, depth)
        for script, text in self.package_scripts(argv):
            self.script(script, text, depth)

    def script_path(self, word: str) -> str:
        """Return the file that a program's name stands for, if a copy put it there."""
        return script_path(self.placed, self.directory, word)

    def file(self, path: str, depth: int) -> None:
        """Read a script, once."""
        assert self.placed is not None
        text = (self.placed.text(path) or "")[:MAX_SCRIPT]
        first = text.partition("\n")[0]
        plain = re.match(r"#!.*\b(?:ba|da|a|k|z)?sh\b", first) or (
            not first.startswith("#!") and path.endswith((".sh", ".bash"))
        )
        if not plain or path in self.seen:
            return
        self.seen.add(path)
        self.script(self.placed.files[path], text, depth)

    def package_scripts(self, argv: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Yield the scripts of package.json that a package manager is asked to run."""
        name = asked_script(argv)
        path = posixpath.join(self.directory or "/", "package.json")
        text = self.placed.text(path) if name and self.placed else None
        if text is None or f"{path} {name}" in self.seen:
            return
        assert self.placed is not None
        self.seen.add(f"{path} {name}")
        scripts = package_scripts(text)
        for key in (f"pre{name}", name, f"post{name}"):
            if key in scripts:
                yield f"{self.placed.files[path]} ({key})", scripts[key]

    def script(self, where: str, text: str, depth: int) -> None:
        """Add the commands of a shell's text."""
        named = "/" in where or "." in where
        for line, argv, targets in commands(text):
            place = f"{where}:{line}" if named and ":" not in where and "(" not in where else where
            self.take(place, argv, depth + 1)
            if targets:
                self.found.append(Started(place, (), targets, self.directory))


def script_path(placed: Placed | None, directory: str, word: str) -> str:
    """Return the file in an image that a program's name stands for, if a copy put it there."""
    if placed is None or "$" in word:
        return ""
    here = posixpath.join(directory or "/", word)
    places = [here] if "/" in word else [*(f"{folder}/{word}" for folder in _FOLDERS), here]
    found = map(posixpath.normpath, places)
    return next((path for path in found if placed.kind(path) == "file"), "")


def package_scripts(text: str) -> dict[str, str]:
    """Return the scripts of a package.json; none if it cannot be read."""
    try:
        scripts = json.loads(text)["scripts"]
        return {str(k): str(v) for k, v in scripts.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def asked_script(argv: tuple[str, ...]) -> str:
    """Return the script of package.json that a command asks for; empty if it asks for none."""
    if argv[0].rpartition("/")[2] not in ("npm", "yarn", "pnpm", "bun"):
        return ""
    words = [word for word in argv[1:] if not word.startswith("-")]
    if words[:1] in (["run"], ["run-script"]):
        words = words[1:]
    return words[0] if words and not words[0].endswith((".js", ".ts")) else ""


def unwrapped(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command behind assignments, shell keywords and programs that only run another."""
    while argv:
        name = argv[0].rpartition("/")[2]
        if name in _KEYWORDS or _ASSIGNMENT.match(argv[0]):
            argv = argv[1:]
            continue
        action = _ACTIONS.get(name)
        if name not in _WRAPPERS or (action and argv[1:2] != (action,)) or len(argv) == 1:
            return argv
        argv = argv[2:] if action else argv[1:]
        values = _WRAPPERS[name].split()
        while argv and argv[0].startswith("-"):
            argv = argv[2:] if argv[0] in values else argv[1:]
        if name == "timeout" and argv and _NUMBER.match(argv[0]):
            argv = argv[1:]
    return argv


def _script_of(argv: tuple[str, ...]) -> str:
    """Return the text behind `sh -c`."""
    for index, word in enumerate(argv[1:], 1):
        if not word.startswith("-"):
            return ""
        if not word.startswith("--") and "c" in word:
            return argv[index + 1] if index + 1 < len(argv) else ""
    return ""


def commands(text: str) -> Iterator[tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """Yield the commands of a script: line, words, and the files that it writes output to."""
    functions = set(_FUNCTION.findall(text))
    text = _HEREDOC.sub(lambda m: f"{m[1]}{_newlines(m[3])}", text)
    text = _LABEL.sub("", _FUNCTION.sub(" ", text))
    for number, line in enumerate(text.split("\n"), 1):
        code = re.sub(r"(?:\A|\s)#.*", "", line)
        if targets := tuple(t.strip("\"'") for t in _TARGET.findall(code)):
            yield number, (), targets
    for found in shell_lines.commands(text):
        argv = tuple(word.value for word in found.words)
        if argv[0] not in functions | _CLOSERS:
            yield found.line, argv, ()


def _newlines(text: str) -> str:
    return "\n" * text.count("\n")
