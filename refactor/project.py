"""What joins the Dockerfiles of one run: which of them others probably start from.

An image's name is rarely said in a repository, so it is inferred: from what the FROM lines of the
other files name, and from the folder or file that an image is usually called after. It only ever
makes a change more cautious.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import NamedTuple

from refactor.context import Context

_FROM = re.compile(rb"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*(\S+)", re.IGNORECASE | re.MULTILINE)
_MAX_BYTES = 1024 * 1024


class Site(NamedTuple):
    """Where a Dockerfile stands: its repository, and its own path in it.

    `home` is the build context's folder there; None if that is to be found out.
    """

    repository: Context
    place: str = "Dockerfile"
    home: str | None = None


def referenced(files: Iterable[Path]) -> frozenset[str]:
    """Return the last path components of all images that the files start from."""
    found: set[str] = set()
    for file in files:
        try:
            with file.open("rb") as stream:
                data = stream.read(_MAX_BYTES)
        except OSError:
            continue
        found |= bases(data)
    return frozenset(found)


def bases(data: bytes) -> set[str]:
    """Return the last path components of the images that a Dockerfile starts from."""
    return {_name(found.decode("utf-8", "replace")) for found in _FROM.findall(data)}


def _name(reference: str) -> str:
    return reference.rpartition("/")[2].partition("@")[0].partition(":")[0].lower()


def is_holder(path: str, data: bytes) -> bool:
    """Whether a file, of compose or bake, holds Dockerfiles."""
    if path.endswith((".yaml", ".yml")):
        return b"dockerfile_inline" in data
    return path.endswith((".hcl", ".json")) and b"dockerfile-inline" in data


def is_base(path: str, references: frozenset[str]) -> bool:
    """Whether other images start from what this file builds, as far as names tell."""
    pure = PurePath(path)
    words = re.split(r"[\s._-]+", f"{pure.parent.name} {pure.name}".lower())
    if "base" in words:
        return True
    variant = re.sub(
        r"^(docker|container)file[.-]?|[.-]?(docker|container)file$", "", pure.name.lower()
    )
    return bool({pure.parent.name.lower(), variant} & references - {""})
