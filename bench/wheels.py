"""Reads off lock files for which platforms a distribution has wheels.

    python -m bench.wheels LOCK...   print rows for python_packages.tsv: name, wheels, musllinux

A lock (uv.lock, poetry.lock, pdm.lock or pylock.toml) names every file of each version that it
holds, so that no package index is asked.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

_MACHINES = ("x86_64", "aarch64")


def files(lock: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield each distribution's name with each of its file names."""
    packages = lock.get("package", lock.get("packages", []))
    assert isinstance(packages, list)
    for package in packages:
        entries = [*package.get("wheels", []), *package.get("files", [])]
        for entry in [*entries, package.get("sdist", {})]:
            if name := entry.get("file") or entry.get("name") or entry.get("url", ""):
                yield normalised(package["name"]), name.rpartition("/")[2]


def normalised(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def coverage(names: set[str]) -> tuple[str, str]:
    """Return the columns `wheels` and `musllinux` for the files of a distribution."""
    tags = [name.removesuffix(".whl").rpartition("-")[2] for name in names if name[-4:] == ".whl"]
    if "any" in tags:
        return "pure", "yes"
    found = {
        libc: [m for m in _MACHINES if any(libc in tag and m in tag for tag in tags)]
        for libc in ("manylinux", "musllinux")
    }
    musl = "yes" if len(found["musllinux"]) == len(_MACHINES) else "no"
    if len(found["manylinux"]) == len(_MACHINES):
        return "manylinux", musl
    return "partial" if found["manylinux"] else "none", musl


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("locks", nargs="+", type=Path, metavar="LOCK")
    found: dict[str, set[str]] = {}
    for path in parser.parse_args().locks:
        for name, file in files(tomllib.loads(path.read_text(encoding="utf-8"))):
            found.setdefault(name, set()).add(file)
    for name, names in sorted(found.items()):
        print(name, *coverage(names), sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main())
