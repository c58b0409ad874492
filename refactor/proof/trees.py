"""Copies of a build context to build from: the repository itself is never written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from refactor.source import encode


class Laid(NamedTuple):
    """A context that is ready to be built: its folder, and where its Dockerfile is."""

    context: Path
    dockerfile: Path


def lay(
    repository: Path, home: str, place: str, text: str, files: Mapping[str, str], target: Path
) -> Laid:
    """Copy the context at `home` to a new folder, with the texts of a Dockerfile and other files.

    `home`, `place` and the paths of `files` are relative to the repository. Files are linked where
    the file system can do that, links stay links, and what is neither is left out, as it is in a
    build.
    """
    context = target / "context"
    _copy(repository / home, context, target.parent)
    inside = f"{home}/" if home else ""
    for path, content in files.items():
        if path.startswith(inside):
            _write(context / path.removeprefix(inside), content)
    if place.startswith(inside):
        dockerfile = context / place.removeprefix(inside)
    else:
        dockerfile = target / Path(place).name
        rules = f"{place}.dockerignore"
        if rules in files:
            _write(target / Path(rules).name, files[rules])
        elif (repository / rules).is_file():
            shutil.copyfile(repository / rules, target / Path(rules).name)
    _write(dockerfile, text)
    return Laid(context, dockerfile)


def _copy(source: Path, target: Path, work: Path) -> None:
    """Copy a folder, without the work folder: it may be in there."""
    target.mkdir(parents=True)
    shutil.copystat(source, target)
    with os.scandir(source) as entries:
        for entry in entries:
            to = target / entry.name
            if entry.is_symlink():
                to.symlink_to(os.readlink(entry.path))
            elif entry.is_dir():
                if not (
                    entry.name == work.name and work.exists() and os.path.samefile(entry, work)
                ):
                    _copy(Path(entry.path), to, work)
            elif entry.is_file():
                _link(entry.path, to)


def _link(source: str, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or links to others' files are not allowed
        shutil.copy2(source, target)


def _write(path: Path, text: str) -> None:
    """Write a file anew: what was there may be a link to the original."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o7777 if path.is_file() else 0o644
    path.unlink(missing_ok=True)
    path.write_bytes(encode(text))
    path.chmod(mode)
