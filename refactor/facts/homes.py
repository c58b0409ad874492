"""Which folder of a repository is the build context of a Dockerfile.

What a compose or bake file says counts first; else it is the Dockerfile's own folder if all that is
copied is there, or the nearest folder above it that has it all.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from refactor.context import Context
from refactor.facts import sources
from refactor.snapshot import Snapshot

if TYPE_CHECKING:
    from refactor.outside.records import Build


def home(snapshot: Snapshot) -> str:
    """Return the build context's folder, as far as can be told."""
    tree, place = snapshot.repository, snapshot.place
    if tree is None:
        return ""
    own = posixpath.dirname(place)
    above = [own]
    while above[-1]:
        above.append(posixpath.dirname(above[-1]))
    wanted = _wanted(snapshot)
    named = [folder for up in above for folder in _named(tree, up, place)]
    for folder in (*named, *above):
        if all(tree.kind(posixpath.join(folder, name)) for name in wanted):
            return folder
    return named[0] if named else own


def _wanted(snapshot: Snapshot) -> list[str]:
    """Return the sources of copies from the context whose names are plain."""
    found: list[str] = []
    for stage in snapshot.graph.stages:
        for ins in stage.instructions:
            if ins.keyword in ("COPY", "ADD") and ins.flag("from") is None:
                for name in sources.of(ins, snapshot.dockerfile.escape):
                    plain = not any(c in name for c in "$*?[\\") and not sources.is_remote(name)
                    if plain and (path := name.strip("/")) not in ("", ".") and ".." not in path:
                        found.append(path)
    return found


def _named(tree: Context, folder: str, place: str) -> Iterator[str]:
    """Yield the contexts with which compose and bake files of a folder build a Dockerfile."""
    return (build.context for build in _builds(tree, folder) if place in build.files)


def named_contexts(tree: Context, place: str) -> dict[str, Build]:
    """Return the names for which a build of a Dockerfile has something else than what they name.

    What compose and bake files beside it, and above it, say is looked at.
    """
    found: dict[str, Build] = {}
    folder = place
    while folder:
        folder = posixpath.dirname(folder)
        for build in _builds(tree, folder):
            if place in build.files or "*" in build.files:
                found |= dict.fromkeys(map(str.lower, build.contexts), build)
    return found


@lru_cache(maxsize=32)
def _builds(tree: Context, folder: str) -> tuple[Build, ...]:
    ends = (".yml", ".yaml", ".hcl", ".json")
    paths = [posixpath.join(folder, name) for name in tree.names(folder) if name.endswith(ends)]
    if not paths:
        return ()
    # The readers of YAML and HCL are many modules.
    from refactor.outside.bake_files import MAX_TEXT, is_bake
    from refactor.outside.compose_files import COMPOSE, builds
    from refactor.outside.platforms import bake
    from refactor.outside.records import Build

    composed = (path for path in paths if COMPOSE.match(posixpath.basename(path)))
    found = [build for path in composed for build in builds(tree, path)]
    for path in filter(is_bake, paths):
        text = tree.head(path, MAX_TEXT).decode("utf-8", "replace")
        found += (record for record in bake(path, text) if isinstance(record, Build))
    return tuple(found)
