"""Who does the work: processes of this machine, or the workers of a dask.distributed cluster.

Work is a function of one value; values and results cross processes. A worker that is killed loses
only what it was at, which is tried once more.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

J = TypeVar("J")
R = TypeVar("R")
TRIES = 2


class Lost(NamedTuple):
    """What is left of work whose worker was killed, or ran out of time."""

    reason: str


class Executor(Protocol):
    """Runs work on jobs, at most a few ahead of who reads the results, which come in any order."""

    def run(self, work: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Yield each job with its result."""


class _Worker(NamedTuple):
    process: ForkProcess
    line: Connection


@dataclass(frozen=True)
class Local:
    """Processes of this machine; a job that takes longer than `seconds` (0: no limit) is ended."""

    processes: int
    seconds: float = 0.0

    def run(self, work: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Yield each job with its result."""
        from multiprocessing.connection import wait

        waiting = iter(jobs)
        again: deque[tuple[J, int]] = deque()
        workers: list[_Worker] = []
        busy: dict[Connection, tuple[_Worker, J, int, float]] = {}
        try:
            while True:
                while len(busy) < self.processes:
                    job, tries = again.popleft() if again else (next(waiting, _END), 0)
                    if job is _END:
                        break
                    idle = [worker for worker in workers if worker.line not in busy]
                    worker = idle[0] if idle else _started(work, workers)
                    with suppress(OSError):  # it died meanwhile: that is seen below
                        worker.line.send(job)
                    busy[worker.line] = (worker, job, tries + 1, time.monotonic())
                if not busy:
                    return
                for line in wait(list(busy), timeout=1.0):
                    worker, job, tries, _ = busy.pop(line)  # type: ignore[call-overload]
                    try:
                        yield job, worker.line.recv()
                    except (EOFError, OSError):
                        workers.remove(worker)
                        _ended(worker)
                        if tries < TRIES:
                            again.append((job, tries))
                        else:
                            yield job, Lost(f"its worker ended twice ({worker.process.exitcode})")
                yield from self._late(workers, busy)
        finally:
            for worker in workers:
                _ended(worker)

    def _late(
        self, workers: list[_Worker], busy: dict[Connection, tuple[_Worker, Any, int, float]]
    ) -> Iterator[tuple[Any, Lost]]:
        """End what takes too long."""
        for line, (worker, job, _, start) in list(busy.items()):
            if self.seconds and time.monotonic() - start > self.seconds and not line.poll():
                del busy[line]
                workers.remove(worker)
                _ended(worker)
                yield job, Lost(f"took more than {self.seconds:g} s")


_END: Any = object()


def _started(work: Callable[[Any], Any], workers: list[_Worker]) -> _Worker:
    from multiprocessing import get_context

    context = get_context("fork")
    ours, theirs = context.Pipe()
    others = [worker.line for worker in workers]
    sys.stdout.flush()
    sys.stderr.flush()
    process = context.Process(target=_serve, args=(work, theirs, [ours, *others]), daemon=True)
    process.start()
    theirs.close()
    worker = _Worker(process, ours)
    workers.append(worker)
    return worker


def _serve(work: Callable[[Any], Any], line: Connection, others: list[Connection]) -> None:
    """Work until nobody asks any more, and not on when whoever asked was killed."""
    from threading import Thread

    os.setsid()  # so that all that it starts can be ended with it
    Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in others:
        other.close()
    with suppress(EOFError, OSError):
        while True:
            line.send(_done(work, line.recv()))
    os._exit(0)


def _done(work: Callable[[J], R], job: J) -> R | Lost:
    """Work; a bug that one repository shows must not end a campaign over thousands."""
    try:
        return work(job)
    except Exception as error:
        return Lost(f"{type(error).__name__}: {error}; please report it")


def _follow(parent: int) -> None:
    """End this worker and what it started as soon as its parent is gone."""
    while os.getppid() == parent:
        time.sleep(0.1)
    os.killpg(0, signal.SIGKILL)


def _ended(worker: _Worker) -> None:
    """End a worker at once, with the programs in its session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.process.pid or 0, signal.SIGKILL)
    worker.process.kill()
    worker.process.join()
    worker.line.close()


@dataclass(frozen=True)
class Dask:
    """The workers of a cluster, by its scheduler's address."""

    scheduler: str

    def run(self, work: Callable[[J], R], jobs: Iterable[J]) -> Iterator[tuple[J, R | Lost]]:
        """Yield each job with its result."""
        from importlib import import_module

        distributed: Any = import_module("distributed")  # it has no types
        with distributed.Client(self.scheduler, timeout="30s") as client:
            waiting = iter(jobs)
            ahead = max(2, 2 * sum(client.nthreads().values()))
            asked = {client.submit(work, job, pure=False): job for job in islice(waiting, ahead)}
            coming = distributed.as_completed(list(asked))
            for future in coming:
                job = asked.pop(future)
                following = next(waiting, _END)
                if following is not _END:
                    added = client.submit(work, following, pure=False)
                    asked[added] = following
                    coming.add(added)
                if future.status == "finished":
                    yield job, future.result()
                else:
                    yield job, Lost(str(future.exception())[:500])
