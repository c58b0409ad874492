"""The tree of a commit as a `Context`: folders are read when somebody looks, files when wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from refactor.context import clean
from refactor.discover import is_dockerfile
from refactor.fleet.clones import Room, fetch
from refactor.fleet.git import GitError, Object, Objects, TooMuch
from refactor.fleet.records import Repository

MAX_TREE = 64 * 1024 * 1024
MAX_KEPT = 1024 * 1024
MAX_ALL = 64 * 1024 * 1024
MAX_FETCH = 5000
MAX_PATH = 4095  # longer ones are in no checkout
_KINDS = {"100644": "file", "100755": "file", "100664": "file", "120000": "link", "40000": "dir"}
_SUBMODULE = "160000"
# What facts read of nearly every project: fetched together, before anybody asks.
_WANTED = re.compile(
    r"\.(?:dockerignore|gitignore|npmrc|yarnrc|yarnrc\.yml|nvmrc|python-version|ya?ml|toml|json|lock"
    r"|cfg|ini|txt|mod|sum|xml|gradle|kts|properties|csproj|fsproj|sln|sh|py|rb|bake|hcl)\Z"
    r"|\A(?:Makefile|Procfile|Gemfile|Pipfile|Jenkinsfile|Rakefile|\.dockerignore)\Z",
    re.IGNORECASE,
)


class NoCommit(GitError):
    """There is no such commit: a repository may be empty."""


class GitTree:
    """The files of a commit in a bare clone; what the clone lacks is fetched.

    Links are links and submodules empty folders, as in a checkout that brings none. `.git` is there
    as in every checkout, and empty. Raises GitError where git fails, TooMuch where there is more
    than `most` files.
    """

    def __init__(
        self, repository: Repository, clone: Path, commit: str, room: Room, most: int = 0
    ) -> None:
        self.repository = repository
        self.clone = clone
        self.room = room
        self.most = most
        self.objects = Objects(clone)
        self.seen = 0
        self._folders: dict[str, dict[str, tuple[str, str]]] = {}
        self._known: dict[str, bytes] = {}
        self._kept = 0
        found = self.objects.commit(commit)
        if found is None or found.kind != "commit":
            raise NoCommit(f"no commit {commit}")
        self.date = _date(found.data)
        self.commit = found.id
        self._root = found.data.split(b"\n", 1)[0].removeprefix(b"tree ").decode()

    def close(self) -> None:
        """Forget what was read, and end git."""
        self.objects.close()
        self._folders.clear()
        self._known.clear()

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string if there is nothing."""
        path = clean(path)
        if not path:
            return "dir"
        return _KINDS.get(self._entry(path)[0], "") if ".." not in path.split("/") else ""

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the sorted names in a folder, all of them; none if it is no folder."""
        folder = clean(folder)
        if ".." in folder.split("/"):
            return ()
        return tuple(sorted(self._folder(folder)))

    def head(self, path: str, count: int) -> bytes:
        """Return at most the first `count` bytes of a file."""
        if self.kind(path) != "file":
            return b""
        path = clean(path)
        name = self._entry(path)[1]
        if name in self._known:
            return self._known[name][:count]
        found = self.objects.read([name], max(count, MAX_KEPT))[0]
        if found is None:
            self._fetch_like(path, name)
            if name in self._known:
                return self._known[name][:count]
            found = self.objects.read([name], max(count, MAX_KEPT))[0]
        if found is None:
            raise TooMuch(f"{path} cannot be fetched")
        self._keep(found)
        return found.data[:count]

    def is_program(self, path: str) -> bool:
        """Whether a file may be executed."""
        return self._entry(clean(path))[0] == "100755"

    def fetch_usual(self) -> None:
        """Fetch what nearly every run reads, so that it is not fetched one by one."""
        names = [
            name for path, name in self._files()
            if _WANTED.search(base := path.rpartition("/")[2]) or is_dockerfile(base)
        ]  # fmt: skip
        self._fetch(names[:MAX_FETCH])

    def _fetch_like(self, path: str, name: str) -> None:
        """Fetch a file, and with it those with the same ending: who reads one reads others."""
        ending = path.rpartition("/")[2].rpartition(".")[2]
        others = [other for path, other in self._files() if path.endswith(ending)]
        try:
            self._fetch([name, *others[:MAX_FETCH]])
        except TooMuch:
            self._fetch([name])

    def _fetch(self, names: list[str]) -> None:
        names = sorted({name for name in names if name not in self._known})
        missing = []
        for name, found in zip(names, self.objects.read(names, MAX_KEPT), strict=True):
            if found is None:
                missing.append(name)
            else:
                self._keep(found)
        if missing:
            fetch(self.repository, self.clone, missing, self.room)
            for found in self.objects.read(missing, MAX_KEPT):
                if found is not None:
                    self._keep(found)

    def _keep(self, found: Object) -> None:
        if found.size <= MAX_KEPT and self._kept + found.size <= MAX_ALL:
            self._known[found.id] = found.data
            self._kept += found.size

    def _files(self) -> Iterator[tuple[str, str]]:
        """Yield the path and the object of each file."""
        folders = [""]
        while folders:
            folder = folders.pop()
            for name, (mode, object) in self._folder(folder).items():
                path = f"{folder}/{name}" if folder else name
                kind = _KINDS.get(mode)
                if kind == "file":
                    yield path, object
                elif kind == "dir" and object:
                    folders.append(path)

    def _entry(self, path: str) -> tuple[str, str]:
        folder, _, name = path.rpartition("/")
        return self._folder(folder).get(name, ("", ""))

    def _folder(self, folder: str) -> dict[str, tuple[str, str]]:
        """Return the entries of a folder: mode and object by name."""
        if folder in self._folders:
            return self._folders[folder]
        if len(folder) > MAX_PATH:
            return {}
        entries = self._read("40000", self._root, "")
        at = 0
        while folder and at >= 0:  # no recursion: a path may be deep
            at = folder.find("/", at + 1)
            name = folder[:at] if at > 0 else folder
            mode, object = entries.get(name.rpartition("/")[2], ("", ""))
            entries = self._read(mode, object, name)
        return entries

    def _read(self, mode: str, object: str, folder: str) -> dict[str, tuple[str, str]]:
        if folder in self._folders:
            return self._folders[folder]
        found = self.objects.read([object], MAX_TREE)[0] if mode == "40000" and object else None
        entries = dict(_entries(found)) if found is not None else {}
        if not folder:
            entries[".git"] = ("40000", "")
        self.seen += len(entries)
        if self.most and self.seen > self.most:
            raise TooMuch(f"more than {self.most} files")
        self._folders[folder] = entries
        return entries


def _entries(tree: Object) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield what a tree holds; names that no checkout would write are left out."""
    data, at, width = tree.data, 0, len(tree.id) // 2
    while at < len(data):
        space = data.index(b" ", at)
        end = data.index(b"\0", space)
        name = data[space + 1 : end].decode("utf-8", "surrogateescape")
        mode = data[at:space].decode("ascii", "replace")
        object = data[end + 1 : end + 1 + width].hex()
        at = end + 1 + width
        if name not in ("", ".", "..") and "/" not in name and name.lower() != ".git":
            yield name, ("40000", "") if mode == _SUBMODULE else (mode, object)


def _date(commit: bytes) -> str:
    """Return when a commit was made, as git writes it: seconds and zone."""
    found = re.search(rb"^committer .*> (\d+ [+-]\d{4})$", commit.partition(b"\n\n")[0], re.M)
    return found[1].decode() if found else "0 +0000"
