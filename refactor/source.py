"""Bytes and text without loss, and edits as spans of that text."""

from __future__ import annotations

from collections.abc import Iterable
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
