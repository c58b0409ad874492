"""Checks the tables that name Debian packages against Debian's own indexes.

    python -m bench.indexes FOLDER                 check; exit with 1 if a row is wrong
    python -m bench.indexes FOLDER --rows lib-dev  print rows for dev_libraries.tsv

FOLDER, or else the variable DFR_DEBIAN_INDEXES, holds `bullseye.Packages`, `bookworm.Packages`
and `trixie.Packages` of amd64 (main and security together), plain or as .xz or .gz. What an
absent index would show is not checked. Of several versions of a package the newest is read.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from refactor.knowledge import table

RELEASES = ("bullseye", "bookworm", "trixie")
NEWER = RELEASES[1:]
VARIABLE = "DFR_DEBIAN_INDEXES"
UNKNOWN, NOTHING = "?", "-"
_FIELD = re.compile(
    r"^(Package|Version|Architecture|Source|(?:Pre-)?Depends|Provides|Essential|Priority): (.*)$",
    re.MULTILINE,
)
_ALTERNATIVE = re.compile(r"\s*([a-z0-9][a-z0-9+.-]*)(?::\w+)?\s*(\(=)?")
# What a -dev package pins beside shared libraries: tools, plug-ins, data, other headers.
_NO_LIBRARY = re.compile(
    r".*(?:-dev|-bin|-doc|-tools|-utils|-common|-data|-headers|-config|-compat|-extra|-compiler"
    r"|-stdlib|multidev|plugins-gtk)\Z|gir1\.2-|gcc-\d+-base|(?:perl|python[\d.]*|python3-all|flex"
    r"|googletest|mpich|libc6|gobject-introspection|fluidsynth|tcl|tk|qt5-qmake|zipcmp|zipmerge"
    r"|ziptool)\Z"
)
# Headers of compilers: their libraries are those that the compiler leaves behind.
_COMPILER = re.compile(r"(?:lib(?:stdc\+\+|gcc|gfortran)-\d+-dev|libc6-dev)\Z")
# Libraries that take an option of their own to link: the decoder alone, of libwebp.
_LEFT_OUT = frozenset({"libwebpdecoder3"})
# What Debian's images have instead of what a plain reading of dependencies would install.
_INSTEAD = {"usrmerge": "usr-is-merged", "awk": "mawk"}
# Sources of packages that only point at others.
_POINTERS = ("-defaults", "mysql-defaults")


@dataclass(frozen=True)
class Index:
    """The newest version of each package of a release, and who provides what."""

    release: str
    packages: Mapping[str, Mapping[str, str]]
    providers: Mapping[str, list[str]] = field(default_factory=dict)

    def resolve(self, name: str) -> str:
        """Return the package that is installed for a name; empty if there is none."""
        name = _INSTEAD.get(name, name)
        return name if name in self.packages else min(self.providers.get(name, [""]))

    def depends(self, name: str) -> Iterator[list[tuple[str, bool]]]:
        """Yield the alternatives of each dependency, and whether one version is asked for."""
        package = self.packages[name]
        for group in f"{package.get('Pre-Depends', '')},{package.get('Depends', '')}".split(","):
            found = [_ALTERNATIVE.match(text) for text in group.split("|")]
            if any(found):
                yield [(m[1], bool(m[2])) for m in found if m]

    def closure(self, names: Iterable[str]) -> frozenset[str]:
        """Return all that is installed with some packages, without recommendations."""
        seen: set[str] = set()
        waiting = [self.resolve(name) for name in names]
        while waiting:
            name = waiting.pop()
            if name and name not in seen:
                seen.add(name)
                for group in self.depends(name):
                    waiting.append(next(filter(None, (self.resolve(one) for one, _ in group)), ""))
        return frozenset(seen)

    def base(self) -> frozenset[str]:
        """Return what every image of the release has: the required packages, and apt."""
        marks = (("Priority", "required"), ("Essential", "yes"))
        required = [n for n, p in self.packages.items() if any(p.get(k) == v for k, v in marks)]
        return self.closure([*required, "apt"])

    def source(self, name: str) -> str:
        """Return the source package."""
        return self.packages[name].get("Source", name).partition(" ")[0]

    def libraries(self, name: str, seen: frozenset[str] = frozenset()) -> list[str] | None:
        """Return the shared libraries whose headers a -dev package has; None if it is not there."""
        name = self.resolve(name)
        if not name or name in seen or _COMPILER.match(name):
            return [] if name else None
        own: list[str] = []
        loose: list[str] = []
        headers: list[str] = []
        others: list[str] = []
        source = self.source(name)
        for (one, pinned), *_ in self.depends(name):
            if one not in self.packages:
                continue
            same = self.source(one) == source
            if _COMPILER.match(one):
                continue
            if re.search(r"-dev(-compat)?\Z|multidev\Z", one):
                (headers if same else others).append(one)
            elif not _NO_LIBRARY.match(one) and one not in _LEFT_OUT and same:
                (own if pinned else loose).append(one)
        pointer = source.endswith(_POINTERS) or not (own or loose)
        follow = [*headers, *(others if pointer else ())]
        below = [self.libraries(one, seen | {name}) or [] for one in follow]
        return list(dict.fromkeys([*(own or loose), *(lib for libs in below for lib in libs)]))


def read(folder: Path, release: str) -> Index | None:
    """Return a release's index, or None if the folder has none."""
    path = folder / f"{release}.Packages"
    if path.is_file():
        return index(release, path.read_text(encoding="utf-8"))
    for suffix, unpack in ((".gz", gzip.decompress), (".xz", lzma.decompress)):
        packed = path.with_name(path.name + suffix)
        if packed.is_file():
            return index(release, unpack(packed.read_bytes()).decode("utf-8"))
    return None


def index(release: str, text: str) -> Index:
    """Return the index that a Packages file is."""
    packages: dict[str, dict[str, str]] = {}
    for paragraph in text.split("\n\n"):
        fields = dict(_FIELD.findall(paragraph))
        old = packages.get(fields.get("Package", ""))
        if fields and (old is None or _order(old["Version"]) <= _order(fields["Version"])):
            packages[fields["Package"]] = fields
    providers: dict[str, list[str]] = {}
    for name, package in packages.items():
        for provided in package.get("Provides", "").split(","):
            if match := _ALTERNATIVE.match(provided):
                providers.setdefault(match[1], []).append(name)
    return Index(release, packages, providers)


def _order(version: str) -> list[tuple[int, int, str]]:
    """Return a key that tells an update from what it replaces."""
    epoch, colon, rest = version.rpartition(":")
    parts = re.findall(r"\d+|~|[^\d~]+", f"{epoch if colon else 0}.{rest}")
    return [
        (-1, 0, "") if p == "~" else (1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts
    ]


def common(names: list[str] | None, where: list[Index], package: str) -> list[str] | None:
    """Return names, of the oldest release, that also install what the newer ones need."""
    for found in where:
        needed = found.libraries(package)
        if names is None or needed is None or not all(map(found.resolve, names)):
            return None
        if not set(needed) <= found.closure(names):
            return None
    return names


def row(package: str, indexes: Mapping[str, Index]) -> str:
    """Return the row of dev_libraries.tsv for a package, without its last column."""
    found = {r: indexes[r].libraries(package) for r in RELEASES}
    cells = [*found.values()]
    for scope in (NEWER, RELEASES):
        cells.append(common(found[scope[0]], [indexes[r] for r in scope], package))
    texts = (UNKNOWN if c is None else " ".join(c) or NOTHING for c in cells)
    return "\t".join([package, *texts])


def wrong(indexes: Mapping[str, Index]) -> Iterator[str]:
    """Yield what the tables say and the indexes do not."""
    yield from _wrong_libraries(indexes)
    yield from _wrong_tools(indexes)
    yield from _wrong_distributions(indexes)
    yield from _wrong_buildpack(indexes)


def _wrong_libraries(indexes: Mapping[str, Index]) -> Iterator[str]:
    for cells in table("dev_libraries"):
        name = cells["package"]
        for release, found in indexes.items():
            libraries = found.libraries(name)
            text = UNKNOWN if libraries is None else " ".join(libraries) or NOTHING
            if cells[release] != text:
                yield f"{name}: {release} has {text}, not {cells[release]}"
        if len(indexes) == len(RELEASES):
            since = row(name, indexes).split("\t")[-2:]
            if [cells["since_bookworm"], cells["since_bullseye"]] != since:
                yield f"{name}: for several releases {since}"


def _wrong_tools(indexes: Mapping[str, Index]) -> Iterator[str]:
    for cells in table("build_packages"):
        name = cells["package"]
        plain = "debian" in cells["families"].split() and not re.search(r"[*\[]", name)
        if plain and not any(found.resolve(name) for found in indexes.values()):
            yield f"{name} is in no release"
        left = cells["leaves"].split() if cells["leaves"] not in (UNKNOWN, NOTHING) else []
        yield from _absent(indexes, name, left)
    for release, found in indexes.items():
        if not {"libstdc++6", "libgcc-s1", "passwd"} <= found.base():
            yield f"{release}: not every image has the libraries of g++, and useradd"


def _wrong_distributions(indexes: Mapping[str, Index]) -> Iterator[str]:
    rows = {cells["package"] for cells in table("dev_libraries")}
    for cells in table("python_packages"):
        name = cells["distribution"]
        packages = f"{cells['needs']} {cells['links']}".replace(UNKNOWN, "").split()
        plain = [p for p in packages if not p.endswith("-dev") and p != NOTHING]
        yield from (
            f"{name}: no row for {p}" for p in packages if p[-4:] == "-dev" and p not in rows
        )
        yield from _absent({r: i for r, i in indexes.items() if r in NEWER}, name, plain)
        named = re.search(r": (\S+) is for all architectures", cells["source"])
        if named and "trixie" in indexes:
            found = indexes["trixie"].packages.get(named[1], {})
            if found.get("Architecture") != "all":
                yield f"{name}: {named[1]} is not for all architectures"


def _wrong_buildpack(indexes: Mapping[str, Index]) -> Iterator[str]:
    rows = table("buildpack")
    for release, found in indexes.items():
        present = [cells for cells in rows if release in cells["releases"].split()]
        listed = {cells["package"] for cells in present}
        whole = found.closure(cells["package"] for cells in present if cells["asked"] == "yes")
        extra, absent = whole - found.base() - listed, listed - whole
        yield from (f"buildpack: {release} also has {name}" for name in sorted(extra))
        yield from (f"buildpack: {release} has no {name}" for name in sorted(absent))


def _absent(indexes: Mapping[str, Index], name: str, packages: list[str]) -> Iterator[str]:
    for release, found in indexes.items():
        yield from (f"{name}: {release} has no {p}" for p in packages if not found.resolve(p))


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default=os.environ.get(VARIABLE, "."), type=Path)
    parser.add_argument("--rows", nargs="+", default=[], metavar="PACKAGE")
    arguments = parser.parse_args()
    found = {release: read(arguments.folder, release) for release in RELEASES}
    indexes = {release: one for release, one in found.items() if one is not None}
    if arguments.rows:
        print(*(row(name, indexes) for name in arguments.rows), sep="\n")
        return 0
    if not indexes:
        parser.error(f"{arguments.folder} holds no index")
    problems = list(wrong(indexes))
    print(*problems, f"{len(indexes)} indexes, {len(problems)} wrong", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
