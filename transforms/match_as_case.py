"""Write `AS` in the case of `FROM`.

BuildKit warns (FromAsCasing) where the two keywords of one line differ in case. Nothing but the
two letters changes.
"""

from collections.abc import Iterator

from refactor import Change, Example, Phase, Snapshot, edits, stages, transform


@transform(
    phase=Phase.REPAIR,
    triggers=(" as ", "\tas"),
    answers=["FromAsCasing"],
    stability="stable",
    examples=[
        Example("FROM python:3.12 AS app\n"),
        Example("from python:3.12 as app\n"),
        Example("FROM as\n", note="an image called `as`"),
        Example("FROM python:3.12 as app\n", "FROM python:3.12 AS app\n"),
        Example("from python:3.12 AS app\n", "from python:3.12 as app\n"),
    ],
)
def propose(snapshot: Snapshot, options: None) -> Iterator[Change]:
    """Compare the case of the two keywords."""
    for stage in snapshot.graph.stages:
        place = stages.as_keyword(stage.start)
        if place is None:
            continue
        text = stage.start.logical.text
        keyword = text[stage.start.start : stage.start.start + 4]
        wanted = "as" if keyword.islower() else "AS"
        if text[place[0] : place[1]] != wanted and (keyword.islower() or keyword.isupper()):
            edit = edits.replace_logical(stage.start, *place, wanted)
            yield Change(f"`{wanted}` in the case of `{keyword}`", (edit,))
