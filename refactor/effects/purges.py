"""A stage whose RUN removes again what it installed to build: all else is what it was.

`apt-get purge` also removes what depends on a package, and `--auto-remove` what was installed for
it alone; `apk del` of a virtual package only the latter. What must stay is installed by name.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

from refactor.effects.dropping import is_cleanup
from refactor.effects.events import Build, Event, Exec, Stage, flat
from refactor.effects.purge_needs import VIRTUAL, Purge, Scene, requirements
from refactor.effects.stages import Surroundings
from refactor.facts.installs import Unknown
from refactor.facts.packages import Operation, argv_operation
from refactor.facts.stages import Graph
from refactor.model import Claim, Effect

PURGE = ("apt-get", "purge", "-y", "--auto-remove")
DELETE = ("apk", "del", VIRTUAL)


class _Insertion(NamedTuple):
    """The command that removes packages, and where it stands."""

    place: int
    gone: tuple[str, ...]


def purged_again(
    before: Build, after: Build, claims: Counter[Claim], around: Surroundings,
    assumes: frozenset[str], graph: Graph,
) -> Build | str:  # fmt: skip
    """Return a build with the stages that are claimed to remove packages as they are, or why not.

    The claims are used up.
    """
    stages = list(before.stages)
    labels = [f"stage {stage.name or i}" for i, stage in enumerate(stages)]
    for claim in [c for c in +claims if c.effect is Effect.PACKAGES]:
        index = next((i for i, label in enumerate(labels) if label in claim.footprint), None)
        if index is None:
            continue
        claims[claim] -= 1
        scene = Scene(before, index, graph.stages[index].image, around)
        reason = _differs(scene, after.stages[index], claim.footprint - {labels[index]}, assumes)
        if reason:
            return f"{labels[index]}: {reason}"
        stages[index] = after.stages[index]
    return before._replace(stages=tuple(stages))


def _differs(
    scene: Scene, after: Stage, footprint: frozenset[str], assumes: frozenset[str]
) -> str | None:
    """Return why a stage is not what it was without some packages, or misses what they brought."""
    walk = _Walk(scene.stage, after)
    if reason := walk.compare():
        return reason
    purge = walk.purge()
    if isinstance(purge, str):
        return purge
    if footprint != claimed(purge, len(scene.stage.runs) - len(after.runs)):
        return "other packages are removed or added than claimed"
    for found in requirements(scene, purge):
        if isinstance(found, Unknown):
            return found.reason
        if found not in assumes:
            return f"not assumed: {found}"
    return None


def claimed(purge: Purge, joined: int) -> frozenset[str]:
    """Return what a change claims of a stage: packages, and how many RUNs go on in another one."""
    words = {*(f"- {name}" for name in purge.gone), *(f"+ {name}" for name in purge.added)}
    return frozenset(words | ({f"{joined} fewer RUN"} if joined else set()))


class _Walk:
    """Walks a stage as it was and as it is, in step."""

    def __init__(self, old: Stage, new: Stage) -> None:
        self.old = old
        self.new = new
        self.taken: list[int] = []  # how many of the old events each new one completes
        self.added: list[str] = []
        self.virtual: tuple[str, ...] | None = None
        self.insertion: _Insertion | None = None

    def compare(self) -> str | None:
        """Compare the events, and what the image is configured with."""
        old, new = self.old, self.new
        if (old.name, old.base, old.platform, old.config) != (
            new.name, new.base, new.platform, new.config,
        ):  # fmt: skip
            return "the configuration differs"
        at = place = 0
        while place < len(new.events):
            event = old.events[at] if at < len(old.events) else None
            count = self.same(event, place)
            if not count and not self.removes(place):
                there = event.text if event else "nothing"
                return f"{new.events[place].text[:80]!r} where {there[:80]!r} was"
            self.taken += [at] * (max(count, 1) - 1)
            at += bool(count)
            place += max(count, 1)
            self.taken.append(at)
        return None if at == len(old.events) else f"{old.events[at].text[:80]!r} is gone"

    def same(self, old: Event | None, place: int) -> int:
        """Return how many new events are an old one; some packages may be added to it."""
        new = self.new.events[place]
        if old == new:
            return 1
        if not isinstance(old, Exec) or not isinstance(new, Exec):
            return 0
        before = argv_operation(old.argv)
        if before is None or before.wrapped or not _is_like(old, new):
            return 0
        if before.manager in ("apt", "apt-get") and before.action == "install":
            added = _put_in(old.argv, before, new.argv)
            self.added += added
            return int(bool(added))
        if (before.manager, before.action) != ("apk", "add") or self.virtual is not None:
            return 0
        if self.is_split(old, before, (new,)):
            return 1
        more = self.new.events[place + 1 : place + 2]
        rest = tuple(e for e in more if isinstance(e, Exec) and _is_like(old, e))
        return 2 * int(bool(rest) and self.is_split(old, before, (new, *rest)))

    def is_split(self, old: Exec, before: Operation, events: tuple[Exec, ...]) -> bool:
        """Whether commands install the same packages with apk, some of them as a virtual one.

        The virtual one comes last; in front of it stands the installation of what stays.
        """
        names = [word.text for word in before.arguments]
        others = [word for word in old.argv if word not in names]
        last = events[-1].argv
        op = argv_operation(last)
        gone = [word.text for word in op.arguments] if op else []
        pair = ["--virtual", VIRTUAL]
        at = last.index(pair[0]) if pair[0] in last else 0
        whole = (*last[:at], *last[at + 2 :]) == old.argv and list(last[at : at + 2]) == pair
        if not (whole or list(last) == [*others, *pair, *gone]) or not set(gone) <= set(names):
            return False
        kept = [word for word in old.argv if word not in gone]
        stays = [word for word in names if word not in gone]
        added: list[str] = []
        if len(events) == 2:
            added = [word for word in events[0].argv if word not in kept]
            place = 1 + max((i for i, w in enumerate(kept) if w in stays), default=len(kept) - 1)
            if list(events[0].argv) != [*kept[:place], *added, *kept[place:]]:
                return False
        if bool(stays or added) != (len(events) == 2):
            return False
        self.virtual = tuple(gone)
        self.added += added
        return True

    def removes(self, place: int) -> bool:
        """Take the one command that removes packages."""
        event = self.new.events[place]
        if self.insertion is not None or not isinstance(event, Exec) or not _is_plain(event):
            return False
        if event.argv[: len(PURGE)] == PURGE and len(event.argv) > len(PURGE):
            self.insertion = _Insertion(place, event.argv[len(PURGE) :])
        elif event.argv == DELETE and self.virtual is not None:
            self.insertion = _Insertion(place, self.virtual)
        return self.insertion is not None

    def purge(self) -> Purge | str:
        """Return what is removed, if that is done where it was installed, by the last command."""
        if self.insertion is None:
            return "nothing is removed"
        place, gone = self.insertion
        end = next((e for e in self.new.runs if e > place), 0)
        start = max((e for e in self.new.runs if e <= place), default=0)
        execs = [e for e in flat(self.new.events[start:place]) if isinstance(e, Exec)]
        event = self.new.events[place]
        assert isinstance(event, Exec)
        if not execs or execs[-1].setting != event.setting:
            return "packages are removed in a RUN of its own"
        if not all(map(is_cleanup, self.new.events[place + 1 : end])):
            return "a command follows that may need what is removed"
        if any("PATH=" in state or "function" in state for state in event.shell_state):
            return "what apt-get is in this shell is not known"
        ends = [self.taken[e - 1] if e else 0 for e in self.new.runs]
        first, last = (self.taken[start - 1] if start else 0), self.taken[end - 1]
        lost = set(self.old.runs) - set(ends)
        fewer = len(self.old.runs) - len(ends)
        if not set(ends) <= set(self.old.runs) or not all(first < e < last for e in lost):
            return "a RUN ends elsewhere"
        if (fewer, self.old.layers - self.new.layers) != (len(lost), len(lost)):
            return "the layers differ"
        return Purge(first, last, gone, tuple(self.added))


def _is_like(old: Exec, new: Exec) -> bool:
    """Whether two commands are equal but for their words."""
    return replace(old, argv=new.argv, quoted=new.quoted) == new and not any(new.quoted)


def _is_plain(event: Exec) -> bool:
    return event.must and not (event.redirects or event.assignments or any(event.quoted))


def _put_in(old: tuple[str, ...], before: Operation, new: tuple[str, ...]) -> list[str]:
    """Return the packages that an installation has more; nothing if that is not all."""
    after = argv_operation(new)
    if after is None or after.options != before.options:
        return []
    known = {word.text for word in before.arguments}
    added = [word.text for word in after.arguments if word.text not in known]
    return added if tuple(word for word in new if word not in added) == old else []
