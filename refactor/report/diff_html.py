"""A unified diff as HTML in which before and after stand side by side, or below each other.

Which of the two is up to the style: the lines that go and those that come in their place are one
block, and a line that stays can be shown on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from html import escape
from itertools import zip_longest
from typing import NamedTuple

from refactor.patch import unified
from refactor.report.html import code, text
from refactor.report.proof_words import counted, cut

_ROWS, _WIDTH = 300, 1000  # the patch has all
_HUNK = re.compile(r"@@ -([0-9]+)(?:,([0-9]+))? \+([0-9]+)(?:,([0-9]+))? @@")
_WORD = re.compile(r"[\w.-]+|\s+|.")
_ALIKE, _LONGEST = 0.5, 400  # lines that are less alike, or longer, are shown without marks


class Row(NamedTuple):
    """A line of a hunk: `sign` is a space, - or +; it is at `old` in the file, `new` afterwards."""

    sign: str
    old: int
    new: int
    text: str


class Hunk(NamedTuple):
    """`heading` is the line that names the file, in front of its first hunk."""

    heading: str
    rows: list[Row]


def heading(path: str) -> str:
    """Return the line of a diff that names a file."""
    return [*unified(path, "", "\n")][1].rstrip("\n")


def diff(patch: str, own: str) -> Iterator[str]:
    """Yield a diff; only files whose heading is not `own` are named."""
    left = _ROWS
    yield '<div class="diff">\n'
    for hunk in hunks(patch):
        if hunk.heading not in ("", own):
            name = hunk.heading.removeprefix("+++ ").removeprefix("b/")
            yield f'<p class="path">{code(name)}</p>\n'
        yield '<div class="hunk">\n'
        yield from _hunk(hunk.rows[: max(left, 0)])
        left -= len(hunk.rows)
        yield "</div>\n"
    yield "</div>\n"
    if left < 0:
        yield f'<p class="soft">and {counted(-left, "more line")}: the patch has all</p>\n'


def hunks(patch: str) -> Iterator[Hunk]:
    """Yield the hunks of a diff that is ours, so well formed."""
    lines = iter(patch.split("\n"))
    heading = ""
    for line in lines:
        if line.startswith("+++ "):
            heading = line
        elif match := _HUNK.match(line):
            old, had, new, has = (1 if n is None else int(n) for n in match.groups())
            # an empty range is named by the line in front of it
            yield Hunk(heading, [*_rows(lines, old + (not had), had, new + (not has), has)])
            heading = ""


def _rows(lines: Iterator[str], old: int, had: int, new: int, has: int) -> Iterator[Row]:
    """Yield the lines of a hunk, as many as its heading says."""
    for line in lines:
        sign = line[:1]
        if sign != "\\":
            yield Row(sign, old, new, line[1:])
            gone, come = sign != "+", sign != "-"
            old, had, new, has = old + gone, had - gone, new + come, has - come
        if had <= 0 and has <= 0:
            return


def _hunk(rows: Sequence[Row]) -> Iterator[str]:
    gone: list[Row] = []
    come: list[Row] = []
    for row in rows:
        if row.sign == " ":
            yield from _swap(gone, come)
            gone, come = [], []
            shown = _line(row.text)
            yield (
                f'<p data-n="{row.new}" data-t="{shown}"><span data-n="{row.old}">{shown}'
                "</span></p>\n"
            )
        else:
            (gone if row.sign == "-" else come).append(row)
    yield from _swap(gone, come)


def _swap(gone: Sequence[Row], come: Sequence[Row]) -> Iterator[str]:
    """Yield lines that go, and those that come in their place."""
    if not gone and not come:
        return
    pairs = [_marked(a and a.text, b and b.text) for a, b in zip_longest(gone, come)]
    yield '<div class="swap">\n'
    for row, (written, _) in zip(gone, pairs, strict=False):
        yield f'<del data-n="{row.old}">{written}</del>\n'
    for row, (_, written) in zip(come, pairs, strict=False):
        yield f'<ins data-n="{row.new}">{written}</ins>\n'
    yield "</div>\n"


def _marked(before: str | None, after: str | None) -> tuple[str, str]:
    """Return both lines, in which the words that differ are marked if most are the same."""
    if before is None or after is None or max(len(before), len(after)) > _LONGEST:
        return _line(before or ""), _line(after or "")
    old, new = _WORD.findall(before), _WORD.findall(after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return _line(before), _line(after)
    codes = matcher.get_opcodes()
    return (
        _joined((tag != "equal", old[a1:a2]) for tag, a1, a2, _, _ in codes),
        _joined((tag != "equal", new[b1:b2]) for tag, _, _, b1, b2 in codes),
    )


def _joined(parts: Iterable[tuple[bool, Sequence[str]]]) -> str:
    written = ((mark, _line("".join(words))) for mark, words in parts if words)
    return "".join(f"<b>{part}</b>" if mark else part for mark, part in written)


def _line(content: str) -> str:
    return escape(cut(content, _WIDTH))


def patch(content: str, limit: int) -> Iterator[str]:
    """Yield a whole patch as it is, each line of a difference in its tone."""
    lines = content.split("\n")[:-1]
    yield '<pre class="patch" tabindex="0" role="region" aria-label="Whole patch">'
    for line in lines[:limit]:
        tag = {"-": "del", "+": "ins", "@": "b"}.get(line[:1])
        if line.startswith(("--- ", "+++ ")):
            tag = "b"
        shown = text(line, _WIDTH) + "\n"
        yield f"<{tag}>{shown}</{tag}>" if tag else shown
    yield "</pre>\n"
    if len(lines) > limit:
        yield f'<p class="soft">and {counted(len(lines) - limit, "more line")}</p>\n'
