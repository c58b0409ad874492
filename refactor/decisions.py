"""Accepted and declined changes: saved, merged, and made again exactly as they were decided."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from refactor.compose import Proposal
from refactor.config import ConfigError
from refactor.engine import Changed, Remark, Result, Unchanged
from refactor.identity import Identity
from refactor.model import Change
from refactor.source import Edit, Moves, Span, apply

VERSION = 1
MAX_BYTES = 64 * 1024 * 1024


class DecisionsError(ConfigError):
    """The file of decisions cannot be used; the message names it and says why."""


class Decision(NamedTuple):
    """What was decided on one change; `text` is what a person wrote instead of its lines."""

    accept: bool
    transform: str
    site: str
    key: str
    reason: str = ""
    text: str | None = None

    def is_stale(self, key: str) -> bool:
        """Whether something else was accepted than what is proposed now."""
        return self.accept and key != self.key

    def made(self, proposal: Proposal) -> Change | None:
        """Return the change to make."""
        if not self.accept or self.is_stale(proposal.identity.key) or proposal.again:
            return None
        if self.text is None or not proposal.change.edits:
            return proposal.change
        return by_hand(proposal.change, proposal.snapshot.text, self.text)


@dataclass(frozen=True)
class Decided:
    """The decisions on one file; `sha256` is that of the bytes that they were made on."""

    sha256: str = ""
    decisions: tuple[Decision, ...] = ()

    @cached_property
    def by_site(self) -> Mapping[str, Decision]:
        """The decisions, by what they are about."""
        return {decision.site: decision for decision in self.decisions}

    def on(self, identity: Identity) -> Decision | None:
        """Return what was decided on a change; a decline outlives joining."""
        found = self.by_site.get(identity.site)
        if found is None:
            before = (self.by_site.get(site) for site in identity.earlier)
            found = next((d for d in before if d is not None and not d.accept), None)
        return found

    def merged(self, later: Decided) -> Decided:
        """Return both; where two are about one site, the later one holds."""
        found = {decision.site: decision for decision in (*self.decisions, *later.decisions)}
        return Decided(later.sha256 or self.sha256, tuple(found.values()))


Decisions = Mapping[str, Decided]


def merged(many: Iterable[Decisions]) -> dict[str, Decided]:
    """Return decisions from several sources, by the names of files; later ones hold."""
    found: dict[str, Decided] = {}
    for decisions in many:
        for path, decided in decisions.items():
            found[path] = found.get(path, Decided()).merged(decided)
    return found


def read(path: Path) -> dict[str, Decided]:
    """Return the decisions of a file; raise DecisionsError if it holds none that can be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DecisionsError(f"{path}: larger than {MAX_BYTES} bytes")
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise DecisionsError(
                f"{path}: version {data['version']!r} of decisions; this program reads {VERSION}"
            )
        return {name: _decided(found) for name, found in data["files"].items()}
    except OSError as error:
        raise DecisionsError(f"{path}: {error.strerror or error}") from None
    except DecisionsError:
        raise
    except (ValueError, RecursionError) as error:
        raise DecisionsError(f"{path}: no decisions or baseline of dfr's: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise DecisionsError(
            f"{path}: no decisions or baseline of dfr's ({error!r}): write it anew"
        ) from None


def _decided(data: Mapping[str, Any]) -> Decided:
    return Decided(str(data.get("sha256", "")), tuple(map(_decision, data["decisions"])))


def _decision(data: Mapping[str, Any]) -> Decision:
    if data["decision"] not in ("accept", "decline"):
        raise TypeError(f"a decision is accept or decline, not {data['decision']!r}")
    text = data.get("text")
    if text is not None and not isinstance(text, str):
        raise TypeError("text")
    return Decision(
        data["decision"] == "accept", str(data["transform"]), str(data["site"]), str(data["key"]),
        str(data.get("reason", "")), text,
    )  # fmt: skip


def document(decisions: Decisions, version: str) -> str:
    """Return decisions as a file's text: sorted by path, one line each, so that versions merge."""
    files = []
    for path, decided in sorted(decisions.items()):
        rows = ",\n".join(f"        {json.dumps(_row(d))}" for d in decided.decisions)
        block = f"[\n{rows}\n      ]" if rows else "[]"
        files.append(
            f'    {json.dumps(path)}: {{\n      "sha256": {json.dumps(decided.sha256)},\n'
            f'      "decisions": {block}\n    }}'
        )
    body = "{\n" + ",\n".join(files) + "\n  }" if files else "{}"
    tool = json.dumps(f"dockerfile-refactor {version}")
    return f'{{\n  "version": {VERSION},\n  "tool": {tool},\n  "files": {body}\n}}\n'


def _row(decision: Decision) -> dict[str, str]:
    found = {
        "decision": "accept" if decision.accept else "decline",
        "transform": decision.transform,
        "site": decision.site,
        "key": decision.key,
        "reason": decision.reason,
    }
    return found if decision.text is None else {**found, "text": decision.text}


def lines(change: Change, text: str) -> tuple[Span, str]:
    """Return the whole lines that a change is in, and what it makes of them."""
    start = min(edit.span.start for edit in change.edits)
    end = max(edit.span.end for edit in change.edits)
    after, growth = apply(text, change.edits), Moves(change.edits).growth[-1]
    first = text.rfind("\n", 0, start) + 1
    last = end
    while last < len(text) and not (_ends_line(text, last) and _ends_line(after, last + growth)):
        last += 1
    return Span(first, last), after[first : last + growth]


def _ends_line(text: str, offset: int) -> bool:
    return offset == 0 or text[offset - 1] == "\n"


def by_hand(change: Change, text: str, written: str) -> Change:
    """Return a change with what a person wrote for its lines; its claims are what it may do."""
    span, _ = lines(change, text)
    return replace(change, edits=(Edit(span, written),), by_hand=True)


@dataclass(frozen=True)
class Recall:
    """Makes what was accepted; of what nobody decided on, all (`rest`) or nothing.

    `met` are the sites of decisions that changes were proposed for.
    """

    decided: Decided
    rest: bool = False
    met: set[str] = field(default_factory=set)

    def __call__(self, proposal: Proposal) -> Change | None:
        """Return the change to make, if any."""
        decision = self.decided.on(proposal.identity)
        if decision is None:
            return proposal.change if self.rest and not proposal.again else None
        self.met.add(decision.site)
        return decision.made(proposal)

    def judged(self, result: Result, data: bytes) -> Result:
        """Return a result that says what is undecided, and what of the accepted is not made.

        `data` are the bytes that were read. What was accepted for other bytes may be made already.
        """
        if not isinstance(result, Changed | Unchanged):
            return result
        found = [remark for remark in map(self._judged, result.remarks) if remark]
        if self.decided.sha256 == sha256(data).hexdigest():
            for decision in self.decided.decisions:
                if decision.accept and decision.site not in self.met:
                    found.append(Remark("unmet", decision.transform, 0, decision.reason))
        return replace(result, remarks=tuple(found))

    def _judged(self, remark: Remark) -> Remark | None:
        if remark.kind != "left" or remark.identity is None:
            return remark
        decision = self.decided.on(remark.identity)
        if decision is None:
            return remark._replace(kind="undecided")
        if decision.is_stale(remark.identity.key) and not remark.again:
            return remark._replace(kind="stale")
        return None
