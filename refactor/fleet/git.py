"""git, run so that nothing of a repository acts.

There is no work tree anywhere: clones are bare, files are read from objects, and commits are made
of streams. So no attribute, filter, submodule or link has a say. Hooks, monitors, prompts, other
transports and fetches that nobody asked for are switched off. The configuration of the user, such
as a credential helper or `insteadOf`, holds.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import compress
from pathlib import Path
from typing import IO, NamedTuple

from refactor.context import TreeError

TRANSPORTS = ("file", "git", "http", "https", "ssh")
SECONDS = 300
GRACE = 3.0  # between SIGTERM and SIGKILL
_ALONE = (
    "--no-pager", "-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false",
    "-c", f"core.attributesFile={os.devnull}", "-c", "protocol.ext.allow=never",
    "-c", "transfer.unpackLimit=1", "-c", "fastImport.unpackLimit=1",
    "-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "submodule.recurse=false",
    "-c", "fetch.recurseSubmodules=false", "-c", "fetch.writeCommitGraph=false",
    "-c", "init.defaultBranch=main",
)  # fmt: skip
_SET = {
    "GIT_ALLOW_PROTOCOL": ":".join(TRANSPORTS),
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",  # also of who serves a local repository: its remotes are its own
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C",
}
# What of the user's environment git may see: how to reach a server, and whose settings hold.
_KEPT = re.compile(
    r"GIT_(?:CONFIG_(?:GLOBAL|SYSTEM|NOSYSTEM)|SSH|SSH_COMMAND|SSH_VARIANT|SSL_\w+|PROXY_\w+)\Z"
)
_USER = re.compile(r"(?<=://)[^/@\s]+@")
MAX_COMMIT = 1024 * 1024
_BLOCK = 512  # bytes, of `ulimit -f`


class GitError(TreeError):
    """git did not do what it was asked for; the message is what it said, without credentials."""


class TooMuch(GitError):
    """A limit was reached: time, or the size of a file."""


class Bounds(NamedTuple):
    """What one call may cost: seconds, and bytes of each file that it writes; 0 is no limit."""

    seconds: float = SECONDS
    bytes: int = 0


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment that git runs in."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or _KEPT.match(k)}
    return {**own, **_SET, **(more or {})}


def git(
    *words: str,
    folder: Path | None = None,
    input: bytes = b"",
    bounds: Bounds = Bounds(),  # noqa: B008  # a value
    more: Mapping[str, str] | None = None,
) -> bytes:
    """Run git to its end and return what it printed; `folder` is a bare repository.

    `more` goes into the environment. Raises GitError, and TooMuch where a bound was reached.
    """
    command = [*_command(folder), *words]
    if bounds.bytes:
        blocks = str(-(-bounds.bytes // _BLOCK))
        command = ["sh", "-c", 'ulimit -f "$1"; shift; exec "$@"', "sh", blocks, *command]
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
                env=environment(more), cwd="/",
                restore_signals=False,  # SIGXFSZ stays ignored: git says what is too large
            )  # fmt: skip
        except OSError as error:
            raise GitError(f"git cannot be run: {error.strerror}; install it") from None
        try:
            printed, _ = process.communicate(input, timeout=bounds.seconds or None)
        except subprocess.TimeoutExpired:
            raise TooMuch(f"git {words[0]} took more than {bounds.seconds:g} s") from None
        finally:
            end(process)
        if process.returncode:
            raise _error(words[0], process.returncode, said, bounds)
    return printed


def _error(word: str, code: int, said: IO[bytes], bounds: Bounds) -> GitError:
    said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
    text = said.read().decode("utf-8", "replace")
    if bounds.bytes and os.strerror(errno.EFBIG) in text:
        return TooMuch(f"larger than {bounds.bytes} bytes")
    lines = [line for line in text.splitlines() if line.startswith(("fatal:", "error:", "remote:"))]
    told = " ".join(lines or text.splitlines()[-3:]) or f"ended with {code}"
    return GitError(f"git {word}: {without_user(told)[:500]}")


def without_user(text: str) -> str:
    """Return a text whose addresses name no user and no password."""
    return _USER.sub("", text)


def _command(folder: Path | None) -> list[str]:
    # A folder that is named outright is not searched for, and need not be the user's own.
    return ["git", *_ALONE, *([f"--git-dir={folder}"] if folder is not None else [])]


def end(process: subprocess.Popen[bytes]) -> None:
    """End git, and with it what it started, if it is still there."""
    if process.poll() is None:
        process.terminate()  # git ends what it started, and removes what it began to write
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()


class Object(NamedTuple):
    """An object of git's: its name, kind, size, and as much of its bytes as was asked for."""

    id: str
    kind: str
    size: int
    data: bytes


class Objects:
    """Reads the objects of a bare repository, by one process for all of them.

    git is not asked for what is in no pack: before 2.45 it would fetch it, one by one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._packs: set[Path] = set()
        self._present: set[bytes] = set()
        self._width = 20

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def are_there(self, names: Iterable[str]) -> list[bool]:
        """Return of each name whether there is such an object."""
        for pack in set(self.folder.glob("objects/pack/*.idx")) - self._packs:
            self._packs.add(pack)
            self._present |= _packed(pack.read_bytes(), self._width)
        return [bytes.fromhex(name) in self._present for name in names]

    def commit(self, name: str) -> Object | None:
        """Return the commit of a name such as HEAD, None if there is none."""
        found = self._asked([name], MAX_COMMIT)[0]
        if found is not None:
            self._width = len(found.id) // 2  # SHA-1, or SHA-256
        return found

    def read(self, names: Sequence[str], most: int) -> list[Object | None]:
        """Return objects by name, and at most `most` bytes of each; None for what is not there.

        Raises GitError if git ends early.
        """
        there = self.are_there(names)
        found = iter(self._asked(list(compress(names, there)), most))
        return [next(found) if is_there else None for is_there in there]

    def _asked(self, names: Sequence[str], most: int) -> list[Object | None]:
        found: list[Object | None] = []
        for at in range(0, len(names), 100):  # so few fit into a pipe: nobody waits for the other
            rest = list(names[at : at + 100])
            process = self._running()
            assert process.stdin is not None
            try:
                process.stdin.write("".join(f"{name}\n" for name in rest).encode())
                process.stdin.flush()
            except OSError:
                raise GitError("git cat-file ended early") from None
            while rest:
                one, whole = self._next(most)
                found.append(one)
                rest.pop(0)
                if not whole:  # the others have to be asked for again
                    self.close()
                    found += self._asked(rest, most)
                    break
        return found

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [*_command(self.folder), "cat-file", "--batch"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/",
                env=environment({"GIT_ALLOW_PROTOCOL": "none"}),
            )  # fmt: skip
        return self._process

    def _next(self, most: int) -> tuple[Object | None, bool]:
        """Return the next object, and whether all of it was read."""
        assert self._process is not None
        assert self._process.stdout is not None
        stream = self._process.stdout
        head = stream.readline(4096).decode("ascii", "replace").split()
        if not head:
            raise GitError("git cat-file ended early")
        if len(head) != 3 or not head[2].isdigit():
            return None, True
        size = int(head[2])
        data = stream.read(min(size, most))
        if len(data) < min(size, most):
            raise GitError("git cat-file ended early")
        whole = size <= most
        if whole:
            stream.read(1)
        return Object(head[0], head[1], size, data), whole


def _packed(index: bytes, width: int) -> set[bytes]:
    """Return the names in the index of a pack (gitformat-pack(5), version 2)."""
    if index[:8] != b"\xfftOc\0\0\0\2":
        raise GitError("a pack with an index of another version")
    start, count = 8 + 4 * 256, int.from_bytes(index[1028:1032], "big")
    return {index[at : at + width] for at in range(start, start + count * width, width)}
