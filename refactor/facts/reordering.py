"""Copies that stand in front of a dependency install, and could stand behind it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import NamedTuple

from refactor.effects import Copy, Event, Exec, Stage
from refactor.effects.order import environment, in_system, passes, reading, take
from refactor.effects.placed import Placed
from refactor.facts.installs import Unknown, looks_like_install
from refactor.facts.packages import Command
from refactor.facts.sources import destination
from refactor.shell import AndOr
from refactor.snapshot import Run, Snapshot
from refactor.syntax import Instruction
from refactor.words import Value

_PLAIN = re.compile(r"[\w.@+/-]+\Z", re.ASCII)


class Part(NamedTuple):
    """An instruction and the events that it makes."""

    instruction: Instruction
    events: tuple[Event, ...]
    run: Run | None


@dataclass
class Plan:
    """What moves: `copy` goes behind `last`, and `needed` (image paths) are copied in its place.

    `directory` is the one in force there, `behind` the last command in front. `cut`: the RUN of
    `last` goes on with other commands, which stay behind the copy: it is cut between these two.
    """

    stage: str
    copy: Instruction
    event: Copy
    needed: dict[str, str] = field(default_factory=dict)
    last: Run | None = None
    directory: tuple[Value, ...] = ()
    installs: str = ""
    behind: str = ""
    cut: tuple[Command, Command] | None = None
    assumes: dict[str, None] = field(default_factory=dict)


class Stopped(NamedTuple):
    """Why a copy that stands in front of an install stays there."""

    copy: Instruction
    why: Unknown


def parts(snapshot: Snapshot, index: int) -> list[Part]:
    """Return a stage's instructions that make events, with these."""
    model = snapshot.build.stages[index]
    runs = {run.instruction.span: run for run in snapshot.runs if not run.triggered}
    found: list[Part] = []
    at = count = 0
    for ins in snapshot.graph.stages[index].instructions:
        if ins.keyword in ("COPY", "ADD"):
            end = at + 1
        elif ins.keyword == "RUN":
            end = model.runs[count]
            count += 1
        else:
            continue
        found.append(Part(ins, model.events[at:end], runs.get(ins.span)))
        at = end
    return found


def plans(snapshot: Snapshot) -> Iterator[Plan | Stopped]:
    """Yield what can move, and what cannot though it stands in front of an install."""
    sent = snapshot.sent
    if sent is None:
        return
    for stage, model in zip(snapshot.graph.stages, snapshot.build.stages, strict=True):
        found = parts(snapshot, stage.index)
        for at in reversed(range(len(found))):
            event = found[at].events[0] if found[at].events else None
            if isinstance(event, Copy) and event.origin is None:
                yield from _plan(stage.label, model, found, at, Placed(sent))


def _plan(
    label: str, model: Stage, found: list[Part], at: int, placed: Placed
) -> Iterator[Plan | Stopped]:
    """Yield how far the copy of a part can move, if there is an install behind it."""
    env = environment(model)
    event = found[at].events[0]
    assert isinstance(event, Copy)
    rest = [(part, e) for part in found[at + 1 :] for e in part.events]
    if not any(_may_install(e) for _, e in rest):
        return
    for earlier in (e for part in found[:at] for e in part.events):
        take(placed, earlier, env)
    files, before = placed.puts(event), dict(placed.files)
    if files is None:
        if any(_installs(e) for _, e in rest):
            yield Stopped(found[at].instruction, _missing(event, placed))
        return
    placed.take(files)
    plan = Plan(label, found[at].instruction, event)
    stop = _unmovable(event, files)
    needed: dict[str, str] = {}
    done = 0
    for part, passed in rest:
        step = stop or passes(passed, event, placed, env)
        if isinstance(step, Unknown):
            stop = step
            break
        done += 1
        needed |= {path: source for path, source in step[0].items() if before.get(path) != source}
        plan.assumes |= dict.fromkeys(step[1])
        known = reading(passed, placed, env)
        if not isinstance(known, Unknown) and known.installs and part.run is not None:
            plan.last, plan.installs = part.run, passed.text
            if isinstance(passed, Exec):
                plan.directory = passed.setting.workdir
            if not _same_setting(event, passed):
                yield Stopped(found[at].instruction, _SETTING)
                return
        if plan.last is part.run:
            plan.needed, plan.behind = dict(needed), passed.text
        take(placed, passed, env)
    yield from _ended(plan, stop, rest[done:], files)


def _ended(
    plan: Plan, stop: Unknown | None, rest: list[tuple[Part, Event]], files: Mapping[str, str]
) -> Iterator[Plan | Stopped]:
    """Yield what comes of a plan that goes as far as the first of the events that are left."""
    if plan.last is None:
        if stop and any(_installs(event) for _, event in rest):
            yield Stopped(plan.copy, stop)
        return
    if not set(files) - set(plan.needed) or _meets_locks(plan.event):
        return
    if stop and rest[0][0].run is plan.last:
        plan.cut = _cut(*rest[0])
        if plan.cut is None:
            yield Stopped(plan.copy, _MIXED)
            return
    yield plan


# A pattern that meets one of these is there so that it may come and go.
_LOCKS = frozenset(
    "package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml poetry.lock Pipfile.lock "
    "uv.lock Gemfile.lock go.sum Cargo.lock composer.lock".split()
)


def _meets_locks(event: Copy) -> bool:
    names = [source.text.rpartition("/")[2] for source in event.sources if "*" in source.text]
    return any(fnmatchcase(lock, name) for name in names for lock in _LOCKS)


def _missing(event: Copy, placed: Placed) -> Unknown:
    missing = next((s.text for s in event.sources if not placed.sent.kind(s.text)), "")
    what = f"{missing} is not in the build context" if missing else "its names are not plain"
    return Unknown(
        "C401", f"what `{event.text}` copies is not known: {what}",
        "run where the whole build context is, or name its folder with --context",
    )  # fmt: skip


_SETTING = Unknown(
    "C407", "USER or VOLUME changes between the copy and the install", "copy behind the install"
)
_MIXED = Unknown(
    "C406", "the install is mixed with other commands in one RUN", "give the install its own RUN"
)


def _unmovable(event: Copy, files: Mapping[str, str]) -> Unknown | None:
    if path := in_system(files):
        return Unknown("C408", f"it puts {path} where programs look for their own files",
                       "copy it by itself, in front")  # fmt: skip
    return None


def _same_setting(event: Copy, passed: Event) -> bool:
    if not isinstance(passed, Exec):
        return False
    return (passed.setting.user, passed.setting.volumes) == (event.user, event.volumes)


def _installs(event: Event) -> bool:
    """Whether a command is a dependency install, wherever it stands."""
    return isinstance(event, Exec) and looks_like_install(event.argv)


def _may_install(event: Event) -> bool:
    return isinstance(event, Exec) and (_installs(event) or any("$" in w for w in event.argv))


def _cut(part: Part, event: Event) -> tuple[Command, Command] | None:
    """Return the two commands between which a RUN can be cut in front of an event."""
    run = part.run
    if run is None or run.script is None or len(run.script.body.parts) != 1:
        return None
    chain = run.script.body.parts[0]
    if not isinstance(chain, AndOr) or set(chain.operators) != {"&&"}:
        return None
    commands = [c for c in chain.parts if isinstance(c, Command)]
    plain = len(commands) == len(chain.parts) == len(part.events)
    number = next(i for i, e in enumerate(part.events) if e is event)
    if not plain or not isinstance(event, Exec) or event.shell_state or not number:
        return None
    return commands[number - 1], commands[number]


class Ahead(NamedTuple):
    """A COPY to be written: sources in the build context, and the folder they go to.

    `folder` is as it is written, `target` the absolute path.
    """

    sources: tuple[str, ...]
    folder: str
    target: str

    @property
    def text(self) -> str:
        """The event's text."""
        return " ".join(("COPY", *self.sources, self.target))


def ahead(plan: Plan, escape: str) -> list[Ahead] | None:
    """Return the copies to write in a plan's place; None if a name cannot be written plainly."""
    written = destination(plan.copy, escape)[0]
    root = posixpath.normpath(plan.event.destination.text)
    base = "." if written in (".", "./") else written.rstrip("/")
    if not written or not all(_PLAIN.match(source) for source in plan.needed.values()):
        return None
    folders: dict[str, list[str]] = {}
    for path, source in sorted(plan.needed.items()):
        inside = posixpath.relpath(posixpath.dirname(path), root)
        if posixpath.basename(path) != posixpath.basename(source) or inside.startswith(".."):
            return None
        folders.setdefault("" if inside == "." else f"{inside}/", []).append(source)
    return [
        Ahead(tuple(names), f"{base}/{inside}", f"{root.rstrip('/')}/{inside}")
        for inside, names in sorted(folders.items())
    ]


def in_front_of_installs(snapshot: Snapshot) -> Iterator[Instruction]:
    """Yield the copies of whole folders, by their looks, with an install behind them."""
    for stage in snapshot.graph.stages:
        found = parts(snapshot, stage.index)
        for at, part in enumerate(found):
            event = part.events[0] if part.events else None
            if isinstance(event, Copy) and event.origin is None:
                whole = any(s.text.rstrip("/") in ("", ".") for s in event.sources)
                if whole and any(_installs(e) for p in found[at + 1 :] for e in p.events):
                    yield part.instruction
