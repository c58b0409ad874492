"""`dfr init`: what it writes, what it leaves alone, and that other people's tools accept it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from refactor.discover import discover
from refactor.init import pieces
from refactor.init.pieces import Image
from refactor.init.yaml_text import NotAdded, added, keys, values
from tests.test_cli import GOOD, OLD, Ended, dfr, folder, plant

__all__ = ["folder"]

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
ALL = ("--pre-commit", "--github", "--gitlab", "--scan", "trivy", "--level", "suggested")
HOOKS, WORKFLOW = ".pre-commit-config.yaml", ".github/workflows/dockerfiles.yml"
JOBS, CONFIG = ".gitlab-ci.yml", ".dockerfile-refactor.toml"

ITEM = "- repo: local\n  hooks:\n    - id: ours\n      exclude: |\n        a\n\n        b\n"
JOB = "ours:\n  script:\n    - dfr fix\n"


def load(text: str) -> Any:
    """Read YAML; tags of GitLab's own stay."""
    return YAML(typ="rt", pure=True).load(text)


LISTS: dict[str, tuple[str, str]] = {
    "indented": ("repos:\n  - repo: a\n", "repos:\n  - repo: a\n  - @\n"),
    "not indented": ("repos:\n- repo: a\nci: {}\n", "repos:\n- repo: a\n- @\nci: {}\n"),
    "far in": ("repos:\n    - repo: a\n", "repos:\n    - repo: a\n    - @\n"),
    "comments": (
        "# 1\nrepos:  # 2\n  - repo: a  # 3\n  # - repo: off\n# 4\nci: 1\n",
        "# 1\nrepos:  # 2\n  - repo: a  # 3\n  # - repo: off\n  - @\n# 4\nci: 1\n",
    ),
    "a comment of what comes next": (
        "repos:\n- repo: a\n# of ci\nci: 1\n",
        "repos:\n- repo: a\n- @\n# of ci\nci: 1\n",
    ),
    "comments at the end": ("repos:\n- repo: a\n# 1\n\n", "repos:\n- repo: a\n# 1\n- @\n\n"),
    "no end of line": ("repos:\n- repo: a", "repos:\n- repo: a\n- @\n"),
    "empty lines": ("repos:\n- repo: a\n\n\nci: 1\n", "repos:\n- repo: a\n- @\n\n\nci: 1\n"),
    "a block at the end": (
        "repos:\n  - repo: a\n    x: |\n      # in\n\nci: 1\n",
        "repos:\n  - repo: a\n    x: |\n      # in\n\n  - @\nci: 1\n",
    ),
    "an alias at the end": (
        "x: &x\n  repo: a\nrepos:\n - *x\n",
        "x: &x\n  repo: a\nrepos:\n - *x\n - @\n",
    ),
    "nothing at the end": ("repos:\n  - repo:\nx: 1\n", "repos:\n  - repo:\n  - @\nx: 1\n"),
    "nothing at all": ("repos:\n-\n-  # 1\nx: 1\n", "repos:\n-\n-  # 1\n- @\nx: 1\n"),
    "in braces at the end": ("repos:\n  - {a: [\n  b]}\n", "repos:\n  - {a: [\n  b]}\n  - @\n"),
    "a document's marks": ("---\nrepos:\n  - a\n...\n", "---\nrepos:\n  - a\n  - @\n...\n"),
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("case", LISTS)
def test_an_item_more_in_a_list(case: str, newline: str) -> None:
    before, after = (text.replace("\n", newline) for text in LISTS[case])
    found = added(before, ("repos",), "- repo: local\n")
    assert found == after.replace("@", "repo: local")
    big = added(before, ("repos",), ITEM)
    assert load(big)["repos"] == [*load(before)["repos"], *load(ITEM)]


MAPPINGS: dict[str, tuple[str, str]] = {
    "tags": ("a:\n  script: !reference [.b, c]\n", "a:\n  script: !reference [.b, c]\n\n@"),
    "comments": ("a: 1\n# end\n", "a: 1\n# end\n\n@"),
    "a value that is missing": ("a:\n", "a:\n\n@"),
    "merged keys": ("a: &a {b: 1}\nc:\n  <<: *a\n", "a: &a {b: 1}\nc:\n  <<: *a\n\n@"),
    "keys given twice": ("a: 1\na: 2\n", "a: 1\na: 2\n\n@"),
    "an empty line": ("a: 1\n\n", "a: 1\n\n@\n"),
}


@pytest.mark.parametrize("case", MAPPINGS)
def test_a_key_more_in_a_mapping(case: str) -> None:
    before, after = MAPPINGS[case]
    assert added(before, (), JOB).rstrip() == after.replace("@", JOB).rstrip()
    assert "ours" in keys(added(before, (), JOB))


BY_HAND: dict[str, tuple[str, str]] = {
    "in brackets": ("repos: [a]\n", "`repos` has no line for each item"),
    "empty": ("repos: []\n", "`repos` has no line for each item"),
    "nothing": ("repos:\n", "`repos` is no list or mapping"),
    "an alias": ("a: &a [b]\nrepos: *a\n", "`repos` is no list or mapping"),
    "not there": ("a: 1\n", "it has no `repos`"),
    "several documents": ("a: 1\n---\nrepos:\n- a\n", "several documents"),
    "no document": ("# nothing\n", "it is empty"),
    "broken": ("repos:\n- a\n b: 1\n", "cannot be read as YAML"),
    "a mapping": ("repos:\n  a: 1\n", "does not let one add|cannot be read"),
    "too long": ("repos:\n" + "- a\n" * 100_000, "too long"),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_what_cannot_be_added_to(case: str) -> None:
    text, reason = BY_HAND[case]
    with pytest.raises(NotAdded, match=reason):
        added(text, ("repos",), ITEM)


def test_reading_is_bounded() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefghijklmnopqrstuvwx", "bcdefghijklmnopqrstuvwxy", strict=True))  # fmt: skip  # noqa: E501
    start = time.monotonic()
    assert "ours" in keys(added(bomb + "repos:\n- a\n", (), JOB))
    assert time.monotonic() - start < 5


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=12),
    st.sampled_from(["a\nb\n", "a\n\n", "# x", "- x", "&a", "{{ b }}", " "]),
)  # fmt: skip
_DATA = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(_DATA, min_size=1, max_size=4), st.integers(0, 3), st.booleans(),
    st.sampled_from(["", "\n", "# c\n", "\n  # c\n\n", "after: 1\n", "# c\nafter: {}\n"]),
)  # fmt: skip
def test_whatever_is_in_a_file_stays(items: list[Any], by: int, wide: bool, rest: str) -> None:
    yaml = YAML(typ="rt", pure=True)
    yaml.indent(mapping=2 + by, sequence=2 + by + 2 * wide, offset=by)
    stream = io.StringIO()
    yaml.dump({"repos": items}, stream)
    before = stream.getvalue() + rest
    expected = load(before)
    try:
        after = added(before, ("repos",), ITEM)
    except NotAdded:
        assert "|+" in before or ">+" in before, before  # blank lines are a part of those
        return
    found = load(after)
    assert found["repos"] == [*expected["repos"], *load(ITEM)]
    assert {**found, "repos": 0} == {**expected, "repos": 0}
    kept = iter(after.splitlines())
    assert all(line in kept for line in before.splitlines()), "a line is gone, or moved"


def everything(folder: Path) -> dict[str, str]:
    """Return the files that were written."""
    names = (CONFIG, HOOKS, WORKFLOW, JOBS)
    return {name: (folder / name).read_text() for name in names if (folder / name).exists()}


def schema(name: str) -> Any:
    """Return a schema that the package check-jsonschema carries."""
    place = files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{name}.json"
    return json.loads(place.read_text(encoding="utf-8"))


def valid(text: str, name: str) -> Any:
    """Return what a YAML text holds; it is valid."""
    data = YAML(typ="safe", pure=True).load(text)
    data = {str(key): value for key, value in data.items()}  # of YAML 1.1, `on` would be true
    jsonschema.Draft7Validator(schema(name)).validate(data)
    return data


def test_a_new_repository(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD, "app/Dockerfile": GOOD, "b c/x.Dockerfile": GOOD})
    ended = dfr(folder, "init", *ALL)
    assert (ended.code, ended.out.count(b"--- /dev/null")) == (0, 4)
    assert ended.last.startswith(".dfr-baseline.json: written: what is pending now is accepted")
    written = everything(folder)
    workflow = valid(written[WORKFLOW], "github-workflows")
    assert list(workflow["jobs"]) == ["dockerfiles", "scan-images"]
    assert workflow["jobs"]["scan-images"]["strategy"]["matrix"]["include"] == [
        {"dockerfile": "Dockerfile", "context": "."},
        {"dockerfile": "app/Dockerfile", "context": "app"},
        {"dockerfile": "b c/x.Dockerfile", "context": "b c"},
    ]
    jobs = valid(written[JOBS], "gitlab-ci")
    assert list(jobs) == ["dockerfiles", "scan-images"]
    subprocess.run([BIN / "pre-commit", "validate-config", folder / HOOKS], check=True)
    assert written[CONFIG].startswith("# What `dfr fix` may do in this repository.\nlevel = ")
    assert "more at --level" not in dfr(folder, "fix", "--check").said, "the level is in force"


def test_a_second_run_changes_nothing(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD})
    dfr(folder, "init", *ALL)
    before = everything(folder)
    for more in (ALL[:-2], ("--yes",)):
        ended = dfr(folder, "init", *more, "--yes")
        assert (ended.code, ended.out, ended.said.count("nothing to do")) == (0, b"", 3)
        assert everything(folder) == before


def test_a_scan_that_is_added_later(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD})
    plain = [*ALL[:3], "--scan", "none", "--level", "safe"]
    dfr(folder, "init", *plain)
    assert "scan-images" not in "".join(everything(folder).values())
    later = dfr(folder, "init", *ALL[:5])
    assert later.code == 0
    one = everything(folder)
    for name in (CONFIG, WORKFLOW, JOBS):
        (folder / name).unlink()
    dfr(folder, "init", *ALL[:5], "--level", "safe")
    assert everything(folder) == one, "the same as if it had been asked for at once"


EXISTING = {
    HOOKS: "# hooks\ndefault_stages: [pre-commit]\nrepos:\n-   repo: https://example.org/a # why\n"
    "    rev: v1\n    hooks:\n    -   id: a\n\n# the end\n",
    JOBS: "include:\n  - local: a.yml\nstages: [build, ship]\n\n.base: &base\n  tags: [a]\n\n"
    "build:\n  <<: *base\n  stage: build\n  script: !reference [.x, script]  # why\n",
    WORKFLOW: "on: push\njobs:\n    other:\n        runs-on: a\n        steps:\n"
    "            - run: |\n                  # no comment\n\npermissions: {}\n",
}


def test_existing_files_get_an_item_more_each(folder: Path) -> None:
    plant(folder, {name: text.encode() for name, text in EXISTING.items()})
    plant(folder, {"Dockerfile": OLD})
    ended = dfr(folder, "init", *ALL)
    assert ended.code == 0
    assert not re.search(rb"^-(?!--)", ended.out, re.MULTILINE), "nothing is taken away"
    written = everything(folder)
    for name, text in EXISTING.items():
        kept = iter(written[name].splitlines())
        assert all(line in kept for line in text.splitlines())
    hooks = load(written[HOOKS])
    assert hooks["repos"][0] == load(EXISTING[HOOKS])["repos"][0]
    assert [repo["repo"] for repo in hooks["repos"]] == ["https://example.org/a", "local"]
    jobs = load(written[JOBS])
    assert list(jobs)[-2:] == ["dockerfiles", "scan-images"]
    assert jobs["dockerfiles"]["stage"] == jobs["scan-images"]["stage"] == "build"
    assert list(valid(written[WORKFLOW], "github-workflows")["jobs"]) == [
        "other", "dockerfiles", "scan-images",
    ]  # fmt: skip
    assert dfr(folder, "init", *ALL, "--yes").out == b""
    assert everything(folder) == written


LEFT: dict[str, tuple[str, bytes, str]] = {
    "in brackets": (HOOKS, b"repos: []\n", "`repos` has no line for each item"),
    "several documents": (JOBS, b"spec: {}\n---\na: 1\n", "it holds several documents"),
    "a job of that name": (JOBS, b"dockerfiles: {script: x}\n", "it has another `dockerfiles`"),
    "not UTF-8": (JOBS, b"a: \xff\n", "it is not UTF-8"),
    "no jobs": (WORKFLOW, b"on: push\n", "it has no `jobs`"),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_is_left_to_be_done_by_hand(case: str, folder: Path) -> None:
    name, data, reason = LEFT[case]
    plant(folder, {name: data})
    ended = dfr(folder, "init", "--pre-commit", "--github", "--gitlab", "--scan", "none", "--yes")
    assert ended.code == 1
    assert (folder / name).read_bytes() == data
    assert f"{name} is left alone, for {reason}. Add to it:\n" in ended.said
    assert "dfr fix --check" in ended.said
    assert len(everything(folder) if data.isascii() else [1, 2, 3, 4]) == 4, "the others are there"


def test_links_are_left_alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "jobs.yml").write_text("a: 1\n")
    (folder / ".github").symlink_to(outside)
    (folder / JOBS).symlink_to(outside / "jobs.yml")
    (folder / HOOKS).symlink_to("hooks.yaml")
    plant(folder, {"hooks.yaml": b"repos:\n- a\n"})
    ended = dfr(folder, "init", *ALL[:3], "--scan", "none", "--level", "safe")
    assert (ended.code, ended.said.count("a symbolic link")) == (1, 3)
    assert [path.name for path in outside.iterdir()] == ["jobs.yml"]
    assert (outside / "jobs.yml").read_text() == "a: 1\n"
    assert (folder / "hooks.yaml").read_text() == "repos:\n- a\n"


DETECTED: dict[str, tuple[dict[str, bytes], list[str]]] = {
    "nothing": ({}, [CONFIG]),
    "a hook": ({HOOKS: b"repos:\n- repo: a\n"}, [CONFIG, HOOKS]),
    "workflows": ({".github/x": b""}, [CONFIG, WORKFLOW]),
    "jobs": ({JOBS: b"a: 1\n"}, [CONFIG, JOBS]),
    "a remote": ({".git/config": b"[remote]\n\turl = git@github.com:a/b\n"}, [CONFIG, WORKFLOW]),
    "another": ({".git/config": b"[remote]\nurl=https://gitlab.x.org/a\n"}, [CONFIG, JOBS]),
    "a configuration": ({"pyproject.toml": b"[tool.dockerfile-refactor]\n"}, []),
}


@pytest.mark.parametrize("case", DETECTED)
def test_what_is_proposed(case: str, folder: Path) -> None:
    there, wanted = DETECTED[case]
    plant(folder, there)
    assert dfr(folder, "init", "--yes").code == 0
    assert list(everything(folder)) == wanted


@pytest.mark.parametrize("name", [".trivyignore", "trivy.yaml", ".grype.yaml"])
def test_a_scanner_that_is_in_use_is_proposed(name: str, folder: Path) -> None:
    plant(folder, {name: b"", "Dockerfile": GOOD, ".github/x": b""})
    dfr(folder, "init", "--yes")
    assert f"/{name.strip('.')[:5]}:" in everything(folder)[WORKFLOW]


def test_a_dry_run_prints_a_patch(folder: Path) -> None:
    (folder / ".git").rmdir()
    plant(folder, {name: text.encode() for name, text in EXISTING.items()})
    ended = dfr(folder, "init", *ALL, "--dry-run")
    assert ended.code == 0
    assert everything(folder) == EXISTING
    subprocess.run(["git", "apply"], cwd=folder, input=ended.out, check=True)
    patched = everything(folder)
    plant(folder, {name: text.encode() for name, text in EXISTING.items()})
    (folder / CONFIG).unlink()
    dfr(folder, "init", *ALL)
    assert everything(folder) == patched


def test_a_pipe_is_not_asked(folder: Path) -> None:
    for options, part in (
        ((), "give --pre-commit or --no-pre-commit, or --yes"),
        (("--pre-commit", "--github"), "give --gitlab or --no-gitlab, or --yes"),
        (ALL[:3], "give --scan none|trivy|grype|scout, or --yes"),
        (ALL[:5], "give --level safe|suggested|risky, or --yes"),
        ((*ALL[:3], "--dry-run"), "give --scan none|trivy|grype|scout, or --yes"),
    ):
        ended = dfr(folder, "init", *options, stdin=b"y\ny\ny\ny\ny\n")
        assert (ended.code, ended.out) == (2, b"")
        assert part in ended.last
        assert everything(folder) == {}


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "scanner": (("--scan", "clair"), "--scan clair: there are none, trivy, grype"),
    "level": (("--level", "bold"), "--level: level is one of safe, suggested, risky, not 'bold'"),
    "scan alone": (
        ("--yes", "--no-github", "--no-gitlab", "--scan", "trivy"),
        "--scan trivy is a part of --github and --gitlab",
    ),
    "no folder": (("nowhere",), "nowhere: no such folder"),
    "not the top": (("--yes", "sub"), "name its top folder"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case: str, folder: Path) -> None:
    (folder / "sub").mkdir()
    arguments, part = MISTAKES[case]
    ended = dfr(folder, "init", *arguments)
    assert (ended.code, ended.out) == (2, b"")
    assert part in ended.last
    assert everything(folder) == {}


def test_a_broken_configuration_is_an_error(folder: Path) -> None:
    plant(folder, {"pyproject.toml": b"[tool.dockerfile-refactor\n"})
    ended = dfr(folder, "init", "--yes")
    assert (ended.code, everything(folder)) == (2, {})
    assert "pyproject.toml" in ended.last


def test_names_that_a_job_would_read_otherwise_are_left_out(folder: Path) -> None:
    bad = ["${{ github.token }}", "$HOME", "a'b", 'a"b', "a\nb", "-x", "a;b", "ü"]
    plant(folder, {f"{name}.Dockerfile": GOOD for name in bad} | {"Dockerfile": GOOD})
    ended = dfr(folder, "init", *ALL)
    written = everything(folder)
    include = valid(written[WORKFLOW], "github-workflows")["jobs"]["scan-images"]["strategy"]
    assert include["matrix"]["include"] == [{"dockerfile": "Dockerfile", "context": "."}]
    assert ended.said.count(": not scanned: add it to the jobs by hand") == len(bad)
    assert not any(name in text for name in bad[:2] for text in written.values())


def test_no_image_to_scan(folder: Path) -> None:
    ended = dfr(folder, "init", *ALL)
    assert "there is no Dockerfile to build an image of: no scan is written" in ended.said
    assert "scan-images" not in "".join(everything(folder).values())


def terminal(folder: Path, *arguments: str, answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run the command on a terminal of its own: wait for each question, and answer it."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "refactor.cli", "init", *arguments], cwd=folder, stdin=slave,
        stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(slave)
    shown, read = "", 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                data = os.read(master, 65536)
            except OSError:  # the other side is closed
                break
            shown += data.decode()
        if answers and answers[0][0] in shown[read:]:
            read = len(shown)
            os.write(master, answers.pop(0)[1].encode())
    os.close(master)
    assert not answers, f"never asked: {answers[0][0]}\n{shown}"
    return process.wait(10), shown.replace("\r\n", "\n")


def test_questions(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD, JOBS: b"a: 1\n"})
    code, shown = terminal(
        folder,
        answers=[
            ("A hook for pre-commit? [y/N]", "y\n"), ("A workflow for GitHub Actions? [y/N]", "\n"),
            ("A job for GitLab CI? [Y/n]", "\n"),
            ("Scan the images there? (none, trivy, grype, scout) [none]", "clair\n"),
            ("Scan the images there? (none, trivy, grype, scout) [none]", "grype\n"),
            ("How far may changes go? (safe, suggested, risky) [safe]", "risky\n"),
            ("Write this? [Y/n]", "\n"),
        ],
    )  # fmt: skip
    assert code == 0, shown
    written = everything(folder)
    assert list(written) == [CONFIG, HOOKS, JOBS]
    assert 'level = "risky"' in written[CONFIG]
    assert "anchore/grype" in written[JOBS]
    assert "+++ b/.gitlab-ci.yml\n" in shown


def test_what_options_say_is_not_asked_and_no_writes_nothing(folder: Path) -> None:
    answers = [("A job for GitLab CI? [y/N]", "\n"), ("Write this? [Y/n]", "n\n")]
    code, shown = terminal(
        folder, "--pre-commit", "--no-github", "--level", "safe", answers=answers
    )
    assert (code, everything(folder)) == (0, {}), shown


STUB = """#!/bin/sh
echo "docker $*" >> "$LOG"
case "$*" in
  save*) echo image ;;
  *--exit-code\\ 1*|*--fail-on*) exit 3 ;;
  *template*) echo CVE-2026-0001 ;;
esac
"""


@pytest.mark.parametrize("system", ["github", "gitlab"])
@pytest.mark.parametrize("scanner", ["trivy", "grype"])
def test_the_scan_fails_only_once_something_is_accepted(
    system: str, scanner: str, tmp_path: Path
) -> None:
    images = [Image("Dockerfile", ".")]
    if system == "github":
        job = load(pieces.github_scan(scanner, images))["scan-images"]
        lines = [step["run"] for step in job["steps"] if "run" in step]
        environment = {"SCANNER": job["env"]["SCANNER"]}
    else:
        job = load(pieces.gitlab_scan(scanner, images, ""))["scan-images"]
        lines, environment = list(job["script"]), {"SCANNER": job["variables"]["SCANNER"]}
    (tmp_path / "docker").write_text(STUB)
    (tmp_path / "docker").chmod(0o755)
    environment |= {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(tmp_path / "log"),
        "DOCKERFILE": "Dockerfile", "CONTEXT": ".",
    }  # fmt: skip
    work = tmp_path / "work"
    work.mkdir()

    def scan() -> Ended:
        ended = subprocess.run(
            ["sh", "-e", "-c", "\n".join(lines)], cwd=work, env=environment, capture_output=True,
            check=False,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr.decode())

    accepted = {"trivy": ".trivyignore", "grype": ".grype.yaml"}[scanner]
    first = scan()
    assert (first.code, first.said) == (0, "")
    assert first.out.decode() == (
        f"To let what is new fail from now on, commit this as {accepted}:\nCVE-2026-0001\n"
    )
    (work / accepted).write_text("")
    assert scan().code == 3
    log = (tmp_path / "log").read_text().splitlines()
    assert log[0] == "docker build --tag scanned --file Dockerfile ."
    assert all(f"{work}:/work" in line and pieces.SCANNERS[scanner] in line
               for line in log if line.startswith("docker run"))  # fmt: skip
    assert len([line for line in log if line.startswith("docker run")]) == 3


def commands(folder: Path) -> list[list[str]]:
    """Return the calls of `dfr fix` in what was written."""
    lines = [
        line.strip().removeprefix("- ").removeprefix("run: ").removeprefix("entry: ")
        for text in everything(folder).values()
        for line in text.splitlines()
    ]
    return [shlex.split(line)[1:] for line in lines if line.startswith("dfr fix")]


def test_the_first_run_is_not_red_and_what_is_new_is(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD, "app/Dockerfile": b"FROM a\nRUN b\nRUN c\n"})
    assert dfr(folder, "init", *ALL).code == 0
    calls = commands(folder)
    assert [call[:2] for call in calls] == [["fix", "--check"]] * 3
    for call in calls:
        assert dfr(folder, *call, *() if call[-1] == "." else ["Dockerfile"]).code == 0
    plant(folder, {"Dockerfile": OLD + b"EXPOSE 80/TCP\n"})
    for call in calls:
        ended = dfr(folder, *call, *() if call[-1] == "." else ["Dockerfile"])
        assert (ended.code, "1 change)" in ended.said) == (1, True)
    report = json.loads((folder / "gl-code-quality-report.json").read_text())
    names = [found["check_name"] for found in report]  # what is only told is no failure
    assert names == ["repair-exposed-ports", "report-floating-tag"]


def test_a_baseline_that_is_there_is_kept(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD, ".dfr-baseline.json": b"{}"})
    assert dfr(folder, "init", *ALL).code == 0
    assert (folder / ".dfr-baseline.json").read_bytes() == b"{}"


def test_a_baseline_is_written_by_no_module_of_the_folder(folder: Path) -> None:
    trap = b"open('ran', 'w').close()\nraise SystemExit(0)\n"
    plant(folder, {"Dockerfile": OLD, "refactor/__init__.py": trap, "typer.py": trap})
    ended = subprocess.run(
        [BIN / "dfr", "init", *ALL], cwd=folder, capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert not (folder / "ran").exists()
    assert b"replace-maintainer" in (folder / ".dfr-baseline.json").read_bytes()


def test_what_is_written_for_github_has_no_known_weakness(folder: Path) -> None:
    plant(folder, {"Dockerfile": OLD})
    dfr(folder, "init", *ALL)
    ended = subprocess.run(
        [BIN / "zizmor", "--offline", "--persona=pedantic", folder / WORKFLOW],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for use in re.findall(r"uses: (\S+)", everything(folder)[WORKFLOW]):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", use)
    for scanner, image in pieces.SCANNERS.items():
        digest = "" if scanner == "scout" else "@sha256:[0-9a-f]{64}"
        assert re.fullmatch(rf"[\w/-]+:v?\d+\.\d+\.\d+{digest}", image)


@pytest.mark.parametrize("scanner", ["trivy", "grype"])
def test_what_is_written_does_not_hold_a_refactoring_up(scanner: str, folder: Path) -> None:
    """A run of another image in a job is none of the repository's own."""
    shutil.copytree(ROOT / "fixtures" / "flask-shop", folder, dirs_exist_ok=True)

    def patch() -> bytes:
        """Return the patch of the Dockerfile, without that of `.dockerignore`."""
        ended = dfr(folder, "fix", "--check", "--level", "suggested", ".")
        return ended.out.partition(b"--- /dev/null")[0]

    before = patch()
    assert b"+USER 10001:10001\n" in before
    dfr(folder, "init", *ALL[:4], scanner, *ALL[5:])
    assert "scan-images" in everything(folder)[JOBS]
    assert patch() == before


def test_values_of_a_list_in_brackets_are_read() -> None:
    assert values("stages: [a, b]\n", ("stages",)) == ["a", "b"]
    assert values("stages: *a\n", ("stages",)) == []


NAMES = [
    "Dockerfile", "dockerfile", "Containerfile", "app.Dockerfile", "Dockerfile.dev",
    "Dockerfile-dev", "dev.containerfile", "a/b/Dockerfile", "-rf.Dockerfile", "a.dockerfile.prod",
    "Dockerfile.j2", "Dockerfile.tmpl", "Dockerfile.md", "Dockerfile.dockerignore", "Dockerfiles",
    "myDockerfile", "Dockerfile_dev", "README.md", "vendor/Dockerfile", "a/node_modules/Dockerfile",
    "testdata/Dockerfile", "Vendor/Dockerfile", "Dockerfile.SH", "x.Dockerfile.orig",
]  # fmt: skip


def test_the_hook_takes_what_a_search_finds(tmp_path: Path) -> None:
    plant(tmp_path, dict.fromkeys(NAMES, GOOD))
    found = {path.relative_to(tmp_path).as_posix() for path in discover([tmp_path]).files}
    entries = load((ROOT / ".pre-commit-hooks.yaml").read_text())
    local = load(pieces.hook())[0]["hooks"][0]
    for hook in (*entries, local):
        include, exclude = re.compile(hook["files"]), re.compile(hook["exclude"])
        taken = {name for name in NAMES if include.search(name) and not exclude.search(name)}
        assert taken == found
