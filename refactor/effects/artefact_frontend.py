"""A front end that Node builds, and a server of the same image sends as files.

The server is a package of the system, so it is installed again on the plain base of the same
release: its configuration and its user come with it, and what was put beside them is copied.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from refactor.effects.artefact_needs import Files, Subject
from refactor.effects.artefact_node import call
from refactor.effects.artefact_roots import Needed
from refactor.effects.artefact_walk import Built, World, below
from refactor.effects.events import Exec
from refactor.effects.placed import Placed
from refactor.facts.images import Family, Image
from refactor.facts.installs import Unknown

SERVERS = frozenset({"nginx"})
_TOOLS = frozenset({"npx", "tsc", "vite", "ng"})
_PATH = re.compile(r"/[\w./-]+")
_INCLUDES = re.compile(r"\b(?:fastcgi|uwsgi|proxy|grpc|scgi)_pass\b|\bload_module\b|\blua_")


class FrontendReader:
    """Reads what builds a front end, and where its files are put."""

    def __init__(self) -> None:
        self.folders: set[str] = set()

    def __call__(
        self, event: Exec, where: str, env: Mapping[str, str], placed: Placed
    ) -> Built | Unknown | None:
        """Return what a command builds or puts elsewhere; None if it does neither."""
        asked = call(event)
        folder = asked.folder if asked is not None else where
        if asked is not None or event.argv[0] in _TOOLS:
            if not folder or folder == "/":
                return Unknown("S502", f"where `{event.text[:80]}` runs is not known",
                               "set a folder of its own with WORKDIR")  # fmt: skip
            self.folders.add(folder)
            text = f"`{event.text[:120]}` writes nothing outside {folder}"
            installs = asked is not None and asked.is_install
            return Built(sources=folder, assumes=() if installs else (text,))
        if event.argv[0] in ("cp", "mv"):
            return self.moved(event, where)
        return None

    def moved(self, event: Exec, where: str) -> Built | None:
        """Return where a copy of built files goes."""
        names = [word for word in event.argv[1:] if not word.startswith("-")]
        if len(names) < 2 or not where or any("$" in name for name in names):
            return None
        paths = [posixpath.normpath(posixpath.join(where, name)) for name in names]
        inside = [any(below(path, folder) for folder in self.folders) for path in paths]
        if not all(inside[:-1]) or inside[-1] or paths[-1].count("/") < 2:
            return None
        return Built(kept=frozenset(paths[-1:]))


def files(world: World, needed: Needed, subject: Subject) -> Files | Unknown:
    """Return the built files that the server's configuration names."""
    if not needed.programs <= SERVERS:
        return Unknown("S510", "what is started is no known server of files", "split by hand")
    named: set[str] = set()
    for path in world.placed.files:
        if any(below(path, folder) for folder in world.projects):
            continue
        text = world.placed.text(path) or ""
        if _INCLUDES.search(text):
            return Unknown("S510", f"{path} does more than send files", "split by hand")
        named |= {p.rstrip("/") for p in _PATH.findall(text) if in_project(world, p)}
    if not named and not world.kept:
        return Unknown("S502", "which files are sent is not seen", "split by hand")
    return Files((), paths=tuple(sorted(named)))


def in_project(world: World, path: str) -> bool:
    """Whether a path is strictly inside a folder that is built."""
    return any(below(path, root) and path.rstrip("/") != root for root in world.sources)


def bases(world: World, needed: Needed, image: Image) -> tuple[str, ...]:
    """Return the base of the same release, without Node."""
    return ("musl",) if image.family is Family.ALPINE else ("glibc",)
