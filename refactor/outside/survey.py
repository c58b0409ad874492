"""A repository's files read into records of how images are built and used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from refactor.context import Context
from refactor.outside import pipelines, platforms, script_files
from refactor.outside.records import Build, Found, Record, Use
from refactor.outside.shell_lines import TOOLS

MAX_FILE = 256 * 1024
MAX_FILES = 400
MAX_DEPTH = 12
MAX_NAMES = 50_000
MAX_READ = 4 * 1024 * 1024
MAX_READ_YAML = 256 * 1024  # its reader does some fifty kilobytes a second
MAX_RECORDS = 5000
_SKIPPED = frozenset(
    ".git .hg .svn node_modules vendor vendored third_party third-party __pycache__ .venv venv "
    ".tox site-packages bower_components .terraform".split()
)
_DOCKERFILE = re.compile(r"(?:.+\.)?(?:docker|container)file(?:[.-].+)?\Z", re.IGNORECASE)
_NO_DOCKERFILE = re.compile(r"\.(?:dockerignore|md|txt|rst|html|sh|py|patch|orig|bak)\Z")
_SHEBANG = re.compile(r"#![^\n]*sh\b")

Reader = Callable[[str, str], Iterator[Record]]


@dataclass(frozen=True)
class _Kind:
    """Files of a name: how they are read, and what text in them makes them worth it."""

    name: re.Pattern[str]
    read: Reader
    worth: re.Pattern[str] | None = TOOLS
    last: bool = False


# The first that matches counts.
_KINDS = (
    _Kind(re.compile(r"docker-bake[\w.-]*\.(?:hcl|json)\Z"), platforms.bake, None),
    _Kind(re.compile(r".+\.ya?ml\Z"), pipelines.read, pipelines.WORTH),
    _Kind(
        re.compile(r"(?:GNU)?[Mm]akefile[\w.-]*\Z|.+\.mk\Z|\.?[Jj]ustfile\Z"), script_files.makefile
    ),
    _Kind(re.compile(r"Jenkinsfile[\w.-]*\Z|.+\.jenkinsfile\Z"), script_files.jenkins),
    _Kind(re.compile(r"package\.json\Z"), script_files.package),
    _Kind(re.compile(r"\.?devcontainer\.json\Z"), platforms.devcontainer, None),
    _Kind(re.compile(r"Procfile\Z"), platforms.procfile, None),
    _Kind(re.compile(r"fly[\w.-]*\.toml\Z"), platforms.fly, None),
    _Kind(re.compile(r".+\.(?:sh|bash)\Z"), script_files.script),
    _Kind(
        re.compile(r"(?i:readme)(?:\.\w+)?\Z|.+\.(?:md|markdown)\Z"),
        script_files.document,
        last=True,
    ),
    _Kind(re.compile(r"[\w-]+\Z"), script_files.program, _SHEBANG, last=True),
)


@dataclass(frozen=True)
class Survey:
    """What is said in a repository, of whichever image."""

    dockerfiles: tuple[str, ...]
    builds: tuple[Build, ...]
    uses: tuple[Use, ...]
    unknown: tuple[Found, ...]


@lru_cache(maxsize=8)
def survey(tree: Context) -> Survey:
    """Read the files of a repository that may say something, within bounds."""
    unknown: list[Found] = []
    paths = sorted(filter(_may_say, files(tree, unknown)))
    names = {path: path.rpartition("/")[2] for path in paths}
    dockerfiles = [p for p in paths if _DOCKERFILE.match(names[p]) and not _NO_DOCKERFILE.search(p)]
    kinds = {
        path: kind for path in paths if (kind := _kind(names[path])) and path not in dockerfiles
    }
    order = sorted(kinds, key=lambda path: (kinds[path].last, path.count("/"), path))
    if len(order) > MAX_FILES:
        unknown.append(Found(f"more than {MAX_FILES} files that may say something", "", 0))
    records: list[Record] = []
    left = {True: MAX_READ_YAML, False: MAX_READ}
    for path in order[:MAX_FILES]:
        text = _text(tree, path, kinds[path])
        yaml = kinds[path].read is pipelines.read
        if text is None or len(text) > left[yaml]:
            unknown.append(Found("too large to be read", path, 0))
        elif text:
            left[yaml] -= len(text)
            records += _read(kinds[path].read, path, text)
    if len(records) > MAX_RECORDS:
        unknown.append(Found(f"more than {MAX_RECORDS} things are said of images", "", 0))
    kept = records[:MAX_RECORDS]
    return Survey(
        tuple(dockerfiles),
        tuple(record for record in kept if isinstance(record, Build)),
        tuple(record for record in kept if isinstance(record, Use)),
        (*unknown, *(record for record in kept if isinstance(record, Found))),
    )


def _may_say(path: str) -> bool:
    """Whether a file may be of use, by its name."""
    name = path.rpartition("/")[2]
    return bool(_DOCKERFILE.match(name) or _kind(name))


def files(tree: Context, unknown: list[Found]) -> Iterator[str]:
    """Yield the files of a tree, within bounds; what lies beyond them is added to `unknown`."""
    level, seen = [""], 0
    for _ in range(MAX_DEPTH + 1):
        below: list[str] = []
        for folder in level:
            names = tree.names(folder)
            seen += len(names)
            if seen > MAX_NAMES:
                unknown.append(Found(f"more than {MAX_NAMES} files", folder, 0))
                return
            for name in names:
                path = f"{folder}/{name}" if folder else name
                kind = tree.kind(path)
                if kind == "dir" and name not in _SKIPPED:
                    below.append(path)
                elif kind == "file":
                    yield path
        level = below
    if level:
        unknown.append(Found(f"folders deeper than {MAX_DEPTH}", level[0], 0))


def _kind(name: str) -> _Kind | None:
    return next((kind for kind in _KINDS if kind.name.match(name)), None)


def _text(tree: Context, path: str, kind: _Kind) -> str | None:
    """Return a file's text, empty if it says nothing of images; None if it is too large."""
    head = tree.head(path, MAX_FILE + 1)
    text = head.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    if "\0" in text:
        return ""
    if kind.read is script_files.program and not _SHEBANG.match(text):
        return ""
    if len(head) > MAX_FILE:
        return None
    if kind.read is pipelines.read:
        text = pipelines.worth(text)
    return text if kind.worth is None or kind.worth.search(text) else ""


@lru_cache(maxsize=2048)
def _read(read: Reader, path: str, text: str) -> tuple[Record, ...]:
    return tuple(islice(read(path, text), MAX_RECORDS + 1))
