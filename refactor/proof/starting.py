"""What a container starts with, and scripts: whether what they name is there and may be run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from refactor.proof.contents import Content, Script, Text
from refactor.proof.elf import Elf
from refactor.proof.images import Defect, Kind, Node, Settings
from refactor.proof.linkage import APART, FORMS
from refactor.proof.paths import Root, normal, parent

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # docker's, if none is set
_SHELLS = re.compile(r"(?:.*/)?(?:ba|da|a)?sh\Z")
_FIRST = re.compile(r"\s*(?:exec\s+)?([\w./+-]+)(?=\s|\Z|[;&|])")
_BUILT_IN = frozenset(
    "alias bg break builtin case cd command continue declare do echo else eval exec exit export "
    "false fg fi for function getopts hash if jobs let local printf pwd read readonly return set "
    "shift source test then time times trap true type typeset ulimit umask unalias unset until "
    "wait while . kill".split()
)
_INTERPRETER = re.compile(r"(?:.*/)?(?:python[\d.]*|node|nodejs|(?:ba|da|a)?sh|ruby|perl|php)\Z")
_SCRIPT = re.compile(r"[\w./+-]+\.(?:py|js|mjs|cjs|sh|rb|pl|php)\Z")
_INIT = re.compile(r"(?:.*/)?(?:tini(?:-static)?|dumb-init|catatonit)\Z")
# Where scripts lie that a package brings along, and only some of which anyone runs.
_PARTS = re.compile(
    r"/(?:node_modules|site-packages|dist-packages|gems|vendor)/"
    r"|/(?:usr/(?:lib|libexec|include|local/lib|local/go)|lib|etc|var|opt/[^/]+/lib)/"
)


class User(NamedTuple):
    """Who a container runs as. `uid` is None if that is not known."""

    uid: int | None
    groups: frozenset[int]


class _Starter:
    """Finds programs as the kernel and a shell do."""

    def __init__(self, root: Root, contents: Mapping[str, Content], settings: Settings) -> None:
        self._root, self._contents, self._settings = root, contents, settings
        self._user = _user(root, contents, settings.user)
        path = settings.env.get("PATH") or _PATH
        self.folders = [folder for folder in path.split(":") if folder.startswith("/")]

    def place(self, word: str) -> str:
        """Return the path that a word with a slash in it means."""
        return word if word.startswith("/") else f"{self._settings.workdir or ''}/{word}"

    def lacks(self, word: str) -> str:
        """Return why a program cannot be started, empty if nothing speaks against it."""
        if "/" not in word:
            places = [f"{folder}/{word}" for folder in self.folders]
            if any(self._may_run(place) for place in places):
                return ""
            there = [place for place in places if self._root.node(place)]
            return f"{there[0]} may not be run" if there else f"{word} is not in PATH"
        place = self.place(word)
        node = self._root.node(place)
        if node is None:
            return f"{word} is not there"
        if not self._may_run(place):
            return f"{word} may not be run"
        elf = self._contents.get(self._root.find(place).path)
        form = FORMS.get("".join(self._settings.platform.split("/")[1:2]))
        if isinstance(elf, Elf) and form and elf.form != form:
            return f"{word} is for another machine"
        return ""

    def script_lacks(self, line: str) -> str:
        """Return what is wrong with the first line of a script, empty if nothing is."""
        words = line.split()
        if not words or not words[0].startswith("/"):
            return ""  # relative to where it is started, or empty: a shell runs that itself
        if self._root.node(words[0]) is None:
            return f"its interpreter {words[0]} is not there"
        if words[0].rpartition("/")[2] != "env":
            return ""
        for word in words[1:]:
            if not word.startswith("-") and "=" not in word:
                lacks = self.lacks(word)
                return f"its interpreter: {lacks}" if lacks else ""
            if word in ("-u", "--unset", "-C", "--chdir"):
                return ""
        return ""

    def _may_run(self, path: str) -> bool:
        found = self._root.find(path)
        node = self._root.tree.get(found.path)
        if found.problem or node is None or node.kind is not Kind.FILE or not self._may(node):
            return False
        while folder := parent(found.path):
            if not self._may(self._root.tree[folder]) and self._user.uid != 0:
                return False
            found = found._replace(path=folder)
        return True

    def _may(self, node: Node) -> bool:
        uid, groups = self._user
        if uid is None or uid == 0:
            return bool(node.mode & 0o111)
        if uid == node.uid:
            return bool(node.mode & 0o100)
        return bool(node.mode & (0o010 if node.gid in groups else 0o001))


def start_defects(
    root: Root, contents: Mapping[str, Content], settings: Settings
) -> Iterator[Defect]:
    """Find what stands in the way of the entry point, the health check and scripts."""
    starter = _Starter(root, contents, settings)
    yield from _command(root, starter, settings.entrypoint + settings.cmd, "entrypoint")
    test = settings.healthcheck
    if test[:1] == ("CMD",):
        yield from _command(root, starter, test[1:], "healthcheck")
    elif test[:1] == ("CMD-SHELL",):
        shell = settings.shell or ("/bin/sh", "-c")
        yield from _command(root, starter, shell + test[1:], "healthcheck")
    folders = {root.find(folder).path for folder in starter.folders}
    for path, script in contents.items():
        is_run = parent(path) in folders or not _PARTS.search(path)
        if not isinstance(script, Script) or not is_run or APART.search(path):
            continue
        if what := starter.script_lacks(script.line):
            yield Defect("script", path, what)


def _command(root: Root, starter: _Starter, words: tuple[str, ...], kind: str) -> Iterator[Defect]:
    """Find what is wrong with a command: its program, and what that is told to run."""
    if not words:
        return
    if what := starter.lacks(words[0]):
        yield Defect(kind, words[0], what)
        return
    rest = words[1:]
    if _INIT.match(words[0]):
        after = rest.index("--") + 1 if "--" in rest else 0
        if after < len(rest) and not rest[after].startswith("-"):
            yield from _command(root, starter, rest[after:], kind)
    elif _SHELLS.match(words[0]) and len(rest) > 1 and re.match(r"-[a-z]*c\Z", rest[0]):
        first = _FIRST.match(rest[1])
        if first and first[1] not in _BUILT_IN and (what := starter.lacks(first[1])):
            yield Defect(kind, first[1], what)
    elif (
        _INTERPRETER.match(words[0])
        and rest
        and _SCRIPT.match(rest[0])
        and root.node(starter.place(rest[0])) is None
    ):
        yield Defect(kind, rest[0], f"{rest[0]} is not there")


def _user(root: Root, contents: Mapping[str, Content], user: str) -> User:
    name, _, group = user.partition(":")
    if name in ("", "0", "root"):
        return User(0, frozenset({0}))
    rows = _rows(root, contents, "/etc/passwd")
    row = next((row for row in rows if len(row) > 3 and name in (row[0], row[2])), None)
    uid = row[2] if row else name
    if not (uid.isascii() and uid.isdigit()):
        return User(None, frozenset())
    groups = {row[3]} if row else set()
    for one in _rows(root, contents, "/etc/group"):
        is_in = len(one) > 3 and row is not None and row[0] in one[3].split(",")
        if len(one) > 2 and (one[0] == group if group else is_in):
            groups.add(one[2])
    groups |= {group} if group else set()
    return User(int(uid), frozenset(int(gid) for gid in groups if gid.isascii() and gid.isdigit()))


def _rows(root: Root, contents: Mapping[str, Content], path: str) -> list[list[str]]:
    content = contents.get(root.find(normal(path)).path)
    text = content.text if isinstance(content, Text) else ""
    return [line.split(":") for line in text.split("\n")]
