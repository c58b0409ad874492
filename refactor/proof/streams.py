"""Bytes of an archive, read once from front to back and unpacked on the way."""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from refactor.proof.limits import ImageError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    Reader = io.BufferedReader[Any]

CHUNK = 1 << 20  # bytes
_STEP = 1 << 16
_MAX_WINDOW = 27  # log2 of what unpacking zstd may hold in memory; its own default


class Part(io.RawIOBase):
    """A part of a file, from an offset, `size` bytes long."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file, self._left = file, size
        file.seek(offset)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer as far as there is something left."""
        data = self._file.read(min(memoryview(buffer).nbytes, self._left))
        self._left -= len(data)
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file too: it was opened for this part."""
        self._file.close()
        super().close()


class _Inflated(io.RawIOBase):
    """What gzip packed, in one member or more; zeros behind the last one are padding."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file, self._name = file, name
        self._member = zlib.decompressobj(31)
        self._data = b""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer as far as there is something left."""
        room = memoryview(buffer).nbytes
        while True:
            if self._member.eof:
                self._data = self._member.unused_data.lstrip(b"\0") or self._more()
                if not self._data:
                    return 0
                self._member = zlib.decompressobj(31)
            self._data = self._data or self._file.read(_STEP)
            is_end = not self._data
            try:
                out = self._member.decompress(self._data, room)
            except zlib.error as error:
                raise ImageError(f"{self._name} is damaged ({error}): write it again") from None
            self._data = self._member.unconsumed_tail
            if out:
                memoryview(buffer)[: len(out)] = out
                return len(out)
            if is_end and not self._member.eof:
                raise ImageError(f"{self._name} ends too early: write the image again")

    def _more(self) -> bytes:
        while data := self._file.read(_STEP):
            if data := data.lstrip(b"\0"):
                return data
        return b""


@contextmanager
def unpacked(file: BinaryIO, name: str) -> Iterator[Reader]:
    """Give what gzip, zstd or nothing packed, and close the file afterwards."""
    packed: Reader = io.BufferedReader(_Raw(file), CHUNK)
    raw: io.RawIOBase | None = None
    try:
        magic = packed.peek(4)[:4]
        if magic[:2] == b"\x1f\x8b":
            raw = _Inflated(packed, name)
        elif magic == b"\x28\xb5\x2f\xfd":
            raw = _Raw(_zstd(packed, name), name, _zstd_errors())
        yield packed if raw is None else io.BufferedReader(raw, CHUNK)
    finally:
        file.close()


def packed_size(file: BinaryIO, name: str) -> int:
    """Return how many bytes gzip makes of a layer, as a registry keeps it; close the file.

    It takes about half a minute a gigabyte.
    """
    packer, size = zlib.compressobj(wbits=31), 0
    with unpacked(file, name) as layer:
        while chunk := layer.read(CHUNK):
            size += len(packer.compress(chunk))
    return size + len(packer.flush())


class _Raw(io.RawIOBase):
    """Any file that has `read`; what goes wrong there says which file it was."""

    def __init__(self, file: Any, name: str = "", errors: tuple[type[Exception], ...] = ()) -> None:
        self._read: Callable[[int], bytes] = file.read
        self._name, self._errors = name, errors

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer as far as there is something left."""
        try:
            data = self._read(memoryview(buffer).nbytes)
        except self._errors as error:
            raise ImageError(f"{self._name} is damaged ({error}): write it again") from None
        memoryview(buffer)[: len(data)] = data
        return len(data)


def _zstd(file: BinaryIO, name: str) -> Any:
    import importlib

    try:
        if sys.version_info >= (3, 14):
            own = importlib.import_module("compression.zstd")
            options = {own.DecompressionParameter.window_log_max: _MAX_WINDOW}
            return own.ZstdFile(file, options=options)
        zstandard = importlib.import_module("zstandard")
    except ImportError:
        wanted = "pip install 'dockerfile-refactor[proof]'"
        raise ImageError(f"{name} is packed with zstd: {wanted} to read it") from None
    reader = zstandard.ZstdDecompressor(max_window_size=1 << _MAX_WINDOW)
    return reader.stream_reader(file, read_across_frames=True)


def _zstd_errors() -> tuple[type[Exception], ...]:
    import importlib

    if sys.version_info >= (3, 14):
        return (importlib.import_module("compression.zstd").ZstdError, EOFError)
    return (importlib.import_module("zstandard").ZstdError,)
