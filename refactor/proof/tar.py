"""A tar archive as a stream of entries: ustar, GNU and PAX, sparse files too.

Not `tarfile`: it takes a header's word for how much memory it needs, and thrice the time.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from refactor.proof.limits import ImageError
from refactor.proof.streams import CHUNK

FILE, HARD, LINK, FOLDER, DEVICE = "file", "hard link", "link", "folder", "device"
_KINDS = {
    b"0": FILE, b"\0": FILE, b"7": FILE, b"S": FILE, b"1": HARD, b"2": LINK, b"5": FOLDER,
    b"3": DEVICE, b"4": DEVICE, b"6": DEVICE,
}  # fmt: skip
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12s")
_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_MAX_SPECIAL = 1 << 20  # bytes of a PAX header or a long name, as in Go's archive/tar
_MAX_PIECES = 100_000  # of a sparse file
_MAX_SIZE = 1 << 63
_CAPABILITY = "SCHILY.xattr.security.capability"

Pieces = tuple[tuple[int, int], ...]


class Entry(NamedTuple):
    """A file, folder, link or device. `size` is in bytes, `stored` what the archive holds of it.

    `pieces` are the offsets and lengths of what is stored of a sparse file. `capability` is what
    the file may do as if root started it, as the kernel keeps it.
    """

    name: str
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    stored: int
    target: str
    capability: str = ""
    pieces: Pieces | None = None


class _Damaged(Exception):
    """What is wrong with an archive."""


class Tar:
    """The entries of one archive; the content of the last one can be read before the next.

    `name` is the archive's, for errors; `count` is told how many bytes are read next. `size` is the
    file's in bytes, if contents can be passed over in it.
    """

    def __init__(
        self,
        file: io.BufferedReader,
        name: str,
        count: Callable[[int], None] = lambda _: None,
        size: int | None = None,
    ) -> None:
        self._file, self._name, self._count, self._size = file, name, count, size
        self._left = self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        try:
            yield from self._entries()
        except _Damaged as error:
            raise self._fault(str(error)) from None

    def _entries(self) -> Iterator[Entry]:
        special: dict[bytes, bytes] = {}
        while block := self._header():
            kind = block[156:157]
            if kind in b"xgLK":
                data = self._special(_number(block[124:136]))
                if kind != b"g":  # docker does not apply those either
                    special[kind] = data
                continue
            yield self._entry(block, special)
            special = {}
            self._skip()
        # What packed it checks itself at its end.
        while self._size is None and (tail := self._file.read(CHUNK)):
            self._count(len(tail))

    def chunks(self) -> Iterator[bytes]:
        """Yield what the archive holds of the last entry."""
        while self._left:
            size = min(self._left, CHUNK)
            self._left -= size
            yield self._exactly(size)

    def _skip(self) -> None:
        """Pass over what is left of the last entry."""
        if self._size is not None and self._left:
            if self._file.seek(self._left + self._padding, io.SEEK_CUR) > self._size:
                raise _Damaged("it ends too early")
            self._left = self._padding = 0
        for _ in self.chunks():
            pass
        self._exactly(self._padding)
        self._padding = 0

    def _header(self) -> bytes:
        """Return the next header; nothing at the end."""
        block = self._file.read(_BLOCK)
        self._count(len(block))
        if not block:
            return b""
        if len(block) == _BLOCK and block != _ZEROS:
            wanted = _number(block[148:156])
            if sum(block) - sum(block[148:156]) + 8 * 0x20 != wanted:
                raise _Damaged("a header's sum is wrong")
            return block
        if len(block) < _BLOCK or self._file.read(_BLOCK) not in (b"", _ZEROS):
            raise _Damaged("it ends in the middle of a header")
        return b""

    def _entry(self, block: bytes, special: dict[bytes, bytes]) -> Entry:
        name, mode, uid, gid, size, _, _, flag, target, magic, *_, prefix, _ = _HEADER.unpack(block)
        records, points = _records(special[b"x"]) if b"x" in special else ({}, [])
        kind = _KINDS.get(flag)
        if kind is None:
            raise _Damaged(f"it has an entry of the kind {flag!r}, which is not known")
        name, target = _text(name), _text(target)
        if magic[:6] == b"ustar\0" and prefix[0]:
            name = _text(prefix) + "/" + name
        name = records.get("path") or _long(special, b"L") or name
        if kind is FILE and name.endswith("/"):
            kind = FOLDER  # as it was said before there was a kind for it
        stored = self._integer(records, "size", size) if kind is FILE else 0
        self._left, self._padding = stored, -stored % _BLOCK
        full, pieces = stored, None
        if flag == b"S":
            full, pieces = self._old_sparse(block)
        elif "GNU.sparse.size" in records or "GNU.sparse.realsize" in records:
            name = records.get("GNU.sparse.name") or name
            full, pieces = self._new_sparse(records, points)
        return Entry(
            name, kind, _number(mode) & 0o7777, self._integer(records, "uid", uid),
            self._integer(records, "gid", gid), full, self._left,
            records.get("linkpath") or _long(special, b"K") or target,
            records.get(_CAPABILITY, ""), pieces,
        )  # fmt: skip

    def _integer(self, records: dict[str, str], key: str, field: bytes) -> int:
        if key not in records:
            return _number(field)
        return _decimal(records[key])

    def _old_sparse(self, block: bytes) -> tuple[int, Pieces]:
        """Return the size and pieces of a sparse file as old GNU tar wrote it."""
        full = _number(block[483:495])
        found: list[tuple[int, int]] = []
        fields, more = block[386:482], block[482]
        while True:
            for at in range(0, len(fields) - 23, 24):
                if not fields[at]:
                    break
                offset = _number(fields[at : at + 12])
                found.append((offset, _number(fields[at + 12 : at + 24])))
            if not more:
                return full, self._checked(found, full)
            block = self._exactly(_BLOCK)
            fields, more = block[:504], block[504]
            if len(found) > _MAX_PIECES:
                raise _Damaged("a sparse file has too many pieces")

    def _new_sparse(self, records: dict[str, str], points: list[int]) -> tuple[int, Pieces]:
        """Return the size and pieces of a sparse file in one of the three ways of PAX."""
        realsize = records.get("GNU.sparse.realsize") or records.get("GNU.sparse.size", "")
        full = _decimal(realsize)
        numbers = points
        if records.get("GNU.sparse.major") == "1":
            numbers = self._stored_map()
        elif "GNU.sparse.map" in records:
            words = records["GNU.sparse.map"].split(",")
            numbers = [_decimal(word) for word in words if word]
        if len(numbers) % 2:
            raise _Damaged("a sparse file's map is not in pairs")
        return full, self._checked(list(zip(numbers[::2], numbers[1::2], strict=True)), full)

    def _stored_map(self) -> list[int]:
        """Return the numbers that stand in front of the content, a line each."""
        lines, wanted = [b""], 1
        while len(lines) <= wanted:
            if self._left < _BLOCK:
                raise _Damaged("a sparse file's map is cut off")
            self._left -= _BLOCK
            *whole, rest = (lines.pop() + self._exactly(_BLOCK)).split(b"\n")
            lines += [*whole, rest]
            if len(lines) > 1 and wanted == 1:
                wanted = 1 + 2 * _decimal(_text(lines[0]))
                if wanted > 2 * _MAX_PIECES:
                    raise _Damaged("a sparse file has too many pieces")
            elif len(lines[-1]) > _BLOCK:
                raise _Damaged("a sparse file's map holds what is no number")
        return [_decimal(_text(line)) for line in lines[1:wanted]]

    def _checked(self, pieces: list[tuple[int, int]], full: int) -> Pieces:
        at = 0
        for offset, length in pieces:
            if offset < at or offset + length > full:
                raise _Damaged("a sparse file's pieces do not fit in it")
            at = offset + length
        if sum(length for _, length in pieces) != self._left:
            raise _Damaged("a sparse file's pieces are not what is stored of it")
        return tuple(pieces)

    def _special(self, size: int) -> bytes:
        if size > _MAX_SPECIAL:
            raise _Damaged(f"a header is {size:,} bytes long")
        data = self._exactly(size)
        self._exactly(-size % _BLOCK)
        return data

    def _exactly(self, size: int) -> bytes:
        if not size:
            return b""
        self._count(size)
        data = self._file.read(size)
        if len(data) < size:
            raise self._fault("it ends too early")
        return data

    def _fault(self, what: str) -> ImageError:
        return ImageError(f"{self._name} is no tar archive that can be read: {what}")


@lru_cache(10_000)  # most are those of the entry before
def _number(field: bytes) -> int:
    """Return a number in octal digits, or in binary if it is too large for them."""
    if field[0] & 0x80:
        value = int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    else:
        try:
            value = int(field.partition(b"\0")[0].strip() or b"0", 8)
        except ValueError:
            value = -1
    if not 0 <= value < _MAX_SIZE:
        raise _Damaged("a number in a header is none")
    return value


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) < _MAX_SIZE):
        raise _Damaged("a number in a header is none")
    return int(text)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _long(special: dict[bytes, bytes], kind: bytes) -> str:
    return _text(special[kind]) if kind in special else ""


def _records(data: bytes) -> tuple[dict[str, str], list[int]]:
    """Return the records of a PAX header, and the numbers of a sparse file's map in order."""
    found: dict[str, str] = {}
    points: list[int] = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        length = data[at:space]
        end = at + int(length) if space > 0 and length.isdigit() else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end <= space or data[end - 1 : end] != b"\n" or not equals:
            raise _Damaged("a PAX header is damaged")
        at = end
        name = key.decode("utf-8", "surrogateescape")
        if name == _CAPABILITY:
            found[name] = value.hex()
        elif name in ("GNU.sparse.offset", "GNU.sparse.numbytes"):
            points.append(_decimal(_text(value)))
        else:
            found[name] = value.decode("utf-8", "surrogateescape")
    return found, points
