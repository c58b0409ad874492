"""Who does the work: results of all jobs, whatever becomes of a worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refactor.fleet.executors import Executor, Local, Lost
from tests.fleet_campaigns import until


def double(number: int) -> int:
    if number == 13:
        raise ValueError("thirteen")
    return 2 * number


def kill_once(job: tuple[int, str]) -> int:
    number, mark = job
    if number == 3 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def kill_always(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def sleep(number: int) -> int:
    if number == 3:
        subprocess.run(["sleep", "60.125"], check=False)
    return number


@pytest.mark.parametrize("executor", [Local(1), Local(3)], ids=str)
def test_all_jobs_have_results(executor: Executor) -> None:
    found = dict(executor.run(double, range(50)))
    assert found.pop(13) == Lost("ValueError: thirteen; please report it")
    assert found == {number: 2 * number for number in range(50) if number != 13}


def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    jobs = [(number, str(tmp_path / "mark")) for number in range(20)]
    assert sorted(result for _, result in Local(2).run(kill_once, jobs)) == list(range(20))


def test_what_kills_its_worker_twice_is_lost() -> None:
    found = dict(Local(2).run(kill_always, range(20)))
    assert found.pop(3) == Lost("its worker ended twice (-9)")
    assert found == {number: number for number in range(20) if number != 3}


def test_what_takes_too_long_is_ended_with_what_it_started() -> None:
    found = dict(Local(2, seconds=1.5).run(sleep, range(20)))
    assert found.pop(3) == Lost("took more than 1.5 s")
    assert len(found) == 19
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "sleep 60.125" not in listed.stdout


def test_jobs_are_asked_for_when_there_is_somebody_to_do_them() -> None:
    asked = []

    def jobs() -> Iterator[int]:
        for number in range(100):
            asked.append(number)
            yield number

    results = Local(2).run(double, jobs())
    next(results)
    assert len(asked) <= 4
    results.close()  # type: ignore[attr-defined]


def test_workers_end_with_whoever_began_them(tmp_path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from refactor.fleet.executors import Local\n"
        "def work(number):\n"
        f"    Path({str(tmp_path)!r}, str(os.getpid())).touch()\n"
        "    time.sleep(60)\n"
        "list(Local(2).run(work, range(4)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    until(lambda: len(list(tmp_path.iterdir())) == 2)
    process.kill()
    process.wait()
    workers = [int(path.name) for path in tmp_path.iterdir()]
    until(lambda: not any(is_running(number) for number in workers))


def is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_result_that_waits_is_not_late() -> None:
    found = []
    for _, result in Local(2, seconds=1.0).run(double, range(6)):
        time.sleep(0.6)
        found.append(result)
    assert not [result for result in found if isinstance(result, Lost)]
