"""What an ELF file says of how it is loaded.

Not pyelftools, which takes 4 ms a file, and an image has thousands; the tests compare with it.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

Data = bytes | bytearray

MAGIC = b"\x7fELF"
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3  # kinds of segments
_NEEDED, _STRTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH, _FLAGS = 1, 5, 10, 14, 15, 29, 0x6FFFFFFB
_NODEFLIB = 0x800
_MAX_SEGMENTS, _MAX_TAGS = 1000, 20_000
_MAX_STRING = 65_536  # bytes: a search path can be long
_MAX_NAME = 4096
_MAX_NEEDED, _MAX_FOLDERS = 1000, 100
_TYPES = {2: "program", 3: "library"}  # a program that can be put anywhere is a library too


class Elf(NamedTuple):
    """An ELF file. `form` is its class, byte order and machine: only the same fit together.

    `rpath` and `runpath` are folders as they are written, `interpreter` the path of what loads it.
    """

    form: tuple[int, int, int]
    kind: str = ""
    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    interpreter: str = ""
    default_folders: bool = True


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int


def read(data: Data) -> Elf | None:
    """Return what a file says, or None if it is no ELF file or a damaged one."""
    try:
        return _read(data)
    except (struct.error, IndexError, OverflowError):
        return None


def form(data: Data) -> tuple[int, int, int]:
    """Return class, byte order and machine of the beginning of an ELF file."""
    (machine,) = struct.unpack_from(_order(data) + "H", data, 18)
    return data[4], data[5], machine


def _order(data: Data) -> str:
    return ">" if data[5] == 2 else "<"


def _read(data: Data) -> Elf | None:
    if data[:4] != MAGIC or data[4] not in (1, 2):
        return None
    order, wide = _order(data), data[4] == 2
    header = struct.unpack_from(order + ("HHIQQQIHHH" if wide else "HHIIIIIHHH"), data, 16)
    kind, start, step, count = header[0], header[4], header[8], header[9]
    segments = []
    for number in range(min(count, _MAX_SEGMENTS)):
        at = start + number * step
        if wide:
            what, _, offset, address, _, size = struct.unpack_from(order + "IIQQQQ", data, at)
        else:
            what, offset, address, _, size = struct.unpack_from(order + "IIIII", data, at)
        segments.append(_Segment(what, offset, address, size))
    found = Elf(form(data), _TYPES.get(kind, ""))
    for segment in segments:
        if segment.kind == _INTERP:
            found = found._replace(interpreter=_string(data, segment.offset, segment.size))
    for segment in segments:
        if segment.kind == _DYNAMIC:
            return _dynamic(data, found, segment, segments)
    return found


def _dynamic(data: Data, found: Elf, dynamic: _Segment, segments: list[_Segment]) -> Elf:
    pair = struct.Struct(_order(data) + ("QQ" if found.form[0] == 2 else "II"))
    tags: list[tuple[int, int]] = []
    for number in range(min(dynamic.size // pair.size, _MAX_TAGS)):
        tag, value = pair.unpack_from(data, dynamic.offset + number * pair.size)
        if not tag:
            break
        tags.append((tag, value))
    single = dict(tags)
    table = single.get(_STRTAB, 0)
    for load in segments:
        if load.kind == _LOAD and load.address <= table < load.address + load.size:
            table += load.offset - load.address
            break
    else:
        return found  # its tables were taken out of it, as of what only a debugger reads
    end = single.get(_STRSZ, 0)

    def text(offset: int, most: int = _MAX_NAME) -> str:
        return _string(data, table + offset, min(most, end - offset))

    def folders(tag: int) -> tuple[str, ...]:
        if tag not in single:
            return ()
        return tuple(text(single[tag], _MAX_STRING).split(":")[:_MAX_FOLDERS])

    return found._replace(
        needed=tuple(text(value) for tag, value in tags if tag == _NEEDED)[:_MAX_NEEDED],
        soname=text(single[_SONAME]) if _SONAME in single else "",
        rpath=folders(_RPATH),
        runpath=folders(_RUNPATH),
        default_folders=not single.get(_FLAGS, 0) & _NODEFLIB,
    )


def _string(data: Data, start: int, size: int) -> str:
    field = data[start : start + max(0, min(size, _MAX_STRING))]
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")
