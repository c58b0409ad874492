"""Tell when the release of a base image gets no more fixes.

An image of a release that has ended keeps every hole that was found since. What takes its place is
named; a newer release can change what the application finds, so it is never put in by itself.
"""

from collections.abc import Iterator

from refactor import Example, Notice, Phase, Snapshot, releases, transform


@transform(
    phase=Phase.BASE,
    triggers=("from",),
    examples=[
        Example("FROM python:3.14-slim\n"),
        Example("FROM scratch\n"),
        Example("FROM corp/python:2.7\n", note="what is in it is not known"),
        Example("FROM python:3.8-slim\n", notices="B610"),
        Example("FROM debian:buster-slim AS a\nFROM a\n", notices="B610"),
    ],
)
def propose(snapshot: Snapshot, options: None) -> Iterator[Notice]:
    """Look at each base image."""
    for stage in snapshot.graph.stages:
        ended = releases.ended(stage.image, snapshot.today) if snapshot.today else None
        if stage.parent is not None or ended is None:
            continue
        extended = (
            f", with extended support until {ended.extended}"
            if (ended.is_extended(snapshot.today))
            else ""
        )
        instead = f"; instead: {ended.replacement}" if ended.replacement else ""
        yield Notice(
            "B610",
            f"{ended.product} {ended.cycle} ended on {ended.ends}{extended}{instead}",
            stage.start.span.start,
        )
