"""A stage that became two: what the old one left, the new one has, but for what only builds.

Every other stage is what it was; the kinds of split (`kind ...` in the claim) have a relation each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from refactor.effects.events import Build, Copy, Event, Stage
from refactor.facts.images import Image
from refactor.facts.stages import Graph
from refactor.sent import Sent
from refactor.words import Value

if TYPE_CHECKING:
    from refactor.facts.applications import Application
    from refactor.facts.invocations import Invocations


class Surroundings(Protocol):
    """What stands around a Dockerfile."""

    @property
    def files(self) -> Mapping[str, str]:
        """The texts of other files that changes wrote."""

    def read(self, path: str) -> str | None:
        """Return the text of a file of the repository; None if there is none."""

    @property
    def sent(self) -> Sent | None:
        """The build context's files without those that .dockerignore leaves out."""

    @property
    def application(self) -> Application | None:
        """What the sources in the build context say of the application."""

    @property
    def invocations(self) -> Invocations | None:
        """How the image is started, probed and built from outside the Dockerfile."""


@dataclass(frozen=True)
class Cut:
    """Two builds of which the later has one stage more, what is claimed, and what is known."""

    before: Build
    after: Build
    footprint: frozenset[str]
    around: Surroundings
    assumes: frozenset[str]
    graph: Graph

    @property
    def image(self) -> Image:
        """The base image of the stage that was split."""
        return self.graph.stages[self.index].image

    def claimed(self, word: str) -> str:
        """Return the value of a part of the claim: `word value`."""
        return next((p[len(word) + 1 :] for p in self.footprint if p.startswith(f"{word} ")), "")

    @property
    def index(self) -> int:
        """The number of the new stage: the one that was split stands behind it now."""
        names = [stage.name for stage in self.after.stages]
        return names.index(self.claimed("builder")) if self.claimed("builder") in names else -1

    @property
    def old(self) -> Stage:
        """The stage that was split."""
        return renumbered(self.before.stages[self.index], self.index)

    @property
    def builder(self) -> Stage:
        """The stage that builds."""
        return self.after.stages[self.index]

    @property
    def new(self) -> Stage:
        """The stage that is left to run."""
        return self.after.stages[self.index + 1]


def split(cut: Cut) -> str | None:
    """Return why a split stage is not what it was."""
    from refactor.effects.artefacts import artefact_split
    from refactor.effects.environments import environment_split

    kinds: Mapping[str, Callable[[Cut], str | None]] = {
        "artefact": artefact_split,
        "environment": environment_split,
    }
    index = cut.index
    if len(cut.after.stages) != len(cut.before.stages) + 1 or index < 0:
        return "the number of stages differs"
    if cut.before.arguments != cut.after.arguments:
        return "the build arguments differ"
    for number, stage in enumerate(cut.before.stages):
        wanted = renumbered(stage, index)
        if number != index and wanted != cut.after.stages[number + (number >= index)]:
            return f"stage {stage.name or number} differs"
        if number > index and (stage.base == index or index in origins(stage)):
            return f"stage {stage.name or number} needs what is split"
    if cut.old.name != cut.new.name:
        return "the stage that is left has another name"
    # The last one is where the image starts, compared elsewhere: a base may have made it.
    if not set(_folders(cut.new)[:-1]) <= set(_folders(cut.old)):
        return "the stage that is left makes another folder"
    relation = kinds.get(cut.claimed("kind"))
    return relation(cut) if relation else "no such kind of split"


def _folders(stage: Stage) -> list[Value]:
    """Return the folders that WORKDIR makes, in order."""
    made = dict(stage.config)["directories"]
    assert isinstance(made, tuple)
    return [path for path, _ in made]


def origins(stage: Stage) -> set[int]:
    """Return the stages that a stage copies from or mounts."""
    found = {event.origin for event in stage.events if isinstance(event, Copy)}
    return {origin for origin in found if isinstance(origin, int)}


def renumbered(stage: Stage, index: int) -> Stage:
    """Return a stage as it is if another one is put in at a number."""
    base = stage.base + 1 if isinstance(stage.base, int) and stage.base >= index else stage.base
    config = dict(stage.config)
    number = config.get("cmd stage")
    if isinstance(number, int) and number >= index:
        config["cmd stage"] = number + 1
    events = tuple(_event(e, index) for e in stage.events)
    return replace(stage, base=base, events=events, config=tuple(sorted(config.items())))


def _event(event: Event, index: int) -> Event:
    if isinstance(event, Copy) and isinstance(event.origin, int) and event.origin >= index:
        return replace(event, origin=event.origin + 1)
    return event
