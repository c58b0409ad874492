"""Which packages an image has, from the databases of those who installed them."""

from __future__ import annotations

import json
import posixpath
import re
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from refactor.proof.images import Package

Data = bytes | bytearray

_MAX_WORD = 256  # characters of a name or a version
_MAX_STEPS = 100_000  # thousands of steps of SQLite's machine
_RPM_NAME, _RPM_VERSION, _RPM_RELEASE = 1000, 1001, 1002
# What compiles, links and builds, with the headers for it.
_TOOL = re.compile(
    r"(?:(?:gcc|g\+\+|cpp|gfortran|gobjc|gdc|gnat|clang|llvm|lld|rustc|cargo|golang|nasm|yasm|"
    r"binutils|autoconf|automake|autotools|libtool|cmake|make|meson|ninja|samurai|bison|flex|m4|"
    r"patch|pkg-config|pkgconf|dpkg-dev|debhelper|swig|cython3?|node-gyp)(?:[-\d.].*)?"
    r"|build-(?:essential|base)|abuild|fortify-headers|linux-headers.*|.*-(?:dev|devel|headers))"
    r"(?<!-base)(?<!-libs)\Z"  # of which a library that runs needs a part
)


class Installed(NamedTuple):
    """What a database lists, and the `paths` that belong to packages which only building needs.

    `programs` are the paths of a Python distribution that lie outside of its folder.
    """

    packages: tuple[Package, ...]
    paths: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


class Unread(NamedTuple):
    """Why a database could not be read: a sentence."""

    why: str


def is_tool(name: str) -> bool:
    """Return whether a distribution's package is one that only building needs."""
    return _TOOL.match(name) is not None


def deb(data: Data) -> Installed:
    """Read dpkg's list, or one package's entry of it (distroless images have a file each)."""
    found = []
    for fields in _stanzas(data, "Package", "Version", "Status"):
        # One that was removed and has its settings left is listed too.
        if "Status" not in fields or fields["Status"].endswith(" installed"):
            found.append(_package("deb", fields.get("Package"), fields.get("Version")))
    return _installed(found)


def apk(data: Data) -> Installed:
    """Read Alpine's list, with the files of each package."""
    found: list[Package | None] = []
    paths: list[str] = []
    for stanza in _decode(data).split("\n\n"):
        name = version = folder = ""
        tool = False
        for line in stanza.split("\n"):
            key, _, value = line.partition(":")
            if key == "P":
                name, tool = value, is_tool(value)
            elif key == "V":
                version = value
            elif key == "F":
                folder = value
            elif key == "R" and tool:
                paths.append(f"/{folder}/{value}" if folder else f"/{value}")
        found.append(_package("apk", name, version))
    return _installed(found, paths)


def python(data: Data) -> Installed:
    """Read the description of a Python distribution."""
    head = data.replace(b"\r", b"").partition(b"\n\n")[0]
    fields = next(_stanzas(head, "Name", "Version"), {})
    return _installed([_package("python", fields.get("Name"), fields.get("Version"))])


def record(path: str, data: Data) -> Installed:
    """Read the list of the files of a Python distribution, which has a path of its own."""
    folder = path.rpartition("/")[0].rpartition("/")[0]
    lines = (line.partition(",")[0] for line in _decode(data).split("\n"))
    outside = (posixpath.normpath(f"{folder}/{line}") for line in lines if line[:3] == "../")
    return Installed((), programs=tuple(outside))


def node(data: Data) -> Installed:
    """Read a package.json that stands in `node_modules`."""
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        return Installed(())
    fields = read if isinstance(read, dict) else {}
    return _installed([_package("node", fields.get("name"), fields.get("version"))])


def paths(data: Data) -> Installed:
    """Read dpkg's list of the paths of one package."""
    return Installed((), tuple(path for path in _decode(data).split("\n") if path != "/."))


def rpm(data: Data) -> Installed | Unread:
    """Read rpm's list, which is in SQLite."""
    import sqlite3

    if data[:15] != b"SQLite format 3":
        return Unread("rpm's list is no SQLite file: which packages there are is unknown")
    size = int.from_bytes(data[16:18], "big")
    if (65_536 if size == 1 else size) * int.from_bytes(data[28:32], "big") > len(data):
        return Unread("rpm's list is cut off: which packages there are is unknown")
    # One that keeps a journal beside it can only be opened where there could be one.
    plain = bytes(data[:18]) + b"\1\1" + data[20:]
    left = _MAX_STEPS

    def count() -> int:
        nonlocal left
        left -= 1
        return left < 0

    connection = sqlite3.connect(":memory:")
    found: list[Package | None] = []
    try:
        connection.deserialize(plain)
        connection.set_progress_handler(count, 1000)  # its text can make it go on for ever
        connection.execute("PRAGMA trusted_schema = OFF")
        query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'Packages'"
        if connection.execute(query).fetchone() != (1,):
            return Unread("rpm's list has no packages in it: which there are is unknown")
        for (blob,) in connection.execute("SELECT blob FROM Packages"):
            found.append(_rpm_header(blob) if isinstance(blob, bytes) else None)
    except (sqlite3.Error, MemoryError, UnicodeError):
        return Unread("rpm's list is damaged: which packages there are is unknown")
    finally:
        connection.close()
    return _installed(found)


def named(folder: str) -> Package | None:
    """Return the Python distribution that a folder's name stands for, without a description."""
    last = folder.rpartition("/")[2]
    name, _, rest = last.removesuffix(".dist-info").removesuffix(".egg-info").partition("-")
    return _package("python", name, rest.partition("-py")[0] or "?")


def _rpm_header(blob: bytes) -> Package | None:
    try:
        count, _ = struct.unpack_from(">II", blob)
        found = {}
        for at in range(8, 8 + 16 * min(count, 4096), 16):
            tag, kind, offset, _ = struct.unpack_from(">IIII", blob, at)
            if tag in (_RPM_NAME, _RPM_VERSION, _RPM_RELEASE) and kind == 6:  # a string
                start = 8 + 16 * count + offset
                found[tag] = _decode(blob[start : start + _MAX_WORD].partition(b"\0")[0])
    except struct.error:
        return None
    name, version = found.get(_RPM_NAME), found.get(_RPM_VERSION)
    if name == "gpg-pubkey":  # a key, listed among the packages
        return None
    return _package("rpm", name, f"{version}-{found.get(_RPM_RELEASE, '')}")


def _package(kind: str, name: object, version: object) -> Package | None:
    if not isinstance(name, str) or not name:
        return None
    if kind == "python":
        name = re.sub(r"[-_.]+", "-", name).lower()
    word = version[:_MAX_WORD] if isinstance(version, str) else "?"
    return Package(kind, name[:_MAX_WORD], word)


def _installed(found: Iterable[Package | None], paths: Iterable[str] = ()) -> Installed:
    return Installed(tuple(package for package in found if package), tuple(paths))


def _stanzas(data: Data, *wanted: str) -> Iterator[dict[str, str]]:
    """Yield the wanted fields of each paragraph that has some."""
    fields: dict[str, str] = {}
    for line in _decode(data).split("\n"):
        if not line.strip():
            if fields:
                yield fields
            fields = {}
            continue
        key, colon, value = line.partition(":")
        if colon and key in wanted and key not in fields:
            fields[key] = value.strip()
    if fields:
        yield fields


def _decode(data: Data) -> str:
    return data.decode("utf-8", "surrogateescape")
