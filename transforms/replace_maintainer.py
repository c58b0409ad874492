"""Replace MAINTAINER by the label that took its place.

MAINTAINER is deprecated (BuildKit: MaintainerDeprecated; hadolint: DL4000). The label is the one
of the OCI image specification, and says the same; the image's `Author` field becomes empty.
MAINTAINER expands no variables and knows no quotes, LABEL does both: what it would take for
syntax is escaped. Quotes around the whole name are not part of the name.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Instruction,
    Phase,
    Refusal,
    Snapshot,
    edits,
    metadata,
    transform,
)


@transform(
    phase=Phase.REPAIR,
    triggers=("maintainer",),
    answers=["DL4000", "MaintainerDeprecated"],
    stability="stable",
    examples=[
        Example("FROM scratch\n# MAINTAINER Jane\n"),
        Example("FROM scratch\nLABEL maintainer=Jane\n"),
        Example("FROM scratch\nMAINTAINER A\nMAINTAINER B\n", refuses="D101"),
        Example(
            f"FROM scratch\nLABEL {metadata.AUTHORS}=A\nMAINTAINER B\n", refuses="D102",
            note="two answers to one question",
        ),
        Example("FROM scratch\nMAINTAINER A \\\n B\n", refuses="D103"),
        Example(
            "FROM scratch\nMAINTAINER Jane Doe <jane@example.com>\n",
            f'FROM scratch\nLABEL {metadata.AUTHORS}="Jane Doe <jane@example.com>"\n',
        ),
        Example(
            'FROM scratch\nmaintainer "Jane $X"\n',
            f'FROM scratch\nlabel {metadata.AUTHORS}="Jane \\$X"\n',
        ),
        Example(
            "FROM a AS one\nMAINTAINER A\nFROM one\n",
            f'FROM a AS one\nLABEL {metadata.AUTHORS}="A"\nFROM one\n',
            note="a stage that starts from this one inherits the label, as it did the author",
        ),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each MAINTAINER and at the labels beside it."""
    for ins in snapshot.dockerfile.instructions:
        if ins.keyword != "MAINTAINER":
            continue
        start = ins.span.start
        if not _alone(snapshot, start):
            yield Refusal("D101", "several MAINTAINERs", "keep the last one of the stage", start)
        elif metadata.AUTHORS in snapshot.text:
            yield Refusal(
                "D102", f"there is a label {metadata.AUTHORS}", "delete one of the two", start
            )
        elif not ins.args or not ins.logical.contiguous(ins.start, ins.args_end):
            yield Refusal("D103", "the name is empty or continued", "write it on one line", start)
        else:
            yield _change(snapshot, ins)


def _alone(snapshot: Snapshot, start: int) -> bool:
    """Whether its stage has no other MAINTAINER, nor one that it starts from."""
    for stage in snapshot.graph.stages:
        own = [i for i in stage.instructions if i.keyword == "MAINTAINER"]
        if any(i.span.start == start for i in own):
            return len(own) == 1 and stage.parent is None
    return False


def _change(snapshot: Snapshot, ins: Instruction) -> Change:
    escape = snapshot.dockerfile.escape
    value = metadata.author(ins.args)
    for char in (escape, '"', "$"):
        value = value.replace(char, escape + char)
    keyword = snapshot.text[ins.keyword_span.start : ins.keyword_span.end]
    label = "label" if keyword.islower() else "LABEL"
    edit = edits.replace_logical(
        ins, ins.start, ins.args_end, f'{label} {metadata.AUTHORS}="{value}"'
    )
    claim = Claim(
        Effect.METADATA, frozenset({"maintainer", f"label {metadata.AUTHORS}={ins.args}"})
    )
    return Change("MAINTAINER is deprecated: the OCI label says the same", (edit,), (claim,))
