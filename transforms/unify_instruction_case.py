"""Write all instruction keywords in one case.

Docker does not care, readers and BuildKit (ConsistentInstructionCasing) do: the case of the
majority wins, upper case if there is none.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Snapshot, edits, transform


@transform(
    phase=Phase.REPAIR,
    triggers=("from",),
    answers=["ConsistentInstructionCasing"],
    stability="stable",
    examples=[
        Example("FROM scratch\nCOPY a /a\n"),
        Example("from scratch\ncopy a /a\n", note="consistent, if unusual"),
        Example(
            "FROM scratch\nCopy a /a\nENV A=1\n",
            "FROM scratch\nCOPY a /a\nENV A=1\n",
        ),
        Example(
            "from scratch\ncopy a /a\nENV A=1\n",
            "from scratch\ncopy a /a\nenv A=1\n",
        ),
        Example(
            "FROM scratch\nco\\\npy a /a\n",
            note="a keyword that is cut by a continuation stays as it is",
        ),
    ],
)
def propose(snapshot: Snapshot, options: None) -> Iterator[Change]:
    """Count upper and lower case, then mend the others."""
    keywords = [
        (ins, ins.logical.text[ins.start : ins.start + len(ins.keyword)])
        for ins in snapshot.dockerfile.instructions
    ]
    lower = sum(text.islower() for _, text in keywords)
    upper = sum(text.isupper() for _, text in keywords)
    for ins, text in keywords:
        wanted = text.lower() if lower > upper else text.upper()
        if text != wanted and ins.logical.contiguous(ins.start, ins.start + len(text)):
            yield Change(
                f"`{wanted}` in the case of the others", (edits.replace_keyword(ins, wanted),)
            )
