"""A stage that installs with pip becomes two: one builds a virtual environment, one takes it over.

The builder is the old stage up to its last install, with the environment in front of the first.
The new stage is the old one without the installs, with the environment in place of the first, and
without packages that only build. What moved (console scripts, distributions) is found by PATH
alone, so nothing may name its old place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from refactor.effects.build import with_variable
from refactor.effects.distributions import may_use_openmp
from refactor.effects.dropping import (
    ADDS,
    all_dropped,
    assumption,
    is_cleanup,
    is_install,
    is_update,
    named_in,
    packages_of,
)
from refactor.effects.events import Block, Copy, Event, Exec, Stage, flat
from refactor.effects.placed import Placed
from refactor.effects.provenance import footprint, runs_others
from refactor.effects.relocation import names_moved, runs_left_out
from refactor.effects.stages import Cut
from refactor.facts import left_out, libraries
from refactor.facts.environments import MOVED, VENV, environment_of, interpreter
from refactor.facts.packages import argv_operation
from refactor.sent import Sent
from refactor.words import Value


def environment_split(cut: Cut) -> str | None:
    """Return why a split is not the same stage in two."""
    old, image = cut.old, cut.image
    if not interpreter(image) or (cut.builder.base, cut.new.base) != (old.base, old.base):
        return "not one interpreter"
    if {cut.builder.platform, cut.new.platform} != {old.platform}:
        return "not one platform"
    places = [i for i, e in enumerate(old.events) if is_install(e)]
    if not places or not all(_as_root(old.events[i]) for i in places):
        return "no install as root"
    if dict(cut.builder.config)["onbuild"] or dict(old.config)["onbuild"]:
        return "ONBUILD"
    end = run_of(old, places[-1])[1]
    own = own_environment(old)
    if own is not None:
        walk = _Walk(cut, own.start, own.folder, None)
        reason = _builds(cut, old.events[:end], [r for r in old.runs if r <= end])
        return reason or walk.compare() or walk.configuration() or walk.lost()
    start = run_of(old, places[0])[0]
    shift = _shift(old, cut.new)
    if shift is None:
        return "PATH does not start with the environment"
    if MOVED not in cut.assumes:
        return f"not assumed: {MOVED}"
    first = old.events[start]
    assert isinstance(first, Exec)
    program = interpreter(image)
    made = Exec((program, "-m", "venv", VENV), (), (), replace(first.setting, flags=()), (), True)
    moved = (with_variable(e, shift) for e in old.events[start:end])
    ends = [(r + (r > start)) for r in old.runs if r <= end]
    walk = _Walk(cut, start, VENV, shift)
    reason = _builds(cut, (*old.events[:start], made, *moved), sorted([*ends, start + 1]))
    reason = reason or walk.compare() or walk.configuration() or walk.lost()
    return reason or names_moved(old, cut.around, start)


def _builds(cut: Cut, events: tuple[Event, ...], ends: list[int]) -> str | None:
    if cut.builder.events != events:
        return "the builder does not do what the stage did up to its last install"
    return None if list(cut.builder.runs) == ends else "a RUN of the builder ends elsewhere"


class Own(NamedTuple):
    """A virtual environment that a stage makes itself: in which RUN, and where."""

    start: int
    folder: str


def own_environment(stage: Stage) -> Own | None:
    """Return the environment that all installs of a stage go into, if it makes one for them."""
    for number, event in enumerate(stage.events):
        if is_install(event):
            return None
        folder = environment_of(event.argv) if isinstance(event, Exec) and event.must else ""
        if folder:
            path = dict(_env(stage)).get("PATH")
            found = path is not None and path.text.startswith(f"{folder}/bin:")
            return Own(run_of(stage, number)[0], folder) if found else None
    return None


def _as_root(event: Event) -> bool:
    assert isinstance(event, Exec)
    return event.setting.user.text in ("", "root", "0") and not event.redirects


def run_of(stage: Stage, place: int) -> tuple[int, int]:
    """Return where the RUN of an event starts and ends."""
    end = next(end for end in stage.runs if end > place)
    start = max((e for e in stage.runs if e <= place), default=0)
    while start < place and isinstance(stage.events[start], Copy):
        start += 1
    return start, end


def _shift(old: Stage, new: Stage) -> tuple[Value | None, Value] | None:
    """Return PATH before and after, if all that is new is that the environment goes first."""
    before, after = (dict(_env(stage)).get("PATH") for stage in (old, new))
    rest = before.text if before and not before.raw else "$PATH"
    return (before, after) if after and after.text == f"{VENV}/bin:{rest}" else None


def _env(stage: Stage) -> tuple[tuple[str, Value], ...]:
    found = dict(stage.config)["env"]
    assert isinstance(found, tuple)
    return found


class _Walk:
    """Walks the old stage and the new one in step, RUN by RUN."""

    def __init__(
        self, cut: Cut, start: int, folder: str, shift: tuple[Value | None, Value] | None
    ) -> None:
        self.cut = cut
        self.start = start
        self.folder = folder
        self.shift = shift
        self.new = list(cut.new.events)
        self.openmp = may_use_openmp(cut.old, cut.around.sent)
        self.at = 0
        self.ends: list[int] = []
        self.copied = False
        self.dropped: list[str] = []
        self.first_drop: int | None = None
        self.kept: list[tuple[int, Event]] = []

    def compare(self) -> str | None:
        """Compare the events."""
        for begin, end in groups(self.cut.old):
            if begin == self.start and not self.environment():
                return "the environment is not copied where the first install was"
            group = self.cut.old.events[begin:end]
            if self.is_gone(group, begin):
                self.vanish(group, begin)
                continue
            came = self.at
            for number, event in enumerate(group, begin):
                if reason := self.step(event, number):
                    return reason
            if self.at > came and not isinstance(group[0], Copy):
                self.ends.append(self.at)
        if tuple(self.ends) != self.cut.new.runs:
            return "a RUN ends elsewhere"
        if self.at < len(self.new):
            return f"{self.new[self.at].text[:80]!r} is new"
        return None if self.copied else "the environment is not copied"

    def is_gone(self, group: tuple[Event, ...], begin: int) -> bool:
        """Whether a whole RUN, or a copy, is gone and may be."""
        if any(
            self.same(event, begin + i, self.at + i) or self.thinned(event, begin + i, self.at + i)
            for i, event in enumerate(group)
        ):
            return False
        if not all(self.may_vanish(event, begin + i) for i, event in enumerate(group)):
            return False
        image, stays = self.cut.image, any(packages_of(e) for e in flat(self.cut.new.events))
        return isinstance(group[0], Copy) or any(
            is_install(e)
            or self.makes(e)
            or all_dropped(e, image, [])
            or (is_update(e) and not stays)
            for e in group
        )

    def makes(self, event: Event) -> bool:
        """Whether a command makes the environment, which is taken over instead."""
        return isinstance(event, Exec) and environment_of(event.argv) == self.folder

    def environment(self) -> bool:
        """Take the copy of the environment."""
        event = self.new[self.at] if self.at < len(self.new) else None
        first = self.cut.old.events[self.start]
        where = first.setting if isinstance(first, Exec) else None
        if not isinstance(event, Copy) or event.origin != self.cut.index or event.flags:
            return False
        if where is None or (event.workdir, event.user) != (where.workdir, where.user):
            return False
        self.at += 1
        self.copied = True
        paths = {value.text.rstrip("/") for value in (*event.sources, event.destination)}
        return len(event.sources) == 1 and paths == {self.folder} and event.keyword == "COPY"

    def expected(self, event: Event, number: int) -> Event:
        """Return an event as it must be in the new stage."""
        moves = self.shift is not None and number >= self.start
        return with_variable(event, self.shift) if moves and self.shift else event

    def same(self, event: Event, number: int, at: int) -> bool:
        """Whether the new stage has an event at a place."""
        return at < len(self.new) and self.expected(event, number) == self.new[at]

    def step(self, event: Event, number: int) -> str | None:
        """Take one event of a RUN that stays, or of a copy."""
        if is_install(event) or self.makes(event):
            self.note_drop(number)
            return None
        if self.same(event, number, self.at):
            self.kept.append((number, event))
            self.at += 1
            return None
        if self.slimmer(event, number):
            self.at += 1
            return None
        if all_dropped(event, self.cut.image, self.dropped):
            self.note_drop(number)
            return None
        there = self.new[self.at].text if self.at < len(self.new) else "nothing"
        return f"{there[:80]!r} where {event.text[:80]!r} was"

    def note_drop(self, number: int) -> None:
        """Note the first event that leaves something out."""
        if self.first_drop is None:
            self.first_drop = number

    def may_vanish(self, event: Event, number: int) -> bool:
        """Whether an event can be gone, if its whole RUN is."""
        if isinstance(event, Copy):
            return is_covered(self.cut.old, event, number, self.cut.around.sent)
        return (
            is_install(event) or self.makes(event) or is_update(event) or is_cleanup(event)
            or all_dropped(event, self.cut.image, [])
        )  # fmt: skip

    def vanish(self, group: tuple[Event, ...], begin: int) -> None:
        """Leave a RUN, or a copy, out."""
        for event in group:
            all_dropped(event, self.cut.image, self.dropped)
        if not isinstance(group[0], Copy):
            self.note_drop(begin)

    def slimmer(self, event: Event, number: int) -> bool:
        """Take an install of the same packages without those that only build."""
        gone = self.thinned(event, number, self.at)
        if gone:
            self.dropped += gone
            self.note_drop(number)
        return bool(gone)

    def thinned(self, event: Event, number: int, at: int) -> list[str]:
        """Return what the new stage leaves out of an install; nothing if it is another one."""
        new = self.new[at] if at < len(self.new) else None
        wanted = self.expected(event, number)
        if not isinstance(wanted, Exec) or not isinstance(new, Exec):
            return []
        if replace(wanted, argv=new.argv, quoted=new.quoted) != new:
            return []
        before, after = argv_operation(wanted.argv), argv_operation(new.argv)
        if before is None or after is None or ADDS.get(before.manager) != before.action:
            return []
        same = (before.manager, before.action, before.options) == (
            after.manager, after.action, after.options,
        )  # fmt: skip
        old, now = ([a.text for a in found.arguments] for found in (before, after))
        gone = [name for name in old if name not in now]
        added = {name for name in now if name not in old}
        needed = {lib for name in gone for lib in self.needed(name) or ()}
        family = self.cut.image.family
        right = all(left_out.is_left_out(name, family) for name in gone) and added <= needed
        return gone if same and right else []

    def needed(self, name: str) -> tuple[str, ...] | None:
        """Return what must be installed where a package is left out; None if not known."""
        return left_out.needed(name, self.cut.image, self.openmp)

    def lost(self) -> str | None:
        """Return what still needs the packages that are left out."""
        installed = {a for e in flat(self.cut.new.events) for a in packages_of(e)}
        for name in self.dropped:
            needed = self.needed(name)
            if needed is None:
                return f"what runs with {name} left out is not known"
            if lost := set(needed) - installed:
                return f"{name} is left out, and {min(lost)} is not installed instead"
        claimed = {part[2:] for part in self.cut.footprint if part.startswith("- ")}
        if claimed != set(self.dropped):
            return "other packages are left out than claimed"
        if not self.dropped:
            return None
        programs = {p for name in self.dropped for p in libraries.programs(name)}
        for number, event in self.kept:
            if self.first_drop is None or number < self.first_drop:
                continue
            if named := programs & named_in(event):
                return f"{event.text[:80]!r} runs {min(named)}, which is left out"
            if reason := _needs(event, self.cut, sorted(self.dropped)):
                return reason
        return runs_left_out(self.cut.new, self.cut.around, programs, self.cut.assumes)

    def configuration(self) -> str | None:
        """Compare what the image starts with."""
        old, new = dict(self.cut.old.config), dict(self.cut.new.config)
        before, after = dict(_env(self.cut.old)), dict(_env(self.cut.new))
        if self.shift is not None:
            before.pop("PATH", None)
            after.pop("PATH", None)
        if before != after:
            return "the environment differs in more than PATH"
        differs = [k for k in old.keys() | new.keys() if k != "env" and old.get(k) != new.get(k)]
        return f"{min(differs)} differs" if differs else None


def groups(stage: Stage) -> Iterator[tuple[int, int]]:
    """Yield where each RUN, and each copy, starts and ends."""
    at = 0
    for end in (*stage.runs, len(stage.events)):
        while at < end and isinstance(stage.events[at], Copy):
            yield at, at + 1
            at += 1
        if at < end:
            yield at, end
            at = end


def is_covered(stage: Stage, event: Copy, number: int, sent: Sent | None) -> bool:
    """Whether a later copy puts the same files there, and only installs read them before."""
    files = Placed(sent).puts(event) if sent is not None else None
    if not files or sent is None:
        return False
    for later in stage.events[number + 1 :]:
        if isinstance(later, Copy):
            whole = Placed(sent).puts(later) or {}
            if later.flags == event.flags and all(whole.get(p) == s for p, s in files.items()):
                return not is_covered(stage, later, stage.events.index(later), sent)
        elif not is_install(later):
            reads, writes = footprint(later)
            if not is_cleanup(later) and any(_meets(files, r) for r in reads | writes):
                return False
    return False


def _meets(files: Mapping[str, str], region: str) -> bool:
    """Whether a region is one of the files, has one in it, or would be below one."""
    parts = region.split("/")
    if any("/".join(parts[:n]) in files for n in range(1, len(parts) + 1)):
        return True
    prefix = region.rstrip("/") + "/"
    return any(path.startswith(prefix) for path in files)


def _needs(event: Event, cut: Cut, dropped: list[str]) -> str | None:
    """Return why a command that is kept may need what is left out."""
    if isinstance(event, Copy) or packages_of(event) or is_cleanup(event):
        return None
    if not runs_others(event) or assumption(event, dropped) in cut.assumes:
        return None
    if isinstance(event, Block):
        return f"{event.text[:80]!r} may need what is left out"
    return f"not assumed: {assumption(event, dropped)}"
