"""What a client sends of a build context: its files, without those that .dockerignore leaves out.

The matching is that of e2b-dockerfile-utils, a port of moby's `patternmatcher`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from refactor.context import MAX_NAMES, Context, clean

if TYPE_CHECKING:
    from e2b_dockerfile_utils import PatternMatcher

MAX_FILES = 20_000
MAX_TEXT = 1024 * 1024
# Folders that are known by their name alone: what is in them is never a manifest or a source.
OPAQUE = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", ".tox"})


@dataclass(frozen=True, eq=False)
class Sent:
    """The files that COPY and ADD can see.

    `files` maps each path to `file`, `link`, or `dir` for a folder that is not looked into.
    `complete` is False if there were too many to list. `ignored` holds top-level names left out,
    `memo` what is worked out from all this.
    """

    context: Context
    files: dict[str, str]
    folders: frozenset[str]
    complete: bool
    ignored: tuple[str, ...]
    source: str
    memo: dict[Any, Any] = field(default_factory=dict, repr=False)

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string if nothing of that name is sent."""
        path = clean(path)
        return self.files.get(path, "dir" if path in self.folders else "")

    def below(self, folder: str) -> Iterator[str]:
        """Yield the paths of `files` in a folder, at any depth."""
        folder = clean(folder)
        prefix = f"{folder}/" if folder else ""
        return (path for path in self.files if path.startswith(prefix))

    def text(self, path: str) -> str | None:
        """Return the text of a file that is sent; None if there is none, or it is too large."""
        path = clean(path)
        if self.files.get(path) != "file":
            return None
        data = self.context.head(path, MAX_TEXT + 1)
        return None if len(data) > MAX_TEXT else data.decode("utf-8", "replace")


def ignore_file(context: Context, dockerfile: str) -> str:
    """Return the file of ignore rules in force: that of the Dockerfile's own name goes first."""
    own = f"{dockerfile}.dockerignore"
    return own if dockerfile and context.kind(own) == "file" else ".dockerignore"


def sent(context: Context, dockerfile: str) -> Sent:
    """List what is sent; `dockerfile` is the Dockerfile's path in the context, if it is there."""
    source = ignore_file(context, dockerfile)
    data = context.head(source, MAX_TEXT) if context.kind(source) == "file" else b""
    return listed(context, data.decode("utf-8", "replace"), source)


@lru_cache(maxsize=16)
def listed(context: Context, rules: str, source: str) -> Sent:
    """List what is sent under rules."""
    complete = True
    try:
        matcher = read_rules(rules)
    except ValueError:  # no engine takes them
        matcher, complete = None, False
    files: dict[str, str] = {}
    folders = {""}
    ignored: list[str] = []
    todo = [""]
    while todo:
        folder = todo.pop()
        names = context.names(folder)
        complete = complete and len(names) <= MAX_NAMES
        for name in names:
            path = f"{folder}/{name}" if folder else name
            kind = context.kind(path)
            left_out = matcher is not None and matcher.matches(path)
            if left_out and not folder:
                ignored.append(name)
            if kind == "dir" and name not in OPAQUE:
                if not left_out or (matcher is not None and matcher.may_match_under(path)):
                    todo.append(path)
                if not left_out:
                    folders.add(path)
            elif kind and not left_out:
                files[path] = kind
        if len(files) > MAX_FILES:
            complete = False
            break
    for path in list(files):
        while path := path.rpartition("/")[0]:
            folders.add(path)
    return Sent(context, files, frozenset(folders), complete, tuple(ignored), source)


@lru_cache(maxsize=64)
def read_rules(text: str) -> PatternMatcher | None:
    """Return the matcher of a .dockerignore's text; None if it is empty.

    Raises ValueError if a pattern is none.
    """
    if not text.strip():
        return None
    from e2b_dockerfile_utils import PatternMatcher

    return PatternMatcher(text.removeprefix("\ufeff").split("\n"))
