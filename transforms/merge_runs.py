"""Join neighbouring RUN lines of an image.

Fewer layers, and what one RUN creates and the next deletes is in no layer. Only where the two in
one shell do, in every case, just what they did in two: no directory, variable or option leaks,
`set -e` covers what it covered, a failure ends the build where it did.

Only in stages whose layers end up in an image (option `stages = "all"` for every stage):
elsewhere separate layers cost nothing and keep the cache fine-grained.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from refactor import (
    Change,
    Example,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    apt,
    edits,
    rows,
    transform,
)


@dataclass(frozen=True)
class Options:
    """`stages`: `output` or `all`."""

    stages: str = "output"

    def __post_init__(self) -> None:
        if self.stages not in ("output", "all"):
            raise ValueError("stages is `output` or `all`")


@transform(
    phase=Phase.MERGE,
    triggers=("run",),
    answers=["DL3059"],
    stability="stable",
    options=Options,
    examples=[
        Example("FROM a\nRUN a\nCOPY b /b\nRUN c\n"),
        Example("FROM a\nRUN a\nENV B=1\nRUN c\n"),
        Example("FROM a\nRUN a\nRUN --mount=type=cache,target=/c c\n", refuses="M101"),
        Example("FROM a\nRUN set -e; a; b && c\nRUN d\n", refuses="M102"),
        Example("FROM a\nRUN a\nRUN set -e; b; c\n", refuses="M102"),
        Example("FROM a\nRUN a & b\nRUN c\n", refuses="M103"),
        Example("FROM a\nRUN service postgresql start && a\nRUN b\n", refuses="M103"),
        Example("FROM a\nRUN cd /opt && a\nRUN b\n", refuses="M104"),
        Example("FROM a\nRUN X=1 && a\nRUN b\n", refuses="M104"),
        Example("FROM a\nRUN a || exit 0\nRUN b\n", refuses="M104"),
        Example("FROM a\nRUN echo 1.2.3.4 h >> /etc/hosts\nRUN b\n", refuses="M104"),
        Example("FROM a\nRUN pip install -U pip\nRUN pip install b\n", refuses="M104"),
        Example('FROM a\nRUN ["a"]\nRUN b\n', refuses="M105"),
        Example("FROM a\nRUN <<EOF\na\nEOF\nRUN b\n", refuses="M105"),
        Example("FROM a AS b\nRUN a\nRUN b\nFROM c\nCOPY --from=b /x /x\n", refuses="M106"),
        Example('FROM a\nSHELL ["powershell"]\nRUN a\nRUN b\n', refuses="M107"),
        Example("FROM a\nRUN apt-get install -y a\nRUN pip install b\n", refuses="M111"),
        Example("FROM a\nRUN dnf install -y a && dnf clean all\nRUN dnf install -y b && dnf clean all\n",
                refuses="M113"),
        Example("FROM a\n# a's heading\nRUN a\n\nRUN b\n", refuses="M109"),
        Example("FROM a\nRUN a\n# [START x]\nRUN b\n", refuses="M109"),
        Example("FROM a\nRUN a # why\nRUN b\n", refuses="M108"),
        Example("FROM a\nRUN a\nRUN b\n", level=Safety.SAFE),
        Example("FROM a\nRUN a\nRUN b\n", "FROM a\nRUN a \\\n    && b\n", level=Safety.SUGGESTED),
        Example("FROM a\nRUN a && \\\n  b\n# why\n\nRUN c || d\nRUN cd /e; f\n",
                "FROM a\nRUN a && \\\n  b && \\\n  # why\n  { c || d; } && \\\n  { cd /e; f; }\n"),
        Example("FROM a\nRUN ( cd /opt && a )\nRUN b\n", "FROM a\nRUN ( cd /opt && a ) \\\n    && b\n"),
        Example("FROM a\nRUN set -ex; a; b\nRUN c && d\n", "FROM a\nRUN set -ex; a; b; \\\n    c && d\n"),
        Example("FROM a\nRUN set -ex; a\nRUN set -ex; b; c\n", "FROM a\nRUN set -ex; a; \\\n    b; c\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: Options | None) -> Iterator[Change | Refusal]:
    """Look at each row of neighbours."""
    wanted = apt.output_stages(snapshot)
    everywhere = options is not None and options.stages == "all"
    for row in rows.neighbours(snapshot):
        stage = snapshot.graph.stages[row[0].stage]
        if stage.index not in wanted and not everywhere:
            at = row[1].instruction.span.start
            yield Refusal("M106", "separate layers keep a builder's cache", 'stages = "all"', at)
            continue
        for found in rows.groups(snapshot, row, keep_caches=True):
            if not isinstance(found, rows.Group):
                run, why = found
                at = run.instruction.span.start
                yield Refusal(why.code, f"not joined: {why.reason}", why.unlock, at)
                continue
            yield Change(
                f"{_NUMBERS.get(len(found.runs), str(len(found.runs)))} neighbouring RUN lines make one layer",
                edits.join_runs(snapshot, found),
                rows.claims(snapshot, found),
                Safety.SUGGESTED,
            )


_NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}
