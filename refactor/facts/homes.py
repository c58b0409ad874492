"""Which folder of a repository is the build context of a Dockerfile.

What a compose file says counts first; else it is the Dockerfile's own folder if all that is copied
is there, or the nearest folder above it that has it all.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from refactor.context import Context
from refactor.facts import sources
from refactor.snapshot import Snapshot

MAX_YAML = 256 * 1024
COMPOSE = re.compile(r"(?:docker-)?compose[\w.-]*\.ya?ml\Z")
_TAG = re.compile(r"!(?:reset|override)\b")


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
    """Yield the contexts with which the compose files of a folder build a Dockerfile."""
    for name in tree.names(folder):
        if COMPOSE.match(name):
            for build in builds(tree, posixpath.join(folder, name)):
                if build.get("dockerfile") == place:
                    yield str(build["context"])


def builds(tree: Context, path: str) -> Iterator[dict[str, Any]]:
    """Yield the builds of a compose file's services, with paths in the repository."""
    for service in services(tree, path).values():
        build = service.get("build")
        if isinstance(build, str):
            build = {"context": build}
        if not isinstance(build, dict) or "://" in str(build.get("context")):
            continue
        folder = posixpath.join(posixpath.dirname(path), str(build.get("context") or "."))
        folder = posixpath.normpath(folder).removeprefix(".").lstrip("/")
        file = posixpath.normpath(
            posixpath.join(folder, str(build.get("dockerfile", "Dockerfile")))
        )
        yield {**build, "context": folder, "dockerfile": file}


def services(tree: Context, path: str) -> dict[str, dict[str, Any]]:
    """Return the services of a compose file; none if it cannot be read."""
    data = tree.head(path, MAX_YAML + 1)
    if b"services" not in data or len(data) > MAX_YAML:
        return {}
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(_TAG.sub("", data.decode("utf-8", "replace")))
        items = (found.get("services") or {}).items()
    except (YAMLError, AttributeError, ValueError, RecursionError):
        return {}
    return {str(name): service for name, service in items if isinstance(service, dict)}
