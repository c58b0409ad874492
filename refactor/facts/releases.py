"""Releases of images: the codename that a tag names, and until when it gets fixes."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from refactor.facts.images import Image
from refactor.knowledge import fits, table

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
        for row in _by_name(image.name)
        for version in row["tags"].split()
        if version == "*" or _is_of(image.tag, version)
    ]
    return max(found, key=lambda pair: pair[0], default=(0, None))[1]


def _is_of(tag: str, version: str) -> bool:
    return tag.startswith(version) and not re.match(r"\w", tag[len(version) :])


@lru_cache(maxsize=256)
def _by_name(image: str) -> tuple[dict[str, str], ...]:
    return tuple(
        row for patterns, rows in _by_patterns().items()
        if any(fits(image, pattern) for pattern in patterns.split()) for row in rows
    )  # fmt: skip


@lru_cache(maxsize=1)
def _by_patterns() -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for row in table("releases"):
        found.setdefault(row["images"], []).append(row)
    return found


@lru_cache(maxsize=1)
def _codenames() -> frozenset[str]:
    return frozenset(row["codename"] for row in table("releases")) - {"-"} | _UNRELEASED
