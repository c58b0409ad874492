"""Packages that only build, and the libraries that what they built needs when it runs.

All of Debian was read off the indexes of its releases; of Ubuntu, Alpine and the RPM
distributions the kinds of packages are known, and not what stays behind. Where a tag names no
release, a name is given that installs in each release that it may be. A name of before the
change to 64-bit time installs in trixie on 64-bit machines, not on armhf.
"""

from __future__ import annotations

import re
from functools import lru_cache

from refactor.facts.images import Family, Image
from refactor.facts.packages import bare_name
from refactor.facts.releases import codename as codename
from refactor.facts.releases import releases
from refactor.knowledge import fits, table

# The releases whose indexes were read, oldest first, and the columns for several of them.
_READ = ("bullseye", "bookworm", "trixie")
_COLUMNS: dict[tuple[str, ...], str] = {_READ: "since_bullseye", _READ[1:]: "since_bookworm"}
_UNKNOWN, _NOTHING = "?", "-"
_FAMILIES = {Family.UBUNTU: "debian", Family.WOLFI: "alpine"}
# Images whose tags without a release follow Debian's: what names their newest version.
_NEWEST = {
    "buildpack-deps": "latest", "debian": "latest", "gcc": "latest", "golang": "latest",
    "httpd": "latest", "nginx": "latest", "node": "latest slim lts current",
    "perl": "latest slim 5", "php": "latest cli fpm apache", "postgres": "latest",
    "python": "latest slim 3", "redis": "latest", "ruby": "latest slim", "rust": "latest slim 1",
}  # fmt: skip
# Of these products each version's image was built on bookworm if it got fixes after that day...
_FOLLOWS = frozenset({"go", "nodejs", "php", "postgresql", "python", "redis", "ruby"})
_MOVED_TO_BOOKWORM = "2024-01-01"
# ... and of these, which end within five years, the first was on bullseye if they end after this.
_SHORT = frozenset({"nodejs", "php", "postgresql", "python", "ruby"})
_BEGAN_WITH_BULLSEYE = "2026-10-01"


def runtime(package: str, image: Image) -> tuple[str, ...] | None:
    """Return the packages of the libraries that a -dev package links to; None if not known."""
    row = _libraries().get(bare_name(package))
    column = _column(image)
    if row is None or not column or row[column] == _UNKNOWN:
        return None
    return _names(row[column])


def left_behind(package: str, image: Image) -> tuple[str, ...] | None:
    """Return what a compiler's or build tool's products need of it; None if not known.

    Images with apt have libstdc++6 and libgcc-s1 anyway. Headers are asked for with `runtime`.
    """
    row = _build_row(bare_name(package), image.family)
    if row is None or row["leaves"] == _UNKNOWN:
        return None
    found = _names(row["leaves"])
    return found if not found or _column(image) else None


def is_build_only(package: str, family: Family) -> bool:
    """Whether a package is of no use but to build: a compiler, a build tool, or headers."""
    row = _build_row(bare_name(package), family)
    return row is not None and row["kind"] != "version control"


def is_version_control(package: str, family: Family) -> bool:
    """Whether a package is a version control system."""
    row = _build_row(bare_name(package), family)
    return row is not None and row["kind"] == "version control"


def programs(package: str) -> tuple[str, ...]:
    """Return the programs that come with a package of this module, by its dependencies too."""
    name = bare_name(package)
    found: dict[str, None] = {}
    for row in table("build_packages"):
        if fits(name, row["package"]):
            found.update(dict.fromkeys(_names(row["programs"])))
    if name in _libraries():
        found.update(dict.fromkeys(_names(_libraries()[name]["programs"])))
    return tuple(found)


@lru_cache(maxsize=1024)
def candidates(image: Image) -> tuple[str, ...]:
    """Return the releases of Debian that an image may be of, if all are known; else none."""
    if not image.known or image.family is not Family.DEBIAN:
        return ()
    name = codename(image)
    if name or not image.tag:
        return (name,) if name in _READ else ()
    head, *suffixes = image.tag.split("-")
    fixed = "@" in image.reference
    if not fixed and head in _NEWEST.get(image.name, "").split() and set(suffixes) <= {"slim"}:
        return _READ[1:]
    return _of_version(image, fixed)


def _of_version(image: Image, fixed: bool) -> tuple[str, ...]:
    """Return the releases for a tag that starts with a version, or names one."""
    own = next(iter(releases(image)), None)
    version = re.match(r"\d+(?:\.\d+)*", image.tag)
    if own is None or own.product not in _FOLLOWS:
        return ()
    if not fixed and (not version or version[0] == own.cycle):  # built again and again
        return _READ[1:] if own.ends > _MOVED_TO_BOOKWORM else ()
    return _READ if own.product in _SHORT and own.ends > _BEGAN_WITH_BULLSEYE else ()


def _column(image: Image) -> str:
    found = candidates(image)
    return found[0] if len(found) == 1 else _COLUMNS.get(found, "")


def _names(cell: str) -> tuple[str, ...]:
    return () if cell == _NOTHING else tuple(cell.split())


@lru_cache(maxsize=1)
def _libraries() -> dict[str, dict[str, str]]:
    return {row["package"]: row for row in table("dev_libraries")}


@lru_cache(maxsize=4096)
def _build_row(name: str, family: Family) -> dict[str, str] | None:
    """Return the row of a package in a family; a name goes before a pattern."""
    wanted = _FAMILIES.get(family, family.value)
    rows = [row for row in table("build_packages") if wanted in row["families"].split()]
    exact = (row for row in rows if row["package"] == name)
    return next(exact, next((r for r in rows if fits(name, r["package"])), None))
