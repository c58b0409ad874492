"""What runs what was built: the base images that follow from a builder's, and what each sets."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from refactor.facts.images import Image
from refactor.facts.releases import codename
from refactor.knowledge import table

_NOTHING = "-"
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_ANY_PATCH = 1_000_000
STANDARD_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Base(NamedTuple):
    """What a base image sets; `folders` stand in its PATH in front of the standard ones.

    `workdir` is empty if it is not known. `passes`: its entrypoint, if it has one, runs the words
    of CMD in its own place. `certificates`: it has those of the public authorities.
    """

    folders: tuple[str, ...]
    workdir: str
    user: str
    passes: bool
    shell: bool
    programs: frozenset[str]
    certificates: bool


def base(image: Image) -> Base | None:
    """Return what an image sets; None if that is not known."""
    for row in table("base_settings"):
        if row["image"] == image.name and re.fullmatch(row["tag"], image.tag):
            return Base(
                _names(row["folders"]), row["workdir"].strip("?"), row["user"],
                row["entrypoint"] in (_NOTHING, "passes"), row["shell"] == "yes",
                frozenset(_names(row["programs"])), row["certificates"] == "yes",
            )  # fmt: skip
    return None


def release(image: Image) -> str:
    """Return the codename of the Debian that an image is of, by its tag or its version."""
    named = codename(image)
    version = _version(image.tag)
    if named or not version or "alpine" in image.tag or "@" in image.reference:
        return named
    for row in table("default_releases"):
        first, last = _version(row["first"]), _version(row["last"])
        if row["image"] == image.name and first and last and first <= version <= last:
            return row["codename"]
    return ""


def _version(text: str) -> tuple[int, ...]:
    """Return a version of three numbers; what is not given is the last of its kind.

    A tag such as `1.22` moves on from patch to patch, and stays at the last one.
    """
    match = _NUMBERS.match(text)
    numbers = [int(number) for number in match[0].split(".")] if match else []
    numbers += [_ANY_PATCH] * (3 - len(numbers)) if numbers else []
    return tuple(numbers) if len(numbers) == 3 else ()


def runtime(image: Image, need: str) -> str:
    """Return the base for what an image built, empty if none follows from its reference.

    `need`: `static`, `musl`, `glibc`, `java`, `aspnet` or `dotnet`.
    """
    for row in table("runtime_bases"):
        if (row["image"], row["need"]) != (image.name, need) or "@" in image.reference:
            continue
        pattern, text = row["tag"], image.tag
        if pattern == "release":
            pattern, text = r"(\w+)", release(image)
        match = re.fullmatch(pattern, text)
        if match:
            return match.expand(row["runtime"]) if "\\" in row["runtime"] else row["runtime"]
    return ""


def is_for_builds(variable: str, language: str) -> bool:
    """Whether an environment variable is read by build tools alone."""
    return variable in _build_variables(language)


@lru_cache(maxsize=16)
def _build_variables(language: str) -> frozenset[str]:
    rows = table("build_variables")
    return frozenset(row["name"] for row in rows if row["language"] in (language, "any"))


def _names(cell: str) -> tuple[str, ...]:
    return () if cell == _NOTHING else tuple(cell.split())
