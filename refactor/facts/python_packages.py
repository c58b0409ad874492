"""What distributions of PyPI need of the system: libraries, programs, and compilers or not."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from refactor.facts.images import Image
from refactor.facts.libraries import candidates, runtime
from refactor.knowledge import table

_UNKNOWN, _NOTHING = "?", "-"


class PythonPackage(NamedTuple):
    """A distribution as its newest versions are.

    `wheels`: `pure` Python; `manylinux` for x86_64 and aarch64; `partial`, for x86_64 at least;
    `none`: built where it is installed; empty if not known. `musllinux` is None if not known.
    `wanted` are Debian packages that it loads when it runs, wheel or not, None if that is not
    known; `linked` those that it links to when it is built. In both a -dev package stands for
    its libraries, whose names differ between releases.
    """

    name: str
    wheels: str
    musllinux: bool | None
    wanted: tuple[str, ...] | None
    linked: tuple[str, ...]
    programs: tuple[str, ...]
    note: str

    def needs(self, image: Image, built: bool = False) -> tuple[str, ...] | None:
        """Return the packages that an image must have, also for a build of it; None if unknown."""
        if self.wanted is None:
            return None
        found: dict[str, None] = {}
        for name in (*self.wanted, *(self.linked if built else ())):
            packages = runtime(name, image) if name.endswith("-dev") else (name,)
            if packages is None or not candidates(image):
                return None
            found.update(dict.fromkeys(packages))
        return tuple(found)


def python_package(name: str) -> PythonPackage | None:
    """Return what is known of a distribution, by any spelling of its name."""
    return _packages().get(re.sub(r"[-_.]+", "-", name).lower())


@lru_cache(maxsize=1)
def _packages() -> dict[str, PythonPackage]:
    return {row["distribution"]: _package(row) for row in table("python_packages")}


def _package(row: dict[str, str]) -> PythonPackage:
    cells = {key: () if cell == _NOTHING else tuple(cell.split()) for key, cell in row.items()}
    return PythonPackage(
        row["distribution"],
        row["wheels"].strip(_UNKNOWN),
        {"yes": True, "no": False}.get(row["musllinux"]),
        None if row["needs"] == _UNKNOWN else cells["needs"],
        cells["links"],
        cells["programs"],
        "" if row["note"] == _NOTHING else row["note"],
    )
