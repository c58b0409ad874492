"""Which RUN can remove again what it installed to build, where a stage cannot be split."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.effects import Copy, Event, Exec, flat
from refactor.effects.artefact_languages import IMAGES
from refactor.effects.dropping import named_in, packages_of
from refactor.effects.environments import groups
from refactor.effects.purge_needs import (
    Purge,
    Scene,
    builds,
    fetches,
    installs,
    kept,
    programs,
    removes,
    requirements,
)
from refactor.effects.purges import claimed
from refactor.facts import artefacts, libraries, python_split, removable, rows
from refactor.facts.installs import Unknown
from refactor.facts.joining import Unfit
from refactor.facts.packages import bare_name
from refactor.facts.stages import Stage
from refactor.hazards import APK_INDEX
from refactor.snapshot import Run, Snapshot
from refactor.syntax import Instruction

# Images that are there to build, test or develop in, by the names of files, folders and stages.
_TOOLCHAIN = re.compile(
    r"(?:\A|[/._-])(?:dev|develop\w*|devcontainer|ci|builder|tests?|sdk|toolchain)(?:[/._-]|\Z)",
    re.I,
)
_ELSEWHERE = "put the install, what it is for, and its removal into one RUN, or split the stage"


class Plan(NamedTuple):
    """What is removed again, by which RUN; `group` is the RUNs that become that one."""

    stage: Stage
    runs: tuple[Run, ...]
    group: rows.Group | None
    purge: Purge
    is_apk: bool
    assumes: tuple[str, ...]

    @property
    def footprint(self) -> frozenset[str]:
        """What is claimed."""
        joined = claimed(self.purge, len(self.runs) - 1)
        return joined | {f"stage {self.stage.label}"}


class Obstacle(NamedTuple):
    """Why packages stay, and where that shows."""

    code: str
    reason: str
    unlock: str
    at: Instruction


class _Part(NamedTuple):
    run: Run
    begin: int
    end: int
    events: tuple[Event, ...]


def plans(snapshot: Snapshot) -> Iterator[Plan | Obstacle]:
    """Yield the first RUN of each image that can remove packages, and why others cannot."""
    for stage in snapshot.graph.stages:
        if stage.parent is not None or not _is_image(snapshot, stage):
            continue
        found = list(_plans(snapshot, stage))
        if found and not _is_split(snapshot, stage):
            yield from found


def _plans(snapshot: Snapshot, stage: Stage) -> Iterator[Plan | Obstacle]:
    scene = Scene(snapshot.build, stage.index, stage.image, snapshot)
    parts = _parts(snapshot, stage)
    for number, part in enumerate(parts):
        found = _judge(snapshot, scene, parts[number:]) if _names(scene, part.events) else None
        if found is not None:
            yield found
        if isinstance(found, Plan):
            return  # one at a time: it moves the others


def _parts(snapshot: Snapshot, stage: Stage) -> list[_Part]:
    model = snapshot.build.stages[stage.index]
    runs = {r.ordinal: r for r in snapshot.runs if r.stage == stage.index and not r.triggered}
    ordinals = {end: ordinal for ordinal, end in enumerate(model.runs)}
    found = []
    for begin, end in groups(model):
        events = model.events[begin:end]
        if not isinstance(events[0], Copy) and end in ordinals:
            found.append(_Part(runs[ordinals[end]], begin, end, events))
    return found


def _is_image(snapshot: Snapshot, stage: Stage) -> bool:
    """Whether an image is made of a stage, and nothing else."""
    targets = snapshot.invocations.targets if snapshot.invocations else frozenset()
    taken = any(
        isinstance(e, Copy) and e.origin == stage.index
        for other in snapshot.build.stages
        for e in other.events
    )
    last = stage.index == len(snapshot.graph.stages) - 1
    return (last or stage.name in targets) and not taken


def _is_split(snapshot: Snapshot, stage: Stage) -> bool:
    """Whether a stage can be cut in two: then none of this is left in its image."""
    for found in python_split.splits(snapshot):
        if isinstance(found, python_split.Split) and found.stage is stage:
            return True
    last = stage.index == len(snapshot.graph.stages) - 1
    names = [name for name in IMAGES if last and stage.image.name in IMAGES[name]]
    return any(isinstance(artefacts.plan(snapshot, name), artefacts.Plan) for name in names)


def _names(scene: Scene, events: tuple[Event, ...]) -> list[str]:
    """Return the packages that only build, and are installed for certain."""
    names = [name for event in events for name in packages_of(event)]
    names = names if scene.is_apk else list(map(bare_name, names))
    return [n for n in dict.fromkeys(names) if removable.is_removable(n, scene.image)]


def _judge(snapshot: Snapshot, scene: Scene, parts: list[_Part]) -> Plan | Obstacle | None:
    """Decide what the first of some RUNs can remove again, together with those behind it."""
    first = parts[0]
    used = _used(scene, parts)
    if not used:
        return None
    together = _adjacent(snapshot, parts)[: used[-1] + 1]
    if used[0] >= len(together):
        where = parts[used[0]].run.instruction
        return Obstacle("S540", f"`{where.args[:60]}` uses it in another layer", _ELSEWHERE,
                        first.run.instruction)  # fmt: skip
    together = together[: max(n for n in used if n < len(together)) + 1]
    group: rows.Group | None = None
    if len(together) > 1:
        row = [part.run for part in together]
        joined = list(rows.groups(snapshot, row))
        if len(joined) != 1 or not isinstance(joined[0], rows.Group):
            hindrance = next((h for h in joined if not isinstance(h, rows.Group)), None)
            return _apart(hindrance[1] if hindrance else None, first)
        group = joined[0]
        if any(how.braces_left or how.braces_right for how in group.joins):
            return _apart(None, first)
    return _plan(snapshot, scene, together, group)


def _apart(hindrance: Unfit | None, first: _Part) -> Obstacle:
    reason = hindrance.reason if hindrance else "one of the RUNs is no chain of &&"
    return Obstacle("S540", f"what uses it is in another layer: {reason}", _ELSEWHERE,
                    first.run.instruction)  # fmt: skip


def _used(scene: Scene, parts: list[_Part]) -> list[int]:
    """Return which RUNs, from the one that installs on, build or name what is installed."""
    gone = tuple(_names(scene, parts[0].events))
    named = programs(scene, Purge(parts[0].begin, parts[0].end, gone))
    return [
        number for number, part in enumerate(parts)
        if any(builds(e) or named & named_in(e) for e in flat(part.events))
    ]  # fmt: skip


def _adjacent(snapshot: Snapshot, parts: list[_Part]) -> list[_Part]:
    """Return the RUNs that follow a RUN with nothing between."""
    start = parts[0].run.instruction.span.start
    for row in rows.neighbours(snapshot):
        starts = [run.instruction.span.start for run in row]
        if start in starts:
            return [part for part in parts if part.run.instruction.span.start in starts]
    return parts[:1]


def _plan(
    snapshot: Snapshot, scene: Scene, parts: list[_Part], group: rows.Group | None
) -> Plan | Obstacle | None:
    events = tuple(event for part in parts for event in part.events)
    execs = [event for event in flat(events) if isinstance(event, Exec)]
    names = [] if any(map(removes, execs)) else _names(scene, events)
    if not fetches(execs):
        family = scene.image.family
        names = [n for n in names if not libraries.is_version_control(bare_name(n), family)]
    if not names:
        return None
    at = next(p.run.instruction for p in parts if any(map(installs, p.events)))
    purge = Purge(parts[0].begin, parts[-1].end, tuple(names))
    added = kept(scene, purge)
    if isinstance(added, Unknown):
        return Obstacle(*added, at)
    unsure = [h.subject.split() for h in snapshot.evidence.hazards if h.kind == APK_INDEX.hazard]
    if any(words[:2] == ["apk", "add"] and set(names) & set(words) for words in unsure):
        return Obstacle("S541", "whether apk's index is there is not known", "add --no-cache", at)
    stage = snapshot.graph.stages[scene.number]
    if snapshot.published or _TOOLCHAIN.search(f"{snapshot.place}/{stage.name}"):
        return Obstacle("S512", "the image may be there to build or develop in", "remove the "
                        "packages by hand, if it is not", at)  # fmt: skip
    purge = purge._replace(added=added)
    assumes: list[str] = []
    for found in requirements(scene, purge):
        if isinstance(found, Unknown):
            return Obstacle(*found, at) if found.unlock or found.code != "S540" else None
        assumes.append(found)
    runs = tuple(part.run for part in parts)
    return Plan(stage, runs, group, purge, scene.is_apk, tuple(dict.fromkeys(assumes)))
