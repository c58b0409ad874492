"""The same text as dockerfile-parse reads it: where the two disagree, a file is refused.

What dockerfile-parse is known not to read is masked first: heredoc bodies, a byte-order mark,
blank lines inside a continuation, and a continuation at the end of the file.
"""

from __future__ import annotations

import io

from refactor.source import BOM
from refactor.syntax import SPACE, Dockerfile


def disagreement(dockerfile: Dockerfile) -> str | None:
    """Return both readings of the first instruction that is read differently, or None."""
    ours = _numbered(dockerfile)
    theirs = _read(_masked(dockerfile))
    for ours_one, theirs_one in zip(ours, theirs, strict=False):
        if ours_one != theirs_one:
            return f"{_text(ours_one)}; dockerfile-parse reads {_text(theirs_one)}"
    if len(ours) != len(theirs):
        return f"{len(ours)} instructions; dockerfile-parse reads {len(theirs)}"
    return None


def _numbered(dockerfile: Dockerfile) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    line, at = 1, 0
    for ins in dockerfile.instructions:
        line += dockerfile.text.count("\n", at, ins.span.start)
        at = ins.span.start
        found.append((ins.keyword, line))
    return found


def _text(reading: tuple[str, int]) -> str:
    return f"{reading[0][:20]!r} on line {reading[1]}"


def _read(text: str) -> list[tuple[str, int]]:
    from dockerfile_parse import DockerfileParser

    data = text.replace("\r\n", "\n").encode("utf-8", "replace")  # it takes nothing but UTF-8
    parser = DockerfileParser(fileobj=io.BytesIO(data))
    structure = parser.structure
    return [
        (item["instruction"], item["startline"] + 1)
        for item in structure
        if item["instruction"] != "COMMENT"
    ]


def _masked(dockerfile: Dockerfile) -> str:
    text = dockerfile.text
    parts: list[str] = []
    at = 0
    for ins in dockerfile.instructions:
        parts.append(text[at : ins.span.start])
        own = text[ins.span.start : ins.span.end]
        if ins.heredocs:
            cut = ins.heredocs[0].body.start - ins.span.start
            own = own[:cut] + "#\n" * own.count("\n", cut)
        if "\n" in own[:-1]:
            own = "\n".join(
                "#" if row and not line.strip(SPACE) and not last else line
                for row, line, last in _rows(own)
            )
        parts.append(own)
        at = ins.span.end
    parts.append(text[at:])
    return "".join(parts).removeprefix(BOM) + "\n \n"  # ends what is continued at the end


def _rows(text: str) -> list[tuple[int, str, bool]]:
    lines = text.split("\n")
    return [(row, line, row == len(lines) - 1) for row, line in enumerate(lines)]
