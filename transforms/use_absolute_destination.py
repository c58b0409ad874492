"""Copy to an absolute path where no WORKDIR is set.

The destination then depends on the base image (hadolint: DL3045). Where its directory is known, the
joined path is written. Below a WORKDIR a relative destination is fine, and stays.
"""

import re
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
    stages,
    transform,
    workdirs,
)

_PLAIN = re.compile(r"[\w.@%+=,/-]+", re.ASCII)
_ABSOLUTE = re.compile(r"[\"']?(?:[/\\$]|[A-Za-z]:)")


@transform(
    phase=Phase.REPAIR,
    triggers=("copy", "add"),
    answers=["DL3045"],
    stability="stable",
    examples=[
        Example("FROM debian\nCOPY a /b\nCOPY c $D\nCOPY [\"d\", \"/e\"]\n"),
        Example("FROM debian\nWORKDIR /app\nCOPY a b\n"),
        Example("FROM debian AS a\nWORKDIR /app\nFROM a\nCOPY b c\n"),
        Example("FROM debian\nADD a b\nONBUILD COPY c d\n"),
        Example("FROM example.com/base\nCOPY a b\n", refuses="W201"),
        Example("FROM debian\nCOPY a b/$C\nCOPY d \"e\"\n", refuses="W202"),
        Example("# escape=`\nFROM debian\nCOPY a b\n", refuses="W203"),
        Example("FROM debian\nCOPY a b\n", "FROM debian\nCOPY a /b\n"),
        Example("FROM debian\nCOPY a .\nCOPY b c ./d/\n", "FROM debian\nCOPY a /\nCOPY b c /d/\n"),
        Example("FROM golang\nCOPY --chown=1:1 a \\\n  b/\n", "FROM golang\nCOPY --chown=1:1 a \\\n  /go/b/\n"),
        Example("FROM debian\nCOPY [\"a b\", \"c\" ]\n", "FROM debian\nCOPY [\"a b\", \"/c\" ]\n"),
        Example("FROM debian\nCOPY <<EOF a\nb\nEOF\n", "FROM debian\nCOPY <<EOF /a\nb\nEOF\n"),
        Example("FROM debian AS a\nFROM a\nCOPY b c\nWORKDIR /d\n", "FROM debian AS a\nFROM a\nCOPY b /c\nWORKDIR /d\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each COPY above the first WORKDIR."""
    free = {ins.span.start for ins in snapshot.fact(workdirs.unset)}
    for stage in snapshot.graph.stages:
        for ins in stage.instructions:
            if ins.keyword == "COPY" and ins.span.start in free:
                yield from _judge(snapshot, stage, ins)


def _judge(snapshot: Snapshot, stage: stages.Stage, ins: Instruction) -> Iterator[Change | Refusal]:
    at = ins.span.start
    word, start = sources.destination(ins, snapshot.dockerfile.escape)
    if not word or _ABSOLUTE.match(word):
        return
    path = snapshot.fact(sources.events)[at].destination.text
    if stages.is_windows(stage) or snapshot.dockerfile.escape != "\\":
        yield Refusal("W203", "paths of Windows", "write the path by hand", at)
    elif not _PLAIN.fullmatch(word) or not ins.logical.contiguous(start, start + len(word)):
        yield Refusal("W202", "a variable or quotes in the path", "write the path by hand", at)
    elif not path.startswith("/"):
        yield Refusal("W201", "the directory of the base image is not known", "set WORKDIR", at)
    else:
        edit = edits.replace_logical(ins, start, start + len(word), path)
        yield Change(f"no WORKDIR is set: `{word}` is {path} here", (edit,))
