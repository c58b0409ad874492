"""Our own image: built by a real engine, and run on somebody's repository."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refactor.registry import entries
from tests.engine import Engine, start
from tests.test_cli import GOOD, NEW, OLD, Ended, plant

ROOT = Path(__file__).parent.parent
TAG = "dfr-test:own-image"
BASE = "python:3.11-slim"
MOST = 80_000_000  # bytes on top of the base image


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A running engine; what is built is removed at the end."""
    found = start((BASE,))
    yield found
    found.docker("image", "rm", "--force", TAG)


@pytest.fixture(scope="module")
def image(engine: Engine) -> dict[str, Any]:
    """Build the image, on the base that a test's engine has, and return its description."""
    engine.docker(
        "build", "--no-cache", "--network=host", "--quiet", "--build-arg", "PYTHON=3.11",
        "--tag", TAG, str(ROOT),
    )  # fmt: skip
    found: dict[str, Any] = json.loads(engine.docker("inspect", TAG))[0]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a repository that all may read."""
    plant(tmp_path, {"Dockerfile": OLD, "app/Dockerfile": GOOD, ".git/HEAD": b""})
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path


def run(engine: Engine, *words: str, options: tuple[str, ...] = ()) -> Ended:
    """Run the image without a network."""
    ended = subprocess.run(
        ["docker", "run", "--rm", "--network=none", "--read-only", "--cap-drop=ALL", *options,
         TAG, *words],
        env=engine.environment, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr.decode())


def test_it_does_not_run_as_root(engine: Engine, image: dict[str, Any]) -> None:
    assert image["Config"]["User"] == "10001:10001"
    assert run(engine, "-u", options=("--entrypoint=id",)).out == b"10001\n"
    nothing = run(
        engine, "-c", "find / -xdev -writable -not -type l -not -path '/dev/*' -not -path '/proc/*'"
        " -not -path '/tmp' -not -path '/var/tmp' -not -path '/run/lock' 2> /dev/null",
        options=("--entrypoint=sh",),
    )  # fmt: skip
    assert nothing.out == b""


def test_it_is_small(engine: Engine, image: dict[str, Any]) -> None:
    base = json.loads(engine.docker("inspect", BASE))[0]
    added = image["Size"] - base["Size"]
    print(f"{image['Size']:,} bytes, {added:,} on top of {BASE}")
    assert added < MOST
    assert len(image["RootFS"]["Layers"]) <= len(base["RootFS"]["Layers"]) + 2


def test_it_holds_what_runs_and_no_more(engine: Engine, image: dict[str, Any]) -> None:
    assert run(engine, "/work", "/src", options=("--entrypoint=ls",)).out == b"/work:\n"
    listed = run(engine, "list")
    assert listed.code == 0
    assert {row.split()[0] for row in listed.out.decode().splitlines()} == {
        entry.id for entry in entries()
    }


def test_it_checks_a_repository(engine: Engine, image: dict[str, Any], folder: Path) -> None:
    mounted = (f"--volume={folder}:/work:ro",)
    ended = run(engine, "fix", "--check", ".", options=mounted)
    assert (ended.code, ended.last) == (1, "1 file would be changed (1 change), 1 unchanged")
    assert b"--- a/Dockerfile\n" in ended.out
    assert run(engine, "fix", "--check", "app", options=mounted).code == 0


def test_it_writes_as_whoever_is_named(engine: Engine, image: dict[str, Any], folder: Path) -> None:
    mounted = f"--volume={folder}:/work"
    refused = run(engine, "fix", ".", options=(mounted,))
    assert refused.code == 2
    assert "not written" in refused.said
    subprocess.run(["chown", "-R", "12345:12345", folder], check=True)
    written = run(engine, "fix", ".", options=(mounted, "--user=12345:12345"))
    assert (written.code, (folder / "Dockerfile").read_bytes()) == (0, NEW)
    assert (folder / "Dockerfile").stat().st_uid == 12345


def test_what_needs_git_says_so(engine: Engine, image: dict[str, Any], folder: Path) -> None:
    ended = run(engine, "fix", "--since", "main", ".", options=(f"--volume={folder}:/work:ro",))
    assert ended.code == 2
    assert "--since: git cannot be run" in ended.last
