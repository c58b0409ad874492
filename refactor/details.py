"""What reports and editors need to know of each change of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from refactor.compose import Outcome, Step, attempt
from refactor.facts.secret_words import mask
from refactor.identity import Lineage
from refactor.model import Change, FileEdits
from refactor.outside.inline_dockerfiles import block_of, holder, written
from refactor.patch import CONTEXT, beside, line_edits, unified
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span, apply


class Replacement(NamedTuple):
    """Characters of a file of the repository, by their offsets in its text, and what they become.

    `path` is as in reports; a file that is not there is empty.
    """

    path: str
    start: int
    end: int
    text: str


class Detail(NamedTuple):
    """`site` and `key` as in `Identity`; `lines` are the first and last that change.

    `diff` is the difference that the change alone makes, on the state that it was made on. `fix`
    makes it on the file as it was read; empty where only other changes make room for it.
    """

    site: str
    key: str
    lines: tuple[int, int]
    diff: str
    claims: tuple[str, ...]
    evidence: tuple[str, ...]
    fix: tuple[Replacement, ...]


def details(outcome: Outcome, first: Snapshot, path: str) -> list[Detail]:
    """Return what is to be told of each step; `path` is the file's name in reports."""
    offers = _offers(outcome, first)
    block = block_of(first.repository, first.place)
    found = []
    for index, step in enumerate(outcome.steps):
        site, key = step.identity[:2] if step.identity else ("", "")
        starts = [edit.span.start for edit in step.change.edits] or [0]
        ends = [max(e.span.start, e.span.end - 1) for e in step.change.edits] or [0]
        home = [outcome.home(index, offset) for offset in (min(starts), max(ends))]
        lines = (first.dockerfile.line(home[0]), first.dockerfile.line(max(home)))
        lines = (block.outer(lines[0]), block.outer(lines[1])) if block else lines
        alone = step.change if step.before is first else offers.get(site)
        fix = tuple(_replacements(alone, path, first)) if alone else ()
        claims = tuple(mask(str(claim)) for claim in step.change.claims)
        evidence = tuple(map(mask, step.change.evidence))
        diff = "".join(difference(step.change, step.before, path))
        found.append(Detail(site, key, lines, diff, claims, evidence, fix))
    return found


def line(snapshot: Snapshot, offset: int) -> int:
    """Return the line of an offset: in the file that holds the Dockerfile, if one does."""
    found = snapshot.dockerfile.line(offset)
    block = block_of(snapshot.repository, snapshot.place)
    return block.outer(found) if block else found


def difference(change: Change, before: Snapshot, path: str) -> Iterator[str]:
    """Yield the lines of the diff that a change alone makes."""
    if block_of(before.repository, before.place):
        yield from _in_holders(path, before, change)
        return
    yield from _near(path, before, change)
    for edits in change.files:
        old = before.read(edits.path)
        name = beside(path, before.place, edits.path)
        yield from unified(name, old, apply(old or "", edits.edits))


def _in_holders(path: str, before: Snapshot, change: Change) -> Iterator[str]:
    """Yield the diff of the file that holds the Dockerfile, and of the others."""
    own = holder(before.place)[0]
    old = {edits.path: before.read(edits.path) or "" for edits in change.files}
    new = {edits.path: apply(old[edits.path], edits.edits) for edits in change.files}
    first = before.read(own) or ""
    shown = path.removesuffix(before.place.removeprefix(own))
    old = written(before.place, before.text, old, first)
    new = written(before.place, apply(before.text, change.edits), new, first)
    for name, text in new.items():
        yield from unified(beside(shown, own, name), old[name], text)


def _near(path: str, before: Snapshot, change: Change) -> Iterator[str]:
    """Yield the diff of the Dockerfile, made of the lines around the edits alone."""
    if not change.edits:
        return
    text = before.text
    start = min(edit.span.start for edit in change.edits)
    end = max(edit.span.end for edit in change.edits)
    for _ in range(CONTEXT + 2):
        start = text.rfind("\n", 0, max(0, start - 1)) + 1
        end = text.find("\n", end) + 1 or len(text)
    edits = [Edit(Span(e.span.start - start, e.span.end - start), e.text) for e in change.edits]
    part = text[start:end]
    yield from unified(path, part, apply(part, edits), above=before.dockerfile.line(start) - 1)


def _replacements(change: Change, path: str, before: Snapshot) -> Iterator[Replacement]:
    everywhere = [FileEdits(before.place, change.edits), *change.files]
    if block := block_of(before.repository, before.place):
        own = holder(before.place)[0]
        path = path.removesuffix(before.place.removeprefix(own))
        rows = line_edits(before.text, apply(before.text, change.edits))
        places = [(block.at(row.span.start), block.at(row.span.end), row.text) for row in rows]
        made = (Edit(Span(start, end), block.spelled(text)) for start, end, text in places)
        everywhere[0] = FileEdits(own, tuple(made))
        before = replace(before, place=own)
    for edits in everywhere:
        name = beside(path, before.place, edits.path)
        for edit in edits.edits:
            yield Replacement(name, edit.span.start, edit.span.end, edit.text)


def _offers(outcome: Outcome, first: Snapshot) -> dict[str, Change]:
    """Return the changes that can be made on the first text by themselves, by their sites."""
    wanted = {step.transform.id: step for step in outcome.steps if step.before is not first}
    found = {}
    for step in wanted.values():
        for site, change in _proposed(step, outcome, first):
            if attempt(first, [change])[0] is not None:
                found[site] = change
    return found


def _proposed(step: Step, outcome: Outcome, first: Snapshot) -> Iterator[tuple[str, Change]]:
    options = outcome.options.get(step.transform.id)
    changes = [f for f in step.transform.propose(first, options) if isinstance(f, Change)]
    named = Lineage.of(first).identities(first, step.transform.id, changes, frozenset())
    sites = {s.identity.site for s in outcome.steps if s.identity}
    for identity, change in zip(named, changes, strict=True):
        if identity.site in sites:
            yield identity.site, change
