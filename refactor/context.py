"""Trees of files: read-only, bounded, and no link leaves them.

A repository is one, and so is the build context in it. Paths are relative, with forward slashes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Protocol

MAX_NAMES = 10_000


class TreeError(Exception):
    """A tree can no longer be read: what is made of it is no result, not even a failed one."""


class Context(Protocol):
    """A tree of files, such as a build context: what COPY and ADD can see."""

    def __hash__(self) -> int:
        """Tell trees apart, so that what is read of one can be kept."""

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string if there is nothing."""

    def head(self, path: str, count: int) -> bytes:
        """Return at most the first `count` bytes of a file."""

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the sorted names in a folder, at most `MAX_NAMES` + 1; none if it is no folder."""


class DiskContext:
    """A folder of the file system; what a folder holds is read once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listed: dict[str, dict[str, str]] = {}

    def _inside(self, path: str) -> str | None:
        """Return where a path is, if no link leads there."""
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts or any("\0" in part for part in parts):
            return None
        found = ""
        for part in parts[:-1]:
            found = f"{found}{part}/"
            if self._kind(found[:-1]) != "dir":
                return None
        return f"{self.root}/{found}{parts[-1]}" if parts else str(self.root)

    def _kind(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        if folder in self._listed:
            return self._listed[folder].get(name, "")
        try:
            return _of_mode(os.lstat(f"{self.root}/{path}").st_mode)
        except (OSError, ValueError):
            return ""

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string if there is nothing."""
        path = clean(path)
        if not path:
            return "dir" if os.path.isdir(self.root) else ""
        return self._kind(path) if self._inside(path) is not None else ""

    def head(self, path: str, count: int) -> bytes:
        """Return at most the first `count` bytes of a regular file."""
        found = self._inside(path)
        if found is None or self.kind(path) != "file":
            return b""
        try:
            with open(found, "rb") as file:
                return file.read(count)
        except OSError:
            return b""

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the sorted names in a folder, at most `MAX_NAMES` + 1; none if it is no folder."""
        folder = clean(folder)
        if folder not in self._listed:
            found = self._inside(folder)
            if found is None or self.kind(folder) != "dir":
                return ()
            try:
                with os.scandir(found) as entries:
                    there = sorted((e.name, _of(e)) for e in islice(entries, MAX_NAMES + 1))
            except OSError:
                return ()
            self._listed[folder] = dict(there)
        return tuple(self._listed[folder])


def _of(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "dir"
    return "file" if entry.is_file(follow_symlinks=False) else ""


def _of_mode(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "link"
    if stat.S_ISDIR(mode):
        return "dir"
    return "file" if stat.S_ISREG(mode) else ""


class MemoryContext:
    """A tree given as paths and contents; a path that ends in a slash is a folder."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = {clean(path): data for path, data in files.items() if path[-1:] != "/"}
        self.folders = {""} | {clean(path) for path in files if path.endswith("/")}
        self.children: dict[str, set[str]] = {}
        for path in (*self.files, *self.folders):
            while path:
                parent, _, name = path.rpartition("/")
                self.children.setdefault(parent, set()).add(name)
                self.folders.add(parent)
                path = parent

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, or an empty string if there is nothing."""
        path = clean(path)
        if path in self.folders:
            return "dir"
        return "file" if path in self.files else ""

    def head(self, path: str, count: int) -> bytes:
        """Return at most the first `count` bytes of a file."""
        return self.files.get(clean(path), b"")[:count]

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the sorted names in a folder; none if it is no folder."""
        return tuple(sorted(self.children.get(clean(folder), ())))


class Subtree:
    """A folder of another tree, as a tree of its own."""

    def __init__(self, whole: Context, folder: str) -> None:
        self.whole = whole
        self.folder = clean(folder)

    def _path(self, path: str) -> str:
        parts = path.split("/")
        return f"{self.folder}/{path}" if ".." not in parts else "\0"

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string if there is nothing."""
        return self.whole.kind(self._path(path))

    def head(self, path: str, count: int) -> bytes:
        """Return at most the first `count` bytes of a file."""
        return self.whole.head(self._path(path), count)

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the sorted names in a folder; none if it is no folder."""
        return self.whole.names(self._path(folder))


@lru_cache(maxsize=64)
def subtree(whole: Context, folder: str) -> Context:
    """Return a folder of a tree; the same one each time."""
    return Subtree(whole, folder) if folder else whole


class Overlay:
    """A tree in which some files have another text, or are new."""

    def __init__(self, below: Context, files: Mapping[str, bytes]) -> None:
        self.below = below
        self.above = MemoryContext(files)

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string if there is nothing."""
        return "file" if self.above.kind(path) == "file" else self.below.kind(path)

    def head(self, path: str, count: int) -> bytes:
        """Return at most the first `count` bytes of a file."""
        tree = self.above if self.above.kind(path) == "file" else self.below
        return tree.head(path, count)

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the sorted names in a folder; none if it is no folder."""
        return tuple(sorted({*self.below.names(folder), *self.above.names(folder)}))


def clean(path: str) -> str:
    """Return a path without empty and `.` components."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))
