"""Paths -> the Dockerfiles below them; what is passed over is counted by reason."""

from __future__ import annotations

import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from refactor.context import Context
from refactor.outside import bake_files
from refactor.outside.bake_files import is_bake
from refactor.project import is_holder

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_NAME = re.compile(r"(?:.+\.)?(?:docker|container)file(?:[.-].+)?\Z", re.IGNORECASE | re.DOTALL)
_COMPOSE = re.compile(r"(?:docker-)?compose[\w.-]*\.ya?ml\Z|docker-bake[\w.-]*\.(?:hcl|json)\Z")
_TEMPLATE_SUFFIXES = frozenset(
    ".j2 .jinja .jinja2 .tmpl .tpl .template .erb .in .mustache .hbs .ejs .m4 .gotmpl".split()
)
_OTHER_SUFFIXES = frozenset(
    ".dockerignore .md .txt .rst .html .sh .py .patch .orig .bak .rej".split()
)
_VENDORED = frozenset(
    "vendor vendored third_party third-party node_modules .git .hg .svn .venv venv site-packages "
    "bower_components .tox .terraform".split()
)
_TEST_DATA = frozenset({"testdata", "testfiles", "test-fixtures", "test_fixtures", "__fixtures__"})
_TEMPLATE = re.compile(
    rb"(?m)^[ \t]*(?:\{\{|\{%|<%)|^[ \t]*FROM[^\n]*(?:\{\{|\{%|<%)", re.IGNORECASE
)
_GENERATED = re.compile(
    rb"^#.*(?:do not edit|generated (?:by|via|from|with|automatically)|auto-?generated|@generated)",
    re.MULTILINE | re.IGNORECASE,
)
_COMPOSE_TAG = re.compile(r"!(?:reset|override)\b")
_HEAD = 4096
_MAX_YAML = 256 * 1024


@dataclass
class Found:
    """The files, in order, and how many were passed over by reason."""

    files: list[Path] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    missing: list[Path] = field(default_factory=list)


def discover(paths: Iterable[Path]) -> Found:
    """Return the Dockerfiles: a file as given, a folder searched."""
    found = Found()
    seen: dict[str, str] = {}
    for path in paths:
        if os.path.isdir(path):  # not Path.is_dir: that raises on a name that is too long
            for file in _walk(path, found.passed_over):
                _add(file, found, seen, searched=True)
        elif os.path.lexists(path):
            _add(path, found, seen, searched=False)
        else:
            found.missing.append(path)
    return found


def _add(file: Path, found: Found, seen: dict[str, str], searched: bool) -> None:
    key = os.path.abspath(file)
    if key in seen and (searched or not seen[key]):
        return
    seen[key] = reason = _passed_over(file) if searched else ""
    if reason:
        found.passed_over[reason] += 1
    else:
        found.files.append(file)


def _passed_over(file: Path) -> str:
    if os.path.islink(file):
        return "symbolic link"
    if not os.path.isfile(file):  # a pipe would never end
        return ""
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return ""
    return _made_by(head)


def _made_by(head: bytes) -> str:
    """Return what makes a file that is no source itself, empty if it is one."""
    if _TEMPLATE.search(head):
        return "template"
    return "generated" if _GENERATED.search(head) else ""


def _kept(names: Iterable[str], passed_over: Counter[str]) -> Iterator[str]:
    """Yield the folders that are searched."""
    for name in sorted(names):
        if name in _VENDORED:
            passed_over["vendored folder"] += name != ".git"
        elif name in _TEST_DATA:
            passed_over["test data folder"] += 1
        else:
            yield name


def discover_in(tree: Context) -> tuple[list[str], Counter[str]]:
    """Return the Dockerfiles of a tree, and how many were passed over, as `discover` finds them."""
    passed_over: Counter[str] = Counter()
    files: dict[str, str] = {}
    for path in _walk_in(tree, passed_over):
        if path not in files:
            kind = tree.kind(path)
            files[path] = "symbolic link" if kind == "link" else _made_by(tree.head(path, _HEAD))
            if files[path]:
                passed_over[files[path]] += 1
    return [path for path, reason in files.items() if not reason], passed_over


def _walk_in(tree: Context, passed_over: Counter[str]) -> Iterator[str]:
    rules = _Rules()
    folders = [""]
    while folders:
        folder = folders.pop()
        start = f"{folder}/" if folder else ""
        names = {name: tree.kind(start + name) for name in tree.names(folder)}
        if names.get(".gitignore") == "file":
            rules.add(folder, _text(tree.head(f"{start}.gitignore", _MAX_YAML)))
        below = _kept((name for name, kind in names.items() if kind == "dir"), passed_over)
        folders += reversed([f"{start}{n}" for n in below if not rules.match(start + n, True)])
        for name in (name for name, kind in names.items() if kind != "dir"):
            path = start + name
            if _is_dockerfile(name, passed_over) and not rules.match(path, is_dir=False):
                yield path
            elif _COMPOSE.match(name) and names[name] == "file":
                data = tree.head(path, _MAX_YAML + 1)
                passed_over["compose or bake file with Dockerfiles in it"] += is_holder(name, data)
                for named in _named_by(name, _text(data)) if len(data) <= _MAX_YAML else ():
                    found = posixpath.normpath(f"/{start}{named}" if named[:1] != "/" else named)
                    outside = named[:1] == "/" or _leaves(f"{start}{named}")
                    if not outside and tree.kind(found.lstrip("/")) == "file":
                        yield found.lstrip("/")


def _leaves(path: str) -> bool:
    return posixpath.normpath(path).partition("/")[0] == ".."


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _walk(root: Path, passed_over: Counter[str]) -> Iterator[Path]:
    rules = _Ignored(root)
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        rules.enter(here, names)
        below = _kept(folders, passed_over)
        folders[:] = [name for name in below if not rules.matches(here / name, is_dir=True)]
        for name in sorted(names):
            if _is_dockerfile(name, passed_over) and not rules.matches(here / name, is_dir=False):
                yield here / name
            elif _COMPOSE.match(name) and (text := _text_of(here / name)):
                if is_holder(name, text.encode("utf-8", "replace")):
                    yield here / name
                named = (_join(here, found) for found in _named_by(name, text))
                yield from (file for file in named if _below(file, root))


def _below(file: Path, root: Path) -> bool:
    try:
        return file.is_file() and root.resolve() in file.resolve().parents
    except (OSError, RuntimeError):
        return False


def is_dockerfile(name: str) -> bool:
    """Whether a file is called as Dockerfiles are, and not as a template of one."""
    return _is_dockerfile(name, Counter())


def may_hold(name: str) -> bool:
    """Whether a file is called as compose and bake files are, which may hold Dockerfiles."""
    return bool(_COMPOSE.match(name))


def _is_dockerfile(name: str, passed_over: Counter[str]) -> bool:
    if not _NAME.match(name):
        return False
    suffix = os.path.splitext(name)[1].lower()
    if suffix in _TEMPLATE_SUFFIXES:
        passed_over["template"] += 1
        return False
    return suffix not in _OTHER_SUFFIXES


def _text_of(file: Path) -> str:
    """Return the text of a compose or bake file, empty if it is too large."""
    try:
        if not file.is_file() or file.stat().st_size > _MAX_YAML:
            return ""
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _named_by(name: str, text: str) -> Iterator[str]:
    """Yield the Dockerfiles that a compose or bake file names, from its own folder."""
    if is_bake(name):
        targets = bake_files.read(name, text).targets if "dockerfile" in text else ()
        for target in bake_files.whole(targets):
            for found in target.texts("dockerfile"):
                yield posixpath.join(next(iter(target.texts("context")), "."), found)
    elif "dockerfile" in text:
        yield from _named_by_data(text)


def _named_by_data(text: str) -> Iterator[str]:
    """Yield what the builds of a compose file name."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe").load(_COMPOSE_TAG.sub("", text))
        services = (data.get("services") or {}).values()
    except (YAMLError, AttributeError, ValueError, RecursionError):
        return
    for build in (s.get("build") for s in services if isinstance(s, dict)):
        if isinstance(build, dict) and isinstance(name := build.get("dockerfile"), str):
            yield posixpath.join(str(build.get("context") or "."), name)


def _join(folder: Path, name: str) -> Path:
    return Path(os.path.normpath(folder / name))


class _Rules:
    """The rules of .gitignore files, by their folders."""

    def __init__(self) -> None:
        self.specs: list[tuple[str, GitIgnoreSpec]] = []

    def add(self, folder: str, text: str) -> None:
        """Add the rules of a file."""
        from pathspec import GitIgnoreSpec

        self.specs.append(
            (f"{folder}/" if folder else "", GitIgnoreSpec.from_lines(text.splitlines()))
        )

    def match(self, path: str, is_dir: bool) -> bool:
        """Whether git would ignore a path; the deepest file that has a say decides."""
        for folder, spec in reversed(self.specs):
            if path.startswith(folder):
                verdict = spec.check_file(path[len(folder) :] + ("/" if is_dir else "")).include
                if verdict is not None:
                    return verdict
        return False


class _Ignored(_Rules):
    """The .gitignore rules that hold below a folder, those of its repository's root included."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        root = root.resolve()
        above = [root, *root.parents]
        top = next((i for i, folder in enumerate(above) if os.path.exists(folder / ".git")), 0)
        for folder in reversed(above[1 : top + 1]):
            self.read(folder)

    def enter(self, folder: Path, names: list[str]) -> None:
        """Read the rules of a folder."""
        if ".gitignore" in names and os.path.isfile(folder / ".gitignore"):
            self.read(folder.resolve())

    def read(self, folder: Path) -> None:
        """Read one file of rules, if there is one."""
        with suppress(OSError):
            text = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace")
            self.add(folder.as_posix().rstrip("/"), text)

    def matches(self, path: Path, is_dir: bool) -> bool:
        """Whether git would ignore a path of the disk."""
        return bool(self.specs) and self.match(
            (path.parent.resolve() / path.name).as_posix(), is_dir
        )
