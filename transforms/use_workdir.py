"""Use WORKDIR instead of a `cd` at the start of a RUN.

`cd` ends with its RUN, so that each one has to enter the folder again (hadolint: DL3003). Where it
is the first of commands that all must succeed, WORKDIR enters the folder, and goes back behind
the RUN: what comes later, other stages and containers start where they did. A folder that is not
there makes `cd` fail and is made by WORKDIR: it is assumed to be there. Off by default, as two
lines may take the place of one word.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    edits,
    transform,
    workdirs,
)


@transform(
    phase=Phase.ENTRY,
    triggers=("cd",),
    answers=["DL3003"],
    default=False,
    examples=[
        Example("FROM debian\nWORKDIR /x\nRUN a\nONBUILD RUN cd /x && a\n"),
        Example("FROM debian\nRUN <<EOF\ncd /x\na\nEOF\n", refuses="W301"),
        Example("FROM debian\nRUN mkdir /x && cd /x && a\n", refuses="W302",
                note="WORKDIR would make the folder first"),
        Example("FROM debian\nRUN cd /x; a\n", refuses="W302", note="a runs if `cd` fails too"),
        Example("FROM debian\nRUN cd /x || exit 1; a\n", refuses="W302"),
        Example("FROM debian\nRUN (cd /x && a) && b\n", refuses="W302", note="b runs elsewhere"),
        Example("FROM debian\nRUN cd $X && a\n", refuses="W302"),
        Example("FROM debian\nRUN cd ../x && a\n", refuses="W302"),
        Example("FROM corp/base\nRUN cd x && a\n", refuses="W303"),
        Example("FROM debian\nRUN cd /x && [ \"a\" ]\n", refuses="W304"),
        Example("FROM debian\nRUN cd /x && a && cd - && b\n", refuses="W305"),
        Example("FROM debian\nRUN cd /x && a $(pwd)\n", refuses="W305",
                note="it tells more than one path where one is a link"),
        Example("FROM debian\nRUN --mount=type=cache,target=/x/y cd /x && a\n", refuses="W306"),
        Example("FROM debian\nRUN --mount=target=. cd /x && a\n", refuses="W306"),
        Example("FROM corp/base\nRUN cd /x && a\n", refuses="W307"),
        Example("FROM debian\nWORKDIR /app\nRUN cd /x && a && rm -rf /app\n", refuses="W308"),
        Example("FROM debian\nRUN cd /x && a \\\n", refuses="W309"),
        Example("FROM debian\nRUN (cd /x && a)\n", refuses="W310"),
        Example("FROM debian\nRUN cd /x \\\n  # now\n  && a\n", refuses="W310"),
        Example("FROM debian\nRUN cd /x && a\n", level=Safety.SAFE),
        Example("from debian\nrun cd /x && a\nworkdir /y\n",
                "from debian\nworkdir /x\nrun a\nworkdir /y\n"),
        Example("FROM debian\nRUN cd /x && \\\n    a && \\\n    b\nCOPY c .\n",
                "FROM debian\nWORKDIR /x\nRUN a && \\\n    b\nWORKDIR /\nCOPY c .\n"),
        Example("FROM debian\nWORKDIR /app\n# Build\nRUN set -eux; cd src; a | b\nCMD c",
                "FROM debian\nWORKDIR /app\nWORKDIR /app/src\n# Build\nRUN set -eux; a | b\n"
                "WORKDIR /app\nCMD c"),
        Example("FROM debian\nRUN cd /x && a\nENV B=1\nRUN cd /x && b\nRUN cd /y/ && c",
                "FROM debian\nWORKDIR /x\nRUN a\nENV B=1\nRUN b\nWORKDIR /y\nRUN c\nWORKDIR /"),
        Example("FROM corp/base\nRUN cd /x && a\nENV B=1\nWORKDIR /app\nRUN cd /app && b\n",
                "FROM corp/base\nWORKDIR /x\nRUN a\nENV B=1\nWORKDIR /app\nRUN b\n",
                note="the WORKDIR that follows is enough"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each row of RUNs that enter a folder first."""
    for row in workdirs.entering(snapshot):
        if isinstance(row, workdirs.Staying):
            yield Refusal(*row.found, row.run.instruction.span.start)
        else:
            yield _judge(snapshot, row)


def _judge(snapshot: Snapshot, row: workdirs.Row) -> Change | Refusal:
    model = snapshot.build.stages[row.stage.index]
    last = row.entries[-1][0].instruction
    keyword = "workdir" if snapshot.text[slice(*last.keyword_span)].islower() else "WORKDIR"
    found, claims = [], []
    for path, (run, entry) in zip(row.steps, row.entries, strict=False):
        gone = edits.delete_entry(run)
        if not gone:
            return Refusal("W310", "`cd` is in parentheses, or a comment stands behind it", "write `cd` alone",
                           run.instruction.span.start)  # fmt: skip
        if path:
            found.append(edits.insert_line(snapshot, run.instruction, f"{keyword} {path}"))
        found += gone
        claims.append(Claim(Effect.COMMANDS, entry.footprint(row.stage.label, model)))
    if row.steps[-1]:
        found.append(edits.append_line(snapshot, last, f"{keyword} {row.steps[-1]}"))
    known = workdirs.assumed(snapshot, row.stage, last)
    reason = f"WORKDIR enters {', '.join(dict.fromkeys(e.path for _, e in row.entries))}"
    return Change(reason, tuple(found), tuple(claims), Safety.SUGGESTED, (*row.assumes, *known))
