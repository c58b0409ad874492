"""Scans behind the builds of workflows that are there: what is added, and what is left alone."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from refactor.init import pieces
from refactor.init.plan import Step, Wanted, plan
from refactor.init.workflows import Left, Place, builds
from refactor.init.yaml_text import added
from tests.test_cli import dfr, folder, plant
from tests.test_init import BIN, load, valid

__all__ = ["folder"]

IMAGE, JOBS = ".github/workflows/image.yml", ".gitlab-ci.yml"
CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd"
HEAD = f"""\
name: Image  # ours
on: push
env:
  REGISTRY: 'reg.example.org'
concurrency:
  group: a
  cancel-in-progress: true
permissions: {{}}
jobs:
  image:
    name: Image
    runs-on: ubuntu-24.04
    steps:
      - uses: {CHECKOUT} # v6.0.2
        with: {{persist-credentials: false}}

"""
NEXT = "\n      # then tell\n      - run: echo done   # end\n"


def github(*lines: str) -> str:
    """Return a workflow with a step of these lines, between a checkout and another step."""
    return HEAD + "".join(f"      {line}\n" for line in lines) + NEXT


def job(*lines: str) -> str:
    """Return jobs for GitLab, of which one has a script of these lines."""
    rows = "".join(f"    - {line}\n" for line in lines)
    return f"services: ['docker:28-dind']\nbuild:\n  script:  # it\n{rows}other: {{script: [a]}}\n"


ONE = "- run: docker build -t a ."
BUILD = ("- uses: docker/build-push-action@v6", "  with:", "    load: true", "    tags: a/b:1")
GITHUB: dict[str, tuple[str, str, str]] = {  # the workflow, IMAGE of the step, its first line
    "the engine": (github("- run: docker build -t app:1 ."), "", "IMAGE=app:1"),
    "a variable": (
        github(
            "- run: |", "    cd app", "    docker build \\",
            '      --tag "$REGISTRY/a:$GITHUB_SHA" .',
        ),
        "", 'IMAGE="$REGISTRY/a:$GITHUB_SHA"',
    ),
    "an expression": (
        github("- run: make && docker build --tag=a:${{ github.sha }} ."),
        "a:${{ github.sha }}", "",
    ),
    "buildx": (github("- run: docker buildx build --load -t a ."), "", "IMAGE=a"),
    "the action": (github(*BUILD), "a/b:1", ""),
    "the action, which pushes": (
        github(
            *BUILD[:2], "    push: true", "    tags: |", "      a/b:${{ github.sha }}", "      a/c",
        ),
        "a/b:${{ github.sha }}", 'docker pull --quiet "$IMAGE"',
    ),
    "names that are made up": (
        github(*BUILD[:3], "    tags: ${{ steps.meta.outputs.tags }}"),
        "${{ steps.meta.outputs.tags }}",
        "IMAGE=$(printf '%s' \"$IMAGE\" | tr , '\\n' | head -n 1)",
    ),
}  # fmt: skip


def planned(folder: Path, name: str, text: str, scanner: str = "trivy") -> Step:
    """Return what becomes of a workflow, without writing it."""
    if text:
        plant(folder, {name: text.encode()})
    return plan(folder, Wanted(scan=scanner, into=(name,)))[0]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("scanner", pieces.SCANNERS)
@pytest.mark.parametrize("case", GITHUB)
def test_a_step_behind_the_build(case: str, scanner: str, newline: str, tmp_path: Path) -> None:
    text, image, first = GITHUB[case]
    text = text.replace("\n", newline)
    step = planned(tmp_path, IMAGE, text, scanner)
    after = step.after or ""
    assert (step.reason, step.left) == ("", ())
    kept = iter(after.split("\n"))
    assert all(line in kept for line in text.split("\n")), "a line is gone, or moved"
    assert f"{newline}{newline}      # then tell" in after, "the comment stays with its step"
    assert newline == "\n" or "\n" not in after.replace("\r\n", "")
    steps = valid(after, "github-workflows")["jobs"]["image"]["steps"]
    old = load(text)["jobs"]["image"]["steps"]
    assert [*steps[:2], *steps[3:]] == old
    scan = steps[2]
    assert scan["env"].get("IMAGE", "") == image
    assert scan["env"]["SCANNER"] == pieces.SCANNERS[scanner]
    assert ("DOCKER_SCOUT_HUB_USER" in scan["env"]) is (scanner == "scout")
    assert scan["run"].splitlines()[0] == first or not first
    assert not planned(tmp_path, IMAGE, after).changes, "a second run changes nothing"


def test_the_command_writes_the_workflow_and_nothing_else(folder: Path) -> None:
    plant(folder, {IMAGE: GITHUB["the action"][0].encode()})
    wanted = planned(folder, IMAGE, "").after
    ended = dfr(folder, "init", "--scan", "trivy", "--into", IMAGE, "--dry-run")
    assert (ended.code, ended.out.count(b"\n+"), ended.out.count(b"\n-")) == (0, 22, 0)
    ended = dfr(folder, "init", "--scan", "trivy", "--into", IMAGE)
    assert (ended.code, ended.last) == (0, f"{IMAGE}: added to")
    assert (folder / IMAGE).read_text() == wanted
    assert sorted(path.name for path in folder.iterdir()) == [".git", ".github"]
    assert dfr(folder, "init", "--yes", "--into", IMAGE).last == f"{IMAGE}: nothing to do"


GITLAB: dict[str, tuple[str, str]] = {
    "a line": (job("docker build -t $CI_REGISTRY_IMAGE:$CI_COMMIT_SHA ."),
               '"$CI_REGISTRY_IMAGE:$CI_COMMIT_SHA"'),
    "between others": (job("docker login", "docker build -t a .  # why", "docker push a"), "a"),
    "several lines": (
        job("|", "  cd app", "  docker build . \\", "    --tag a:1", "  docker push a:1").replace(
            "    -   ", "      "
        ), "a:1",
    ),
    "a service of the job": (
        "b:\n  services: [{name: 'docker:dind'}]\n  script:\n  - docker build -t a .\n", "a",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GITLAB)
def test_lines_behind_the_build(case: str, tmp_path: Path) -> None:
    text, image = GITLAB[case]
    after = planned(tmp_path, JOBS, text, "grype").after or ""
    kept = iter(after.splitlines())
    assert all(line in kept for line in text.splitlines()), "a line is gone, or moved"
    name = "b" if case == "a service of the job" else "build"
    script = valid(after, "gitlab-ci")[name]["script"]
    at = next(i for i, line in enumerate(script) if "docker build" in line) + 1
    assert f"  IMAGE={image}\n" in script[at]
    assert [*script[:at], *script[at + 1 :]] == load(text)[name]["script"]
    assert not planned(tmp_path, JOBS, after).changes, "a second run changes nothing"


LEFT: dict[str, tuple[str, str, str]] = {
    "no build": (IMAGE, github("- run: make"), "no image is built there that could be followed"),
    "another system": (IMAGE, github(ONE).replace("ubuntu", "windows"),
                       "may not run on Linux"),
    "a container": (IMAGE, github(ONE).replace(
        "    steps:", "    container: debian\n    steps:"), "runs in a container"),
    "no checkout": (IMAGE, github(ONE).replace(
        CHECKOUT, "actions/cache@v4"), "not checked out"),
    "another folder": (IMAGE, github(ONE).replace(
        "persist-credentials: false", "path: b"), "not checked out"),
    "a condition": (IMAGE, github("- if: a", "  run: docker build -t a ."), "has a condition"),
    "may fail": (IMAGE, github(ONE, "  continue-on-error: true"), "may fail"),
    "another shell": (IMAGE, github(ONE, "  shell: pwsh"), "another shell"),
    "no name": (IMAGE, github("- run: docker build ."), "has no name"),
    "a name of the step": (IMAGE, github("- run: docker build -t $NAME ."), "$NAME is not set for"),
    "a made-up name": (IMAGE, github("- run: docker build -t a:$(date) ."), "is not understood"),
    "both": (IMAGE, github("- run: docker build -t $REGISTRY/${{ a.b }} ."), "mixes"),
    "several": (IMAGE, github(f"{ONE} && docker build -t b ."), "several builds"),
    "unsure": (IMAGE, github("- run: test -f x || docker build -t a ."), "not sure to run"),
    "behind": (IMAGE, github("- run: docker build -t a . &"), "not sure to run"),
    "a block": (IMAGE, github("- run: |", "    if a; then", "      docker build -t a .", "    fi"),
                "not understood"),
    "goes on": (IMAGE, github("- run: |", "    set +e", "    docker build -t a ."),
                "not sure to run"),
    "gone": (IMAGE, github("- run: docker build -t a . && docker rmi a"), "images are deleted"),
    "pushed": (IMAGE, github("- run: docker build --push -t a ."), "not kept by the engine"),
    "its own builder": (IMAGE, github("- run: docker build --builder b -t a ."), "not kept by"),
    "a builder that is installed": (
        IMAGE, github("- uses: docker/setup-buildx-action@v3", "  with: {install: true}", ONE),
        "told to use another builder"),
    "a builder that is named": (
        IMAGE, github(ONE, "  env: {BUILDX_BUILDER: b}"), "another builder"),
    "not loaded": (IMAGE, github("- run: docker buildx build -t a ."), "not kept by the engine"),
    "nowhere": (IMAGE, github(*BUILD[:2], "    tags: a"), "`load: true` puts it where"),
    "perhaps": (IMAGE, github(*BUILD[:2], "    push: ${{ a }}", "    tags: a"),
                "`load: true` puts"),
    "other machines": (IMAGE, github(*BUILD[:2], "    push: true", "    platforms: linux/arm64",
                                     "    tags: a"), "for the machine that scans it"),
    "an output": (IMAGE, github(*BUILD, "    outputs: type=tar"), "`outputs` of its own"),
    "no tags": (IMAGE, github(*BUILD[:3]), "`tags` gives it one"),
    "an odd name": (IMAGE, github(*BUILD[:3], "    tags: a b"), "not understood"),
    "in brackets": (IMAGE, f"jobs:\n  a:\n    runs-on: ubuntu\n    steps: [{{uses: {CHECKOUT}}}, "
                    "{run: docker build -t a .}]\n", "`steps` has no line for each item"),
    "an alias": (IMAGE, HEAD.replace("steps:", "steps: &s")
                 + f"      {ONE}\n"
                 "  b:\n    runs-on: ubuntu\n    steps: *s\n", "`steps` is no list or mapping"),
    "broken": (IMAGE, "a: [\n", "not read as YAML"),
    "several documents": (JOBS, "a: 1\n---\nb: 1\n", "several documents"),
    "no service": (JOBS, "b:\n  script:\n    - docker build -t a .\n", "no service docker:dind"),
    "another builder": (JOBS, job("buildah bud -t a ."), "no image is built there"),
    "not there": ("x.yml", "", "there is no such file"),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT)
def test_what_is_left_alone(case: str, tmp_path: Path) -> None:
    name, text, reason = LEFT[case]
    step = planned(tmp_path, name, text)
    assert step.after is None
    assert reason in step.reason
    assert "docker save" in step.snippet, "what to add by hand"


def test_one_of_two_builds(folder: Path) -> None:
    text = github(ONE, "- run: docker build .", ONE)
    plant(folder, {IMAGE: text.encode()})
    ended = dfr(folder, "init", "--scan", "trivy", "--into", IMAGE)
    assert ended.code == 1
    assert f"{IMAGE}, line 18: the image has no name: `--tag` gives it one: no scan" in ended.said
    steps = load((folder / IMAGE).read_text())["jobs"]["image"]["steps"]
    assert [step.get("name", "") for step in steps] == [
        "",
        "",
        "Scan the image",
        "",
        "",
        "Scan the image",
        "",
    ]


def test_what_is_left_is_told(folder: Path) -> None:
    text = github("- run: docker build .")
    plant(folder, {IMAGE: text.encode()})
    ended = dfr(folder, "init", "--scan", "trivy", "--into", IMAGE)
    assert (ended.code, ended.out) == (1, b"")
    said = f"{IMAGE} is left alone, for line 17: the image has no name: `--tag` gives it one. Add"
    assert said in ended.said
    assert '    docker save "$IMAGE" > image.tar\n' in ended.said
    assert (folder / IMAGE).read_text() == text


def test_steps_run_where_the_repository_is(tmp_path: Path) -> None:
    text = github(ONE).replace(
        "permissions:", "defaults:\n  run: {working-directory: app, shell: bash}\npermissions:"
    )
    after = planned(tmp_path, IMAGE, text).after or ""
    scan = load(after)["jobs"]["image"]["steps"][2]
    assert scan["working-directory"] == "."


def test_an_item_in_the_middle() -> None:
    for before, after in (
        ("a:\n- 1\n- 2\n", "a:\n- 1\n- @\n- 2\n"),
        ("a:\n- 1  # x\n# y\n- 2\n", "a:\n- 1  # x\n- @\n# y\n- 2\n"),
        ("a:\n  - 1\n\n  - &b 2\n  - *b\n", "a:\n  - 1\n\n  - @\n\n  - &b 2\n  - *b\n"),
        ("a:\n- |\n  1\n\n\n- 2\n", "a:\n- |\n  1\n\n- @\n\n\n- 2\n"),
        ("a:\n-\n-\n- 3\n", "a:\n-\n- @\n-\n- 3\n"),
    ):
        assert added(before, ("a",), "- 9\n", 0) == after.replace("@", "9")


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "with others": (("--scan", "trivy", "--into", IMAGE, "--github"), "--into stands alone"),
    "no scanner": (("--scan", "none", "--into", IMAGE), "--into wants a scanner"),
    "outside": (("--scan", "trivy", "--into", "/etc/passwd"), "/etc/passwd is not in "),
    "above": (("--scan", "trivy", "--into", "../x.yml"), "a symbolic link leads out of the folder"),
    "not asked": (("--into", IMAGE), "give --scan trivy|grype|scout"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case: str, folder: Path) -> None:
    arguments, part = MISTAKES[case]
    plant(folder, {IMAGE: GITHUB["the engine"][0].encode()})
    ended = dfr(folder, "init", *arguments)
    assert ended.code in (1, 2)
    assert part in ended.said
    assert (folder / IMAGE).read_text() == GITHUB["the engine"][0]


@pytest.mark.parametrize("scanner", pieces.SCANNERS)
def test_no_known_weakness_is_added(scanner: str, tmp_path: Path) -> None:
    def weaknesses(texts: list[str]) -> set[str]:
        place = tmp_path / ".github/workflows"
        plant(tmp_path, {f".github/workflows/{n}.yml": t.encode() for n, t in enumerate(texts)})
        ended = subprocess.run(
            [BIN / "zizmor", "--offline", "--persona=pedantic", "--format=plain", place],
            capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        return set(re.findall(r"^\w+\[([\w-]+)\]", ended.stdout, re.MULTILINE))

    texts = [text for text, *_ in GITHUB.values()]
    before = weaknesses(texts)
    assert "unpinned-uses" in before, "what zizmor says is read"
    assert weaknesses([planned(tmp_path, IMAGE, t, scanner).after or "" for t in texts]) <= before


STUB = """#!/bin/sh
echo "docker $*" >> "$LOG"
case "$*" in
  save*) echo image ;;
  *--exit-code\\ 1*|*--fail-on*) exit 3 ;;
  *template*) echo CVE-2026-0001 ;;
  *sarif*) echo 'noise {"runs":[{"results":[{"ruleId": "CVE-2026-0001","x":1},{"ruleId":"CVE-2026-0002"}]}]}' ;;
esac
"""  # noqa: E501


@pytest.mark.parametrize("system", [IMAGE, JOBS])
@pytest.mark.parametrize("scanner", pieces.SCANNERS)
def test_the_scan_fails_only_once_something_is_accepted(
    system: str, scanner: str, tmp_path: Path
) -> None:
    text = GITHUB["the engine"][0] if system == IMAGE else GITLAB["between others"][0]
    place = builds(system, text)[0]
    assert isinstance(place, Place)
    environment = {"SCANNER": pieces.SCANNERS[scanner]}
    if system == IMAGE:
        script = load(pieces.github_step(scanner, place.name))[0]["run"]
    else:
        script = load(pieces.gitlab_step(scanner, place.name))[0] + "\necho next\n"
    (tmp_path / "docker").write_text(STUB)
    (tmp_path / "docker").chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environment |= {
        "PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(tmp_path / "log"),
        "CI_PROJECT_DIR": str(work),
    }  # fmt: skip

    def scan() -> subprocess.CompletedProcess[Any]:
        cwd = work if system == IMAGE else tmp_path
        return subprocess.run(
            ["sh", "-e", "-c", script], cwd=cwd, env=environment, capture_output=True, check=False,
            text=True,
        )  # fmt: skip

    accepted = pieces.ACCEPTED[scanner]
    first = scan()
    assert (first.returncode, first.stderr) == (0, "")
    assert f"commit this as {accepted}:\nCVE-2026-0001\n" in first.stdout
    assert (system == IMAGE) != first.stdout.endswith("next\n")
    (work / accepted).write_text("CVE-2026-0001\n")
    second = scan()
    assert second.returncode in (1, 3)
    assert scanner != "scout" or second.stdout == "CVE-2026-0002\n"
    assert [path.name for path in work.iterdir()] == [accepted], "nothing is left for later builds"
    log = (tmp_path / "log").read_text().splitlines()
    assert log[0] == f"docker save {'app:1' if system == IMAGE else 'a'}"
    assert all(f"{work}:/work" in line and pieces.SCANNERS[scanner] in line
               for line in log if line.startswith("docker run"))  # fmt: skip


def test_a_report_of_scout_that_is_none_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho nothing\n")
    (tmp_path / "docker").chmod(0o755)
    script = load(pieces.github_step("scout", pieces.Name("a")))[0]["run"]
    ended = subprocess.run(
        ["sh", "-e", "-c", script], cwd=tmp_path, check=False, capture_output=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "SCANNER": "x"},
    )  # fmt: skip
    assert ended.returncode == 1


def test_reading_a_workflow_is_bounded() -> None:
    many = HEAD + "      - run: docker build -t a .\n" * 300
    assert sum(isinstance(at, Place) for at in builds(IMAGE, many)) == 300
    assert isinstance(builds(IMAGE, github(f"- run: docker build -t {'a' * 20_000} ."))[0], Left)


def test_scout_in_a_job_of_its_own(folder: Path) -> None:
    """It is proposed where it is in use, and gets the account that it needs."""
    plant(folder, {"Dockerfile": b"FROM scratch\n", ".scout-accepted": b""})
    assert dfr(folder, "init", "--yes", "--github", "--gitlab").code == 0
    place = folder / ".github/workflows/dockerfiles.yml"
    job = valid(place.read_text(), "github-workflows")["jobs"]["scan-images"]
    assert job["env"]["SCANNER"] == pieces.SCANNERS["scout"]
    assert job["env"]["DOCKER_SCOUT_HUB_PASSWORD"] == "${{ secrets.DOCKERHUB_TOKEN }}"
    assert ".scout-accepted" in job["steps"][-1]["run"]
    jobs = valid((folder / JOBS).read_text(), "gitlab-ci")
    assert "--env DOCKER_SCOUT_HUB_USER" in jobs["scan-images"]["script"][-1]
    ended = subprocess.run(
        [BIN / "zizmor", "--offline", "--persona=pedantic", place],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
