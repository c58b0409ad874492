"""What is said of images outside Dockerfiles: how they are built, started, probed and mounted on.

Readers turn files into `Build` and `Use` records; which Dockerfile they are about is decided later.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

MAX_WORDS = 4096  # characters of a command line that is split


class Found(NamedTuple):
    """A value, and the line where it is said; line 0 stands for the whole file."""

    value: str
    path: str
    line: int


class Mount(NamedTuple):
    """A path in the container that something is laid over; `source` is as written."""

    target: str
    kind: str
    source: str
    read_only: bool
    path: str
    line: int


class Invocation(NamedTuple):
    """Words that are run in a container; they may hold `$` variables.

    `role` is `entrypoint` or `command` (what takes the place of ENTRYPOINT or CMD), `healthcheck`,
    `probe`, `hook` or `exec` (these three run beside what is started). `argv` is empty if the text
    cannot be split, and where the text is empty too: there the image's own words are cleared.
    """

    kind: str
    role: str
    argv: tuple[str, ...]
    text: str
    path: str
    line: int


@dataclass(frozen=True)
class Build:
    """A request to build a Dockerfile.

    `files` are the paths where the Dockerfile may be, with `*` for what is not known. If `exact`,
    there are no others; else the files may lie elsewhere, for the working directory is not known.
    `contexts` are the names for which the build has something else than a stage or an image.
    """

    kind: str
    path: str
    line: int
    files: tuple[str, ...]
    exact: bool = False
    context: str = ""
    targets: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Use:
    """A container, or a command in one.

    It is that of an `image` or a `build`, or it is named as `of`: a service, container or pod;
    `names` are the names that it can itself be called by. Uses of one `group` are one container:
    a service that several compose files of a folder describe. `rights` are those over its host that
    only root has in it. `unclear` says what of it is not known.
    """

    path: str
    line: int
    image: str = ""
    build: Build | None = None
    of: str = ""
    names: tuple[str, ...] = ()
    group: str = ""
    commands: tuple[Invocation, ...] = ()
    users: tuple[Found, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Found, ...] = ()
    rights: tuple[Found, ...] = ()
    unclear: str = ""


Record = Build | Use | Found

# ${{x}} {{x}} ${x} $(x) $x `x`
_VARIABLE = re.compile(r"\$?\{\{.{0,200}?\}\}|\$\{[^{}]*\}|\$\([^()]*\)|\$\w+|`[^`]*`|\$[@*#?!]?")
_DEFAULT = re.compile(r"\$\{\w+:?-([^{}$]+)\}")
_PLACEHOLDER = re.compile(r"<[^<>]*>|\[[^\[\]]*\]")
_ROOT = re.compile(
    r"\A(?:dir://)?(?:\$\{?(?:PWD|CURDIR|CI_PROJECT_DIR|GITHUB_WORKSPACE|WORKSPACE|workspace|"
    r"BITBUCKET_CLONE_DIR|TRAVIS_BUILD_DIR|CIRCLE_WORKING_DIRECTORY)\}?"
    r"|\$\((?:pwd|PWD|CURDIR|Build\.SourcesDirectory|System\.DefaultWorkingDirectory)\)"
    r"|`pwd`|/workspace)(?=/|\Z)/*"
)
_REMOTE = re.compile(r"(?:https?|git|ssh|s3|gs|oci|docker-image|target)://|git@|github\.com/")
_SHELL = re.compile(r"[|&;<>()`\n]")


def has_variable(text: str) -> bool:
    """Whether a text holds something that is filled in later."""
    return bool(_VARIABLE.search(text))


def stages(target: str) -> tuple[str, ...]:
    """Return the stage that a build asks for: none, one, or `*` for one that is not known."""
    return ("*",) if has_variable(target) else (target,) if target else ()


def defaulted(text: str) -> str:
    """Return a text with the defaults of its variables, `${name:-default}`, in their place."""
    return _DEFAULT.sub(r"\1", text)


def blur(text: str) -> str:
    """Return a text with `*` for what is filled in later; a variable's default is taken for it."""
    text = _PLACEHOLDER.sub("*", _VARIABLE.sub("*", defaulted(text)))
    return re.sub(r"\*+", "*", text)


def dockerfiles(
    folders: Iterable[str], context: str, file: str = "", from_context: bool = False
) -> tuple[str, ...]:
    """Return where the Dockerfile of a build may be; none if it is not in the repository.

    A `file` is relative to the folder that the command runs in, or else to the context.
    """
    if _REMOTE.match(context) or _REMOTE.match(file):
        return ()
    if "-" in (context, file):
        return ("*",)
    found: list[str] = []
    for folder in folders:
        base = joined(folder, context)
        if from_context and _ROOT.match(file):
            base = ""
        path = joined(base if from_context else folder, file) if file else f"{base}/Dockerfile"
        path = path.lstrip("/")
        if not path.startswith("..") and path not in found:
            found.append(path)
    return tuple(found)


def joined(folder: str, path: str) -> str:
    """Return a path below a folder of the repository; with `..` at its head if it leaves it."""
    path = blur(_ROOT.sub("./", path))
    if path.startswith("/"):
        path = f"*/{posixpath.basename(path.rstrip('/'))}"
    if not path.startswith("*"):
        path = posixpath.normpath(posixpath.join(folder, path))
    return "" if path == "." else re.sub(r"\*/(?:.*/)?\.\.(?=/|\Z)", "*", path)


def split(text: str) -> tuple[str, ...]:
    """Return the words of a command that no shell reads; none if they cannot be told."""
    if len(text) > MAX_WORDS:
        return ()
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return ()


def shell_words(text: str) -> tuple[str, ...]:
    """Return the words of a command that a shell reads; of the shell itself if it is needed."""
    return ("/bin/sh", "-c", text) if _SHELL.search(text) else split(text)


def mount(text: str, path: str, line: int) -> Mount | None:
    """Read a mount in its short form, `source:target:options`; None if there is nothing."""
    masked = _VARIABLE.sub(lambda match: match[0].replace(":", "\0"), text)
    parts = re.findall(r"(?:\b[A-Za-z]:(?=\\|/[^:]*:))?[^:]+", masked)[:3]
    parts = [part.replace("\0", ":") for part in parts]
    if len(parts) < 2:
        return Mount(parts[0], "volume", "", False, path, line) if parts else None
    source, target, options = (*parts, "")[:3]
    kind = "bind" if re.match(r"[./~$\\`]|[A-Za-z]:", source) else "volume"
    return Mount(target, kind, source, "ro" in options.split(","), path, line)


def port(text: str) -> str:
    """Return the container's side of `address:host:container/protocol`, `*` if it is not known."""
    return blur(text).rpartition(":")[2]
