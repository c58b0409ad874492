"""Remove a CMD, ENTRYPOINT or HEALTHCHECK that a later one of the same stage overrides.

Only the last one of a stage counts (hadolint: DL3012, DL4003, DL4004; BuildKit:
MultipleInstructionsDisallowed). A comment would be left over, at the head of something else: then
the instruction stays.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Edit,
    Example,
    Instruction,
    Phase,
    Refusal,
    Snapshot,
    lines,
    pragmas,
    transform,
)

_ANSWERS = {
    "CMD": "DL4003",
    "ENTRYPOINT": "DL4004",
    "HEALTHCHECK": "DL3012",
}


@transform(
    phase=Phase.REPAIR,
    triggers=("cmd", "entrypoint", "healthcheck"),
    answers=["DL3012", "DL4003", "DL4004", "MultipleInstructionsDisallowed"],
    stability="stable",
    examples=[
        Example("FROM a AS b\nCMD c\nFROM b\nCMD d\n", note="two stages"),
        Example("FROM a\nENTRYPOINT b\nCMD c\nONBUILD CMD d\n"),
        Example("FROM a\nCMD b \\\n  # why\n  c\nCMD d\n", refuses="O101"),
        Example("FROM a\n# While testing\nCMD b\nCMD c\n", refuses="O101"),
        Example("FROM a\nCMD b\n# hadolint ignore=DL4003\nCMD c\n"),
        Example("FROM a\nCMD b\nRUN c\nCMD d\n", "FROM a\nRUN c\nCMD d\n"),
        Example("FROM a\nCMD b \\\n  c\n# Run it\nCMD d\n", "FROM a\n# Run it\nCMD d\n"),
        Example("FROM a\n\nCMD b\n\nCMD c\n\nCMD d\n", "FROM a\n\nCMD d\n"),
        Example(
            "FROM a\nENTRYPOINT b\nCMD c\nENTRYPOINT d\n",
            "FROM a\nCMD c\nENTRYPOINT d\n",
        ),
        Example(
            "FROM a\nCMD b\nFROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD c\nCMD d\n",
            "FROM a\nCMD b\nFROM a\nHEALTHCHECK CMD c\nCMD d\n",
        ),
    ],
)
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look for the last one of each stage, from the end."""
    ignored = pragmas.skips(snapshot)[1]
    for stage in snapshot.graph.stages:
        last: dict[str, Instruction] = {}
        for ins in reversed(stage.instructions):
            if ins.keyword not in _ANSWERS:
                continue
            later = last.setdefault(ins.keyword, ins)
            if later is not ins and _ANSWERS[ins.keyword] not in ignored.get(
                later.span.start, frozenset()
            ):
                yield _judge(snapshot, ins)


def _judge(snapshot: Snapshot, ins: Instruction) -> Change | Refusal:
    if ins.comments or lines.heading(snapshot, ins):
        return Refusal(
            "O101",
            f"a comment belongs to the {ins.keyword} that is overridden",
            "move or delete the comment",
            ins.span.start,
        )
    edit = Edit(lines.whole(snapshot, ins), "")
    return Change(f"a later {ins.keyword} of the stage overrides it", (edit,))
