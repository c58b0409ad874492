"""How a relative WORKDIR, or a destination of COPY, is joined to the directory in force."""

from __future__ import annotations

import posixpath

_WINDOWS = frozenset("\\:")  # a separator and a drive there, letters of a name elsewhere


def is_joinable(path: str) -> bool:
    """Whether a path is relative, for any operating system."""
    return bool(path) and not path.startswith("/") and not _WINDOWS.intersection(path)


def join(directory: str, path: str) -> str:
    """Return a relative path below a directory, without `.`, `..` and doubled slashes."""
    return "/" + posixpath.normpath(f"{directory}/{path}").lstrip("/")


def destination(directory: str, path: str) -> str:
    """Return where a relative destination is; the slash that makes it a directory is kept."""
    joined = join(directory, path)
    if path == "." or path.endswith("/"):
        return joined.rstrip("/") + "/"
    return joined.rstrip("/") + "/." if path.endswith("/.") else joined
