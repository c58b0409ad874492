"""Paths inside an image: none of them ever touches the disk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from refactor.proof.images import Kind, Node
from refactor.proof.limits import ImageError

_CLEAN = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[^/\0]+)+\Z")
_MAX_PATH = 4096  # bytes, as in Linux
_MAX_HOPS = 40  # links that Linux follows for one path
_MAX_STEPS = 50_000_000  # parts of paths that are looked at for one image, of links' targets too


def normal(name: str, where: str = "the image") -> str:
    """Return a path of an archive as an absolute one, the root as nothing.

    One that leaves the root is an error.
    """
    path = "/" + name.removeprefix("./").strip("/")
    if len(path) > _MAX_PATH or "\0" in path:
        raise ImageError(f"{where} has a path that no system has: {path[:60]!r}...")
    if _CLEAN.match(path):
        return path
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise ImageError(f"{where} has a path that leaves it: {name[:200]!r}")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "".join("/" + part for part in parts)


def parent(path: str) -> str:
    """Return the folder of a path, the root as nothing."""
    return path.rpartition("/")[0]


class Found(NamedTuple):
    """Where a path leads to through links; `problem` is empty, `missing` or `loop`."""

    path: str
    problem: str = ""


class Root:
    """The files of an image, as a program in it sees them."""

    def __init__(self, tree: Mapping[str, Node]) -> None:
        self.tree = tree
        self._steps = _MAX_STEPS
        self._folders: dict[str, Found] = {}

    def find(self, path: str, last: bool = True) -> Found:
        """Follow the links of a path; the one at its end only if `last`."""
        if not last:
            return self._below(parent(path), path.rpartition("/")[2])
        if path.endswith(("/", "/.", "/..")) or not path.startswith("/"):
            return self._walk(path, last)
        found = self._below(parent(path), path.rpartition("/")[2])
        node = self.tree.get(found.path)
        if found.problem or node is None or node.kind is not Kind.LINK:
            return found
        return self._walk(found.path, last)

    def node(self, path: str) -> Node | None:
        """Return what a path leads to, if anything."""
        found = self.find(path)
        return None if found.problem else self.tree.get(found.path)

    def is_folder(self, path: str) -> bool:
        """Return whether a path leads to a folder."""
        found = self.find(path)
        if found.problem:
            return False
        return not found.path or self.tree[found.path].kind is Kind.FOLDER

    def _below(self, folder: str, name: str) -> Found:
        """Return where a name in a folder is; folders are asked for again and again."""
        self._step()
        if folder not in self._folders:
            self._folders[folder] = self._walk(folder, True)
        above = self._folders[folder]
        if above.problem:
            return above
        path = f"{above.path}/{name}"
        return Found(path, "" if path in self.tree else "missing")

    def _step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise ImageError("the image's links and search paths are too tangled to follow")

    def _walk(self, path: str, last: bool) -> Found:
        todo = path.split("/")[::-1]
        at, hops = "", 0
        while todo:
            self._step()
            part = todo.pop()
            if part == "..":
                at = parent(at)
            if part in ("", ".", ".."):
                continue
            at = f"{at}/{part}"
            node = self.tree.get(at)
            if node is None:
                return Found(at, "missing")
            if node.kind is Kind.LINK and (todo or last):
                hops += 1
                if hops > _MAX_HOPS:
                    return Found(path, "loop")
                todo += node.target.split("/")[::-1]
                at = "" if node.target.startswith("/") else parent(at)
            elif node.kind is not Kind.FOLDER and todo and todo != [""]:
                return Found(at, "missing")
        return Found(at)
