"""Before against after: what a change claims is all that may differ, and no new hazard appears."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from refactor.effects import Block, Build, Copy, Event, Exec, Stage, flat
from refactor.effects.licences import (
    CLEANUPS,
    same_but_for_cache,
    same_but_for_packages,
    same_command,
    same_copy,
)
from refactor.facts.metadata import AUTHORS, author
from refactor.facts.packages import updates_lists
from refactor.hazards import Hazard, argv_operation
from refactor.model import Claim, Effect
from refactor.words import Value


class Evidence(NamedTuple):
    """All that is compared of one text."""

    build: Build
    hazards: frozenset[Hazard]
    comments: tuple[str, ...]


def verify(
    before: Evidence, after: Evidence, claims: Iterable[Claim], assumes: Iterable[str]
) -> str | None:
    """Return why the change is not what it claims to be, or None if it is."""
    if before.comments != after.comments:
        return "a comment is lost, changed or moved past another"
    if before.build.directives != after.build.directives:
        return "the parser directives differ"
    relation = _Relation(claims)
    reason = relation.builds(before.build, after.build)
    return reason or relation.left_over() or _new_hazard(before, after, frozenset(assumes))


def _new_hazard(before: Evidence, after: Evidence, assumes: frozenset[str]) -> str | None:
    for hazard in sorted(after.hazards - before.hazards, key=repr):
        assumed = not hazard.must and hazard.assumption in assumes
        if assumed or any(old.covers(hazard) for old in before.hazards):
            continue
        return f"new hazard: {hazard.kind}: {hazard.subject}"
    return None


class _Relation:
    """Walks two builds in step; every difference uses up one claim."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self.claims = Counter(claims)
        self.inherited: set[Claim] = set()
        self.added: list[int] = []

    def use(self, effect: Effect, *footprint: str) -> bool:
        """Use up one claim, if there is one."""
        claim = Claim(effect, frozenset(footprint))
        if self.claims[claim] <= 0:
            return False
        self.claims[claim] -= 1
        return True

    def left_over(self) -> str | None:
        """Return what was claimed and did not happen."""
        rest = +self.claims
        return f"claimed but not done: {next(iter(rest))}" if rest else None

    def builds(self, before: Build, after: Build) -> str | None:
        """Compare two builds."""
        if before.arguments != after.arguments:
            return "the build arguments differ"
        if len(before.stages) != len(after.stages):
            return "the number of stages differs"
        for index, (b, a) in enumerate(zip(before.stages, after.stages, strict=True)):
            label = b.name or str(index)
            if (b.name, b.base, b.platform) != (a.name, a.base, a.platform):
                return f"stage {label}: name or base differs"
            self.added = []
            if self.use(Effect.ORDER, f"stage {label}"):
                reason = _order(before, after, index)
            else:
                reason = self.runs(b, a)
            reason = reason or self.config(dict(b.config), dict(a.config))
            if reason:
                return f"stage {label}: {reason}"
            merged = sum(self.joined(f"stage {label}", text) for text in self.vanished(b, a))
            if merged != b.layers - a.layers or merged != len(b.runs) - len(a.runs):
                return f"stage {label}: {b.layers} layers before, {a.layers} after"
        return None

    def vanished(self, before: Stage, after: Stage) -> list[str]:
        """Return the commands that ended a RUN and no longer do."""
        ends = Counter(before.runs) - Counter(self.ends(after))
        return [before.events[end - 1].text if end else "" for end in sorted(ends.elements())]

    def joined(self, stage: str, text: str) -> bool:
        """Use up the claim that a RUN goes on behind a command, or that any one RUN does."""
        return self.use(Effect.LAYERS, stage, f"after {text}") or self.use(Effect.LAYERS, stage)

    def ends(self, after: Stage) -> list[int]:
        """Return where RUNs end, in the events before."""
        return [end - bisect_left(self.added, end) for end in after.runs]

    def runs(self, before: Stage, after: Stage) -> str | None:
        """Compare the events of two stages; what ends a RUN now must have ended one before."""
        reason = self.events(before.events, after.events, after.runs)
        ends = Counter(self.ends(after)) - Counter(before.runs)
        return reason or ("a RUN ends elsewhere" if ends else None)

    def events(
        self, before: tuple[Event | str, ...], after: tuple[Event | str, ...],
        ends: tuple[int, ...] = (),
    ) -> str | None:  # fmt: skip
        """Compare two sequences of events and tokens; `ends` is where RUNs end."""
        at = 0
        for index, event in enumerate(after):
            if at < len(before) and (before[at] == event or self.licensed(before[at], event)):
                at += 1
            elif _ends(ends, index) and self.inserted(event, after[_start(ends, index) : index]):
                self.added.append(index)
            else:
                wanted = before[at] if at < len(before) else "nothing"
                return f"{_text(event)!r} where {_text(wanted)!r} was"
        if at < len(before):
            return f"{_text(before[at])!r} is gone"
        return None

    def licensed(self, before: Event | str, after: Event | str) -> bool:
        """Whether a claim allows this difference."""
        if isinstance(before, Block) and isinstance(after, Block):
            if (before.kind, before.must) != (after.kind, after.must):
                return False
            saved = self.claims.copy()
            if self.events(before.parts, after.parts) is None:
                return True
            self.claims = saved
            return False
        if isinstance(before, Copy) and isinstance(after, Copy):
            if replace(before, keyword=after.keyword) != after or not same_copy(before, after):
                return False
            return self.use(Effect.FILES, f"- {before.text}", f"+ {after.text}")
        if not isinstance(before, Exec) or not isinstance(after, Exec):
            return False
        if replace(before, argv=after.argv) != after:
            return False
        footprint = (f"- {before.text}", f"+ {after.text}")
        return (
            (same_command(before, after) and self.use(Effect.COMMANDS, *footprint))
            or (same_but_for_cache(before, after) and self.use(Effect.CACHES, *footprint))
            or (same_but_for_packages(before, after) and self.use(Effect.PACKAGES, *footprint))
        )

    def inserted(self, event: Event | str, earlier: tuple[Event | str, ...]) -> bool:
        """Whether a claim allows an event at a RUN's end; what it deletes must come from there."""
        if not isinstance(event, Exec) or event.text not in CLEANUPS or not event.must:
            return False
        execs = [e for e in flat(earlier) if isinstance(e, Exec)]
        if not any(updates_lists(argv_operation(e.argv)) for e in execs):
            return False
        if execs[-1].setting != event.setting or event.redirects or any(event.quoted):
            return False
        return self.use(Effect.CACHES, f"+ {event.text}")

    def config(self, before: dict[str, Any], after: dict[str, Any]) -> str | None:
        """Compare the configurations of two stages."""
        reason = self.events(before.pop("onbuild"), after.pop("onbuild"))
        if reason:
            return f"ONBUILD: {reason}"
        moved = before.get("maintainer")
        if moved is not None and "maintainer" not in after:
            claim = Claim(Effect.METADATA, frozenset({"maintainer", f"label {AUTHORS}={moved}"}))
            if claim not in self.inherited and not self.use(claim.effect, *claim.footprint):
                return "MAINTAINER is gone"
            self.inherited.add(claim)  # a stage that starts from this one inherits the label
            del before["maintainer"]
            added = after["labels"] - before["labels"]
            if [k.text for k, v in added if _says(v, moved)] != [AUTHORS] or len(added) != 1:
                return "the label does not say what MAINTAINER said"
            after["labels"] -= added
        for key in sorted(before.keys() | after.keys()):
            if before.get(key) != after.get(key):
                return f"{key} differs"
        return None


def _says(label: Value, maintainer: str) -> bool:
    wanted = author(maintainer)
    return label.text == wanted and (not label.raw or label.raw == wanted)


def _order(before: Build, after: Build, index: int) -> str | None:
    """Compare a stage whose events may stand in another order, if no one can tell."""
    from refactor.effects.provenance import trace

    b, a = trace(before)[index], trace(after)[index]
    if sorted(b.digests) != sorted(a.digests):
        return "an event reads, or is, something else in the other order"
    return None if b.same_files(a) else "two events that change places write the same path"


def _start(ends: tuple[int, ...], index: int) -> int:
    """Return where the RUN of an event starts, or what stands in front of that RUN."""
    at = bisect_right(ends, index)
    return ends[at - 1] if at else 0


def _ends(ends: tuple[int, ...], index: int) -> bool:
    """Whether a RUN ends with an event."""
    at = bisect_right(ends, index)
    return at < len(ends) and ends[at] == index + 1


def _text(event: Event | str) -> str:
    return event if isinstance(event, str) else event.text[:100]
