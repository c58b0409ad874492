"""Texts -> unified diffs that `git apply` takes; hunk headings name the transforms."""

from __future__ import annotations

import posixpath
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate

from refactor.source import Edit, Span

CONTEXT = 3
NO_NEWLINE = "\\ No newline at end of file\n"
_Opcode = tuple[str, int, int, int, int]


def unified(
    path: str, before: str | None, after: str, marks: Sequence[tuple[Span, str]] = (),
    above: int = 0,
) -> Iterator[str]:  # fmt: skip
    """Yield the lines of a diff; `marks` say which transform wrote which part of `after`.

    `before` is None for a file that is new. `above` lines of both, which are equal, are left out.
    """
    if before == after:
        return
    old, new = _lines(before or ""), _lines(after)
    yield f"--- {'/dev/null' if before is None else _quoted('a/' + path)}\n"
    yield f"+++ {_quoted('b/' + path)}\n"
    starts = [0, *accumulate(len(line) for line in new)]
    marks = sorted(marks)
    for group in _groups(old, new):
        i1, i2, j1, j2 = group[0][1], group[-1][2], group[0][3], group[-1][4]
        names = _names(marks, Span(starts[j1], starts[j2]))
        old_range, new_range = _range(i1, i2, above), _range(j1, j2, above)
        yield f"@@ -{old_range} +{new_range} @@{' ' if names else ''}{names}\n"
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                yield from _marked(" ", old[a1:a2])
                continue
            yield from _marked("-", old[a1:a2])
            yield from _marked("+", new[b1:b2])


def line_edits(before: str, after: str) -> Iterator[Edit]:
    """Yield what makes one text of another, by whole lines."""
    old, new = _lines(before), _lines(after)
    starts = [0, *accumulate(len(line) for line in old)]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield Edit(Span(starts[i1], starts[i2]), "".join(new[j1:j2]))


def beside(shown: str, place: str, other: str) -> str:
    """Return the name in reports of another file: `shown` is that of the one at `place`."""
    if shown == place or shown.endswith(f"/{place}"):
        return shown[: len(shown) - len(place)] + other
    up = posixpath.relpath(other, posixpath.dirname(place) or ".")
    return posixpath.normpath(posixpath.join(posixpath.dirname(shown), up))


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    whole = [line + "\n" for line in lines[:-1]]
    return [*whole, lines[-1]] if lines[-1] else whole


def _marked(sign: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield sign + line if line.endswith("\n") else f"{sign}{line}\n{NO_NEWLINE}"


def _groups(old: list[str], new: list[str]) -> list[list[_Opcode]]:
    """Return difflib's hunks; equal ends are cut off first, which keeps long files fast."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    a, b = len(old) - tail, len(new) - tail
    groups = [
        [(tag, i1 + head, i2 + head, j1 + head, j2 + head) for tag, i1, i2, j1, j2 in group]
        for group in SequenceMatcher(None, old[head:a], new[head:b]).get_grouped_opcodes(CONTEXT)
    ]
    # Lines of the equal ends match no others: they are context, as they stand.
    low, high = max(0, head - CONTEXT), min(CONTEXT, tail)
    groups[0].insert(0, ("equal", low, head, low, head))
    groups[-1].append(("equal", a, a + high, b, b + high))
    return groups


def _range(start: int, stop: int, above: int) -> str:
    length = stop - start
    if length == 1:
        return str(above + start + 1)
    return f"{above + start + 1 if length else above + start},{length}"


def _names(marks: Sequence[tuple[Span, str]], span: Span) -> str:
    """Return the names of the marks, sorted by start, that meet a span."""
    last = bisect_right(marks, span.end, key=lambda mark: mark[0].start)
    reach = max((mark.end - mark.start for mark, _ in marks), default=0)
    first = bisect_left(marks, span.start - reach, key=lambda mark: mark[0].start)
    return ", ".join(sorted({name for mark, name in marks[first:last] if span.start <= mark.end}))


def _quoted(path: str) -> str:
    """Quote a name as git does, if it has characters that a patch cannot hold plainly."""
    if all(c.isprintable() and c not in '"\\' and c < "\x7f" for c in path):
        return path
    out = []
    for byte in path.encode("utf-8", "surrogateescape"):
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif 32 <= byte < 127:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'
