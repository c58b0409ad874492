"""Packages that an image can do without when it runs, and what must stay in their place."""

from __future__ import annotations

from refactor.facts import libraries
from refactor.facts.images import Family, Image
from refactor.facts.packages import bare_name

# Every image of the family has the C library itself.
_C_LIBRARY = frozenset({"libc6-dev", "libc-dev", "musl-dev", "linux-libc-dev", "linux-headers"})
# Headers of the distribution's interpreter: what pip builds here is for the one in /usr/local.
_OTHER_PYTHON = frozenset({"python3-dev", "python-dev", "python-dev-is-python3", "libpython3-dev"})


def is_left_out(package: str, family: Family) -> bool:
    """Whether a package only builds, or only fetches sources; what is not known is neither."""
    name = bare_name(package)
    if name.endswith("-base"):  # gcc-12-base belongs to the libraries
        return False
    return libraries.is_build_only(name, family) or libraries.is_version_control(name, family)


# OpenMP is linked to only by what asks for it; a compiler brings its library.
_OPENMP = "libgomp1"


def needed(package: str, image: Image, openmp: bool = True) -> tuple[str, ...] | None:
    """Return the packages that must be installed where one is left out; None if not known.

    `openmp`: whether something that was built may link to the library of a compiler's threads.
    """
    name = bare_name(package)
    if libraries.is_version_control(name, image.family):
        return ()
    if name in _C_LIBRARY or (image.name in ("python", "pypy") and name in _OTHER_PYTHON):
        return ()
    found = libraries.runtime(name, image)
    found = libraries.left_behind(name, image) if found is None else found
    return found and tuple(lib for lib in found if openmp or lib != _OPENMP)
