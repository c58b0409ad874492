"""The files of the build context that a program may read when it runs.

What stands outside the folder that is built stays where it is. In that folder, all that is no
source of the language may be read: templates, configuration, static files. If it is proved that
names in the sources are all that is opened, only what these name stays.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache

from refactor.effects.artefact_walk import World, below
from refactor.effects.placed import Placed
from refactor.facts.installs import Unknown
from refactor.knowledge import table

MAX_PATHS = 8
MAX_SOURCES = 5000
MAX_SIZE = 32 * 1024 * 1024
# The base has files in these: what copies put there is taken file by file.
_SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin",
           "/sys", "/tmp", "/usr", "/var")  # fmt: skip
_TOPS = frozenset({"/", "/go", "/home", "/media", "/mnt", "/opt", "/srv", *_SYSTEM})
_PLAIN = re.compile(r"[\w@+./-]+\Z", re.ASCII)


def texts(placed: Placed, paths: Iterable[str]) -> dict[str, str] | Unknown:
    """Return the texts of sources, if they are not too many to be read."""
    found: dict[str, str] = {}
    size = 0
    for path in paths:
        text = placed.text(path)
        size += len(text or "")
        if text is None or len(found) >= MAX_SOURCES or size > MAX_SIZE:
            return Unknown("S524", f"not all sources are read: {path} is too much", "split by hand")
        found[path] = text
    return found


@lru_cache(maxsize=8)
def _patterns(language: str) -> tuple[str, ...]:
    rows = table("source_files")
    return tuple(row["pattern"] for row in rows if row["language"] in (language, "any"))


@lru_cache(maxsize=65536)
def is_source(path: str, language: str) -> bool:
    """Whether a file, by its path in the project, is a source or is for the repository's tools."""
    name = posixpath.basename(path)
    for pattern in _patterns(language):
        if pattern.endswith("/*"):
            folder = pattern[:-2]
            if f"/{folder}/" in f"/{posixpath.dirname(path)}/":
                return True
        elif fnmatchcase(name, pattern) or fnmatchcase(path, pattern):
            return True
    return False


def candidates(world: World, language: str, left_out: Iterable[str] = ()) -> list[str]:
    """Return the files in folders that are built which the program may read when it runs."""
    gone = set(left_out)
    found = []
    roots = sorted(world.projects, reverse=True)
    for path in world.placed.files:
        root = next((r for r in roots if below(path, r)), None)
        if root is None or path in gone or any(below(path, o) for o in world.outputs):
            continue
        if not is_source(posixpath.relpath(path, root), language):
            found.append(path)
    return sorted(found)


def outside(world: World) -> list[str]:
    """Return the files that copies put elsewhere than the sources."""
    roots = world.projects | world.outputs
    return sorted(p for p in world.placed.files if not any(below(p, root) for root in roots))


def grouped(world: World, paths: Iterable[str]) -> list[str] | Unknown:
    """Return folders that hold nothing else but the paths, and the paths that are in none."""
    wanted = set(paths)
    links = (p for p in sorted(wanted) if world.placed.kind(p) == "link")
    if link := next(links, ""):
        return Unknown(
            "S524", f"{link} is a link, and what it leads to may not stay", "copy a file"
        )
    files = set(world.placed.files) | set(world.programs)
    found = sorted(_groups(wanted, files, world))
    if len(found) > MAX_PATHS:
        return Unknown(
            "S524", f"which of {len(wanted)} files beside the sources are read at run time is not "
            "known", "add what only the repository needs to .dockerignore",
        )  # fmt: skip
    if bad := next((path for path in found if not _PLAIN.match(path)), ""):
        return Unknown("S524", f"{bad} has a name that needs quoting", "rename it")
    return found


def _groups(wanted: set[str], files: set[str], world: World) -> Iterator[str]:
    mixed = set(_TOPS)
    for path in files - wanted:
        while path not in mixed:
            mixed.add(path)
            path = posixpath.dirname(path)
    mixed |= world.projects
    done: set[str] = set()
    for path in wanted:
        top = path
        system = any(below(path, folder) for folder in _SYSTEM)
        while not system and posixpath.dirname(top) not in mixed:
            top = posixpath.dirname(top)
        if top not in done:
            done.add(top)
            yield top


def named(world: World, workdir: str, texts: Iterable[str], paths: Iterable[str]) -> set[str]:
    """Return those paths that texts name: as they are, by a folder, or by a pattern's folder."""
    everything = sorted(paths)
    found: set[str] = set()
    for text in texts:
        prefix = re.split(r"[*?\[{%]", text.removeprefix("file://"), maxsplit=1)[0]
        if prefix != text:
            prefix = posixpath.dirname(prefix)
        if not prefix.strip("./") or len(prefix) > 200:
            continue
        path = posixpath.normpath(posixpath.join(workdir, prefix))
        found |= {file for file in everything if below(file, path)}
    return found
