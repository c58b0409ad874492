"""Releases of images: the codename that a tag names, and until when it gets fixes."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from refactor.facts.images import Image
from refactor.knowledge import table

# Distributions that have no end yet, so no row.
_UNRELEASED = frozenset({"forky", "duke", "sid"})
_UBUNTU_NUMBER = re.compile(r"ubuntu-?(\d\d)[.-](\d\d)")


class Release(NamedTuple):
    """A release of a product; dates are `YYYY-MM-DD`, and `extended` is empty if there is none.

    Until `extended` some fixes go on: Debian's LTS for all, Ubuntu's and Red Hat's for customers.
    """

    product: str
    cycle: str
    ends: str
    extended: str
    replacement: str

    def is_extended(self, today: str) -> bool:
        """Whether the extended support still goes on."""
        return today <= self.extended


@lru_cache(maxsize=1024)
def codename(image: Image) -> str:
    """Return the codename of the Debian or Ubuntu that a tag names; empty if it may change."""
    found = {word for word in re.split(r"[-_.]", image.tag) if word in _codenames()}
    numbers = {".".join(parts) for parts in _UBUNTU_NUMBER.findall(image.tag)}
    if image.name in ("debian", "ubuntu") and (row := _row(image)):
        found.add(row["codename"])
    found |= {row["codename"] for row in table("releases") if row["tags"] in numbers}
    return found.pop() if len(found) == 1 else ""


@lru_cache(maxsize=1024)
def releases(image: Image) -> tuple[Release, ...]:
    """Return the releases that an image is of: of its product first, then of its distribution."""
    name = codename(image)
    below = [row for row in table("releases") if name and row["codename"] == name]
    if match := re.search(r"-alpine(\d+\.\d+)", image.tag):
        below += [r for r in table("releases") if (r["images"], r["tags"]) == ("alpine", match[1])]
    own = _row(image)
    rows = [own, *(row for row in below if row != own)] if own else below
    return tuple(map(_release, rows))


def ended(image: Image, today: str) -> Release | None:
    """Return what of an image ended before a day `YYYY-MM-DD`: its product, or what is below it."""
    return next((found for found in releases(image) if found.ends < today), None)


def _release(row: dict[str, str]) -> Release:
    extended = "" if row["extended"] == "-" else row["extended"]
    return Release(row["product"], row["cycle"], row["ends"], extended, row["replacement"])


def _row(image: Image) -> dict[str, str] | None:
    """Return the row of an image's own product: the one of the longest matching version."""
    found = [
        (len(version), row)
        for pattern, row in _by_image()
        if fnmatchcase(image.name, pattern)
        for version in row["tags"].split()
        if version == "*" or re.match(rf"{re.escape(version)}(?![\w])", image.tag)
    ]
    return max(found, key=lambda pair: pair[0], default=(0, None))[1]


@lru_cache(maxsize=1)
def _by_image() -> tuple[tuple[str, dict[str, str]], ...]:
    return tuple((name, row) for row in table("releases") for name in row["images"].split())


@lru_cache(maxsize=1)
def _codenames() -> frozenset[str]:
    return frozenset(row["codename"] for row in table("releases")) - {"-"} | _UNRELEASED
