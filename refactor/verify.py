"""Before against after: what a change claims is all that may differ, and no new hazard appears."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from refactor.effects import Block, Build, Copy, Event, Exec, Stage, Verbatim, flat
from refactor.effects.build import with_argument, with_flag
from refactor.effects.entries import KEYS as ENTRIES
from refactor.effects.entries import assumed, keeps_arguments, without_shell
from refactor.effects.licences import (
    FRONTEND,
    UNBUFFERED,
    empties,
    is_only_cleanup,
    mounts,
    removes_unpacked,
    same_but_for_bytecode,
    same_but_for_cache,
    same_but_for_development,
    same_but_for_documentation,
    same_but_for_packages,
    same_command,
    same_copy,
    same_without_sudo,
)
from refactor.facts import stages as graph_facts
from refactor.facts.metadata import AUTHORS, REORDERED, author, is_reordered
from refactor.facts.stages import Graph
from refactor.hazards import Hazard
from refactor.model import Claim, Effect
from refactor.structural import Structural
from refactor.words import Value

if TYPE_CHECKING:
    from refactor.effects.stages import Surroundings


class Evidence(NamedTuple):
    """All that is compared of one text; `bound` are comments with the lines that they belong to."""

    build: Build
    hazards: frozenset[Hazard]
    comments: tuple[str, ...]
    graph: Graph
    around: Surroundings
    bound: Mapping[tuple[str, str], int] = {}


def verify(
    before: Evidence, after: Evidence, claims: Iterable[Claim], assumes: Iterable[str],
    spare: bool = False,
) -> str | None:  # fmt: skip
    """Return why the change is not what it claims to be, or None if it is.

    `spare` is whether a person wrote it: then it may claim more than happens, and change comments.
    """
    claims = tuple(claims)
    moves = any(
        c.effect in (Effect.ORDER, Effect.STAGES) or REORDERED in c.footprint for c in claims
    )
    if not spare and sorted(before.comments) != sorted(after.comments):
        return "a comment is lost or changed"
    if not spare and before.comments != after.comments and not moves:
        return "a comment is moved past another"
    if not spare and before.bound != after.bound:
        return "a comment no longer stands above the line that it is read with"
    if before.build.directives != after.build.directives:
        return "the parser directives differ"
    if any(ins.keyword != "ARG" for ins in after.graph.globals):
        return "an instruction stands in front of the first FROM"
    relation = _Relation(claims, frozenset(assumes), before, after)
    reason = relation.builds(before.build, after.build) or relation.context(after.build)
    if not spare:
        reason = reason or relation.left_over()
    return reason or _new_hazard(before, after, frozenset(assumes))


def _new_hazard(before: Evidence, after: Evidence, assumes: frozenset[str]) -> str | None:
    for hazard in sorted(after.hazards - before.hazards, key=repr):
        assumed = not hazard.must and hazard.assumption in assumes
        if assumed or any(old.covers(hazard) for old in before.hazards):
            continue
        return f"new hazard: {hazard.kind}: {hazard.subject}"
    return None


class _Relation(Structural):
    """Walks two builds in step; every difference uses up one claim."""

    def __init__(self, claims: Iterable[Claim], assumes: frozenset[str], before: Evidence,
                 after: Evidence) -> None:  # fmt: skip
        super().__init__(claims, assumes, (before.around, after.around), before.graph)
        self.inherited: set[Claim] = set()
        self.added: list[int] = []
        self.removed: list[int] = []
        self.before_runs: tuple[int, ...] = ()
        self.stage: graph_facts.Stage | None = None
        self.after = after.graph

    def left_over(self) -> str | None:
        """Return what was claimed and did not happen."""
        rest = self.open
        return f"claimed but not done: {next(iter(rest))}" if rest else None

    def builds(self, before: Build, after: Build) -> str | None:
        """Compare two builds."""
        if before.arguments != after.arguments:
            return "the build arguments differ"
        if len(before.stages) != len(after.stages):
            return self.split(before, after)
        found = self.wanted(before, after)
        if isinstance(found, str):
            return found
        found = self.piped(found, after)
        found = found if isinstance(found, str) else self.numbered(found, after)
        found = found if isinstance(found, str) else self.folded(found)
        if isinstance(found, str):
            return found
        before = self.entered(found, after)
        for index, (b, a) in enumerate(zip(before.stages, after.stages, strict=True)):
            label = b.name or str(index)
            self.stage = self.graph.stages[index]
            if b.base != a.base and (claim := self.base_claim(f"stage {label}")):
                reason = self.based(before, after, index, claim)
                if reason:
                    return f"stage {label}: {reason}"
                continue
            if (b.name, b.base, b.platform) != (a.name, a.base, a.platform):
                return f"stage {label}: name or base differs"
            if claim := self.user_claim(f"stage {label}"):
                if reason := self.switched(before, after, index, claim):
                    return f"stage {label}: {reason}"
                continue
            self.added, self.removed, self.before_runs = [], [], b.runs
            if self.use(Effect.ENV, f"stage {label}", f"{'='.join(FRONTEND)} becomes ARG"):
                b = with_argument(b, a, *FRONTEND)
            b = self.mounted(b, a, f"stage {label}")
            moved = self.moved(b, a, f"stage {label}")
            if self.use(Effect.ORDER, f"stage {label}"):
                reason = _order(before, after, index)
            elif moved:
                from refactor.effects.order import reordered

                reason = reordered(b, a, self.around[0].sent, self.assumes)
            else:
                reason = self.runs(b, a)
            reason = reason or self.config(*self.unbuffered(b, a, f"stage {label}"))
            if self.use(Effect.METADATA, f"stage {label}", REORDERED):
                same = is_reordered(self.stage, self.after.stages[index])
                reason = reason or (None if same else "more than the order of metadata differs")
            if reason:
                return f"stage {label}: {reason}"
            if moved:
                continue
            merged = sum(self.joined(f"stage {label}", text) for text in self.vanished(b, a))
            if merged != b.layers - a.layers or merged != len(b.runs) - len(a.runs):
                return f"stage {label}: {b.layers} layers before, {a.layers} after"
        return None

    def mounted(self, before: Stage, after: Stage, label: str) -> Stage:
        """Return a stage with the cache mounts that its RUNs are claimed to get."""
        if not any(label in claim.footprint for claim in self.open):
            return before
        events = list(before.events)
        for (start, end), there in zip(_ranges(before), _ranges(after), strict=False):
            own = [i for i in range(start, end) if not isinstance(events[i], Copy)]
            flags = {flag for e in flat(after.events[slice(*there)]) for flag in _flags(e)}
            for value in mounts([events[i] for i in own]):
                where = f"in the RUN that starts with {events[own[0]].text}"
                flag = ("mount", value)
                if flag in flags and self.use(Effect.CACHES, label, f"mount {value}", where):
                    for i in own:
                        events[i] = with_flag(events[i], flag)
        return replace(before, events=tuple(events))

    def vanished(self, before: Stage, after: Stage) -> list[str]:
        """Return the commands that ended a RUN and no longer do."""
        ends = Counter(before.runs) - Counter(self.ends(after))
        return [before.events[end - 1].text if end else "" for end in sorted(ends.elements())]

    def joined(self, stage: str, text: str) -> bool:
        """Use up the claim that a RUN goes on behind a command, or that any one RUN does."""
        return self.use(Effect.LAYERS, stage, f"after {text}") or self.use(Effect.LAYERS, stage)

    def ends(self, after: Stage) -> list[int]:
        """Return where RUNs end, in the events before."""
        return [self.end(end - bisect_left(self.added, end)) for end in after.runs]

    def end(self, end: int) -> int:
        """Return an end with what was removed in front of it."""
        for place in self.removed:
            if place < end or (place == end and end not in self.before_runs):
                end += 1
        return end

    def runs(self, before: Stage, after: Stage) -> str | None:
        """Compare the events of two stages; what ends a RUN now must have ended one before."""
        reason = self.events(before.events, after.events, after.runs, top=True)
        ends = Counter(self.ends(after)) - Counter(before.runs)
        return reason or ("a RUN ends elsewhere" if ends else None)

    def events(
        self, before: tuple[Event | str, ...], after: tuple[Event | str, ...],
        ends: tuple[int, ...] = (), top: bool = False,
    ) -> str | None:  # fmt: skip
        """Compare two sequences of events and tokens; `ends` is where RUNs end."""
        at = 0
        for index, event in enumerate(after):
            if at < len(before) and (before[at] == event or self.licensed(before[at], event)):
                at += 1
                continue
            if top and self.inserted(event, after, ends, index):
                self.added.append(index)
                continue
            start = at
            while top and at < len(before) and before[at] != event and self.dropped(before[at]):
                self.removed.append(at)
                at += 1
            if start < at < len(before) and (
                before[at] == event or self.licensed(before[at], event)
            ):
                at += 1
                continue
            wanted = before[at] if at < len(before) else "nothing"
            same = _text(event) == _text(wanted)
            how = ", in another environment, folder, shell or way to fail" if same else ""
            return f"{_text(event)!r} where {_text(wanted)!r} was{how}"
        while top and at < len(before) and self.dropped(before[at]):
            self.removed.append(at)
            at += 1
        if at < len(before):
            return f"{_text(before[at])!r} is gone"
        return None

    def dropped(self, event: Event | str) -> bool:
        """Whether a claim allows that a command is gone: it only emptied caches."""
        if not isinstance(event, Exec) or not event.must or not is_only_cleanup(event):
            return False
        return self.use(Effect.CACHES, f"- {event.text}")

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
        plain = self.stage and same_without_sudo(before, after, self.stage, self.assumes)
        return (
            ((plain or same_command(before, after)) and self.use(Effect.COMMANDS, *footprint))
            or (same_but_for_cache(before, after) and self.use(Effect.CACHES, *footprint))
            or (same_but_for_packages(before, after) and self.use(Effect.PACKAGES, *footprint))
            or (same_but_for_development(before, after) and self.use(Effect.PACKAGES, *footprint))
            or (same_but_for_documentation(before, after) and self.use(Effect.FILES, *footprint))
            or (same_but_for_bytecode(before, after) and self.use(Effect.FILES, *footprint))
        )

    def inserted(
        self, event: Event | str, after: tuple[Event | str, ...], ends: tuple[int, ...], index: int
    ) -> bool:
        """Whether a claim allows an event at a RUN's end; what it deletes must come from there."""
        if not isinstance(event, Exec) or not event.must or event.redirects or any(event.quoted):
            return False
        if not _is_tail(after[index : _end(ends, index)]):
            return False
        execs = [e for e in flat(after[_start(ends, index) : index]) if isinstance(e, Exec)]
        if not execs or execs[-1].setting != event.setting:
            return False
        if empties(event, execs):
            return self.use(Effect.CACHES, f"+ {event.text}")
        return removes_unpacked(event, execs) and self.use(Effect.FILES, f"+ {event.text}")

    def unbuffered(
        self, before: Stage, after: Stage, label: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return two configurations; the second without the one variable that is claimed to be new.

        What ran with it differs in its setting, so that it is only found where nothing ran later.
        """
        name, value = UNBUFFERED
        b: dict[str, Any] = dict(before.config)
        a: dict[str, Any] = dict(after.config)
        new, rest = (name, Value(value)), a["env"]
        is_new = new in rest and name not in dict(b["env"])
        if is_new and self.use(Effect.ENV, label, f"+ {name}={value}"):
            a["env"] = tuple(pair for pair in rest if pair != new)
        return b, a

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
            if before.get(key) != after.get(key) and not self.direct(key, before, after):
                return f"{key} differs"
        return None

    def direct(self, key: str, before: dict[str, Any], after: dict[str, Any]) -> bool:
        """Whether a claim allows that a program is started without a shell."""
        if key not in ENTRIES or self.stage is None:
            return False
        footprint = without_shell(key, before.get(key), after.get(key), self.stage)
        if footprint is None or not keeps_arguments(key, after, self.stage):
            return False
        wanted = assumed(key, before[key], after, self.stage)
        claim = Claim(Effect.ENTRY, frozenset(footprint))
        if claim not in self.inherited and not self.use(claim.effect, *claim.footprint):
            return False
        self.inherited.add(claim)  # a stage that starts from this one starts the same
        return self.assumes.issuperset(wanted)


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


def _ranges(stage: Stage) -> Iterator[tuple[int, int]]:
    """Yield where each RUN starts and ends, copies in front of it included."""
    return zip((0, *stage.runs), stage.runs, strict=False)


def _flags(event: Event) -> tuple[tuple[str, str | None], ...]:
    return event.setting.flags if isinstance(event, Exec | Verbatim) else ()


def _end(ends: tuple[int, ...], index: int) -> int:
    """Return where the RUN of an event ends, or the event itself if it is in none."""
    at = bisect_right(ends, index)
    return ends[at] if at < len(ends) else index


def _is_tail(rest: tuple[Event | str, ...]) -> bool:
    """Whether a RUN ends with these: commands that only delete."""
    return bool(rest) and all(
        isinstance(e, Exec) and (e.argv[:1] == ("rm",) or is_only_cleanup(e)) for e in rest
    )


def _text(event: Event | str) -> str:
    return event if isinstance(event, str) else event.text[:100]
