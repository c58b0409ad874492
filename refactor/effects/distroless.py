"""A stage that starts from an image without a shell: what runs in it is what ran before.

The same program gets the same words, in the same surroundings; it stands in another place. A
virtual environment that the stage takes over finds it by a link, which its builder ends with.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from refactor.effects.distroless_plan import STARTS, words_of
from refactor.effects.distroless_plan import Plan as Plan
from refactor.effects.distroless_plan import without_shell as without_shell
from refactor.effects.events import Build, Copy, Event, Exec, Stage
from refactor.effects.relinked import Scene as Scene
from refactor.effects.stages import Surroundings
from refactor.facts.distroless import Distroless
from refactor.facts.stages import Graph
from refactor.model import Claim, Effect
from refactor.words import Value

KIND = "kind distroless"
_OF_BASE = Value("", "base")  # the directory of an image of which it is not known


def footprint(scene: Scene, plan: Plan) -> frozenset[str]:
    """Return what a change claims that does all of a plan, and nothing else."""
    base = scene.stage.base
    assert isinstance(base, Value)
    parts = {
        KIND,
        f"stage {scene.name(scene.number)}",
        f"- {base.text}",
        f"+ {plan.image.reference}",
    }
    return frozenset(parts | ({f"{plan.builder}: {' '.join(plan.link)}"} if plan.link else set()))


def distroless_based(
    before: Build, after: Build, claims: Counter[Claim], around: Surroundings,
    assumes: frozenset[str], graph: Graph,
) -> Build | str:  # fmt: skip
    """Return a build with what is claimed to start without a shell as it is afterwards, or why not.

    The claims are used up.
    """
    stages = list(before.stages)
    for claim in [c for c in +claims if c.effect is Effect.BASE and KIND in c.footprint]:
        claims[claim] -= 1
        labels = [f"stage {stage.name or i}" for i, stage in enumerate(before.stages)]
        index = next((i for i, label in enumerate(labels) if label in claim.footprint), -1)
        if index < 0:
            return "no such stage"
        scene = Scene(before, index, graph, around)
        plan = without_shell(scene)
        if not isinstance(plan, Plan):
            return f"{labels[index]}: {plan.reason if plan else 'it is not run'}"
        if footprint(scene, plan) != claim.footprint:
            return f"{labels[index]}: what is claimed is not what is done"
        if missing := set(plan.assumes) - assumes:
            return f"not assumed: {min(missing)}"
        if reason := _differs(scene.stage, after.stages[index], plan):
            return f"{labels[index]}: {reason}"
        stages[index] = after.stages[index]
        for i, stage in enumerate(before.stages):
            if plan.link and scene.name(i) == plan.builder:
                stages[i] = _linked(stage, after.stages[i], plan.link)
                if stages[i] is stage:
                    return f"stage {plan.builder} does not end with `{' '.join(plan.link)}`"
    return before._replace(stages=tuple(stages))


def _differs(old: Stage, new: Stage, plan: Plan) -> str | None:
    """Return in what a stage differs, other than in where the program stands that it starts."""
    if new.base != Value(plan.image.reference):
        return f"it does not start from {plan.image.reference}"
    before, after = _steps_of(old), _steps_of(new)
    same = (old.name, old.platform, old.runs, old.layers, before)
    if same != (new.name, new.platform, new.runs, new.layers, after):
        return "it differs in more than its base"
    one, other = _config(old), _config(new)
    if one != other:
        return f"{min(k for k in one.keys() | other.keys() if one.get(k) != other.get(k))} differs"
    return _starts_other(old, new, plan)


def _steps_of(stage: Stage) -> list[Event]:
    return [
        replace(e, workdir=_settled(e.workdir)) if isinstance(e, Copy) else e for e in stage.events
    ]


def _config(stage: Stage) -> dict[str, Any]:
    """Return what is configured, without what starts the program."""
    config: dict[str, Any] = dict(stage.config)
    for key in ("from", "entrypoint", "cmd", "cmd stage", "healthcheck"):
        config.pop(key, None)
    return config | {"workdir": _settled(config["workdir"])}


def _settled(workdir: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return a directory; that in which all of these images start is the root."""
    return (Value("/"),) if workdir == (_OF_BASE,) else workdir


def _starts_other(old: Stage, new: Stage, plan: Plan) -> str | None:
    """Return what is started otherwise."""
    there, venv = plan.image, bool(plan.link)
    was, now = ([words_of(stage, key) for key in STARTS] for stage in (old, new))
    if None in now:
        return "what it starts is run by a shell"
    (entry, command, health), (new_entry, new_command, new_health) = (
        [words or () for words in found] for found in (was, now)
    )
    implied = () if "entrypoint" in dict(new.config) else there.entrypoint
    started = (*implied, *new_entry, *new_command)
    if _called(started, there, venv, there.program) != _called((*entry, *command), there, venv):
        return f"it starts `{' '.join(started)[:100]}`"
    if bool(entry) != bool(new_entry) or (entry and new_command != command):
        return "other words are the arguments"
    asked = [dict(stage.config).get("healthcheck") for stage in (old, new)]
    kinds = [(value[0], value[2:]) if isinstance(value, tuple) else None for value in asked]
    same = _called(health, there, venv) == _called(new_health, there, venv, there.program)
    return None if same and kinds[0] == kinds[1] else "HEALTHCHECK differs"


def _called(
    words: tuple[str, ...], there: Distroless, venv: bool, only: str = ""
) -> tuple[str, ...]:
    """Return words with one name for the language's program; `only` by this it may be called."""
    names = frozenset({only}) if only else frozenset() if venv else there.names
    return ("", *words[1:]) if words and words[0] in names | {there.entrypoint[0]} else words


def _linked(before: Stage, after: Stage, link: tuple[str, ...]) -> Stage:
    """Return a stage as it is afterwards, if all that is new is a RUN that sets a link."""
    if not after.events or after.runs[-1:] != (len(after.events),):
        return before
    rest = replace(after, events=after.events[:-1], runs=after.runs[:-1], layers=after.layers - 1)
    last = after.events[-1]
    if not isinstance(last, Exec) or last.argv != link or not last.must or rest != before:
        return before
    more = last.redirects or last.assignments or last.shell_state or last.setting.flags
    return before if more else after
