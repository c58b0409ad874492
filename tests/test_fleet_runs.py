"""A campaign over repositories of the corpus: undisturbed, killed at any moment, on a cluster.

DFR_FLEET is the number of repositories.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from refactor.fleet.ledger import Ledger
from tests import corpus
from tests.fleet_campaigns import (
    ENVIRONMENT,
    branches,
    campaign,
    killed_times,
    plans,
    pushed,
    run,
    until,
)
from tests.fleet_repositories import git, made

COUNT = int(os.environ.get("DFR_FLEET", "120"))
KILLS = 20


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(corpus.folder(), tmp_path_factory.mktemp("remotes"), COUNT)


@pytest.fixture(scope="module")
def undisturbed(listing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = campaign(tmp_path_factory.mktemp("a") / "campaign", listing)
    start = time.monotonic()
    run("plan", folder, "-j2")
    run("apply", folder, "-j2")
    (folder / "seconds").write_text(str(time.monotonic() - start))
    return folder


def test_each_repository_has_come_to_something(undisturbed: Path) -> None:
    states = Counter((plan.state, plan.reason) for plan in plans(undisturbed))
    assert states["skipped", "no Dockerfile"] >= COUNT // 50
    assert states["skipped", "empty"] >= COUNT // 50
    assert states["skipped", "opted out"] >= COUNT // 50
    assert states["planned", ""] > COUNT * 0.8
    assert states.total() == COUNT
    assert Counter(branch.state for branch in branches(undisturbed))["made"] > COUNT * 0.5


def test_killed_and_resumed_it_comes_to_the_same(
    listing: Path, undisturbed: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    folder = campaign(tmp_path / "campaign", listing)
    longest = max(1.5, float((undisturbed / "seconds").read_text()) / KILLS)
    times = killed_times("plan", folder, KILLS // 2, chance, longest)
    run("plan", folder, "-j2")
    times += killed_times("apply", folder, KILLS - KILLS // 2, chance, longest)
    run("apply", folder, "-j2")
    assert times > KILLS // 2
    assert list(plans(folder)) == list(plans(undisturbed))
    assert branches(folder) == branches(undisturbed)
    assert not list((folder / "results").rglob("*.new"))


def test_no_commit_is_made_twice_and_each_branch_is_whole(undisturbed: Path) -> None:
    assert pushed(undisturbed) > COUNT * 0.5
    with Ledger.open(undisturbed / "ledger.sqlite") as ledger:
        for branch in ledger.branches():
            repository = ledger.repository(branch.repository)
            assert repository is not None
            remote = Path(repository.address)
            ref = f"refs/heads/{branch.name}"
            if branch.state != "made":
                assert git("for-each-ref", ref, folder=remote) == b""
                continue
            listed = git("rev-list", "--reverse", f"{branch.base}..{ref}", folder=remote)
            assert listed.decode().split() == [commit.id for commit in branch.commits]
            names = git("diff", "-z", "--name-only", branch.base, ref, folder=remote)
            assert tuple(names.decode().split("\0")[:-1]) == branch.files
            patch = git("diff", branch.base, ref, folder=remote)
            assert patch
    git("fsck", "--strict", "--no-dangling", folder=remote)


def test_what_is_done_is_not_done_again(undisturbed: Path) -> None:
    before = branches(undisturbed)
    assert "plan: nothing to do" in run("plan", undisturbed).stderr
    assert "apply: nothing to do" in run("apply", undisturbed).stderr
    assert branches(undisturbed) == before
    assert run("plan", undisturbed, "--dry-run").stdout == ""


def test_an_interrupted_run_says_so_and_leaves_no_worker(listing: Path, tmp_path: Path) -> None:
    folder = campaign(tmp_path / "campaign", listing)
    command = [sys.executable, "-m", "refactor.cli", "fleet", "plan", str(folder), "-j2"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    until(lambda: len(list(plans(folder))) > 4)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in said
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(folder) not in listed.stdout


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start a scheduler and two workers."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port=0",
               "--no-dashboard", "--host=127.0.0.1", f"--scheduler-file={file}"]  # fmt: skip
    with (tmp_path / "dask.log").open("wb") as log:
        found = [subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)]
        try:
            until(lambda: file.exists() and file.read_text().endswith("}"), 60)
            found += [_worker(file, log, tmp_path) for _ in range(2)]
            import json

            yield json.loads(file.read_text())["address"], found
        finally:
            for process in found:
                process.kill()
                process.wait()


def _worker(file: Path, log: object, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads=1", "--no-nanny",
               "--no-dashboard", f"--scheduler-file={file}"]  # fmt: skip
    return subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=ENVIRONMENT)  # type: ignore[call-overload,no-any-return]


def test_a_cluster_comes_to_the_same(
    scheduler: tuple[str, list[subprocess.Popen[bytes]]], listing: Path, undisturbed: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Of two workers one is killed in the middle."""
    address, processes = scheduler
    folder = campaign(tmp_path / "campaign", listing)
    planning = subprocess.Popen(
        [sys.executable, "-m", "refactor.cli", "fleet", "plan", str(folder), "--quiet",
         "--scheduler", address], env=ENVIRONMENT,
    )  # fmt: skip
    until(lambda: len(list(plans(folder))) > COUNT // 4, 120)
    processes[1].send_signal(signal.SIGKILL)
    assert planning.wait(300) == 0
    assert list(plans(folder)) == list(plans(undisturbed))
    run("apply", folder, "--scheduler", address)
    assert branches(folder) == branches(undisturbed)
