"""What an install sees of the image's files, and what it is seen to read and write."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, NoReturn, Protocol

from refactor.sent import OPAQUE

MAX_MANIFESTS = 500
MAX_MANIFEST = 256 * 1024
MAX_LINE = 8 * 1024


class Tree(Protocol):
    """The files of an image that came from the build context, by absolute paths."""

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string if nothing was copied there."""

    def text(self, path: str) -> str | None:
        """Return the text of a file; None if it is not there, too large or no text."""

    def below(self, folder: str) -> Iterable[str]:
        """Yield the absolute paths of the files in a folder, at any depth."""


class Install(NamedTuple):
    """What a dependency install reads and writes of the copied files.

    `reads` are files that are there, and folders (with a slash at the end) that are read whole;
    `optional` would be read if they were there. `writes` are prefixes of what it may write.
    """

    ecosystem: str
    reads: frozenset[str]
    optional: frozenset[str]
    writes: frozenset[str]
    assumes: tuple[str, ...]


class Unknown(NamedTuple):
    """A dependency install of which it is not certain what it reads, why, and what would help."""

    code: str
    reason: str
    unlock: str


class Refused(Exception):
    """Carries an Unknown to the caller."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.reason)
        self.unknown = unknown


# What the codes mean: a file that is not there or not read; an install that finds its own output;
# a script that needs files; one that builds; members of a workspace that cannot be listed; the
# project itself is installed; a command line or variable that leaves open what it asks for; a
# path above the build context.
MISSING, OVERLAY, SCRIPT, BUILDS, WORKSPACE, PROJECT, OPEN, ABOVE = (
    "C401", "C402", "C403", "C404", "C405", "C410", "C411", "C420"
)  # fmt: skip


def refuse(code: str, reason: str, unlock: str) -> NoReturn:
    """Stop reading an install."""
    raise Refused(Unknown(code, reason, unlock))


_OPEN = re.compile(r"[$`*?\[\]{}\"'\\]|^~|\A\Z")


def _from_root(path: str) -> str:
    return "/" + path.lstrip("/")


class Look:
    """One command's look at the copied files: notes what it reads, and refuses what is unsure."""

    def __init__(self, tree: Tree, cwd: str, env: Mapping[str, str]) -> None:
        self.tree = tree
        self.cwd = posixpath.normpath(cwd)
        self.env = env
        self.reads: set[str] = set()
        self.optional: set[str] = set()
        self.writes: set[str] = set()
        self.assumes: dict[str, None] = {}

    def result(self, ecosystem: str) -> Install:
        """Return all that was noted."""
        return Install(
            ecosystem, frozenset(self.reads), frozenset(self.optional),
            frozenset(self.writes), tuple(self.assumes),
        )  # fmt: skip

    def at(self, path: str, base: str = "") -> str:
        """Return the absolute path of a path as a program is given it."""
        if _OPEN.search(path):
            refuse(OPEN, f"`{path}` is not a plain path", "write the path out")
        return posixpath.normpath(posixpath.join(base or self.cwd, path))

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, or an empty string; a link is refused, also above the path."""
        path = _from_root(path)
        parts = path.split("/")
        for count in range(2, len(parts)):
            above = "/".join(parts[:count])
            kind = self.tree.kind(above)
            if kind == "link":
                refuse(MISSING, f"{above} is a link", "copy what it points to")
            if kind == "dir" and parts[count - 1] in OPAQUE:
                refuse(OVERLAY, f"{above} is copied, and what is in it is not known", _IGNORE)
            if kind == "file":
                return ""
        kind = self.tree.kind(path)
        if kind == "link":
            refuse(MISSING, f"{path} is a link", "copy what it points to")
        return kind

    def has(self, path: str) -> bool:
        """Whether a file is there; it is read if so."""
        path = _from_root(path)
        kind = self.kind(path)
        if kind == "file":
            self.reads.add(path)
        elif kind == "dir":
            refuse(MISSING, f"{path} is a folder where a file is looked for", "rename it")
        else:
            self.optional.add(path)
        if len(self.reads) > MAX_MANIFESTS:
            refuse(WORKSPACE, "it reads too many files", "none")
        return kind == "file"

    def text(self, path: str) -> str:
        """Return the text of a file that is there."""
        text = self.tree.text(_from_root(path))
        if text is None or "\0" in text or "\ufffd" in text:
            refuse(MISSING, f"{path} is too large, or no text", "none")
        return text.removeprefix("\ufeff")

    def need(self, path: str) -> str:
        """Return the text of a file that an install cannot do without."""
        if not self.has(path):
            refuse(MISSING, f"{path} is not among the copied files", "have it in the build context")
        return self._manifest(path)

    def take(self, path: str) -> str:
        """Return the text of a file that is read if it is there."""
        return self._manifest(path) if self.has(path) else ""

    def _manifest(self, path: str) -> str:
        text = self.text(path)
        if len(text) > MAX_MANIFEST or max(map(len, text.splitlines()), default=0) > MAX_LINE:
            refuse(MISSING, f"{path} is too large", "none")
        return text

    def takes(self, *names: str, folder: str = "") -> None:
        """Note files that are read if they are there."""
        for name in names:
            self.has(posixpath.join(folder or self.cwd, name))

    def whole(self, folder: str) -> None:
        """Note a folder of which every file is read."""
        folder = _from_root(folder)
        self.kind(folder)
        for path in self.tree.below(folder):
            if self.kind(path) != "file":
                refuse(MISSING, f"{path} is not known", "add it to .dockerignore")
        self.reads.add(f"{folder.rstrip('/')}/")

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of what is in a folder."""
        prefix = f"{folder.rstrip('/')}/"
        return sorted({path[len(prefix) :].partition("/")[0] for path in self.tree.below(folder)})

    def above(self, folder: str = "") -> Iterator[str]:
        """Yield the folders above one, from the nearest to the root."""
        folder = folder or self.cwd
        while folder != "/":
            folder = posixpath.dirname(folder)
            yield folder

    def up(self, *names: str, folder: str = "") -> list[str]:
        """Note files of a folder and of all above it, nearest first, and return those there."""
        folder = folder or self.cwd
        paths = [posixpath.join(f, name) for f in (folder, *self.above(folder)) for name in names]
        return [path for path in paths if self.kind(path) and self.has(path)]

    def write(self, *paths: str, folder: str = "") -> None:
        """Note prefixes of paths that may be written."""
        base = folder or self.cwd
        self.writes.update(_from_root(posixpath.join(base, path).rstrip("/")) for path in paths)

    def makes(self, *names: str, folder: str = "") -> None:
        """Note folders that the install makes, and that it must not find there."""
        for name in names:
            path = _from_root(posixpath.join(folder or self.cwd, name))
            if self.kind(path):
                refuse(OVERLAY, f"{path} is copied from the build context", _IGNORE)
            self.writes.add(path)

    def assume(self, sentence: str) -> None:
        """Note what is taken for granted."""
        self.assumes[sentence] = None

    def value(self, name: str) -> str:
        """Return the value of a variable that decides what is read, empty if it is not set."""
        value = self.env.get(name, "")
        if any(c in value for c in "$`"):
            refuse(OPEN, f"the value of {name} is not known", f"write the value of {name} out")
        return value

    def on(self, name: str) -> bool:
        """Whether a variable switches something on."""
        return self.value(name).lower() in ("1", "true", "yes", "on", "y", "t")

    def allow(self, prefix: str, known: frozenset[str]) -> None:
        """Refuse variables of a program that are not known to leave its reads alone."""
        for name in sorted(self.env):
            if name.startswith(prefix) and name not in known:
                refuse(OPEN, f"what {name} does is not known", f"unset {name} for the install")

    def program(self, path: str) -> None:
        """Refuse a program that is itself a copied file."""
        name = posixpath.basename(path)
        folders = [posixpath.dirname(path)] if "/" in path else self.value_path()
        for folder in folders:
            found = posixpath.normpath(posixpath.join(self.cwd, folder, name))
            if self.kind(found):
                refuse(SCRIPT, f"{found} is a copied file", "use a program of the image")
        for folder in self.value_path():
            if hidden := _STARTED.intersection(self.names(folder)):
                refuse(SCRIPT, f"{folder}/{min(hidden)} is found first", "rename it")

    def surroundings(self) -> None:
        """Note what variables name, the settings in the home folder, and chosen versions."""
        for value in self.env.values():
            if value.startswith("/") and "$" not in value and self.kind(value) == "file":
                self.has(value)
        home = self.env.get("HOME", "/root")
        for path in self.tree.below(home) if home.startswith("/") and "$" not in home else ():
            if path.startswith(f"{home.rstrip('/')}/.") and self.kind(path) == "file":
                self.has(path)
        if any(_MANAGED.search(f"{name}={value}") for name, value in self.env.items()):
            self.up(*_VERSIONS)

    def value_path(self) -> list[str]:
        """Return the folders of PATH that are known."""
        folders = self.env.get("PATH", "").split(":")
        return [folder for folder in folders if folder.startswith("/") and "$" not in folder]


# Managers of versions put a program in front of the real one, which looks at these files.
_MANAGED = re.compile(r"asdf|mise|pyenv|rbenv|nodenv|goenv|jenv|fnm|volta|/shims", re.I)
_VERSIONS = (".tool-versions", ".mise.toml", "mise.toml", ".python-version", ".ruby-version",
             ".node-version", ".go-version", ".java-version")  # fmt: skip
# Programs that installers start.
_STARTED = frozenset(
    "sh bash env git hg ssh node npm python python3 ruby php java go cargo rustc cc gcc c++ g++ "
    "make tar unzip".split()
)
_IGNORE = "add it to .dockerignore"


def loaded(text: str, path: str) -> object:
    """Return what a JSON text says."""
    import json

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        refuse(MISSING, f"{path} is no JSON", "correct it")


def table(value: object, path: str = "") -> dict[str, object]:
    """Return a value that is a table; an absent one is empty."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        refuse(MISSING, f"{path or 'a manifest'} is not laid out as known", "correct it")
    return value


def toml(text: str, path: str) -> dict[str, object]:
    """Return what a TOML text says."""
    import tomllib

    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        refuse(MISSING, f"{path} is no TOML", "correct it")


def strings(value: object) -> Iterator[str]:
    """Yield every string in a value read from JSON or TOML, keys left out."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)
