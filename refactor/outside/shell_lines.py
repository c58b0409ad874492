"""The simple commands of shell text of any kind, however broken: to look for a few programs in it.

Scripts that must be understood to the last byte are read by `refactor.shell`. Here nothing is
edited, and a command that is found too many is better than one that is missed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from refactor.outside.records import defaulted

MAX_DEPTH = 3
MAX_TEXT = 512 * 1024
# What makes a text worth reading.
TOOLS = re.compile(
    r"docker|podman|nerdctl|buildah|buildctl|kaniko|compose|kubectl|gcloud|\baz\b|\boc\b", re.I
)
_PIECE = re.compile(
    r"""
      (?P<space>(?:[ \t\r]|\\\r?\n)+)
    | (?P<end>\n|;;?|&&|\|[|&]?|[()]|&(?!>))
    | (?P<redirect>\d*(?:<<<|<<-?|<>|>>|>\||&>>?|[<>]&?))
    | (?P<single>'[^']*')
    | (?P<double>"(?:[^"\\]|\\.)*")
    | (?P<escape>\\.)
    | (?P<braces>\$\{[^{}]{0,300}\})
    | (?P<backtick>`[^`]{0,4000}`)
    | (?P<plain>[^\s'"\\$;&|()<>`]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_ASSIGNED = re.compile(
    r"^[ \t]*(?:-[ \t]+)?(?:(?:export|readonly|local|set)[ \t]+)?"
    r"(?:([A-Za-z_]\w*)[ \t]*[:?]?=|([A-Z_][A-Z0-9_]*):)[ \t]*"
    r"(?P<quote>[\"']?)([\w./:@%+,${}()-][\w./:@%+,${}() -]{0,200}|)(?P=quote)[ \t]*$",
    re.MULTILINE,
)
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|\((\w+)\)|(\w+))")


class Word(NamedTuple):
    """A word of a command: without its quotes, and as written."""

    value: str
    raw: str


class Line(NamedTuple):
    """A simple command and its line."""

    words: tuple[Word, ...]
    line: int


def commands(text: str, line: int = 1, depth: int = 0) -> Iterator[Line]:
    """Yield the simple commands of a text, and those inside words that hold a text of their own."""
    for command in _commands(text, line):
        yield command
        for word in command.words:
            if depth < MAX_DEPTH and re.search(r"\s", word.value) and TOOLS.search(word.value):
                inner = re.sub(r"\$\(|[()`]", ";", word.value)
                for found in commands(inner, 0, depth + 1):
                    yield Line(found.words, command.line)


def _commands(text: str, line: int) -> Iterator[Line]:
    words: list[Word] = []
    value = raw = ""
    start, at, target = line, 0, False
    closing = _closing(text)
    while at < len(text):
        if not raw and text[at] == "#":
            at = _find(text, "\n", at)
            continue
        match = _PIECE.match(text, at)
        assert match is not None
        kind, piece = match.lastgroup, match[0]
        if piece == "$" and at + 1 in closing:
            kind, piece = "plain", text[at : closing[at + 1] + 1]
        at += len(piece)
        if kind in ("space", "end", "redirect"):
            if raw and not (kind == "redirect" and raw.isdigit()) and not target:
                words.append(Word(value, raw))
            target = (target and not raw) or kind == "redirect"
            value = raw = ""
            line += piece.count("\n")
            if kind == "end":
                target = False
                if words:
                    yield Line(tuple(words), start)
                words, start = [], line
            elif not words:
                start = line
        else:
            raw += piece
            value += _unquoted(kind or "", piece)
            line += piece.count("\n")
    if raw and not target:
        words.append(Word(value, raw))
    if words:
        yield Line(tuple(words), start)


def _find(text: str, what: str, at: int) -> int:
    found = text.find(what, at)
    return len(text) if found < 0 else found


def _closing(text: str) -> dict[int, int]:
    """Return where each parenthesis is closed, quotes or not."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for match in re.finditer(r"[()]", text):
        if match[0] == "(":
            opened.append(match.start())
        elif opened:
            found[opened.pop()] = match.start()
    return found


def _unquoted(kind: str, piece: str) -> str:
    if kind == "single":
        return piece[1:-1]
    if kind == "double":
        return re.sub(r'\\(["\\$`]|\n)', lambda match: match[1].strip("\n"), piece[1:-1])
    return piece[1:].strip("\n") if kind == "escape" else piece


def values(text: str) -> dict[str, str]:
    """Return the variables that a text gives one plain value, on a line of its own."""
    found: dict[str, set[str]] = defaultdict(set)
    for match in _ASSIGNED.finditer(text):
        found[match[1] or match[2]].add(defaulted(match[4].strip()))
    return {name: next(iter(given)) for name, given in found.items() if len(given) == 1}


def fill(text: str, known: dict[str, str]) -> str:
    """Return a text with the variables filled in that are known."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        found = known.get(name, "")
        return found if found and name not in found else match[0]

    for _ in range(3):
        longer = _REFERENCE.sub(value, text)
        if longer == text or len(longer) > MAX_TEXT:  # values may hold each other many times over
            break
        text = longer
    return text


def expanded(text: str) -> str:
    """Return a text with the variables filled in that it gives one plain value."""
    return fill(text, values(text))
