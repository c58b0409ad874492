"""What a repository has already: hooks, CI systems, a configuration, images to build."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from refactor import config
from refactor.context import DiskContext
from refactor.discover import discover
from refactor.facts.homes import home
from refactor.init.pieces import Image
from refactor.snapshot import Snapshot
from refactor.source import Unreadable, decode
from refactor.syntax import ParseError, parse

_URL = re.compile(r"^\s*url\s*=\s*(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Detected:
    """What there is; `configured` is whether there is a configuration."""

    pre_commit: bool
    github: bool
    gitlab: bool
    scan: str
    configured: bool


def detected(folder: Path) -> Detected:
    """Look at the top folder of a repository.

    Raises ConfigError for a configuration that cannot be used.
    """

    def has(*names: str) -> bool:
        return any(os.path.lexists(folder / name) for name in names)

    remotes = " ".join(_remotes(folder))
    marks = {
        "trivy": (".trivyignore", ".trivyignore.yaml", "trivy.yaml"),
        "grype": (".grype.yaml",),
        "scout": (".scout-accepted",),
    }
    return Detected(
        has(".pre-commit-config.yaml"),
        has(".github") or "github.com" in remotes,
        has(".gitlab-ci.yml", ".gitlab") or "gitlab" in remotes,
        next((scanner for scanner, names in marks.items() if has(*names)), "none"),
        config.load(folder / "Dockerfile").root is not None,
    )


def _remotes(folder: Path) -> list[str]:
    try:
        text = (folder / ".git" / "config").read_text(encoding="utf-8", errors="replace")
    except OSError:  # a worktree's is elsewhere
        return []
    return _URL.findall(text)


def images(folder: Path) -> Iterator[Image]:
    """Yield the Dockerfiles that can be read, with what is probably their build context."""
    tree = DiskContext(folder)
    for file in discover([folder]).files:
        place = file.relative_to(folder).as_posix()
        try:
            text = decode(file.read_bytes())
            snapshot = Snapshot(PurePath(place), text, parse(text), tree, place=place)
        except (OSError, ParseError, Unreadable):
            continue
        yield Image(place, home(snapshot) or ".")
