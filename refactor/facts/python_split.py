"""Which stage can be cut into one that builds a virtual environment and one that runs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from refactor.effects import Copy, Event, Exec, Verbatim
from refactor.effects.distributions import may_use_openmp
from refactor.effects.dropping import (
    all_dropped,
    assumption,
    is_cleanup,
    is_install,
    is_update,
    named_in,
    packages_of,
)
from refactor.effects.environments import groups, is_covered, own_environment
from refactor.effects.provenance import runs_others
from refactor.effects.relocation import computed, names_moved, runs_left_out
from refactor.facts import left_out, libraries, packages
from refactor.facts.environments import MOVED, environment_of, interpreter, old_places
from refactor.facts.packages import Command
from refactor.facts.stages import Stage
from refactor.shell import Word
from refactor.snapshot import Run, Snapshot
from refactor.syntax import Instruction

# What a builder need not have: it says how an image is started, not how it is made.
_STARTS = frozenset("LABEL MAINTAINER EXPOSE CMD ENTRYPOINT HEALTHCHECK STOPSIGNAL ONBUILD".split())
_NUMBERED = re.compile(r"--from=\d|\bfrom=\d")


class Thinner(NamedTuple):
    """A RUN that stays with fewer commands, and fewer packages: these become others, or nothing."""

    run: Run
    commands: tuple[Command, ...]
    words: tuple[tuple[Command, Word, tuple[str, ...]], ...]


class Obstacle(NamedTuple):
    """Why a stage stays whole, and where that shows."""

    code: str
    reason: str
    unlock: str
    at: Instruction


@dataclass
class Split:
    """What a split writes: `copied` go to the builder, `gone` leave the stage, `thinner` shrink.

    The environment takes the place of `first`, or stands in front of it if that stays; `own` is
    its folder where the stage makes one itself.
    """

    stage: Stage
    builder: str
    first: Instruction
    copied: list[Instruction] = field(default_factory=list)
    gone: list[Instruction] = field(default_factory=list)
    thinner: list[Thinner] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    assumes: dict[str, None] = field(default_factory=dict)
    openmp: bool = True
    own: str = ""

    def needed(self, name: str) -> tuple[str, ...] | None:
        """Return what must be installed where a package is left out; None if not known."""
        return left_out.needed(name, self.stage.image, self.openmp)


class _Part(NamedTuple):
    instruction: Instruction
    run: Run | None
    begin: int
    events: tuple[Event, ...]


def splits(snapshot: Snapshot) -> Iterator[Split | Obstacle]:
    """Yield the stages that can be split, and why others that install with pip cannot."""
    for stage in snapshot.graph.stages:
        if stage.parent is None and interpreter(stage.image):
            found = _split(snapshot, stage)
            if found is not None:
                yield found


def _split(snapshot: Snapshot, stage: Stage) -> Split | Obstacle | None:
    parts = _parts(snapshot, stage)
    at = [i for i, part in enumerate(parts) if any(map(_pip, part.events))]
    if not at or _serves(snapshot, stage):
        return None
    own = own_environment(snapshot.build.stages[stage.index])
    if own is not None:
        at.insert(0, next(i for i, part in enumerate(parts) if part.begin == own.start))
    first, last = parts[at[0]], parts[at[-1]]
    plan = Split(stage, _free_name(snapshot), first.instruction)
    plan.own = own.folder if own else ""
    plan.openmp = may_use_openmp(snapshot.build.stages[stage.index], snapshot.sent)
    for number, part in enumerate(parts):
        stop = _take(snapshot, plan, part, number >= at[0])
        if stop is not None:
            return stop if _is_heavy(plan, parts) or stage.image.full else None
    if not plan.dropped and not stage.image.full:
        return None
    stop = _whole(snapshot, plan, parts, at[0])
    if stop is not None:
        return stop
    end = last.instruction.span.end
    plan.copied = [
        ins for ins in stage.instructions
        if ins.span.end <= end and ins.keyword not in _STARTS
    ]  # fmt: skip
    plan.assumes |= {} if own else {MOVED: None}
    return plan


def _is_heavy(plan: Split, parts: list[_Part]) -> bool:
    """Whether the stage installs anything that only builds."""
    family = plan.stage.image.family
    names = (name for part in parts for e in part.events for name in packages_of(e))
    return any(left_out.is_left_out(name, family) for name in names)


def _parts(snapshot: Snapshot, stage: Stage) -> list[_Part]:
    model = snapshot.build.stages[stage.index]
    runs = {
        id(r.instruction): r for r in snapshot.runs if r.stage == stage.index and not r.triggered
    }
    makers = [ins for ins in stage.instructions if ins.keyword in ("RUN", "COPY", "ADD")]
    found = []
    for ins, (begin, end) in zip(makers, groups(model), strict=True):
        found.append(_Part(ins, runs.get(id(ins)), begin, model.events[begin:end]))
    return found


def _pip(event: Event) -> packages.Operation | None:
    """Return what a command asks of pip, if it installs."""
    found = packages.argv_operation(event.argv) if isinstance(event, Exec) else None
    return found if found and (found.manager, found.action) == ("pip", "install") else None


def _serves(snapshot: Snapshot, stage: Stage) -> bool:
    """Whether other stages take what they need from a stage: it is a builder already."""
    return any(
        isinstance(e, Copy) and e.origin == stage.index
        for other in snapshot.build.stages
        for e in other.events
    )


def _free_name(snapshot: Snapshot) -> str:
    taken = {stage.name for stage in snapshot.graph.stages}
    names = ("builder", "build", "python-builder", "environment", "python-environment")
    return next(name for name in names if name not in taken)


def _take(snapshot: Snapshot, plan: Split, part: _Part, late: bool) -> Obstacle | None:
    """Decide what becomes of one RUN or copy."""
    image = plan.stage.image
    stop = _unread(part, late and not plan.own)
    if stop is not None:
        return stop
    if isinstance(part.events[0], Copy):
        return None
    names = [name for e in part.events for name in packages_of(e)]
    touched = any(is_install(e) or _makes(plan, e) for e in part.events) or any(
        left_out.is_left_out(name, image.family) for name in names
    )
    if not touched:
        return _later(plan, part)
    for name in names:
        if left_out.is_left_out(name, image.family) and plan.needed(name) is None:
            return Obstacle(
                "S501", f"which libraries are needed at run time for {name} is not known",
                "name the release in the base's tag (…-bookworm), or install them by name",
                part.instruction,
            )  # fmt: skip
    vanishing = [
        is_install(e)
        or _makes(plan, e)
        or is_cleanup(e)
        or is_update(e)
        or all_dropped(e, image, [])
        for e in part.events
    ]
    if all(vanishing) and not _replaced(plan, part.events):
        for event in part.events:
            all_dropped(event, image, plan.dropped)
        plan.gone.append(part.instruction)
        return None
    return _thin(plan, part)


def _makes(plan: Split, event: Event) -> bool:
    """Whether a command makes the stage's own environment."""
    return isinstance(event, Exec) and bool(plan.own) and environment_of(event.argv) == plan.own


def _replaced(plan: Split, events: tuple[Event, ...]) -> list[str]:
    """Return the libraries that take the place of packages that are left out."""
    image = plan.stage.image
    names = [n for e in events for n in packages_of(e)]
    found = [lib for n in names for lib in plan.needed(n) or ()
             if left_out.is_left_out(n, image.family)]  # fmt: skip
    return list(dict.fromkeys(found))


def _thin(plan: Split, part: _Part) -> Obstacle | None:
    """Leave commands and packages out of a RUN that stays."""
    run, image = part.run, plan.stage.image
    mixed = Obstacle("S502", "the install is mixed with other commands in a way that is not taken "
                     "apart", "give the install its own RUN", part.instruction)  # fmt: skip
    if run is None or run.script is None:
        return mixed
    places = [i for i, e in enumerate(part.events) if is_install(e)]
    states = (
        {e.shell_state for e in part.events[places[0] :] if isinstance(e, Exec)} if places else ()
    )
    if len(states) > 1:  # an install of pip itself, or a variable, is noted there
        return mixed
    gone: list[Command] = []
    words: list[tuple[Command, Word, tuple[str, ...]]] = []
    for command in run.script.commands():
        op = packages.operation(command)
        if environment_of(command.argv) and environment_of(command.argv) == plan.own:
            gone.append(command)
        if op is None:
            continue
        event = next(
            (e for e in part.events if isinstance(e, Exec) and e.argv == command.argv), None
        )
        if event is None:
            return mixed
        if is_install(event):
            gone.append(command)
            continue
        drop = [w for w in op.arguments if left_out.is_left_out(w.text, image.family)]
        if not packages_of(event) or not drop:
            continue
        if len(drop) == len(op.arguments) and not _replaced(plan, (event,)):
            gone.append(command)
        seen = {w.text for w in op.arguments if w not in drop}
        if command not in gone:
            for word in drop:
                libs = tuple(x for x in plan.needed(word.text) or () if x not in seen)
                seen |= set(libs)
                words.append((command, word, libs))
        plan.dropped += [w.text for w in drop]
    plan.thinner.append(Thinner(run, tuple(gone), tuple(words)))
    touched = (bool({n for n in packages_of(e) if n in plan.dropped}) for e in part.events)
    first = next((i for i, drops in enumerate(touched) if drops), len(part.events))
    return _later(plan, part._replace(events=part.events[first + 1 :]))


def _later(plan: Split, part: _Part) -> Obstacle | None:
    """Look at a RUN that stays as it is, where packages are left out."""
    if not plan.dropped:
        return None
    for event in part.events:
        programs = {p for name in plan.dropped for p in libraries.programs(name)}
        if packages_of(event) or is_cleanup(event) or is_install(event) or _makes(plan, event):
            continue
        if not programs & named_in(event) and not runs_others(event):
            continue
        if not programs & named_in(event) and isinstance(event, Exec) and _is_python(event.argv):
            plan.assumes[assumption(event, sorted(plan.dropped))] = None
            continue
        return Obstacle(
            "S515", f"`{event.text[:80]}` may need {', '.join(sorted(plan.dropped)[:4])}",
            "put it in front of the packages that it does not need", part.instruction,
        )  # fmt: skip
    return None


def _is_python(argv: tuple[str, ...]) -> bool:
    return argv[:1] in (("python",), ("python3",), ("flask",), ("django-admin",), ("./manage.py",))


def _unread(part: _Part, late: bool) -> Obstacle | None:
    """Return why a RUN is not understood well enough."""
    at = part.instruction
    for event in part.events:
        if isinstance(event, Verbatim) and re.search(r"\bpip\d?\b|apt|apk", event.content):
            return Obstacle(
                "S502", "a RUN with an install is not read", "write it in plain shell", at
            )
        text, op = event.text, _pip(event)
        if op is not None and not is_install(event):
            editable = op.has("-e", "--editable")
            why = (
                "an editable install leaves its metadata in the sources"
                if editable
                else (f"`{text[:60]}` installs somewhere else")
            )
            return Obstacle("S504", why, "install without --editable, --user and --target", at)
        if not isinstance(event, Copy | Exec) and "pip" in text and "install" in text:
            return Obstacle("S502", "an install depends on what happens", "give it its own RUN", at)
        if late and (paths := old_places(text)) and not isinstance(event, Copy):
            return Obstacle("S503", f"`{text[:60]}` names {paths[0]}, which would move",
                            "find it by PATH or by import", at)  # fmt: skip
    return None


def _whole(snapshot: Snapshot, plan: Split, parts: list[_Part], at: int) -> Obstacle | None:
    """Look at what concerns the stage as a whole."""
    stage, start = plan.stage, plan.stage.start
    if _NUMBERED.search(snapshot.text):
        return Obstacle("S513", "stages are named by number", "name them", start)
    if snapshot.graph.children(stage.index):
        return Obstacle("S514", "another stage starts from this one", "split it by hand", start)
    if any(ins.trigger for ins in stage.instructions):
        return Obstacle("S514", "ONBUILD runs in images that start from this one", "", start)
    late = [ins for ins in stage.instructions if ins.span.start > plan.first.span.start]
    for ins in late:
        if ins.keyword == "ENV" and not plan.own and re.search(r"(?:\A|\s)PATH[=\s]", ins.args):
            return Obstacle("S503", "PATH changes behind the install", "set it in front", ins)
    first = parts[at].events[0]
    if isinstance(first, Exec) and first.setting.user.text not in ("", "root", "0"):
        return Obstacle("S503", "the install does not run as root", "", plan.first)
    application = snapshot.application
    if application is None or snapshot.sent is None or not snapshot.sent.complete:
        return Obstacle("S516", "what stands in the build context is not known",
                        "run where the build context is", start)  # fmt: skip
    for hazard in snapshot.evidence.hazards:
        if hazard.must and set(plan.dropped) & set(hazard.subject.split()):
            return Obstacle("S517", f"`{hazard.subject}` has no package lists: it does not build",
                            "fetch them in the same RUN", start)  # fmt: skip
    model = snapshot.build.stages[stage.index]
    if not plan.own and (reason := names_moved(model, snapshot, parts[at].begin)):
        return Obstacle("S503", reason, "find it by PATH or by import", start)
    programs = {p for name in plan.dropped for p in libraries.programs(name)}
    if plan.dropped and (reason := runs_left_out(model, snapshot, programs)):
        return Obstacle("S505", reason, "keep what it needs by a RUN of its own", start)
    if plan.dropped:
        for found in application.unknown:
            if "program" in found.value:
                plan.assumes[computed(found.path, found.line)] = None
    for part in parts:
        event = part.events[0]
        if isinstance(event, Copy) and is_covered(model, event, part.begin, snapshot.sent):
            plan.gone.append(part.instruction)
    return None
