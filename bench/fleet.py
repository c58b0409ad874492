"""Campaigns over many repositories, measured.

    python -m bench.fleet CORPUS --count 1000     bare repositories made of the corpus: every phase
    python -m bench.fleet CORPUS --simulate 10000 trees that are made in memory: plan, no git

The phases run as `dfr fleet` runs them. `--kills` kills each phase that often, and compares what
comes of it with an undisturbed run. Memory is that of whole processes, in MB: of the one that keeps
the ledger, and of the largest worker.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from refactor.config import Config
from refactor.context import MemoryContext
from refactor.fleet.clones import Room
from refactor.fleet.executors import Local, Lost
from refactor.fleet.group_decisions import Row, document
from refactor.fleet.ledger import Ledger
from refactor.fleet.planning import Settings, of_tree
from refactor.fleet.records import Plan, Repository, Ruling
from refactor.fleet.reviewing import groups
from tests.fleet_campaigns import branches, campaign, killed_times, plans, run
from tests.fleet_repositories import git, made, of_corpus


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description="Measure campaigns.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--simulate", type=int, default=0)
    parser.add_argument("--kills", type=int, default=0)
    given = parser.parse_args()
    with TemporaryDirectory(prefix="dfr-fleet-") as folder:
        if given.simulate:
            simulate(given.corpus, Path(folder), given.simulate)
        else:
            phases(given.corpus, Path(folder), given.count, given.kills)


def timed(name: str, work: Callable[[], object]) -> float:
    """Do something and say how long it took."""
    start = time.monotonic()
    found = work()
    seconds = time.monotonic() - start
    told = getattr(found, "stderr", "") or (found if isinstance(found, int) else "")
    last = str(told).strip().rpartition("\n")[2]
    print(f"{name:<12} {seconds:8.1f} s  {last}", flush=True)
    return seconds


def phases(corpus: Path, folder: Path, count: int, kills: int) -> None:
    """Take repositories of the corpus through the phases."""
    remotes = folder / "remotes"
    timed("make", lambda: made(corpus, remotes, count) and None)
    one = folder / "one"
    timed("init", lambda: campaign(one, remotes / "list.txt") and None)
    seconds = timed("plan", lambda: run("plan", one))
    decisions = decided(one, folder / "decisions.json")
    review = ("--decisions", str(decisions))
    timed("review", lambda: run("review", one, *review, code=1))  # 1: some are left undecided
    seconds += timed("apply", lambda: run("apply", one))
    timed("again", lambda: (run("plan", one), run("apply", one))[1])
    if kills:
        chance = random.Random(11)
        other = campaign(folder / "other", remotes / "list.txt")
        longest = max(1.5, seconds / kills)
        for phase in ("plan", "apply", "publish"):
            times = killed_times(phase, other, kills, chance, longest)
            timed(f"{phase}, {times} kills", lambda phase=phase: run(phase, other))  # type: ignore[misc]
            if phase == "plan":
                run("review", other, *review, code=1)
        same = list(plans(other)) == list(plans(one)) and branches(other) == branches(one)
        print("the killed one came to", "the same" if same else "SOMETHING ELSE", flush=True)
    timed("publish", lambda: run("publish", one))
    print(f"{published(one)} branches stand in the remotes as they were made")
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"largest process {largest} MB; ledger {(one / 'ledger.sqlite').stat().st_size >> 20} MB")


def decided(folder: Path, path: Path) -> Path:
    """Write decisions that accept each suggested change that several repositories have."""
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        rows = [
            Row(Ruling("exact", group.subject, "", "", "accept", at=1.0))
            for group in groups(ledger, "exact")
            if group.level == "suggested" and group.repositories > 1
        ]
    path.write_text(document(rows, "test", "0"), encoding="utf-8")
    print(f"{len(rows)} groups are accepted", flush=True)
    return path


def published(folder: Path) -> int:
    """Return how many remotes have the branch that was made, no other commit; exit if one has."""
    count = 0
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        for branch in branches(folder):
            repository = ledger.repository(branch.repository)
            if branch.state != "made" or repository is None:
                continue
            where = Path(repository.address)
            head = git("rev-parse", f"refs/heads/{branch.name}", folder=where).decode().strip()
            if head != branch.head:
                sys.exit(f"{branch.repository} has another branch")
            count += 1
    return count


class _Job(NamedTuple):
    corpus: str
    number: int


@lru_cache(maxsize=1)
def _files(corpus: str) -> list[dict[str, bytes]]:
    return [files for _, files in of_corpus(Path(corpus), 500) if files]


def _simulated(job: _Job) -> tuple[Plan, int]:
    """Plan a repository that there is only in memory; return also this process's size in MB."""
    start = time.monotonic()
    found = _files(job.corpus)
    files = dict(found[job.number % len(found)])
    files["NUMBER"] = b"%d\n" % job.number
    settings = Settings(Config(), Room("", 0, 0, 0), version="1")
    plan = of_tree(MemoryContext(files), Plan(f"memory/{job.number:06}", "failed"), settings)
    plan = plan._replace(version="1", seconds=time.monotonic() - start)
    return plan, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def simulate(corpus: Path, folder: Path, count: int) -> None:
    """Plan repositories that there are only in memory, and record the plans."""
    _files(str(corpus))  # before processes are forked: all share it
    print("repositories  seconds  coordinator MB  worker MB", flush=True)
    start, largest = time.monotonic(), 0
    with Ledger.create(folder / "ledger.sqlite") as ledger:
        ledger.put_repositories(Repository(f"memory/{n:06}", "") for n in range(count))
        jobs: Iterator[_Job] = (_Job(str(corpus), n) for n in range(count))
        done = Local(os.cpu_count() or 1).run(_simulated, jobs)
        for number, (_, result) in enumerate(done, 1):
            if isinstance(result, Lost):
                sys.exit(result.reason)
            largest = max(largest, result[1])
            with ledger.transaction():
                ledger.put_plan(result[0])
            if number % max(1, count // 10) == 0:
                own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
                seconds = time.monotonic() - start
                print(f"{number:12}  {seconds:7.1f}  {own:14}  {largest:9}", flush=True)


if __name__ == "__main__":
    main()
