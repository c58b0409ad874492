"""A stage takes a virtual environment from its builder, not folders of the builder's interpreter.

The builder installs into an environment that it makes in front of its first install. What took
`site-packages`, the folder of programs, a prefix or root's `.local` takes the environment instead,
in the place of the first of these copies, and finds it by PATH. All else is what it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from refactor.effects.build import with_variable
from refactor.effects.dropping import is_install
from refactor.effects.environments import run_of
from refactor.effects.events import Build, Copy, Event, Exec, Stage
from refactor.effects.moved_needs import LEFT, Scene, obstacle
from refactor.effects.stages import Surroundings
from refactor.facts.environments import MOVED, VENV, Taken, elsewhere, taken_folder
from refactor.facts.installs import Unknown
from refactor.facts.stages import Graph
from refactor.model import Claim, Effect
from refactor.words import Value, expand

KIND = "kind moved installs"


class Plan(NamedTuple):
    """Which stage builds and which takes, by number, and which events of them change.

    `start` is the event in front of which the builder makes its environment. `copies` are those
    that become one copy of it; `switch` is the event from which on the environment is in PATH, by
    an ENV that names `was` already if that is not empty.
    """

    builder: int
    taker: int
    start: int
    copies: tuple[int, ...]
    switch: int
    was: str
    assumes: tuple[str, ...]


class Obstacle(NamedTuple):
    """Why a stage takes what it takes; `at` is the event where that shows."""

    unknown: Unknown
    taker: int
    at: int


def plans(build: Build, graph: Graph, around: Surroundings) -> Iterator[Plan | Obstacle]:
    """Yield what becomes of each stage that takes over what pip has installed in another one."""
    for taker, stage in enumerate(build.stages):
        builder, at = next(_takes(build, stage), (-1, 0))
        if builder >= 0:
            scene = Scene(build, graph, around, builder, taker, _copies(stage, builder))
            unknown = obstacle(scene)
            yield Obstacle(unknown, taker, at) if unknown else _plan(scene)


def _takes(build: Build, stage: Stage) -> Iterator[tuple[int, int]]:
    """Yield the stages whose installed modules a stage takes, and by which of its copies."""
    for number, event in enumerate(stage.events):
        if isinstance(event, Copy) and isinstance(event.origin, int):
            taken = taken_folder(_words(event))
            events = [e for e in build.stages[event.origin].events if isinstance(e, Exec)]
            if taken and not taken.programs and any(map(_installs, events)):
                yield event.origin, number


def _installs(event: Exec) -> bool:
    return is_install(event) or elsewhere(event.argv) is not None


def _words(event: Copy) -> tuple[str, ...]:
    """Return the words of a copy; none if one of them is not known."""
    values = (*event.sources, event.destination)
    return () if any(value.raw for value in values) else tuple(value.text for value in values)


def _copies(stage: Stage, builder: int) -> dict[int, Taken]:
    found = (
        (number, taken_folder(_words(event)))
        for number, event in enumerate(stage.events)
        if isinstance(event, Copy) and event.origin == builder
    )
    return {number: taken for number, taken in found if taken is not None}


def _plan(scene: Scene) -> Plan:
    copies = tuple(scene.copies)
    first = next(n for n, e in enumerate(scene.builder.events) if scene.install(e) is not None)
    set_at = scene.path_set()
    brings = any(t.programs or t.source != t.modules for t in scene.copies.values())
    return Plan(
        scene.builder_index, scene.taker_index, run_of(scene.builder, first)[0], copies,
        copies[0] if set_at is None else set_at, scene.was if set_at is not None else "",
        (MOVED,) if brings else (MOVED, LEFT),
    )  # fmt: skip


def footprint(build: Build, plan: Plan) -> frozenset[str]:
    """Return what a change claims that does all of a plan, and nothing else."""
    builder, taker = (build.stages[i].name or str(i) for i in (plan.builder, plan.taker))
    gone = (f"- {build.stages[plan.taker].events[n].text}" for n in plan.copies)
    return frozenset({KIND, f"builder {builder}", f"stage {taker}", *gone})


def moved_again(
    before: Build, claims: Counter[Claim], around: Surroundings, assumes: frozenset[str],
    graph: Graph,
) -> Build | str:  # fmt: skip
    """Return a build whose installs are where they are claimed to be, or why they are not.

    The claims are used up.
    """
    for claim in [c for c in +claims if c.effect is Effect.STAGES and KIND in c.footprint]:
        claims[claim] -= 1
        found = [p for p in plans(before, graph, around) if isinstance(p, Plan)]
        plan = next((p for p in found if footprint(before, p) == claim.footprint), None)
        if plan is None:
            return "what is claimed to move may not"
        if missing := set(plan.assumes) - assumes:
            return f"not assumed: {min(missing)}"
        stages = list(before.stages)
        scene = Scene(
            before, graph, around, plan.builder, plan.taker,
            _copies(stages[plan.taker], plan.builder),
        )  # fmt: skip
        stages[plan.builder] = _builder(scene, plan)
        stages[plan.taker] = _taker(scene, plan)
        before = before._replace(stages=tuple(stages))
    return before


def _builder(scene: Scene, plan: Plan) -> Stage:
    """Return the builder as it is with an environment of its own."""
    old, start = scene.builder, plan.start
    first = old.events[start]
    assert isinstance(first, Exec)
    env = _env(old)
    shift = (env.get("PATH"), _first(env.get("PATH")))
    made = Exec(
        ("python", "-m", "venv", VENV), (), (), replace(first.setting, flags=()), (), True
    )  # fmt: skip
    moved = (with_variable(_plain(scene, e), shift) for e in old.events[start:])
    ends = sorted([*(end + (end > start) for end in old.runs), start + 1])
    return replace(
        old, events=(*old.events[:start], made, *moved), runs=tuple(ends), layers=old.layers + 1,
        config=_with_path(old, shift[1]),
    )  # fmt: skip


def _plain(scene: Scene, event: Event) -> Event:
    """Return a command as it is where no other place is named to install into."""
    argv = scene.install(event)
    return replace(event, argv=argv) if argv is not None and isinstance(event, Exec) else event


def _taker(scene: Scene, plan: Plan) -> Stage:
    """Return the stage as it is with the environment in the place of what it took."""
    old, gone = scene.taker, plan.copies[1:]
    value = _env(old).get("PATH")
    becomes = _first(value)
    if plan.was:
        assert value is not None
        pair = (plan.was, f"{VENV}/bin")
        becomes = Value(value.text.replace(*pair), value.raw.replace(*pair))
    events: list[Event] = []
    for number, event in enumerate(old.events):
        if number == plan.copies[0] and isinstance(event, Copy):
            place = Value(VENV)
            events.append(replace(event, sources=(place,), destination=place))
        elif number not in gone:
            late = number >= plan.switch
            events.append(with_variable(event, (value, becomes)) if late else event)
    runs = tuple(end - sum(n < end for n in gone) for end in old.runs)
    return replace(
        old, events=tuple(events), runs=runs, layers=old.layers - len(gone),
        config=_with_path(old, becomes),
    )  # fmt: skip


def _first(value: Value | None) -> Value:
    """Return PATH with the environment in front of what it was."""
    return expand(f"{VENV}/bin:$PATH", {"PATH": value} if value else {})


def _env(stage: Stage) -> dict[str, Value]:
    found = dict(stage.config)["env"]
    assert isinstance(found, tuple)
    return dict(found)


def _with_path(stage: Stage, value: Value) -> tuple[tuple[str, object], ...]:
    env = tuple(sorted((_env(stage) | {"PATH": value}).items(), key=lambda item: item[0]))
    return tuple(sorted((dict(stage.config) | {"env": env}).items()))
