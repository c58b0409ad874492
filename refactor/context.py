"""The build context: read-only, bounded, and no link leaves it."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path


class DiskContext:
    """A folder of the file system."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _inside(self, path: str) -> Path | None:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts or any("\0" in part for part in parts):
            return None
        found = self.root
        for part in parts[:-1]:
            found = found / part
            if found.is_symlink():
                return None
        return found / parts[-1] if parts else self.root

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string if there is nothing."""
        found = self._inside(path)
        try:
            mode = found.lstat().st_mode if found else 0
        except (OSError, ValueError):
            return ""
        if stat.S_ISLNK(mode):
            return "link"
        if stat.S_ISDIR(mode):
            return "dir"
        return "file" if stat.S_ISREG(mode) else ""

    def head(self, path: str, count: int) -> bytes:
        """Return at most the first `count` bytes of a regular file."""
        found = self._inside(path)
        if found is None or self.kind(path) != "file":
            return b""
        try:
            with found.open("rb") as file:
                return file.read(count)
        except OSError:
            return b""


class MemoryContext:
    """A tree given as paths and contents; a path that ends in a slash is a folder."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = {path.strip("/"): data for path, data in files.items()}
        self.folders = {path.strip("/") for path in files if path.endswith("/")}
        for path in list(self.files):
            while "/" in path:
                path = path.rpartition("/")[0]
                self.folders.add(path)

    @staticmethod
    def _clean(path: str) -> str:
        return "/".join(part for part in path.split("/") if part not in ("", "."))

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, or an empty string if there is nothing."""
        path = self._clean(path)
        if path in self.folders or path == "":
            return "dir"
        return "file" if path in self.files else ""

    def head(self, path: str, count: int) -> bytes:
        """Return at most the first `count` bytes of a file."""
        return self.files.get(self._clean(path), b"")[:count]
