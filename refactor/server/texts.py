"""A document's text and its places, as the language server protocol counts them.

The engine's places are offsets, and its lines end at a newline alone. A client's lines end at a
carriage return too, and its columns are counted in the units that were agreed on.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import accumulate

from lsprotocol.types import (
    Position,
    PositionEncodingKind,
    Range,
    TextDocumentContentChangeEvent,
    TextDocumentContentChangePartial,
)

_END = re.compile(r"\r\n|\n|\r")
_WIDTHS: Mapping[str, Callable[[str], int]] = {
    PositionEncodingKind.Utf8: lambda text: len(text.encode("utf-8", "surrogatepass")),
    PositionEncodingKind.Utf16: lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2,
    PositionEncodingKind.Utf32: len,
}


class Text:
    """A text; `encoding` says what its columns are counted in."""

    def __init__(self, text: str, encoding: str = PositionEncodingKind.Utf16) -> None:
        self.text = text
        self.encoding = encoding
        self._width = _WIDTHS[encoding]

    @cached_property
    def _lines(self) -> list[tuple[int, int]]:
        """Where each of the client's lines starts, and where it ends without what ends it."""
        ends = [(match.start(), match.end()) for match in _END.finditer(self.text)]
        starts = [0, *(end for _, end in ends)]
        return list(zip(starts, [*(start for start, _ in ends), len(self.text)], strict=True))

    @cached_property
    def _rows(self) -> list[int]:
        """Where each of the engine's lines starts, and where one behind the last would."""
        return [0, *accumulate(len(row) + 1 for row in self.text.split("\n"))]

    def position(self, offset: int) -> Position:
        """Return the place of an offset."""
        line = bisect_right(self._lines, offset, key=lambda line: line[0]) - 1
        start, end = self._lines[line]
        return Position(line, self._width(self.text[start : min(offset, end)]))

    def offset(self, position: Position) -> int:
        """Return the offset of a place; one behind the end of its line is that end."""
        if position.line >= len(self._lines):
            return len(self.text)
        start, end = self._lines[position.line]
        line = self.text[start:end]
        if line.isascii():
            return start + min(position.character, len(line))
        columns = accumulate(map(self._width, line))
        return start + sum(column <= position.character for column in columns)

    def range(self, start: int, end: int) -> Range:
        """Return the places of two offsets."""
        return Range(self.position(start), self.position(end))

    def rows(self, first: int, last: int) -> Range:
        """Return the engine's lines, counted from 1, without the blanks around them."""
        rows = len(self._rows) - 1
        first = min(max(first, 1), rows)
        last = min(max(last, first), rows)
        start, end = self._rows[first - 1], self._rows[last] - 1
        inner = self.text[start:end]
        start += len(inner) - len(inner.lstrip())
        return self.range(start, max(start, start + len(inner.strip())))

    def changed(self, changes: Iterable[TextDocumentContentChangeEvent]) -> Text:
        """Return the text after what a client says was typed, one change after the other."""
        found = self
        for change in changes:
            if isinstance(change, TextDocumentContentChangePartial):
                start, end = found.offset(change.range.start), found.offset(change.range.end)
                text = found.text[:start] + change.text + found.text[max(start, end) :]
            else:
                text = change.text
            found = Text(text, self.encoding)
        return found
