"""Copies of a build context to build from: the repository itself is never written to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from errno import ELOOP
from pathlib import Path
from random import randrange
from typing import NamedTuple

from refactor.source import encode


class Laid(NamedTuple):
    """A context that is ready to be built: its folder, and where its Dockerfile is."""

    context: Path
    dockerfile: Path


def lay(
    repository: Path, home: str, place: str, text: str, files: Mapping[str, str], target: Path,
    links: bool = True,
) -> Laid:  # fmt: skip
    """Copy the context at `home` to a new folder, with the texts of a Dockerfile and other files.

    `home`, `place` and the paths of `files` are relative to the repository; without a `place`, the
    Dockerfile is laid beside the context. With `links`, files are hard links where the file system
    can do that: no build may write to them then. Symbolic links stay what they are, and nothing is
    written through one. What is neither a file, a folder nor a link is left out, as it is in a
    build, and so is what may not be read: the build will say so if it needs it.
    """
    context = target / "context"
    _copy(repository / home, context, target.parent, links)
    inside = f"{home}/" if home else ""
    for path, content in files.items():
        if path.startswith(inside):
            own = path.removeprefix(inside)
            if not is_plain(context, own):
                raise OSError(ELOOP, "a symbolic link is on the way", path)
            _write(context / own, content)
    if not place:
        dockerfile = target / "Dockerfile"
    elif place.startswith(inside) and is_plain(context, place.removeprefix(inside)):
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


def is_plain(root: Path, path: str) -> bool:
    """Whether a path stays below a folder, with no symbolic link among the folders on its way."""
    parts = path.split("/")
    if path.startswith("/") or ".." in parts:
        return False
    above = (root.joinpath(*parts[:count]) for count in range(1, len(parts)))
    return not any(folder.is_symlink() for folder in above)


def edit(path: Path) -> None:
    """Add some empty lines to a file, which becomes one of its own: it may be a hard link.

    How many is left to chance: what is built of the same edit is in the cache the next time.
    """
    mode, data = path.stat().st_mode & 0o7777, path.read_bytes()
    path.unlink()
    path.write_bytes(data + b"\n" * randrange(1, 10_000))
    path.chmod(mode)


def _copy(source: Path, target: Path, work: Path, links: bool) -> None:
    """Copy a folder, without the work folder: it may be in there."""
    target.mkdir(parents=True)
    try:
        entries = sorted(os.scandir(source), key=lambda entry: entry.name)
    except PermissionError:
        entries = []
    for entry in entries:
        to = target / entry.name
        if entry.is_symlink():
            to.symlink_to(os.readlink(entry.path))
        elif entry.is_dir():
            if not (entry.name == work.name and work.exists() and os.path.samefile(entry, work)):
                _copy(Path(entry.path), to, work, links)
        elif entry.is_file():
            _link(entry.path, to, links)
    target.chmod(source.stat().st_mode & 0o7777 | 0o700)  # so that it can be filled and removed


def _link(source: str, target: Path, links: bool) -> None:
    with suppress(OSError):  # another file system, or links to others' files are not allowed
        if links:
            os.link(source, target)
            return
    with suppress(PermissionError):
        shutil.copy2(source, target)


def _write(path: Path, text: str) -> None:
    """Write a file anew: what was there may be a link to the original."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o7777 if path.is_file() else 0o644
    path.unlink(missing_ok=True)
    path.write_bytes(encode(text))
    path.chmod(mode)
