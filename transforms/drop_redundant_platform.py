"""Drop `--platform=$TARGETPLATFORM` from FROM.

That is the platform of an image in any case (BuildKit: RedundantTargetPlatform, hadolint: DL3065).
"""

from collections.abc import Iterator

from refactor import Change, Edit, Example, Phase, Refusal, Snapshot, stages, transform


@transform(
    phase=Phase.REPAIR,
    triggers=("targetplatform",),
    answers=["DL3065", "RedundantTargetPlatform"],
    stability="stable",
    examples=[
        Example("FROM --platform=$BUILDPLATFORM debian AS a\nARG TARGETPLATFORM\n"),
        Example("FROM --platform=${TARGETPLATFORM:-linux/amd64} debian\n"),
        Example(
            "ARG TARGETPLATFORM=linux/amd64\nFROM --platform=$TARGETPLATFORM debian\n",
            refuses="F101",
        ),
        Example(
            "FROM --platform=$BUILDPLATFORM a AS b\nFROM --platform=$TARGETPLATFORM b\n",
            refuses="F102",
        ),
        Example("FROM --platform=$TARGETPLATFORM debian\n", "FROM debian\n"),
        Example(
            "FROM  --platform=${TARGETPLATFORM} \\\n  debian AS a\n", "FROM  \\\n  debian AS a\n"
        ),
        Example(
            "ARG TARGETPLATFORM\nFROM --platform=$TARGETPLATFORM debian\n",
            "ARG TARGETPLATFORM\nFROM debian\n",
        ),
    ],
)
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the platform of each stage."""
    for stage in snapshot.graph.stages:
        if stage.start.flag("platform") in stages.TARGET_PLATFORM:
            yield _judge(snapshot, stage)


def _judge(snapshot: Snapshot, stage: stages.Stage) -> Change | Refusal:
    start = stage.start
    flag = stages.target_flag(snapshot.graph, stage)
    if stage.parent is not None:
        reason = "the stage that it starts from may be of another platform"
        return Refusal("F102", reason, "none needed if both are of one platform", start.span.start)
    if flag is None:
        reason = "a global ARG gives TARGETPLATFORM a value"
        return Refusal("F101", reason, "drop the value", start.span.start)
    end = flag.end + start.logical.contiguous(flag.start, flag.end + 1)
    edit = Edit(start.logical.span(flag.start, end), "")
    declared = stages.target_arguments(snapshot.graph)
    assumes = ("no build gives TARGETPLATFORM as a build argument",) * bool(declared)
    return Change("the target's platform is the default", (edit,), assumes=assumes)
