"""Clones in a cache: bare, shallow, without the contents of files, and no more than fit."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from zlib import crc32

from refactor.fleet.campaign import folder_name
from refactor.fleet.git import Bounds, GitError, git
from refactor.fleet.records import Repository

_NEW = ".new-"
_SELDOM = 64  # one in so many clones looks whether all of them still fit: that takes a while
_SHALLOW = ("--depth=1", "--filter=blob:none", "--no-tags")
FRESH = 60.0  # seconds for which a clone that was used is not thrown away


class Room(NamedTuple):
    """Where clones are, and what one of them and all of them may cost.

    `tokens` are servers (forge and address), each with the variable (`env:NAME`) that lets git in.
    """

    cache: str
    seconds: float
    clone_bytes: int
    cache_bytes: int
    tokens: tuple[tuple[tuple[str, str], str], ...] = ()

    @property
    def bounds(self) -> Bounds:
        """The bounds of each call of git."""
        return Bounds(self.seconds, self.clone_bytes)


class Clone(NamedTuple):
    """A bare repository on the disk, and the branch that it is a clone of."""

    folder: Path
    branch: str


def newest(repository: Repository, room: Room) -> Clone:
    """Return a clone of a repository as it is now; raise GitError if there can be none."""
    folder = _folder(repository, room)
    where = address(repository.address)
    if folder.is_dir():
        _unlock(folder)
        clone = Clone(folder, _head(folder))
        listed = git(
            "ls-remote", "--", where, f"refs/heads/{repository.branch or clone.branch}",
            bounds=room.bounds, more=_credentials(repository, room),
        )  # fmt: skip
        if listed and listed.split()[0].decode() == _commit(folder):
            os.utime(folder)
            return clone
    return _cloned(repository, room, folder)


def at(repository: Repository, base: str, room: Room) -> Clone:
    """Return a clone that has a commit; raise GitError if the repository has it no more."""
    folder = _folder(repository, room)
    if folder.is_dir():
        _unlock(folder)
        with suppress(GitError):
            git("cat-file", "-e", f"{base}^{{commit}}", folder=folder, bounds=room.bounds)
            os.utime(folder)
            return Clone(folder, _head(folder))
    clone = _cloned(repository, room, folder)
    if _commit(folder) != base:
        git(
            "fetch", "-q", *_SHALLOW, "origin", base, folder=folder, bounds=room.bounds,
            more=_credentials(repository, room),
        )  # fmt: skip
    return clone


def fetch(repository: Repository, clone: Path, names: Sequence[str], room: Room) -> None:
    """Fetch objects by their names, in one go."""
    git(
        "-c", "fetch.negotiationAlgorithm=noop", "fetch", "-q", "--no-tags", "--filter=blob:none",
        "--no-write-fetch-head", "--stdin", "origin",
        folder=clone, input="".join(f"{name}\n" for name in names).encode(), bounds=room.bounds,
        more=_credentials(repository, room),
    )  # fmt: skip


def _cloned(repository: Repository, room: Room, folder: Path) -> Clone:
    """Clone beside, and put the clone in its place: it is there whole, or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not crc32(repository.id.encode()) % _SELDOM:
        _trim(Path(room.cache), room.cache_bytes)
    new = Path(tempfile.mkdtemp(prefix=_NEW, dir=room.cache))
    branch = ["--branch", repository.branch] if repository.branch else []
    try:
        git(
            "clone", "-q", "--bare", "--template=", "--single-branch", *_SHALLOW, *branch, "--",
            address(repository.address), str(new / "git"), bounds=room.bounds,
            more=_credentials(repository, room),
        )  # fmt: skip
        if folder.is_dir():
            os.rename(folder, new / "old")
        os.rename(new / "git", folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return Clone(folder, _head(folder))


def _credentials(repository: Repository, room: Room) -> dict[str, str]:
    """Return what lets git read a private repository: each worker has it from its environment."""
    if repository.address.startswith(("/", "file:")):
        return {}
    from refactor.fleet.forge.base import ForgeError
    from refactor.fleet.forge.tokens import git_environment

    kind, server = repository.forge, repository.server
    named = dict(room.tokens).get((kind, server), "")
    try:
        return dict(git_environment(repository.address, kind, server, named))
    except ForgeError as error:
        raise GitError(str(error)) from None


def _unlock(folder: Path) -> None:
    """Remove the locks of a git that was killed: no other works here now."""
    for lock in (*folder.glob("*.lock"), *folder.glob("refs/**/*.lock")):
        lock.unlink(missing_ok=True)


def _folder(repository: Repository, room: Room) -> Path:
    return Path(room.cache) / folder_name(repository.id)


def address(address: str) -> str:
    """Return an address; that of a path is one by which git does not take a short cut."""
    return f"file://{quote(address)}" if address.startswith("/") else address


def _head(folder: Path) -> str:
    text = (folder / "HEAD").read_text(encoding="utf-8", errors="replace")
    if not text.startswith("ref: refs/heads/"):
        raise GitError("HEAD is no branch: say which is to be changed")
    return text.strip().removeprefix("ref: refs/heads/")


def _commit(folder: Path) -> str:
    """Return the commit that was cloned, empty if there is none."""
    with suppress(GitError):
        return git("rev-parse", "-q", "--verify", "HEAD", folder=folder).decode().strip()
    return ""


def clear(cache: Path) -> None:
    """Remove what killed runs left; nothing else may be cloning into the cache."""
    if cache.is_dir():
        for entry in cache.iterdir():
            if entry.name.startswith(_NEW):
                shutil.rmtree(entry, ignore_errors=True)


def _trim(cache: Path, most: int) -> None:
    """Remove the clones that were not used for longest, until all others fit."""
    if not most:
        return
    found = []
    with os.scandir(cache) as entries:
        for entry in entries:
            if not entry.name.startswith(_NEW):
                with suppress(OSError):
                    found.append((entry.stat().st_mtime, entry.path))
    total = 0
    for used, path in sorted(found, reverse=True):
        total += _size(path)
        if total > most and time.time() - used > FRESH:
            shutil.rmtree(path, ignore_errors=True)


def _size(path: str) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(f"{folder}/{name}").st_size
    return total
