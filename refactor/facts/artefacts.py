"""Which final stage can be cut into one that builds a program and one that runs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from refactor.effects.artefact_languages import is_candidate, needed_for
from refactor.effects.artefact_needs import Needs, Subject
from refactor.facts.images import image
from refactor.facts.installs import Unknown
from refactor.facts.runtimes import base, is_for_builds
from refactor.facts.stages import Stage
from refactor.snapshot import Snapshot
from refactor.syntax import Instruction
from refactor.words import pairs

_MAKES = frozenset({"ADD", "COPY", "RUN"})
_MOVES = frozenset("LABEL MAINTAINER EXPOSE CMD ENTRYPOINT HEALTHCHECK STOPSIGNAL".split())
_NAME = re.compile(r"\$\{?(\w+)")
_NUMBERED = re.compile(r"--from=\d|\bfrom=\d")
BUILDERS = ("builder", "build", "build-stage", "compile")


class Obstacle(NamedTuple):
    """Why a stage stays whole, and where that shows."""

    code: str
    reason: str
    unlock: str
    at: Instruction


@dataclass
class Plan:
    """What is written: behind `last` a new stage, which `moved` go to.

    `repeated`, `volumes` and `user` are said again there. `workdir` is empty if it is set already.
    """

    stage: Stage
    builder: str
    language: str
    needs: Needs
    last: Instruction
    workdir: str = ""
    repeated: list[Instruction] = field(default_factory=list)
    volumes: list[Instruction] = field(default_factory=list)
    user: Instruction | None = None
    moved: list[Instruction] = field(default_factory=list)


def plan(snapshot: Snapshot, language: str) -> Plan | Obstacle | None:
    """Return how the final stage is split; None if it does not build in a language."""
    if not snapshot.graph.stages:
        return None
    stage = snapshot.graph.stages[-1]
    start = stage.start
    makers = [ins for ins in stage.instructions if ins.keyword in _MAKES]
    subject = Subject(snapshot.build.stages[stage.index], stage, snapshot)
    if not is_candidate(subject, language) or all(ins.keyword != "RUN" for ins in makers):
        return None
    if stage.parent is not None or any(ins.trigger for ins in stage.instructions):
        return Obstacle("S514", "the stage starts from another one, or has ONBUILD",
                        "split it by hand", start)  # fmt: skip
    if _NUMBERED.search(snapshot.text):
        return Obstacle("S513", "stages are named by number", "name them", start)
    found = needed_for(subject, language)
    if isinstance(found, Unknown):
        return Obstacle(found.code, found.reason, found.unlock, start)
    taken = {other.name for other in snapshot.graph.stages}
    name = next((n for n in BUILDERS if n not in taken), "")
    if not name:
        return Obstacle("S513", "every name for the builder is taken", "rename a stage", start)
    return _filled(Plan(stage, name, language, found, makers[-1]))


def _filled(plan: Plan) -> Plan | Obstacle:
    """Note what becomes of each instruction in front of the last one that makes a layer."""
    after = [i for i in plan.stage.instructions if i.span.start > plan.last.span.start]
    before = [i for i in plan.stage.instructions[1:] if i.span.start <= plan.last.span.start]
    plan.moved = [ins for ins in before if ins.keyword in _MOVES]
    plan.volumes = [ins for ins in before if ins.keyword == "VOLUME"]
    users = [ins for ins in before if ins.keyword == "USER"]
    runs = {kept.place for kept in plan.needs.kept}
    kept = [ins for ins in before if ins.span.start in runs]
    same = plan.needs.base == plan.stage.image.reference
    places = [ins for ins in before if ins.keyword == "WORKDIR" and same]
    behind = [ins for ins in after if ins.keyword == "WORKDIR"]
    if behind and not behind[0].args.startswith("/") and not same:
        return Obstacle("S502", "a relative WORKDIR stands behind the build",
                        "write it as an absolute path", behind[0])  # fmt: skip
    if not any(ins.keyword == "USER" for ins in after) and not (kept and users):
        plan.user = users[-1] if users else None
    there = base(image(plan.needs.base, {}))
    if not same and not behind and (there is None or there.workdir != plan.needs.workdir):
        plan.workdir = plan.needs.workdir
    rest = [*plan.moved, *plan.volumes, *after, *users, *kept, *places]
    wanted = {id(ins) for ins in (*_settings(before, rest, plan.language), *kept, *places)}
    wanted |= {id(ins) for ins in users if kept}
    plan.repeated = [ins for ins in before if id(ins) in wanted]
    return plan


def _settings(
    before: list[Instruction], rest: list[Instruction], language: str
) -> list[Instruction]:
    """Return the ENV, ARG and SHELL that a new stage needs, in order."""
    found: list[Instruction] = []
    used = _names(rest)
    shells = [ins for ins in before if ins.keyword == "SHELL"]
    for ins in reversed(before):
        if ins.keyword == "ENV":
            names = {name for name, _ in pairs(ins, "\\")}
            if names & used or not all(is_for_builds(name, language) for name in names):
                found.append(ins)
                used |= _names([ins])
        elif ins.keyword == "ARG" and {w.partition("=")[0] for w in ins.args.split()} & used:
            found.append(ins)
            used |= _names([ins])
        elif ins in shells[-1:]:
            found.append(ins)
    return found


def _names(instructions: Iterable[Instruction]) -> set[str]:
    return {name for ins in instructions for name in _NAME.findall(ins.args)}
