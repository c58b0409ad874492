"""A unified diff that people have edited -> what is left of it, and the text that it makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import combinations_with_replacement
from math import comb
from typing import Any, NamedTuple

_NUMBER = r"(\d{1,9})(?:,(\d{1,9}))?"
_HUNK = re.compile(rf"@@ -{_NUMBER} \+{_NUMBER} @@(.*)", re.DOTALL)
MAX_PLACES, MAX_COMPARED = 1000, 100_000
_OCTAL = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class PatchError(ValueError):
    """The patch cannot be read, or is not of this file; the message says where."""


class Hunk(NamedTuple):
    """`start` and `length` are the lines of the old text that the heading speaks of.

    `rows` are signs and lines; a line of the old text that is not among them stays as it is.
    """

    start: int
    length: int
    rows: tuple[tuple[str, str], ...]


class Part(NamedTuple):
    """What a patch says of one file; `new` is whether it makes the file."""

    path: str
    new: bool
    hunks: tuple[Hunk, ...]


def read(patch: str) -> list[Part]:
    """Return the files of a patch; headings need not count right, as people delete lines."""
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    lengths: list[int] = []
    try:
        files = PatchSet(list(_recounted(_lines(patch.removeprefix("\ufeff")), lengths)))
    except UnidiffParseError as error:
        raise PatchError(f"the patch cannot be read: {' '.join(str(error).split())}") from None
    taken = iter(lengths)
    parts = []
    for file in files:
        if file.is_binary_file or file.target_file == "/dev/null":
            what = "a binary file" if file.is_binary_file else "deleted"
            raise PatchError(f"{file.source_file}: {what}: only texts can be changed by a patch")
        hunks = tuple(Hunk(hunk.source_start, next(taken), tuple(_rows(hunk))) for hunk in file)
        name = _unquoted(file.target_file).removeprefix("b/")
        parts.append(Part(name, file.source_file == "/dev/null", hunks))
    return parts


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1] + "\n"] if lines[-1] else [])


def _recounted(lines: Sequence[str], lengths: list[int]) -> Iterator[str]:
    """Yield a patch whose headings count what follows them; note what they said of the old text."""
    at = 0
    while at < len(lines):
        heading = _HUNK.match(lines[at])
        if not heading:
            if lines[at].startswith("@@ "):
                raise PatchError(f"line {at + 1} of the patch is no heading of a hunk")
            if row := lines[at].rstrip("\r\n"):  # an editor's line ends are none of a name's
                yield f"{row}\n"
            at += 1
            continue
        wanted = [int(n) if n else 1 for n in (heading[2], heading[4])]
        body = []
        counted = [0, 0]
        at += 1
        while at < len(lines) and not _ends(lines, at, counted == wanted):
            row = lines[at] if lines[at].strip("\r\n") else f" {lines[at]}"
            counted = [
                n + (row[0] in signs) for n, signs in zip(counted, (" -", " +"), strict=True)
            ]
            body.append(row)
            at += 1
        if any(counted):
            lengths.append(wanted[0])
            old, new = (f"{heading[n]},{m}" for n, m in zip((1, 3), counted, strict=True))
            yield f"@@ -{old} +{new} @@{heading[5].rstrip()}\n"
            yield from body


def _ends(lines: Sequence[str], at: int, complete: bool) -> bool:
    """Whether a line is no part of the hunk in front of it."""
    line = lines[at]
    if line[0] not in " +-\\\r\n":
        return True
    if line.startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
        return complete or at + 2 == len(lines) or bool(_HUNK.match(lines[at + 2]))
    return complete and (not line.strip() or line == "-- \n")


def _rows(hunk: Iterable[Any]) -> Iterator[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for row in hunk:
        sign, value = row.line_type, row.value
        if sign == "\\" and not rows:
            continue
        if sign == "\\":
            rows[-1] = (rows[-1][0], rows[-1][1].removesuffix("\n"))
        else:
            rows.append((sign, value))
    yield from rows


def _unquoted(name: str) -> str:
    """Return a name as it is, if it is quoted as git does."""
    if not (name.startswith('"') and name.endswith('"') and len(name) > 1):
        return name

    def character(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code, 8)) if len(code) == 3 else _ESCAPES.get(code, code)

    inner = _OCTAL.sub(character, name[1:-1])
    found = inner.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    if "\0" in found:
        raise PatchError("a file's name has a zero byte in it")
    return found


def patched(text: str, part: Part) -> str:
    """Return what a patch makes of a text; raise PatchError if it is not a patch of it."""
    old = _lines(text)
    if old and not text.endswith("\n"):
        old[-1] = old[-1][:-1]
    found: list[str] = []
    at = 0
    for hunk in part.hunks:
        start = hunk.start - 1 if hunk.length else hunk.start
        if start < at or start + hunk.length > len(old):
            raise PatchError(f"{part.path}: there is no line {start + hunk.length} to be changed")
        found += old[at:start]
        at = start + hunk.length
        found += _hunk(part.path, start, old[start:at], hunk)
    return "".join(found + old[at:])


def _hunk(path: str, first: int, region: Sequence[str], hunk: Hunk) -> Iterator[str]:
    """Yield what becomes of some lines: context as it is, and blocks of `-` and `+` in between."""
    at = 0
    block = _Block([[]], [], [])
    for sign, line in hunk.rows:
        if sign == "+":
            block.added.append(line)
            continue
        if sign == " " or block.added:
            yield from block.lines()
            block = _Block([[]], [], [])
        while at < len(region) and region[at].rstrip() != line.rstrip():
            block.keep(region[at])
            at += 1
        if at == len(region):
            raise PatchError(
                f"{path}: lines {first + 1} to {first + len(region)} do not say {line.strip()!r}: "
                "is the patch of this file, as it is now?"
            )
        if sign == " ":
            yield from block.lines()
            block = _Block([[]], [], [])
            yield region[at]
        else:
            block.removed[-1].append(region[at])
        at += 1
    yield from block.lines()
    yield from region[at:]


class _Block(NamedTuple):
    """Lines that others replace; where a person took a `-` line out, the line is `kept` between."""

    removed: list[list[str]]
    kept: list[str]
    added: list[str]

    def keep(self, line: str) -> None:
        """Take a line that stays, and is no part of what is removed in front of it."""
        self.kept.append(line)
        self.removed.append([])

    def lines(self) -> Iterator[str]:
        """Yield what is there afterwards: what stays between the lines that are most alike."""
        cuts = (0,) * len(self.kept)
        places = comb(len(self.added) + len(self.kept), len(self.kept)) if self.kept else 0
        if 0 < places <= MAX_PLACES and places * sum(map(len, self.added)) <= MAX_COMPARED:
            every = combinations_with_replacement(range(len(self.added) + 1), len(self.kept))
            cuts = min(every, key=self._unlikeness)
        for line, start, end in zip(self.kept, (0, *cuts), cuts, strict=False):
            yield from self.added[start:end]
            yield line
        yield from self.added[cuts[-1] if cuts else 0 :]

    def _unlikeness(self, cuts: tuple[int, ...]) -> float:
        ends = (*cuts, len(self.added))
        pairs = zip(self.removed, (0, *cuts), ends, strict=True)
        return -sum(
            SequenceMatcher(None, "".join(old), "".join(self.added[start:end])).ratio()
            for old, start, end in pairs
        )
