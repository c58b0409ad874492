"""Write WORKDIR as an absolute path.

A relative one depends on the WORKDIR before it, or on that of the base image (hadolint: DL3000,
BuildKit: WorkdirRelativePath). Where that is known, the joined path is written.
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
    stages,
    transform,
    workdirs,
)

_PLAIN = re.compile(r"[\w.@%+=,/-]+", re.ASCII)
_ABSOLUTE = re.compile(r"[\"']?(?:[/\\$]|[A-Za-z]:)")


@transform(
    phase=Phase.REPAIR,
    triggers=("workdir",),
    answers=["DL3000", "WorkdirRelativePath"],
    stability="stable",
    examples=[
        Example("FROM debian\nWORKDIR /app\nWORKDIR $HOME\nWORKDIR \"/a b\"\n"),
        Example("FROM example.com/base\nWORKDIR app\n", refuses="W101"),
        Example("ARG BASE=debian\nFROM $BASE\nWORKDIR app\n", refuses="W101"),
        Example("FROM debian\nWORKDIR $APP\nWORKDIR src\n", refuses="W101"),
        Example("FROM debian\nWORKDIR app/$NAME\nWORKDIR \"app\"\n", refuses="W102"),
        Example("FROM mcr.microsoft.com/windows/nanoserver\nWORKDIR /a\nWORKDIR b\n", refuses="W103"),
        Example("FROM debian AS a\nWORKDIR /a\nONBUILD WORKDIR /b\nFROM a\nWORKDIR c\n", refuses="W101"),
        Example("FROM debian\nONBUILD WORKDIR app\n"),
        Example("FROM debian\nWORKDIR app\n", "FROM debian\nWORKDIR /app\n"),
        Example("FROM golang:1.23\nWORKDIR ./src/\n", "FROM golang:1.23\nWORKDIR /go/src\n"),
        Example(
            "FROM example.com/base\nWORKDIR /a\nWORKDIR b\nRUN c\nWORKDIR ../d\n",
            "FROM example.com/base\nWORKDIR /a\nWORKDIR /a/b\nRUN c\nWORKDIR /a/d\n",
        ),
        Example(
            "FROM a AS b\nENV D=/d\nWORKDIR $D\nFROM b\nWORKDIR e\n",
            "FROM a AS b\nENV D=/d\nWORKDIR $D\nFROM b\nWORKDIR /d/e\n",
        ),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each relative WORKDIR."""
    for stage in snapshot.graph.stages:
        for ins in stage.instructions:
            if ins.keyword == "WORKDIR" and ins.args and not _ABSOLUTE.match(ins.args):
                yield _judge(snapshot, stage, ins)


def _judge(snapshot: Snapshot, stage: stages.Stage, ins: Instruction) -> Change | Refusal:
    at = ins.span.start
    path = snapshot.fact(workdirs.directories)[at].text
    if stages.is_windows(stage) or snapshot.dockerfile.escape != "\\":
        return Refusal("W103", "paths of Windows", "write the path by hand", at)
    if not _PLAIN.fullmatch(ins.args) or not ins.logical.contiguous(ins.args_start, ins.args_end):
        return Refusal("W102", "a variable or quotes in the path", "write the path by hand", at)
    if not path.startswith("/"):
        return Refusal("W101", "what it is relative to is not known", "set WORKDIR before it", at)
    edit = edits.replace_logical(ins, ins.args_start, ins.args_end, path)
    return Change(
        f"`{ins.args}` is {path} here", (edit,), assumes=workdirs.assumed(snapshot, stage, ins)
    )
