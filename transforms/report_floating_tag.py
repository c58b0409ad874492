"""Tell when a base image is named without a version.

`latest`, and no tag at all, are whatever the registry has on the day of the build: the same file
builds something else tomorrow. Which version is meant is not in the file, and none is invented.
"""

from collections.abc import Iterator

from refactor import Example, Notice, Phase, Snapshot, transform


@transform(
    phase=Phase.BASE,
    triggers=("from",),
    answers=["DL3006", "DL3007"],
    examples=[
        Example("FROM scratch\n"),
        Example("FROM debian:bookworm\n"),
        Example("FROM debian@sha256:0123\n"),
        Example("ARG BASE\nFROM $BASE\n"),
        Example("FROM debian:12 AS a\nFROM a\n"),
        Example("FROM debian\n", notices="B630"),
        Example("FROM corp/app:latest\n", notices="B630"),
    ],
)
def propose(snapshot: Snapshot, options: None) -> Iterator[Notice]:
    """Look at each base image."""
    for stage in snapshot.graph.stages:
        image = stage.image
        plain = "$" not in stage.start_word and "$" not in stage.base.text
        if stage.parent is None and plain and image.tag == "latest" and image.name != "scratch":
            yield Notice(
                "B630",
                f"{stage.base.text} is another image tomorrow: name a version, or pin its index "
                "digest and let a bot renew it",
                stage.start.span.start,
            )
