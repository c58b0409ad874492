"""What is kept of a file's content while an image is read: what the inventory asks for."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import NamedTuple

from refactor.proof import elf, packages
from refactor.proof.elf import Data, Elf
from refactor.proof.limits import Limits
from refactor.proof.packages import Installed, Unread

_HEAD = 65_536  # bytes of the beginning that a script's or a package's name stands in
_JSON = 1 << 20  # bytes of a package.json; more is no description of a package
_SHEBANG = 256  # bytes that Linux reads of the first line
_PYTHON = re.compile(r"\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)\Z")
_NODE = re.compile(r"/node_modules/(?:@[^/]+/)?[^/]+/package\.json\Z")
_WHOLE = re.compile(r"/etc/(?:ld\.so\.conf(?:\.d/[^/]+\.conf)?|ld-musl-[^/]+\.path|passwd|group)\Z")
_CACHE = b"glibc-ld.so.cache1.1"
_MAX_CACHE = 4 << 20  # bytes
_MAX_CACHED, _MAX_NAME = 20_000, 1024


class Script(NamedTuple):
    """The first line of a script, without `#!`."""

    line: str


class Text(NamedTuple):
    """The whole of a small file."""

    text: str


class Cache(NamedTuple):
    """What ldconfig found: the path of each library by the name that it is asked for."""

    paths: dict[str, list[str]]


Content = Elf | Script | Text | Cache | Installed | Unread | None


class Taken(NamedTuple):
    """What reads a content of at most `most` bytes, or with `first` the beginning alone."""

    read: Callable[[Data], Content]
    most: int
    first: bool = False


def taken(path: str, mode: int, beginning: bytes, limits: Limits) -> Taken | None:
    """Return how to read a file's content, or None if nothing asks for it."""
    if beginning[:4] == elf.MAGIC:
        return Taken(elf.read, limits.program)
    if beginning[:2] == b"#!":
        return Taken(_script, 0, first=True) if mode & 0o111 else None
    if path.endswith("package.json"):
        return Taken(packages.node, _JSON) if _NODE.search(path) else None
    if path.endswith(".dist-info/RECORD"):
        return Taken(lambda data: packages.record(path, data), limits.text)
    if path.endswith(("METADATA", "-INFO", "-info")):
        return Taken(packages.python, 0, first=True) if _PYTHON.search(path) else None
    if path.startswith(
        ("/var/lib/", "/usr/lib/sysimage/", "/usr/share/rpm/", "/lib/", "/usr/lib/")
    ):
        return _database(path, limits)
    if path == "/etc/ld.so.cache":
        return Taken(_cache, _MAX_CACHE)
    return Taken(_text, _HEAD) if path.startswith("/etc/") and _WHOLE.match(path) else None


def too_large(path: str, beginning: bytes, way: Taken) -> Content:
    """Return what is kept of a content that is larger than what is read of it."""
    if beginning[:4] == elf.MAGIC:
        return Elf(elf.form(beginning)) if len(beginning) > 20 else None
    is_database = way.read in (packages.deb, packages.apk, packages.rpm)
    return Unread(f"{path} is too large to be read") if is_database else None


def weight(content: Content) -> int:
    """Return about how many characters are kept."""
    if isinstance(content, Elf):
        names = (*content.needed, *content.rpath, *content.runpath)
        return sum(map(len, names)) + len(content.soname) + len(content.interpreter)
    if isinstance(content, Installed):
        names = (*content.paths, *content.programs)
        return sum(map(len, names)) + sum(len(one.name) + 64 for one in content.packages)
    if isinstance(content, Cache):
        return sum(len(one) for paths in content.paths.values() for one in paths)
    return sum(map(len, content or ()))


def steady(path: str, whole: bytes) -> bytes:
    """Return a content without the times in it that differ from build to build."""
    if path.endswith(".pyc") and len(whole) > 16 and whole[4:8] == bytes(4):
        return whole[:8] + bytes(4) + whole[12:]  # when the source was written
    if path in ("/etc/shadow", "/etc/shadow-"):
        rows = [line.split(b":") for line in whole.split(b"\n")]
        return b"\n".join(b":".join([*row[:2], b"", *row[3:]]) for row in rows)
    return whole


def _database(path: str, limits: Limits) -> Taken | None:
    folder, _, name = path.rpartition("/")
    if path == "/var/lib/dpkg/status" or (
        folder == "/var/lib/dpkg/status.d" and not name.endswith(".md5sums")
    ):
        return Taken(packages.deb, limits.text)
    if folder == "/var/lib/dpkg/info" and name.endswith(".list"):
        is_tool = packages.is_tool(name.removesuffix(".list").partition(":")[0])
        return Taken(packages.paths, limits.text) if is_tool else None
    if path in ("/lib/apk/db/installed", "/usr/lib/apk/db/installed"):
        return Taken(packages.apk, limits.text)
    if folder in ("/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm"):
        if name == "rpmdb.sqlite":
            return Taken(packages.rpm, limits.database)
        if name in ("Packages", "Packages.db"):
            why = f"{path} is in a form that is not read: which rpm packages there are is unknown"
            return Taken(lambda _: Unread(why), 0, first=True)
    return None


def _script(data: Data) -> Content:
    line = data[2:_SHEBANG].partition(b"\n")[0].strip()
    return Script(line.decode("utf-8", "surrogateescape"))


def _text(data: Data) -> Content:
    return Text(data.decode("utf-8", "surrogateescape"))


def _cache(data: Data) -> Content:
    start = data.find(_CACHE)
    found: dict[str, list[str]] = {}
    if start < 0:
        return None
    (count,) = struct.unpack_from("<I", data, start + len(_CACHE))
    for number in range(min(count, _MAX_CACHED, (len(data) - start - 48) // 24)):
        at = start + 48 + 24 * number
        _, key, value = struct.unpack_from("<III", data, at)
        found.setdefault(_name(data, start + key), []).append(_name(data, start + value))
    return Cache(found)


def _name(data: Data, at: int) -> str:
    return data[at : at + _MAX_NAME].partition(b"\0")[0].decode("utf-8", "surrogateescape")
