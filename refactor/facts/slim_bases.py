"""Stages that could start from the slim variant of their base image."""

from __future__ import annotations

from collections.abc import Iterator

from refactor.effects import Copy
from refactor.effects.bases import Slim, slim_reference, slimmed
from refactor.facts.installs import Unknown as Unknown
from refactor.facts.slim import slim
from refactor.facts.stages import Stage
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span

_FAMILIES = frozenset({"python", "pypy", "node", "ruby", "perl", "rust"})


_WITHOUT_LISTS = Unknown(
    "B606", "it installs without package lists what the full image may have already",
    "fetch the lists in the same RUN",
)  # fmt: skip


def candidates(snapshot: Snapshot) -> Iterator[tuple[Stage, Slim | Unknown]]:
    """Yield the stages that run from a full image, with what the slim one needs besides."""
    for stage in snapshot.graph.stages:
        if (
            stage.image.name not in _FAMILIES
            or stage.parent is not None
            or not _runs(snapshot, stage)
        ):
            continue
        if not slim(stage.image):
            continue
        if "$" in stage.start_word:
            yield stage, Unknown("B605", f"{stage.start_word} is named by a build argument",
                                 "edit its default value")  # fmt: skip
            continue
        if any(hazard.must for hazard in snapshot.evidence.hazards):
            yield stage, _WITHOUT_LISTS
            continue
        yield stage, slimmed(snapshot.build, stage.index, stage.image, snapshot)


def idle(snapshot: Snapshot) -> Unknown | None:
    """Return why the last stage keeps its full base: what was split off leaves nothing out then."""
    last = snapshot.graph.stages[-1]
    for stage, found in candidates(snapshot):
        if stage is last:
            return found if isinstance(found, Unknown) else None
    return Unknown("B604", f"{last.image.reference} has no slim variant that is known", "")


def _runs(snapshot: Snapshot, stage: Stage) -> bool:
    """Whether an image is made of a stage, and nothing else starts from it or copies from it."""
    targets = snapshot.invocations.targets if snapshot.invocations else frozenset()
    last = stage.index == len(snapshot.graph.stages) - 1
    taken = any(
        isinstance(e, Copy) and e.origin == stage.index
        for other in snapshot.build.stages
        for e in other.events
    )
    return (
        (last or stage.name in targets) and not taken and not snapshot.graph.children(stage.index)
    )


def reference(stage: Stage) -> str:
    """Return the reference of the slim variant, as it will be written."""
    return slim_reference(stage.base.text, stage.image, slim(stage.image) or "")


def edits(snapshot: Snapshot, stage: Stage, packages: tuple[str, ...]) -> tuple[Edit, ...]:
    """Write the slim variant, and a RUN that installs packages behind it."""
    start = stage.start
    first = start.logical.span(start.args_start, start.args_start + len(stage.start_word))
    found = [Edit(first, reference(stage))]
    if packages:
        newline = snapshot.dockerfile.newline(start.span.start)
        cut = f" {snapshot.dockerfile.escape}{newline}    && "
        text = cut.join((
            "RUN apt-get update",
            f"apt-get install -y --no-install-recommends {' '.join(packages)}",
            f"rm -rf /var/lib/apt/lists/*{newline}",
        ))  # fmt: skip
        found.append(Edit(Span(start.span.end, start.span.end), text))
    return tuple(found)
