"""The slim variant of an image, and what is lost by it."""

from __future__ import annotations

import re
from typing import NamedTuple

from refactor.facts.images import Image
from refactor.facts.libraries import candidates
from refactor.knowledge import table


class Lost(NamedTuple):
    """What a slim image does not have: packages, of these the shared libraries; programs."""

    packages: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


def slim(image: Image) -> str | None:
    """Return the tag of an image's slim variant, or None if it has none or that is not certain."""
    if not image.tag or "@" in image.reference:
        return None
    for row in table("slim_images"):
        match = re.fullmatch(row["tags"], image.tag) if row["image"] == image.name else None
        if match:
            return match.expand(row["slim"])
    return None


def lost_by_slim(image: Image) -> Lost | None:
    """Return what the slim variant lacks, in any release that it may be of; None if not known."""
    if slim(image) is None:
        return None
    if image.name == "debian":
        return Lost()  # pages of manuals, and translations
    where = set(candidates(image))
    if not where:
        return None
    rows = [
        row
        for row in table("buildpack")
        if where & set(row["releases"].split())
        and {"*", image.name} & set(row["images"].split())
        and image.name not in row["slim_keeps"].split()
    ]
    programs = {name for row in rows if row["programs"] != "-" for name in row["programs"].split()}
    libraries = tuple(row["package"] for row in rows if row["kind"] == "library")
    return Lost(tuple(row["package"] for row in rows), libraries, tuple(sorted(programs)))


def provider(program: str, image: Image) -> str:
    """Return the package that has a program which a slim image lacks; empty if there is none."""
    where = set(candidates(image))
    for row in table("buildpack"):
        if program in row["programs"].split() and where & set(row["releases"].split()):
            return row["package"]
    return ""
