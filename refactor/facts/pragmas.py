"""Ignore comments: ours, hadolint's and BuildKit's; they bind to the next instruction."""

from __future__ import annotations

import re
from collections.abc import Iterator

from refactor.snapshot import Snapshot
from refactor.source import Span
from refactor.syntax import Instruction, Trivia, TriviaKind

_OURS = re.compile(r"#\s*refactor:\s*skip=([\w,-]+)")
_HADOLINT = re.compile(r"#\s*hadolint\s+ignore=([\w, ]+)")
_GLOBAL = re.compile(r"#\s*hadolint\s+global\s+ignore=([\w, ]+)")
_CHECK = re.compile(r"skip=([\w, ]+)")
PRAGMA = re.compile(
    r"#\s*(?:refactor:|hadolint\s|check=|tally\s|trivy:|checkov:|renovate:|nosemgrep)"
)


def skips(snapshot: Snapshot) -> tuple[frozenset[str], dict[int, frozenset[str]]]:
    """Return what is ignored in the whole file, and by each instruction (by its start)."""
    return snapshot.fact(_skips)


def _skips(snapshot: Snapshot) -> tuple[frozenset[str], dict[int, frozenset[str]]]:
    everywhere: set[str] = set()
    check = snapshot.dockerfile.directives.get("check", "")
    for match in _CHECK.finditer(check):
        everywhere |= _names(match[1])
    if "ignore" not in snapshot.text and "refactor:" not in snapshot.text:
        return frozenset(everywhere), {}
    local: dict[int, frozenset[str]] = {}
    pending: set[str] = set()
    for item in snapshot.dockerfile.items:
        if isinstance(item, Instruction):
            if pending:
                local[item.span.start] = frozenset(pending)
            pending = set()
        elif item.kind is TriviaKind.COMMENT:
            for line in _lines(snapshot, item):
                for match in _GLOBAL.finditer(line):
                    everywhere |= _names(match[1])
                for pattern in (_OURS, _HADOLINT):
                    for match in pattern.finditer(line):
                        pending |= _names(match[1])
    return frozenset(everywhere), local


def own_names(snapshot: Snapshot) -> Iterator[tuple[int, str]]:
    """Yield each name that an ignore comment of ours has, with the place of the name."""
    for item in snapshot.dockerfile.items:
        if isinstance(item, Trivia) and item.kind is TriviaKind.COMMENT:
            for match in _OURS.finditer(snapshot.text, item.span.start, item.span.end):
                for name in filter(None, match[1].split(",")):
                    yield match.start(1), name


def _names(text: str) -> set[str]:
    return {name for name in re.split(r"[\s,]+", text) if name}  # a reason may follow


def _lines(snapshot: Snapshot, item: Trivia) -> Iterator[str]:
    yield from snapshot.text[item.span.start : item.span.end].split("\n")


def is_skipped(snapshot: Snapshot, spans: list[Span], names: frozenset[str]) -> bool:
    """Whether an ignore comment for one of the names holds where an edit is."""
    everywhere, local = skips(snapshot)
    if everywhere & names or "all" in everywhere:
        return True
    if not local:
        return False
    for ins in snapshot.dockerfile.instructions:
        found = local.get(ins.span.start)
        if not found or not found & names:
            continue
        if any(s.start < ins.span.end and ins.span.start <= s.end for s in spans):
            return True
    return False
