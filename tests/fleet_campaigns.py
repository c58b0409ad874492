"""Campaigns for tests: run by the command line, killed, and compared."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from refactor import config as configuration
from refactor.cli import app
from refactor.fleet.campaign import load
from refactor.fleet.ledger import Ledger
from refactor.fleet.records import Branch, Plan
from tests.fleet_repositories import git

DFR = [sys.executable, "-m", "refactor.cli", "fleet"]
ENVIRONMENT = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
TODAY = "2026-11-27"


def campaign(folder: Path, listing: Path, level: str = "suggested", more: str = "") -> Path:
    """Begin a campaign in which safe changes are accepted."""
    folder.mkdir(parents=True)
    (folder / "campaign.toml").write_text(
        f'name = "test"\n[[source]]\nlist = "{listing}"\n[refactor]\nlevel = "{level}"\n'
        f'[review]\naccept = "safe"\n{more}'
    )
    run("init", folder)
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        ledger.put("today", TODAY)  # also when a test runs at midnight
    return folder


class Ended(NamedTuple):
    """What a phase printed."""

    stdout: str
    stderr: str


def run(phase: str, folder: Path, *more: str, code: int = 0) -> Ended:
    """Run a phase to its end, in this process: a new one takes long to start."""
    configuration.forget()
    out, err = io.StringIO(), io.StringIO()
    with patch.dict(os.environ, ENVIRONMENT), redirect_stdout(out), redirect_stderr(err):
        found = app(["fleet", phase, str(folder), *more], standalone_mode=False)
    assert (found or 0) == code, err.getvalue()
    return Ended(out.getvalue(), err.getvalue())


def killed(phase: str, folder: Path, chance: random.Random, longest: float) -> bool:
    """Run a phase and kill it at some moment; return whether it was over before."""
    process = subprocess.Popen(
        [*DFR, phase, str(folder), "-j2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=ENVIRONMENT, start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(chance.uniform(0.3, longest))
    except subprocess.TimeoutExpired:
        # Half of the time its workers notice by themselves that it is gone.
        number = process.pid
        os.killpg(number, signal.SIGKILL) if chance.random() < 0.5 else process.kill()
        process.wait()
        return False
    return process.returncode == 0


def killed_times(
    phase: str, folder: Path, times: int, chance: random.Random, longest: float
) -> int:
    """Kill a phase some times, or until it is over; return how often it was killed."""
    for count in range(times):
        if killed(phase, folder, chance, longest):
            return count
    return times


def plans(folder: Path) -> Iterator[Plan]:
    """Yield the plans of a campaign, with files, without times."""
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        for plan in ledger.plans():
            yield plan._replace(seconds=0, files=ledger.files(plan.repository))


def branches(folder: Path) -> list[Branch]:
    """Return the branches of a campaign, without times."""
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        return [branch._replace(seconds=0) for branch in ledger.branches()]


def pushed(folder: Path) -> int:
    """Push what was made to the repositories that it was made of; return to how many."""
    found = load(folder)
    count = 0
    with Ledger.open(found.ledger) as ledger:
        for branch in ledger.branches():
            repository = ledger.repository(branch.repository)
            if branch.state == "made" and repository is not None:
                remote = Path(repository.address)
                ref = f"refs/heads/{branch.name}"
                git("fetch", "-q", str(folder / branch.bundle), f"+{ref}:{ref}", folder=remote)
                count += 1
    return count


def until(condition: object, seconds: float = 30) -> None:
    """Wait until a function returns something true."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
