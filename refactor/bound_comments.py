"""Comments that a tool reads together with the line below them: those of Renovate.

`# renovate: datasource=... depName=...` says of which dependency the version below it is. Regular
expressions of the tool's configuration match the two lines as one, so that a comment which is torn
off its line loses its updates, and nobody is told.
"""

from __future__ import annotations

import re
from collections import Counter

from refactor.source import Span

_COMMENT = re.compile(r"^[ \t]*(#[ \t]*renovate:[^\r\n]*)(?:\r?\n|\Z)(?=([^\r\n]*))", re.MULTILINE)
_ASSIGNS = re.compile(r"(?:ARG|ENV)[ \t]+(\w+)[ \t=]+([^ \t\\]*)", re.IGNORECASE)


def bound(text: str) -> Counter[tuple[str, str]]:
    """Return the comments, each with what its line is told by: the version, and what sets it."""
    if "renovate:" not in text:
        return Counter()
    found = _COMMENT.finditer(text)
    return Counter((match[1].rstrip(), _told_by(match[2].strip())) for match in found)


def places(text: str) -> list[Span]:
    """Return where the comments are, each with its line; in order."""
    if "renovate:" not in text:
        return []
    return [Span(match.start(), match.end(2)) for match in _COMMENT.finditer(text)]


def _told_by(line: str) -> str:
    """Return the name and value that a line sets; else how it starts, and its words with digits."""
    if match := _ASSIGNS.match(line):
        return f"{match[1]}={match[2]}".replace('"', "").replace("'", "")
    words = line.removesuffix("\\").split()
    versions = [word for word in words if re.search(r"\d", word) and not word.startswith("--")]
    return " ".join([*(word.upper() for word in words[:1]), *versions])
