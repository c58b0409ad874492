"""Other programs, run to their end: with a time limit, line by line, nothing left behind."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import NamedTuple, TypeVar

MAX_LINE = 4096
MAX_KEPT = 4 * 1024 * 1024
GRACE = 3.0  # seconds between SIGTERM and SIGKILL

Say = Callable[[str], None]
Made = TypeVar("Made")


_running: set[subprocess.Popen[bytes]] = set()
_guard = threading.Lock()
_stopping = threading.Event()


class Voice(NamedTuple):
    """Who wants to know what is going on: `say` gets each step, `log` all that programs print."""

    say: Say
    log: Say


class Ended(NamedTuple):
    """How a program ended, and the last 4 MB of what it printed, both streams together.

    `code` is the exit status, negative for a signal, None if its time was up.
    """

    code: int | None
    text: str
    seconds: float


class Absent(OSError):
    """The program is not installed, or may not be run."""


def run(
    command: Sequence[str],
    seconds: float,
    environment: Mapping[str, str] | None = None,
    say: Say | None = None,
) -> Ended:
    """Run a program; `say` gets each line while it runs.

    It runs in a session of its own, which is ended with it: also when this process is interrupted.
    """
    start = time.monotonic()
    with _guard:
        if _stopping.is_set():
            raise Absent(f"{command[0]}: not started any more")
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, env=environment, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise Absent(f"{command[0]}: {error.strerror}") from None
        _running.add(process)
    reader = _Reader(process, say)
    try:
        in_time = reader.follow(start + seconds)
    finally:
        _end(process)
        _running.discard(process)
    code = process.returncode if in_time else None
    return Ended(code, reader.text, time.monotonic() - start)


@contextmanager
def stopped() -> Iterator[None]:
    """End what other threads run, which cannot be interrupted themselves, and start nothing."""
    with _guard:
        _stopping.set()
        found = list(_running)
    for process in found:
        _end(process)
    try:
        yield
    finally:
        _stopping.clear()


def side_by_side(one: Callable[[], Made], other: Callable[[], Made]) -> tuple[Made, Made]:
    """Return what two functions do that run programs; an interrupt ends those of both."""
    with ThreadPoolExecutor(2) as pool:
        both = pool.submit(one), pool.submit(other)
        try:
            return both[0].result(), both[1].result()
        except BaseException:
            with stopped():
                pool.shutdown()
            raise


class _Reader:
    """Collects what a process prints: the end of it, and each line for who wants it."""

    def __init__(self, process: subprocess.Popen[bytes], say: Say | None) -> None:
        self.process = process
        self.say = say
        self.kept = bytearray()
        self.line = bytearray()

    @property
    def text(self) -> str:
        """What was printed, the end of it."""
        return self.kept.decode("utf-8", "replace")

    def follow(self, deadline: float) -> bool:
        """Read until the process ends; return False if it is not over at a time."""
        stream = self.process.stdout
        assert stream is not None
        with selectors.DefaultSelector() as selector, stream:
            selector.register(stream, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                if selector.select(left):
                    data = os.read(stream.fileno(), 65536)
                    if not data:
                        return self._waited(deadline)
                    self._take(data)
        return False

    def _waited(self, deadline: float) -> bool:
        """Wait for the end of a process that has closed its output."""
        try:
            self.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _take(self, data: bytes) -> None:
        self.kept += data
        if len(self.kept) > 2 * MAX_KEPT:
            del self.kept[:-MAX_KEPT]
        if self.say is None:
            return
        *lines, rest = (bytes(self.line) + data).split(b"\n")
        for line in lines:
            self.say(line[:MAX_LINE].decode("utf-8", "replace").rstrip("\r"))
        self.line = bytearray(rest[:MAX_LINE])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, if it is still there."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
