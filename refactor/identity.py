"""What a decision on a change holds for, wherever the change stands and whatever else is decided.

A change is known by what it touches, not by its line: instructions keep their identity while other
changes rewrite, join and move them. Comments and blanks count for nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from refactor.model import Change
from refactor.snapshot import Snapshot
from refactor.source import Edit, Moves
from refactor.syntax import Instruction

_STAGE = re.compile(r"stage (\d+)")


class Identity(NamedTuple):
    """`site` is what a change is about; `key` is that and what it makes of it.

    To accept a change holds for its key: another version of the program may propose something else
    for the same site. To decline it holds for the site, and `earlier` are the sites that it had
    before other changes joined what it is about with more.
    """

    site: str
    key: str
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lineage:
    """Where the instructions of a text come from: an identity for each, in order.

    `parts` are what joined instructions are made of.
    """

    names: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @staticmethod
    def of(snapshot: Snapshot) -> Lineage:
        """Return the identities of a text that nothing has changed yet."""
        seen: Counter[str] = Counter()
        names = []
        stage = ""
        for ins in snapshot.dockerfile.instructions:
            if ins.keyword == "FROM":
                words = ins.args.split()
                stage = (words[2] if len(words) == 3 else ins.args).lower()
            name = _hash(stage, ins.keyword, _canonical(snapshot, ins))
            names.append(_hash(name, str(seen[name])) if seen[name] else name)
            seen[name] += 1
        return Lineage(tuple(names))

    def after(
        self, before: Snapshot, changes: Sequence[tuple[Change, Identity]], after: Snapshot
    ) -> Lineage:
        """Return the identities of the text that changes, made together, lead to."""
        moves = Moves([edit for change, _ in changes for edit in change.edits])
        old = [moves.moved(ins.span) for ins in before.dockerfile.instructions]
        new = after.dockerfile.instructions
        # Edits keep the order: what meets an instruction are neighbours.
        starts, ends = [span.start for span in old], [span.end for span in old]
        parents = [
            [
                self.names[at]
                for at in range(
                    bisect_right(ends, ins.span.start), bisect_left(starts, ins.span.end)
                )
                if starts[at] < ends[at]
            ]
            for ins in new
        ]
        touched = self._touched_names(before, [change for change, _ in changes])
        written = sorted(
            (moves.before(edit.span.start), identity.key)
            for change, identity in changes
            for edit in change.edits
        )
        kept = self._kept([_canonical(after, ins) for ins in new], parents, touched)
        children = Counter(name for name in kept if name)
        names = []
        parts = dict(self.parts)
        for ins, same, found in zip(new, kept, parents, strict=True):
            if same:
                names.append(same)
                continue
            sources = [name for name in found if name not in kept]
            if not sources:
                makers = [key for start, key in written if start <= ins.span.start]
                name = _hash("made", makers[-1] if makers else "")
            elif len(sources) == 1:
                name = sources[0]
            else:
                name = _hash("joined", *sources)
                parts[name] = tuple(part for one in sources for part in parts.get(one, (one,)))
            names.append(_hash(name, str(children[name])) if children[name] else name)
            children[name] += 1
        return Lineage(tuple(names), parts)

    def _kept(
        self, texts: Sequence[str], parents: Sequence[list[str]], touched: dict[str, list[str]]
    ) -> list[str]:
        """Return the identities of instructions that say what they said, at most somewhere else."""
        changed = {name for names in touched.values() for name in names}
        kept = []
        for text, found in zip(texts, parents, strict=True):
            if len(found) == 1 and found[0] not in changed:
                kept.append(found[0])
            else:
                same = touched.get(text)
                kept.append(same.pop(0) if same else "")
        return kept

    def _touched_names(self, before: Snapshot, changes: Sequence[Change]) -> dict[str, list[str]]:
        """Return the instructions that changes are of, by what they say: some are only moved."""
        found: dict[str, list[str]] = {}
        edits = [edit for change in changes for edit in change.edits]
        for at in touched(before, edits):
            text = _canonical(before, before.dockerfile.instructions[at])
            found.setdefault(text, []).append(self.names[at])
        return found

    def identities(
        self, snapshot: Snapshot, transform: str, changes: Sequence[Change],
        taken: AbstractSet[str],
    ) -> list[Identity]:  # fmt: skip
        """Return the identities of what a transform proposes for a text.

        Changes with equal sites are numbered; a number that a change was made under is `taken`.
        """
        found = []
        used = set(taken)
        for change in changes:
            subject, payload = self._texts(snapshot, change)
            touched = list(self._about(snapshot, change))
            about = _hash(transform, subject, *touched)
            number = 0
            while (site := _hash(about, str(number))) in used:
                number += 1
            used.add(site)
            earlier = tuple(
                _hash(_hash(transform, subject, *touched[:at], part, *touched[at + 1 :]), "0")
                for at, name in enumerate(touched)
                for part in self.parts.get(name, ())
            )
            found.append(Identity(site, _hash(site, payload), earlier))
        return found

    def _about(self, snapshot: Snapshot, change: Change) -> Iterator[str]:
        """Yield what a change is about: instructions, the stage if it is between them, files."""
        found = touched(snapshot, change.edits)
        yield from (self.names[at] for at in found)
        if not found and change.edits:
            at = min(edit.span.start for edit in change.edits)
            yield self._stage_at(snapshot, at)
        yield from (edits.path for edits in change.files)

    def _stage_at(self, snapshot: Snapshot, offset: int) -> str:
        froms = [
            name for ins, name in zip(snapshot.dockerfile.instructions, self.names, strict=True)
            if ins.keyword == "FROM" and ins.span.start <= offset
        ]  # fmt: skip
        return froms[-1] if froms else ""

    def _texts(self, snapshot: Snapshot, change: Change) -> tuple[str, str]:
        """Return the text that a change is about, and all that it says."""
        edits = sorted(change.edits, key=lambda edit: edit.span)
        replaced = _tokens("\n".join(snapshot.text[e.span.start : e.span.end] for e in edits))
        written = _tokens("\n".join(e.text for e in edits))
        claims = sorted(
            "; ".join([str(c.effect), *sorted(self._unnumbered(snapshot, c.footprint))])
            for c in change.claims
        )
        commands = [f for c in change.claims for f in c.footprint if f.startswith("- ")]
        others = [
            f"{edits.path}: {_tokens(edit.text)}" for edits in change.files for edit in edits.edits
        ]
        subject = "\n".join([replaced, *sorted(commands)])
        return subject, "\n".join([written, *claims, *sorted(change.assumes), *others])

    def _unnumbered(self, snapshot: Snapshot, footprint: frozenset[str]) -> Iterator[str]:
        """Yield a footprint with stages by their identities: a number says only where they are."""
        for word in footprint:
            match = _STAGE.fullmatch(word)
            stages = snapshot.graph.stages
            if match and int(match[1]) < len(stages):
                yield self._stage_at(snapshot, stages[int(match[1])].start.span.start)
            else:
                yield word


def _canonical(snapshot: Snapshot, ins: Instruction) -> str:
    bodies = (snapshot.text[h.body.start : h.body.end] for h in ins.heredocs)
    return "\n".join([" ".join(ins.logical.text.split()), *bodies])


def touched(snapshot: Snapshot, edits: Iterable[Edit]) -> list[int]:
    """Return which instructions edits are of; what is written in front or behind is not of them."""
    instructions = snapshot.dockerfile.instructions
    starts = snapshot.fact(instruction_starts)
    found: set[int] = set()
    for span, _ in edits:
        first = max(0, bisect_right(starts, span.start) - 1)
        for at in range(first, bisect_right(starts, span.end)):
            ins = instructions[at]
            if span.start == span.end:
                meets = ins.span.start < span.start <= ins.code_end
            else:
                meets = span.start < ins.span.end and ins.span.start < span.end
            if meets:
                found.add(at)
    return sorted(found)


def instruction_starts(snapshot: Snapshot) -> list[int]:
    """Return where the instructions start, in order."""
    return [ins.span.start for ins in snapshot.dockerfile.instructions]


def _tokens(text: str) -> str:
    """Return a text without comment lines, continuations and the width of blanks."""
    lines = (line for line in text.split("\n") if not line.lstrip().startswith("#"))
    return " ".join(word for line in lines for word in line.split() if word != "\\")


def _hash(*parts: str) -> str:
    from hashlib import sha256

    data = "\0".join(parts).encode("utf-8", "surrogateescape")
    return sha256(data).hexdigest()[:16]
