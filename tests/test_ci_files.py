"""What this repository offers others: hooks for pre-commit, a GitHub action, its Dockerfile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.test_cli import GOOD, NEW, OLD, Ended, dfr, folder, plant
from tests.test_init import BIN, load, valid
from tests.test_since import commit, git

__all__ = ["folder"]

ROOT = Path(__file__).parent.parent


def run(
    where: Path, *command: str | Path, env: Mapping[str, str] | None = None, stdin: str = ""
) -> Ended:
    """Run a program."""
    ended = subprocess.run(
        command, cwd=where, env={**os.environ, **(env or {})}, input=stdin.encode(),
        capture_output=True, check=False, timeout=900,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr.decode())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository that holds what this one does, committed."""
    root = tmp_path_factory.mktemp("checkout")
    listed = run(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed.code:
        pytest.skip("this is no git repository")
    for name in ("pyproject.toml", "README.md", ".pre-commit-hooks.yaml", "refactor", "transforms"):
        for path in listed.out.decode().split("\0"):
            if (path == name or path.startswith(f"{name}/")) and (ROOT / path).is_file():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / path, root / path)
    git(root, "init", "-q", "-b", "main")
    commit(root, {})
    return root


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of pre-commit: what it installs is kept from test to test."""
    return {
        "PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("pre-commit")),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with Dockerfiles of all kinds, staged."""
    root = tmp_path / "theirs"
    root.mkdir()
    git(root, "init", "-q")
    plant(root, {
        "Dockerfile": GOOD, "app/old.Dockerfile": OLD, "Containerfile": OLD,
        "Dockerfile.j2": OLD, "vendor/Dockerfile": OLD, "notes.md": OLD,
    })  # fmt: skip
    git(root, "add", "-A")
    return root


def hooked(repository: Path, checkout: Path, home: dict[str, str], hook: str, *files: str) -> Ended:
    """Run a hook of the checkout by real pre-commit."""
    (repository / ".pre-commit-config.yaml").write_text(
        f"repos:\n  - repo: {checkout}\n    rev: {git(checkout, 'rev-parse', 'HEAD')}\n"
        f"    hooks:\n      - id: {hook}\n"
    )
    git(repository, "add", "-A")
    given = ["--files", *files] if files else ["--all-files"]
    return run(repository, BIN / "pre-commit", "run", "--color=never", *given, env=home)


def test_a_hook_that_checks(repository: Path, checkout: Path, home: dict[str, str]) -> None:
    failed = hooked(repository, checkout, home, "dfr-check")
    shown = failed.out.decode()
    assert failed.code == 1, failed.said
    assert "exit code: 1" in shown
    assert re.findall(r"^\+\+\+ b/(.*)$", shown, re.MULTILINE) == [
        "Containerfile", "app/old.Dockerfile",
    ]  # fmt: skip
    assert '+LABEL org.opencontainers.image.authors="Jane"' in shown
    assert (repository / "Containerfile").read_bytes() == OLD
    passed = hooked(repository, checkout, home, "dfr-check", "Dockerfile")
    assert (passed.code, b"Passed" in passed.out) == (0, True)
    declined = ("Dockerfile.j2", "vendor/Dockerfile", "notes.md")
    skipped = hooked(repository, checkout, home, "dfr-check", *declined)
    assert (skipped.code, b"(no files to check)Skipped" in skipped.out) == (0, True)


def test_a_hook_that_writes(repository: Path, checkout: Path, home: dict[str, str]) -> None:
    first = hooked(repository, checkout, home, "dfr-fix")
    assert (first.code, b"files were modified by this hook" in first.out) == (1, True)
    assert (repository / "Containerfile").read_bytes() == NEW
    assert (repository / "app/old.Dockerfile").read_bytes() == NEW
    assert (repository / "Dockerfile.j2").read_bytes() == OLD
    assert hooked(repository, checkout, home, "dfr-fix").code == 0


def test_the_manifest_is_valid() -> None:
    ended = run(ROOT, BIN / "pre-commit", "validate-manifest", ".pre-commit-hooks.yaml")
    assert ended.code == 0, ended.out
    assert [hook["id"] for hook in load((ROOT / ".pre-commit-hooks.yaml").read_text())] == [
        "dfr-check", "dfr-fix",
    ]  # fmt: skip


def action() -> Any:
    """Return the action."""
    return load((ROOT / "action.yml").read_text(encoding="utf-8"))


def test_the_action_is_valid() -> None:
    valid((ROOT / "action.yml").read_text(encoding="utf-8"), "github-actions")
    ended = run(ROOT, BIN / "zizmor", "--offline", "--persona=pedantic", "action.yml")
    assert ended.code == 0, ended.out.decode() + ended.said


def test_no_input_becomes_a_part_of_a_script() -> None:
    found = action()
    steps = found["runs"]["steps"]
    assert not any("${{" in step["run"] for step in steps)
    used = re.findall(r"\$\{\{ inputs\.(\w+) \}\}", " ".join(steps[1]["env"].values()))
    assert used == list(found["inputs"])


@pytest.fixture(scope="module")
def installed(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a runner in which the action's first step has been run."""
    runner = tmp_path_factory.mktemp("runner")
    ended = step(0, runner, runner, {"GITHUB_ACTION_PATH": str(checkout)})
    assert ended.code == 0, ended.said
    return runner


def step(number: int, where: Path, runner: Path, variables: Mapping[str, str]) -> Ended:
    """Run a step as the runner does: its script is a file."""
    script = runner / f"{number}.sh"
    script.write_text(action()["runs"]["steps"][number]["run"])
    return run(
        where, "bash", "--noprofile", "--norc", "-eo", "pipefail", script,
        env={"RUNNER_TEMP": str(runner), **variables},
    )  # fmt: skip


def check(where: Path, runner: Path, **inputs: str) -> Ended:
    """Run the step that checks, with the defaults of the inputs that are not given."""
    found = action()
    given = {name: about["default"] for name, about in found["inputs"].items()} | inputs
    environment = {
        name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda match: given[match[1]], value)
        for name, value in found["runs"]["steps"][1]["env"].items()
    }
    return step(1, where, runner, environment)


def test_the_action_checks(installed: Path, folder: Path) -> None:
    plant(
        folder,
        {"Dockerfile": GOOD, "a b/Dockerfile": OLD, "RUNS/Dockerfile": b"FROM a\nRUN b\nRUN c\n"},
    )
    assert check(folder, installed, format="", paths="Dockerfile").code == 0
    both = check(folder, installed, format="", paths="Dockerfile\na b\n")
    assert (both.code, both.out.count(b"+++ b/a b/Dockerfile")) == (1, 1)
    assert check(folder, installed, format="", paths="RUNS").code == 0
    assert check(folder, installed, format="", paths="RUNS", level="suggested").code == 1
    annotated = check(folder, installed, paths="a b").out.decode()
    assert annotated.startswith("::warning file=a b/Dockerfile,line=2,endLine=2,title=replace-")
    args = {"paths": "a b", "format": "gitlab", "output": "x.json"}
    assert check(folder, installed, **args).code == 1
    assert "replace-maintainer" in (folder / "x.json").read_text()
    run(folder, installed / "dfr/bin/dfr", "fix", "--baseline", "b.json", "--update-baseline", ".")
    assert check(folder, installed, baseline="b.json").code == 0
    one = check(folder, installed, format="", args="--ignore\nreplace-maintainer\n--verbose")
    assert one.code == 0
    assert check(folder, installed, format="", paths="nowhere").code == 2


def test_the_action_takes_what_changed(installed: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    commit(tmp_path, {"Dockerfile": OLD})
    assert check(tmp_path, installed, format="").code == 1
    assert check(tmp_path, installed, format="", since="main").code == 0


@pytest.mark.parametrize("name", list(action()["inputs"]))
def test_the_action_runs_nothing_that_an_input_says(
    name: str, installed: Path, folder: Path
) -> None:
    plant(folder, {"Dockerfile": GOOD})
    for text in ("$(touch pwned)", "`touch pwned`", '"; touch pwned; "', "'; touch pwned #",
                 "a\n; touch pwned", "x[$(touch pwned)]", "& touch pwned"):  # fmt: skip
        inputs = {"format": "", "paths": "Dockerfile", name: text}
        check(folder, installed, **inputs)
        assert not (folder / "pwned").exists(), text


def test_the_action_says_if_python_is_too_old(tmp_path: Path) -> None:
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    ended = step(0, tmp_path, tmp_path, {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (ended.code, ended.out.startswith(b"::error::python3 is older than 3.11")) == (2, True)


@pytest.mark.parametrize("level", ["safe", "suggested", "risky"])
def test_our_own_dockerfile_is_refactored(level: str) -> None:
    ended = dfr(ROOT, "fix", "--check", "--strict", "--level", level, "Dockerfile")
    assert (ended.code, ended.out) == (0, b"")
    assert "1 unchanged" in ended.last
    assert "at --level" not in ended.last


def test_what_is_written_by_init_is_run_by_pre_commit(
    repository: Path, checkout: Path, home: dict[str, str], tmp_path: Path
) -> None:
    """The hook installs the package by its version: here from a file."""
    built = run(tmp_path, sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", checkout)
    assert built.code == 0, built.said
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if "/init/templates/" in name}
    templates = (ROOT / "refactor" / "init" / "templates").iterdir()
    assert packed == {f"refactor/init/templates/{path.name}" for path in templates}
    assert dfr(repository, "init", "--pre-commit", "--no-github", "--no-gitlab", "--yes").code == 0
    git(repository, "add", "-A")
    found = f"{tmp_path} {os.environ.get('PIP_FIND_LINKS', '')}".strip()

    def hook() -> Ended:
        """Run the hook on all files."""
        return run(
            repository, BIN / "pre-commit", "run", "--all-files", "--color=never",
            env={**home, "PIP_FIND_LINKS": found},
        )  # fmt: skip

    first = hook()
    assert (first.code, b"Passed" in first.out) == (0, True), first.out
    plant(repository, {"Containerfile": OLD + b"EXPOSE 80/TCP\n", "Dockerfile.j2": OLD + b"X\n"})
    git(repository, "add", "-A")
    second = hook().out.decode()
    assert re.findall(r"^\+\+\+ b/(.*)$", second, re.MULTILINE) == ["Containerfile"]
    assert "+EXPOSE 80/tcp\n" in second
    assert "-MAINTAINER" not in second
