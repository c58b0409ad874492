"""Put the metadata at the end of a stage in one order.

LABEL, EXPOSE, VOLUME, STOPSIGNAL, HEALTHCHECK, ENTRYPOINT, CMD: what the image is, what it needs,
how it is started. Only the instructions that end a stage move, each with the comment above it;
the image's configuration stays the same, and its history lists them in the new order. LABEL lines
further up stay: with BuildKit they cost no cache. Off by default: it is a matter of taste.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Phase,
    Refusal,
    Snapshot,
    metadata,
    metadata_edits,
    transform,
)


@transform(
    phase=Phase.ENTRY,
    triggers=("cmd", "entrypoint", "label", "expose", "volume", "stopsignal", "healthcheck"),
    default=False,
    examples=[
        Example("FROM a\nEXPOSE 80\nENTRYPOINT b\nCMD c\n"),
        Example("FROM a\nEXPOSE 80\nLABEL b=c\nRUN d\nCMD e\n", note="a RUN stands behind them"),
        Example("FROM a\nCMD b\nUSER c\nEXPOSE 80\n"),
        Example("FROM a\nCMD b\nCMD c\n", note="of two CMD the last one counts"),
        Example("FROM a\nCMD b\n\n# Ports:\n\nEXPOSE 80\n", refuses="O201"),
        Example("FROM a\n# Start it\nCMD b\nENTRYPOINT c\n", refuses="O202",
                note="it may be about both lines"),
        Example("FROM a\nCMD b\n# web\nEXPOSE 80\n", refuses="O202",
                note="the comment would stand above CMD too"),
        Example("FROM a\nCMD b\nENTRYPOINT c \\\n", refuses="O203"),
        Example("FROM a\nCMD [\"b\"]\nENTRYPOINT [\"c\"]\n",
                "FROM a\nENTRYPOINT [\"c\"]\nCMD [\"b\"]\n"),
        Example("FROM a\nRUN b\nCMD c \\\n  d\n\nEXPOSE 80\n\n# who\nLABEL e=f",
                "FROM a\nRUN b\n# who\nLABEL e=f\n\nEXPOSE 80\n\nCMD c \\\n  d"),
        Example("FROM a AS b\nLABEL c=1\nHEALTHCHECK CMD d\nLABEL c=2\nEXPOSE 80\nFROM b\n",
                "FROM a AS b\nLABEL c=1\nLABEL c=2\nEXPOSE 80\nHEALTHCHECK CMD d\nFROM b\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the end of each stage."""
    for stage in snapshot.graph.stages:
        found = metadata_edits.put_in_order(snapshot, stage)
        if isinstance(found, metadata_edits.Unfit):
            yield Refusal(*found, metadata.closing(stage)[0].span.start)
        elif found:
            claim = Claim(Effect.METADATA, frozenset({f"stage {stage.label}", metadata.REORDERED}))
            yield Change("what describes the image is found in one order", found, (claim,))
