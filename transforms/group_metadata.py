"""Write neighbouring ENV instructions, or LABEL instructions, as one.

One instruction with several pairs, each on a line of its own, shows what belongs together and
makes one entry of the image's history. Only lines that touch are grouped: a blank line or a
comment keeps them apart, and each pair stays byte for byte what it was. Docker evaluates all
pairs of one instruction with the variables before it, so that a pair which uses a variable of the
group starts a new one. Off by default: it is a matter of taste, and no image gets smaller.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Example,
    Phase,
    Refusal,
    Snapshot,
    metadata_edits,
    transform,
)


@transform(
    phase=Phase.MERGE,
    triggers=("env", "label"),
    default=False,
    examples=[
        Example("FROM scratch\nENV A=1 \\\n    B=2\nLABEL a=1\nENV C=3\n"),
        Example("FROM scratch\nENV A=1\n\nENV B=2\n", note="a blank line keeps them apart"),
        Example("FROM scratch\nENV A=1\n# for c\nENV B=2\nARG C\nENV D=4\n"),
        Example("FROM scratch\nONBUILD ENV A=1\nONBUILD ENV B=2\n"),
        Example("FROM scratch\nENV A 1\nENV B=2\n", refuses="G201"),
        Example("FROM scratch\nENV A=1\nENV A=2\n", refuses="G202"),
        Example("FROM scratch\nENV A=1\nENV B=/$A\n", refuses="G203"),
        Example("FROM scratch\nENV A=${B:-0}\nENV B=1\n", refuses="G203",
                note="the same in one instruction, but read as if A were 1"),
        Example("FROM scratch\nLABEL a=\"b\nLABEL c=d\n", refuses="G204"),
        Example("FROM scratch\n# renovate: datasource=npm depName=a\nENV A=1.2\nENV B=2\n",
                refuses="G205", note="what reads the comment reads the whole line below it"),
        Example("FROM scratch\nENV A=1\nENV \\\n  # two\n  B=2\n", refuses="G206"),
        Example("FROM scratch\nENV A=1\nENV B=\"b  b\" C=3\nENV D=$E\n",
                "FROM scratch\nENV A=1 \\\n    B=\"b  b\" C=3 \\\n    D=$E\n"),
        Example("FROM scratch\n# who\nLABEL a=1 \\\n      # of b\n      b=2\nLABEL \\\n  c=3\n",
                "FROM scratch\n# who\nLABEL a=1 \\\n      # of b\n      b=2 \\\n      c=3\n"),
        Example("FROM scratch\nENV A=1\nENV B=$A\nENV C=3\nCMD c\n",
                "FROM scratch\nENV A=1\nENV B=$A \\\n    C=3\nCMD c\n", refuses="G203"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each group of instructions that touch."""
    for group in metadata_edits.groups(snapshot):
        if group.below and group.hindrance:
            yield Refusal(*group.hindrance, group.below.span.start)
        if len(group.instructions) > 1:
            reason = f"{len(group.instructions)} {group.instructions[0].keyword} lines are one list"
            yield Change(reason, metadata_edits.join_pairs(snapshot, group.instructions))
