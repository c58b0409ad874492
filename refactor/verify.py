"""Before against after: what a change claims is all that may differ, and no new hazard appears."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from refactor.effects import Block, Build, Copy, Event, Exec
from refactor.effects.licences import (
    CLEANUPS,
    same_but_for_cache,
    same_but_for_packages,
    same_command,
    same_copy,
)
from refactor.facts.metadata import AUTHORS, author
from refactor.hazards import Hazard
from refactor.model import Claim, Effect
from refactor.words import Value


@dataclass(frozen=True, slots=True)
class Evidence:
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
        worse = Hazard(hazard.kind, hazard.subject, True)
        if not hazard.must and (hazard.assumption in assumes or worse in before.hazards):
            continue
        return f"new hazard: {hazard.kind}: {hazard.subject}"
    return None


class _Relation:
    """Walks two builds in step; every difference uses up one claim."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self.claims = Counter(claims)
        self.inherited: set[Claim] = set()

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
            if self.use(Effect.ORDER, f"stage {label}"):
                reason = _order(before, after, index)
            else:
                reason = self.events(b.events, a.events)
            reason = reason or self.config(dict(b.config), dict(a.config))
            if reason:
                return f"stage {label}: {reason}"
            layers = a.layers
            while layers != b.layers and self.use(Effect.LAYERS, f"stage {label}"):
                layers += 1
            if layers != b.layers:
                return f"stage {label}: {b.layers} layers before, {a.layers} after"
        return None

    def events(
        self, before: tuple[Event | str, ...], after: tuple[Event | str, ...]
    ) -> str | None:
        """Compare two sequences of events and tokens."""
        at = 0
        for index, event in enumerate(after):
            if at < len(before) and (before[at] == event or self.licensed(before[at], event)):
                at += 1
            elif not self.inserted(event, after[index - 1] if index else None):
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

    def inserted(self, event: Event | str, previous: Event | str | None) -> bool:
        """Whether a claim allows an event that was not there."""
        if not isinstance(event, Exec) or event.text not in CLEANUPS or not event.must:
            return False
        last = _last_exec(previous)
        if last is None or last.setting != event.setting or event.redirects:
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
            added = {k.text: v for k, v in after["labels"] - before["labels"]}
            if list(added) != [AUTHORS] or not _says(added[AUTHORS], moved):
                return "the label does not say what MAINTAINER said"
            after["labels"] = before["labels"]
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


def _last_exec(event: Event | str | None) -> Exec | None:
    while isinstance(event, Block):
        event = next((p for p in reversed(event.parts) if not isinstance(p, str)), None)
    return event if isinstance(event, Exec) else None


def _text(event: Event | str) -> str:
    return event if isinstance(event, str) else event.text[:100]
