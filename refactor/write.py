"""Puts a file's new bytes in its place: whole or not at all; mode, owner and links stay."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


class Unwritable(OSError):
    """The file was left as it was; the message says why."""


Files = list[tuple[Path, bytes | None, bytes]]


def write(path: Path, before: bytes, after: bytes, others: Files | None = None) -> None:
    """Replace `before` by `after`; fail if the file is no longer what was read.

    The other files of a change are written first; if one of all fails, those are put back.
    """
    done: Files = []
    try:
        for other, old, new in others or []:
            if _write_other(other, old, new):
                done.append((other, old, new))
        if before != after:
            _write(path, before, after)
    except BaseException:
        for other, old, new in reversed(done):
            if old is None:
                other.unlink()
            else:
                _write(other, new, old)
        raise


def put(path: Path, data: bytes) -> None:
    """Write a file of ours, such as a report, whole or not at all; one that is there is replaced.

    What is no regular file, such as a terminal or a pipe, is written to.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        elif path.is_file():
            _replace(path.resolve(), data, path.stat())
        else:
            path.touch(exist_ok=False)
            _replace(path, data, path.stat())
    except OSError as error:
        raise Unwritable(error.strerror or str(error)) from None


def _write_other(path: Path, before: bytes | None, after: bytes) -> bool:
    """Write a file that may be new; return False if it is already as it should be."""
    if path.is_symlink():
        raise Unwritable(f"{path.name} is a symbolic link")
    if path.is_file():
        if path.read_bytes() == after:  # another Dockerfile of the context asked for the same
            return False
        if before is not None:
            _write(path, before, after)
            return True
    if before is not None or path.exists():
        raise Unwritable(f"{path.name} changed on disk while it was read; run again")
    try:
        with path.open("xb") as stream:
            stream.write(after)
    except OSError as error:
        raise Unwritable(f"{path.name}: {error.strerror or error}") from None
    return True


def _write(path: Path, before: bytes, after: bytes) -> None:
    target = path.resolve()  # a symbolic link stays one: what it points to is written
    try:
        if target.read_bytes() != before:
            raise Unwritable("changed on disk while it was read; run again")
        status = target.stat()
        if not os.access(target, os.W_OK) or not status.st_mode & 0o222:
            raise Unwritable("the file is read-only; change its mode first")
        if status.st_nlink > 1:  # a new file would leave the other names behind
            with target.open("r+b") as stream:
                stream.write(after)
                stream.truncate()
            return
        _replace(target, after, status)
    except Unwritable:
        raise
    except OSError as error:
        raise Unwritable(error.strerror or str(error)) from None


def _replace(target: Path, after: bytes, status: os.stat_result) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(after)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, status.st_mode & 0o7777)
        if (os.geteuid(), os.getegid()) != (status.st_uid, status.st_gid):
            os.chown(name, status.st_uid, status.st_gid)
        os.replace(name, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise
