"""Images without a shell and a package manager: which one stands for which base image."""

from __future__ import annotations

import re
from typing import NamedTuple

from refactor.facts.images import Family, Image
from refactor.facts.releases import codename
from refactor.knowledge import table

# Newer than the Debian 13 of all these images: what is built there may want a newer C library.
_LATER = frozenset({"forky", "duke", "sid", "resolute"})


class Distroless(NamedTuple):
    """An image without a shell that runs one language, of one version.

    `entrypoint` is its own; `names` are those that the language's program has in the other image,
    `program` is written in their place, empty if they are found here too. `scripts` are programs
    of that language's packages. `gone` are words that mean something in the other image only.
    """

    reference: str
    version: str
    entrypoint: tuple[str, ...]
    program: str
    names: frozenset[str]
    scripts: frozenset[str]
    gone: tuple[str, ...]
    assumes: str


def distroless(image: Image) -> Distroless | None:
    """Return the image that stands for a slim one of the same version; None if there is none."""
    for row in table("distroless"):
        if row["image"] == image.name and re.fullmatch(row["tags"], image.tag):
            return None if "@" in image.reference else _read(row)
    return None


def runs_language(image: Image) -> bool:
    """Whether there is an image without a shell for some version of an image."""
    return image.name in {row["image"] for row in table("distroless")}


def builds_for(image: Image, wanted: Image) -> bool:
    """Whether what an image compiles for its interpreter runs with that of another, or later."""
    found = distroless(wanted)
    if found is None or image.name != wanted.name or image.family is not Family.DEBIAN:
        return False
    same = re.match(rf"{re.escape(found.version)}(?![\w])", image.tag)
    return bool(same) and codename(image) not in _LATER


def _read(row: dict[str, str]) -> Distroless:
    cells = {name: () if cell == "-" else tuple(cell.split()) for name, cell in row.items()}
    return Distroless(
        row["distroless"], row["version"], cells["entrypoint"], " ".join(cells["program"]),
        frozenset(cells["names"]), frozenset(cells["scripts"]), cells["gone"], row["assumes"],
    )  # fmt: skip
