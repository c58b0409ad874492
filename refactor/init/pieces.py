"""The pieces of a check in other people's repositories: a hook, jobs, a configuration."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

BASELINE = ".dfr-baseline.json"
SCANNERS = {
    "trivy": "aquasec/trivy:0.74.0"
    "@sha256:62b1e65e8869bc4b4c6aa4fa2b21595256c7c2f6018a9d9ad61caf87187c1969",
    "grype": "anchore/grype:v0.119.0"
    "@sha256:8c2c9234a345577a6d321a4753aa3ee1276d8975c8452d2344a56b57733ecad3",
    "scout": "docker/scout-cli:1.20.4",  # by version: its digest could not be looked up
}
# The files that the scans read what is accepted from.
ACCEPTED = {"trivy": ".trivyignore", "grype": ".grype.yaml", "scout": ".scout-accepted"}
_SAVE = {
    "job": "docker save scanned > image.tar",
    # In a job of theirs, whose next steps may copy the whole folder into an image.
    "step": "trap 'rm -f image.tar accept.tmpl scout-found.*' EXIT\n"
    'docker save "$IMAGE" > image.tar',
}
_LOGIN = """\
    DOCKER_SCOUT_HUB_USER: ${{ secrets.DOCKERHUB_USERNAME }}
    DOCKER_SCOUT_HUB_PASSWORD: ${{ secrets.DOCKERHUB_TOKEN }}"""
CHECK, SCAN = "dockerfiles", "scan-images"  # the names of the jobs
HOOKS = ("dfr-check", "dfr-fix")
# What a job can be given safely: no expression or variable of a CI system, nothing to be quoted.
_PLAIN = re.compile(r"[\w.+@/][\w.+@/ -]*\Z", re.ASCII)
MAX_IMAGES = 100


class Image(NamedTuple):
    """A Dockerfile and the folder of its build context, as `docker build` takes them."""

    dockerfile: str
    context: str

    @property
    def is_plain(self) -> bool:
        """Whether its names can stand in a job."""
        return bool(_PLAIN.match(self.dockerfile) and _PLAIN.match(self.context))


class Name(NamedTuple):
    """How a workflow calls an image that it has built.

    `is_value` is whether it is a value of the workflow, and else a word of the shell; `is_list`
    whether it may be several of which the first is meant, `is_pushed` whether the image is only in
    a registry.
    """

    text: str
    is_value: bool = False
    is_list: bool = False
    is_pushed: bool = False


def hook() -> str:
    """Return the entry of `.pre-commit-config.yaml`."""
    return _filled("hook.yaml")


def configuration(level: str) -> str:
    """Return `.dockerfile-refactor.toml`."""
    return _filled("config.toml", LEVEL=level)


def workflow() -> str:
    """Return the head of a workflow for GitHub, to which jobs are added."""
    return _filled("github.yaml")


def github_check() -> str:
    """Return the job that checks the Dockerfiles."""
    return _filled("github-check.yaml")


def github_scan(scanner: str, images: Sequence[Image]) -> str:
    """Return the job that builds images and scans them."""
    rows = (
        f"        - {{dockerfile: {_quoted(i.dockerfile)}, context: {_quoted(i.context)}}}"
        for i in images
    )
    return _filled(
        "github-scan.yaml", IMAGES="\n".join(rows), SCANNER=SCANNERS[scanner],
        SCRIPT=_script(scanner, 8), LOGIN=_login(scanner),
    )  # fmt: skip


def github_step(scanner: str, name: Name, folder: str = "") -> str:
    """Return the step that scans an image which a step in front of it has built."""
    head = "" if name.is_value else f"IMAGE={name.text}\n"
    if name.is_list:
        head = "IMAGE=$(printf '%s' \"$IMAGE\" | tr , '\\n' | head -n 1)\n"
    if name.is_pushed:
        head += 'docker pull --quiet "$IMAGE"\n'
    return _filled(
        "github-step.yaml", IMAGE=f"    IMAGE: {_quoted(name.text)}" if name.is_value else "",
        SCANNER=SCANNERS[scanner], LOGIN=_login(scanner),
        FOLDER=folder and f"  working-directory: {_quoted(folder)}",
        SCRIPT=_script(scanner, 4, "step", head),
    )  # fmt: skip


def gitlab_check(stage: str) -> str:
    """Return the job that checks the Dockerfiles; `stage` is empty for the default one."""
    return _filled("gitlab-check.yaml", STAGE=stage and f"  stage: {_quoted(stage)}")


def gitlab_scan(scanner: str, images: Sequence[Image], stage: str) -> str:
    """Return the job that builds images and scans them."""
    rows = (
        f"      - DOCKERFILE: {_quoted(i.dockerfile)}\n        CONTEXT: {_quoted(i.context)}"
        for i in images
    )
    return _filled(
        "gitlab-scan.yaml", IMAGES="\n".join(rows), SCANNER=SCANNERS[scanner],
        SCRIPT=_script(scanner, 6), STAGE=stage and f"  stage: {_quoted(stage)}",
    )  # fmt: skip


def gitlab_step(scanner: str, name: Name) -> str:
    """Return the lines of a script that scan an image which the lines in front have built."""
    return _filled(
        "gitlab-step.yaml", IMAGE=name.text, SCANNER=SCANNERS[scanner],
        SCRIPT=_script(scanner, 4, "step"),
    )  # fmt: skip


def _login(scanner: str) -> str:
    return _LOGIN if scanner == "scout" else ""


def _script(scanner: str, column: int, where: str = "job", head: str = "") -> str:
    """Return the commands of a scan, from a file that no survey takes for a script of ours."""
    text = head + _filled(f"{scanner}.txt", SAVE=_SAVE[where])
    return re.sub(r"(?m)^(?=.)", " " * column, text).rstrip("\n")


def _quoted(text: str) -> str:
    """Return a text as a scalar of YAML: JSON is one."""
    return json.dumps(text)


def _filled(name: str, **values: str) -> str:
    """Return a template with its values; a line for an empty one goes."""
    text = (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")
    values = {
        "VERSION": version("dockerfile-refactor"),
        "BASELINE": f" --baseline {BASELINE}",
    } | values
    for key, value in values.items():
        text = text.replace(f"@{key}@" if value else f"@{key}@\n", value)
    return text
