"""End the destination of several sources with a slash.

Without one Docker's classic builder fails, and BuildKit makes a file of the last source alone if no
directory is there (hadolint: DL3021). Where the destination is the WORKDIR that was just set, the
slash changes nothing but that; elsewhere what is meant is for a person to say.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Example,
    Instruction,
    Phase,
    Refusal,
    Snapshot,
    edits,
    sources,
    transform,
)


@transform(
    phase=Phase.REPAIR,
    triggers=("copy", "add"),
    answers=["DL3021"],
    stability="stable",
    examples=[
        Example('FROM a\nWORKDIR /b\nCOPY a b .\nCOPY a b /b/\nCOPY ["a", "b", "./"]\nADD a b $C\n'),
        Example("FROM a\nWORKDIR /b\nCOPY *.c /b\n", note="one source, as far as it is written"),
        Example("FROM a\nCOPY a b /c\n", refuses="T101"),
        Example("FROM a\nWORKDIR /c\nRUN rm -r /c\nCOPY a b /c\n", refuses="T101"),
        Example("FROM a\nWORKDIR /c\nCOPY --link a b /c\n", refuses="T101",
                note="the copy is made where no directory is"),
        Example("FROM a\nONBUILD COPY a b /c\n", refuses="T101"),
        Example("# escape=`\nFROM a\nWORKDIR /c\nCOPY a b C:\\c\n"),
        Example("FROM a\nWORKDIR /c\nCOPY a b /c\n", "FROM a\nWORKDIR /c\nCOPY a b /c/\n"),
        Example('FROM a\nWORKDIR /c\nCOPY a /d\nADD ["a", "b", "/c"]\n',
                'FROM a\nWORKDIR /c\nCOPY a /d\nADD ["a", "b", "/c/"]\n'),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the last word of each COPY and ADD with several sources."""
    escape = snapshot.dockerfile.escape
    for outer in snapshot.dockerfile.instructions:
        ins = outer.trigger or outer
        if ins.keyword not in ("ADD", "COPY") or len(sources.of(ins, escape)) < 2:
            continue
        word, start = sources.destination(ins, escape)
        if word and not any(c in word for c in "$\"'\\") and not word.endswith(("/", ".")):
            yield _judge(snapshot, ins, word, start + len(word))


def _judge(snapshot: Snapshot, ins: Instruction, word: str, end: int) -> Change | Refusal:
    known = snapshot.fact(sources.events)[ins.span.start].destination.text
    if known != f"{word}/":
        reason = f"{word} may be no directory yet: BuildKit makes a file of the last source"
        return Refusal("T101", reason, "end the destination with a slash", ins.span.start)
    return Change(f"{word} is a directory", (edits.insert_logical(ins, end, "/"),))
