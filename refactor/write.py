"""Puts a file's new bytes in its place: whole or not at all; mode, owner and links stay."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


class Unwritable(OSError):
    """The file was left as it was; the message says why."""


def write(path: Path, before: bytes, after: bytes) -> None:
    """Replace `before` by `after`; fail if the file is no longer what was read."""
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
