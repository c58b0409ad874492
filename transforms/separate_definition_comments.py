"""Separate a comment from the FROM or ARG below it that it does not describe.

BuildKit takes the comment right above an ARG or a named stage for its description, to be written as
`# name what it is`, and warns of others (InvalidDefinitionDescription, an experimental check). A
blank line says that a comment is none.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Edit,
    Example,
    Instruction,
    Phase,
    Snapshot,
    Span,
    lines,
    pragmas,
    transform,
    words,
)


@transform(
    phase=Phase.REPAIR,
    triggers=("#",),
    answers=["InvalidDefinitionDescription"],
    default=False,
    stability="stable",
    examples=[
        Example("FROM a\n# The version\n\nARG V\n"),
        Example("FROM a\n# What it is:\n# V the version\nARG V=1\n# b the app\nFROM a AS b\n"),
        Example("FROM a\n# The last stage\nFROM a\n", note="a stage without a name has no description"),
        Example("# syntax=docker/dockerfile:1\nFROM a AS b\n"),
        Example("FROM a\n# hadolint ignore=DL3006\nFROM a AS b\n"),
        Example("FROM a\n# The version\nARG V\n", "FROM a\n# The version\n\nARG V\n"),
        Example("FROM a\r\n# The app\r\nFROM a AS b\r\n", "FROM a\r\n# The app\r\n\r\nFROM a AS b\r\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change]:
    """Look above each FROM and ARG."""
    for ins in snapshot.dockerfile.instructions:
        names = _names(ins, snapshot.dockerfile.escape)
        above = lines.heading(snapshot, ins)
        if not names or above is None:
            continue
        comments = snapshot.text[above.span.start : above.span.end].splitlines()
        described = comments[-1].strip().removeprefix("#").split()[:1]
        if described and described[0] in names:
            continue
        if not any(pragmas.PRAGMA.match(comment.strip()) for comment in comments):
            at = ins.span.start
            edit = Edit(Span(at, at), snapshot.dockerfile.newline(at))
            yield Change("the comment above it is no description", (edit,))


def _names(ins: Instruction, escape: str) -> list[str]:
    """Return what an ARG or FROM defines, as it is written."""
    if ins.keyword == "ARG":
        return [word.partition("=")[0] for word in words.parse_words(ins.args, escape)]
    parts = ins.args.split()
    return parts[2:] if ins.keyword == "FROM" and len(parts) == 3 else []
