"""Bytes and text without loss, and edits as spans of that text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple

MAX_BYTES = 4 * 1024 * 1024
BOM = "\ufeff"


class Unreadable(ValueError):
    """The bytes are not a Dockerfile that any engine would read."""


class Overlap(ValueError):
    """Two edits claim the same characters."""


class Span(NamedTuple):
    """Half-open range of offsets into a decoded text."""

    start: int
    end: int

    def meets(self, other: Span) -> bool:
        """Whether the two share a character, or an insertion point inside the other."""
        if self.start == self.end or other.start == other.end:
            return (self.start < other.end and other.start < self.end) or self == other
        return self.start < other.end and other.start < self.end


class Edit(NamedTuple):
    """Replace the characters of `span` by `text`."""

    span: Span
    text: str


def decode(data: bytes) -> str:
    """Return the text; bytes that are not UTF-8 become surrogates and come back unchanged."""
    if len(data) > MAX_BYTES:
        raise Unreadable(f"larger than {MAX_BYTES} bytes")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("UTF-16; save the file as UTF-8")
    if b"\0" in data:
        raise Unreadable("NUL bytes")
    return data.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """Return the bytes that `decode` made `text` from."""
    return text.encode("utf-8", "surrogateescape")


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Return `text` with all edits made; edits at one offset keep their order."""
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda e: e.span):
        if edit.span.start < at:
            raise Overlap(f"edits overlap at offset {edit.span.start}")
        parts += (text[at : edit.span.start], edit.text)
        at = edit.span.end
    parts.append(text[at:])
    return "".join(parts)


def line_edits(before: str, after: str) -> tuple[Edit, ...]:
    """Return the edit of whole lines that makes one text of another; none if they are equal."""
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    head = tail = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    if head == len(old) == len(new):
        return ()
    starts = [0, *accumulate(map(len, old))]
    span = Span(starts[head], starts[len(old) - tail])
    return (Edit(span, "".join(new[head : len(new) - tail])),)


class Moves:
    """Where offsets are after edits, and where they were before."""

    def __init__(self, edits: Iterable[Edit]) -> None:
        self.edits = sorted(edits, key=lambda edit: edit.span)
        self.starts = [edit.span.start for edit in self.edits]
        self.ends = [edit.span.end for edit in self.edits]
        growth = (len(e.text) - (e.span.end - e.span.start) for e in self.edits)
        self.growth = [0, *accumulate(growth)]
        self.written = [start + more for start, more in zip(self.starts, self.growth, strict=False)]

    def before(self, offset: int) -> int:
        """Return where an offset is, in front of what is inserted there."""
        return self._moved(offset, bisect_left(self.ends, offset))

    def after(self, offset: int) -> int:
        """Return where an offset is, behind what is inserted there."""
        return self._moved(offset, bisect_right(self.ends, offset))

    def moved(self, span: Span) -> Span:
        """Return where a range is, without what is written in front of it and behind."""
        done = bisect_left(self.ends, span.end)
        while done < len(self.edits) and self.starts[done] < self.ends[done] == span.end:
            done += 1
        return Span(self.after(span.start), self._moved(span.end, done))

    def home(self, offset: int) -> int:
        """Return where an offset was; what is new was where it was written."""
        done = bisect_right(self.written, offset)
        if done and offset < self.written[done - 1] + len(self.edits[done - 1].text):
            return self.starts[done - 1]
        return offset - self.growth[done]

    def _moved(self, offset: int, done: int) -> int:
        if done < len(self.edits) and self.starts[done] < offset:
            offset = self.starts[done]  # it was in the middle of what is replaced
        return offset + self.growth[done]
