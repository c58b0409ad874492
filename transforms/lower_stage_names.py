"""Write the names of stages in lower case.

Names of stages are compared without regard to case, those of images are not: `Builder` and
`builder` are one stage (BuildKit: StageNameCasing). The name and all that refers to it change
together; `--target` and the like find it as before, but for Buildah, which looks for the name as
it is written.
"""

from collections.abc import Iterator

from refactor import Change, Edit, Example, Phase, Refusal, Snapshot, stages, transform


@transform(
    phase=Phase.REPAIR,
    triggers=("from",),
    answers=["StageNameCasing"],
    stability="stable",
    examples=[
        Example("FROM debian AS build\nFROM scratch\nCOPY --from=build /a /a\n"),
        Example("FROM debian AS build\nFROM scratch\nCOPY --from=Build /a /a\n"),
        Example("FROM debian AS A\nFROM debian AS a\n", refuses="S101"),
        Example("ARG BASE=Build\nFROM debian AS Build\nFROM $BASE\n", refuses="S102"),
        Example("FROM debian AS Build\n", "FROM debian AS build\n"),
        Example(
            "FROM a AS Build\nFROM BUILD AS Two\nCOPY --from=Build /a /a\nCOPY --from=Built /b /b\n",
            "FROM a AS build\nFROM build AS two\nCOPY --from=build /a /a\nCOPY --from=Built /b /b\n",
        ),
        Example(
            "FROM a AS Build\nFROM b\nRUN --mount=type=bind,from=Build,target=/x make\n"
            "ONBUILD COPY --from=Build /a /a\n",
            "FROM a AS build\nFROM b\nRUN --mount=type=bind,from=build,target=/x make\n"
            "ONBUILD COPY --from=build /a /a\n",
        ),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the name of each stage."""
    for stage in snapshot.graph.stages:
        place = stages.name_place(stage)
        if place and snapshot.text[place.start : place.end] not in ("", stage.name):
            yield _judge(snapshot, stage, Edit(place, stage.name))


def _judge(snapshot: Snapshot, stage: stages.Stage, own: Edit) -> Change | Refusal:
    graph, at = snapshot.graph, stage.start.span.start
    written = snapshot.text[own.span.start : own.span.end]
    if [other.name for other in graph.stages].count(stage.name) > 1:
        return Refusal("S101", f"two stages are called {stage.name}", "rename one", at)
    if any(child.start_word.lower() != stage.name for child in graph.children(stage.index)):
        return Refusal("S102", f"a variable may stand for {written}", "name the stage", at)
    others = [
        Edit(place, stage.name)
        for index, place in stages.references(graph)
        if index == stage.index and snapshot.text[place.start : place.end] != stage.name
    ]
    # BuildKit compares names without case, Buildah its targets with it.
    assumes = (f"no build but BuildKit's asks for the target `{written}`",)
    return Change(f"`{stage.name}` in lower case", (own, *others), assumes=assumes)
