"""What a base image reference tells: distribution, default user and directory, known shell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from refactor.knowledge import fits, table

_REFERENCE = re.compile(
    r"(?P<name>[^@:]+(?::\d+/[^@:]+)?)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?\Z"
)
_WINDOWS = re.compile(
    r"servercore|nanoserver|/dotnet/framework/|:.*(?:windows|ltsc20\d\d)"  # that has no other
)
_DEFAULT_REGISTRY = (
    "docker.io/library/", "index.docker.io/library/", "docker.io/", "library/",
    "amd64/", "arm64v8/", "arm32v7/", "i386/",
)  # fmt: skip


_FULL = frozenset({"python", "node", "ruby", "perl", "rust", "golang", "gcc", "pypy"})


class Family(StrEnum):
    """The distribution that an image is made from."""

    DEBIAN = "debian"
    UBUNTU = "ubuntu"
    ALPINE = "alpine"
    RHEL = "rhel"
    SUSE = "suse"
    ARCH = "arch"
    BUSYBOX = "busybox"
    DISTROLESS = "distroless"
    SCRATCH = "scratch"
    WINDOWS = "windows"
    WOLFI = "wolfi"
    AZURELINUX = "azurelinux"
    UNKNOWN = "unknown"


class Image(NamedTuple):
    """Facts about a base image; `known` only if its repository is in the table.

    `workdir` is the directory that a stage starts in, empty if that is not certain.
    """

    reference: str
    name: str = ""
    tag: str = ""
    family: Family = Family.UNKNOWN
    known: bool = False
    user: str = "?"
    plain_shell: bool = False
    docker_clean: bool = False
    workdir: str = ""

    @property
    def full(self) -> bool:
        """Whether it is made from buildpack-deps: with compilers, headers and version control."""
        return self.name in _FULL and self.family is Family.DEBIAN and "slim" not in self.tag

    @property
    def is_debian_like(self) -> bool:
        """Whether apt is its package manager, and it is an image of the table."""
        return self.known and self.family in (Family.DEBIAN, Family.UBUNTU)


def image(reference: str, aliases: Mapping[str, str]) -> Image:
    """Return what is known of a reference; aliases map a company's names to public ones."""
    for prefix, public in aliases.items():
        if reference == prefix or reference.startswith((prefix + ":", prefix + "@")):
            tail = reference[len(prefix) :]
            reference = public.partition(":")[0] + tail if tail else public
            break
    return _image(reference)


@lru_cache(maxsize=1024)
def _image(reference: str) -> Image:
    match = _REFERENCE.match(reference)
    if not match or "$" in reference:
        return Image(reference)
    name, tag = match["name"], match["tag"] or ("" if match["digest"] else "latest")
    for prefix in _DEFAULT_REGISTRY:
        name = name.removeprefix(prefix)
    row = _rows().get(name)
    windows = _WINDOWS.search(f"{name}:{tag}")  # whoever made it, under whatever name
    if row is None:
        return Image(reference, name, tag, Family.WINDOWS if windows else Family.UNKNOWN)
    family = Family.WINDOWS if windows else Family(_rule(row["family"], tag) or Family.UNKNOWN)
    certain = family is not Family.WINDOWS and (tag or len(row["workdir"].split()) == 1)
    workdir = _rule(row["workdir"], tag) if certain else ""
    return Image(
        reference, name, tag, family, True, row["user"],
        row["shell_instruction"] == "no", row["docker_clean"] == "yes", workdir.strip("?"),
    )  # fmt: skip


@lru_cache(maxsize=1)
def _rows() -> dict[str, dict[str, str]]:
    return {row["image"]: row for row in table("images")}


def _rule(rules: str, tag: str) -> str:
    """Return the value of the first `pattern=value` whose pattern a tag matches."""
    for rule in rules.split():
        pattern, _, value = rule.rpartition("=")
        if fits(tag, pattern or "*"):
            return value
    return ""
