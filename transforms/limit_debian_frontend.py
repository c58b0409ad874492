"""Set DEBIAN_FRONTEND for the build only.

ENV stays in the image, so that a person who installs something in a container is never asked
either. ARG does the same for every RUN of the stage and ends with the build.

Not where other images start from this one: they would be asked, with nobody to answer.
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
    Safety,
    Snapshot,
    apt,
    edits,
    stages,
    transform,
    words,
)

_NAME = "DEBIAN_FRONTEND"
_ASSUMES = (
    f"nothing that runs in a container relies on {_NAME}",
    "an image that starts from this one sets its own",
)


@transform(
    phase=Phase.FLAGS,
    triggers=("debian_frontend",),
    examples=[
        Example("FROM debian\nARG DEBIAN_FRONTEND=noninteractive\nCMD a\n"),
        Example("FROM debian\nRUN DEBIAN_FRONTEND=noninteractive apt-get install -y tzdata\nCMD a\n"),
        Example("FROM debian\nENV DEBIAN_FRONTEND=noninteractive\nRUN a\nENV DEBIAN_FRONTEND=dialog\nCMD a\n",
                refuses="E201"),
        Example("FROM debian\nENV A=1 DEBIAN_FRONTEND=noninteractive\nCMD a\n", refuses="E202"),
        Example("FROM debian AS a\nENV DEBIAN_FRONTEND=noninteractive\nFROM a\nRUN b\nCMD a\n",
                refuses="E203"),
        Example("FROM debian\nENV DEBIAN_FRONTEND=noninteractive\n", refuses="E204",
                note="it runs nothing: others start from it"),
        Example("FROM debian\nENV DEBIAN_FRONTEND=noninteractive\nCMD a\n", level=Safety.SAFE),
        Example("FROM debian\nRUN b\nENV DEBIAN_FRONTEND=noninteractive\nRUN a\nCMD a\n",
                "FROM debian\nRUN b\nARG DEBIAN_FRONTEND=noninteractive\nRUN a\nCMD a\n",
                level=Safety.SUGGESTED),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each ENV that sets it."""
    escape = snapshot.dockerfile.escape
    wanted = apt.output_stages(snapshot)
    for stage in snapshot.graph.stages:
        for ins in stage.instructions:
            if (
                stage.index in wanted
                and ins.keyword == "ENV"
                and _NAME in ins.args
                and not words.is_legacy(ins, escape)
            ):
                found = dict(words.pairs(ins, escape))
                if found.get(_NAME, "").strip("\"'") == "noninteractive":
                    yield _judge(snapshot, stage, ins, len(found))


def _judge(
    snapshot: Snapshot, stage: stages.Stage, ins: Instruction, pairs: int
) -> Change | Refusal:
    at = ins.span.start
    others = (i for s in snapshot.graph.stages for i in s.instructions if i is not ins)
    if any((i.trigger or i).keyword in ("ENV", "ARG") and _NAME in i.args for i in others):
        return Refusal("E201", f"{_NAME} is set more than once", "write ARG by hand", at)
    if pairs > 1:
        return Refusal("E202", "the ENV sets other variables too", "give it an ENV of its own", at)
    if snapshot.graph.children(stage.index):
        return Refusal("E203", "other stages start from this one", "write ARG in each of them", at)
    if apt.is_library(snapshot):
        return Refusal("E204", "other images may start from this one", "none needed", at)
    text = snapshot.text[ins.keyword_span.start : ins.keyword_span.end]
    return Change(
        f"{_NAME} is for the build, and stays in the image",
        (edits.replace_keyword(ins, "arg" if text.islower() else "ARG"),),
        (
            Claim(
                Effect.ENV,
                frozenset({f"stage {stage.label}", f"{_NAME}=noninteractive becomes ARG"}),
            ),
        ),
        assumes=_ASSUMES,
    )
