"""Remove blank lines inside a continued instruction.

They are skipped today, and BuildKit (NoEmptyContinuation) announces that they will be an error.
What reads as a new instruction behind one is part of the continued one: that is probably a slip,
and for a person to mend.
"""

from collections.abc import Iterator

from refactor import Change, Edit, Example, Instruction, Phase, Refusal, Snapshot, lines, transform

_KEYWORDS = frozenset(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL ONBUILD RUN SHELL STOPSIGNAL "
    "USER VOLUME WORKDIR".split()
)


@transform(
    phase=Phase.REPAIR,
    triggers=("\n\n", "\n\r\n", "\n ", "\n\t"),
    answers=["NoEmptyContinuation"],
    stability="stable",
    examples=[
        Example("FROM debian\nRUN a \\\n  && b\n\nRUN c\n"),
        Example("FROM debian\nRUN <<EOF\na \\\n\nb\nEOF\n", note="a blank line of a script"),
        Example("FROM debian\nRUN a && \\\n\nRUN b\n", refuses="B101"),
        Example("FROM debian\nRUN a \\\n\n  && b\n", "FROM debian\nRUN a \\\n  && b\n"),
        Example(
            "FROM debian\nRUN a \\\n  # why\n\n\n  \t\n  # and\n\n  && b\n",
            "FROM debian\nRUN a \\\n  # why\n  # and\n  && b\n",
        ),
        Example(
            "FROM debian\r\nRUN a \\\r\n\r\n  && b\r\n", "FROM debian\r\nRUN a \\\r\n  && b\r\n"
        ),
        Example(
            "# escape=`\nFROM debian\nENV A=1 `\n\n  B=2\n",
            "# escape=`\nFROM debian\nENV A=1 `\n  B=2\n",
        ),
        Example(
            "FROM debian\nRUN cat <<EOF \\\n\n  && b\n\nEOF\n",
            "FROM debian\nRUN cat <<EOF \\\n  && b\n\nEOF\n",
        ),
    ],
)
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look for blank lines in each instruction."""
    for ins in snapshot.dockerfile.instructions:
        found = lines.blank(snapshot, ins)
        words = [_next_word(snapshot, ins, span.end) for span in found]
        if _KEYWORDS.intersection(words):
            yield Refusal(
                "B101",
                "what looks like an instruction is the end of the one before",
                "remove the escape character at the end of the line before it",
                ins.span.start,
            )
        elif found:
            edits = tuple(Edit(span, "") for span in found)
            yield Change("a blank line in a continued instruction will be an error", edits)


def _next_word(snapshot: Snapshot, ins: Instruction, offset: int) -> str:
    """Return the first word of the code behind an offset."""
    home = next((home for home in ins.logical.homes if home >= offset), len(snapshot.text))
    return snapshot.text[home:].split(None, 1)[0] if home < len(snapshot.text) else ""
