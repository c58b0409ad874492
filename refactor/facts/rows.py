"""Rows of neighbouring RUN instructions, and which of them become one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from refactor.facts.joining import Join, Joined, Unfit, join
from refactor.facts.packages import manager_name, only_cleans
from refactor.facts.pragmas import PRAGMA, skips
from refactor.model import Claim, Effect
from refactor.snapshot import Run, Snapshot

_EXPENSIVE = re.compile(
    r"(?:apt|apt-get|aptitude|apk|yum|dnf|microdnf|zypper|pacman|pip\d?|conda|mamba|poetry|uv|npm|"
    r"yarn|pnpm|gem|bundle|cargo|go|mvn|gradle|composer|dotnet|make|cmake|ninja|git|curl|wget|"
    r"luarocks|cpanm|R|Rscript|install2\.r|bazel|meson|\./configure|\./gradlew|\./mvnw)\Z"
)
_SAME = {"apt": "apt-get", "aptitude": "apt-get", "wget": "curl", "pip3": "pip", "git": "curl"}


def costs(run: Run) -> frozenset[str]:
    """Return the programs of a script that take long: their results are worth a cache each."""
    names = {c.name for c in run.script.commands() if c.name} if run.script else set()
    return frozenset(_SAME.get(name, name) for name in names if _EXPENSIVE.match(name))


class Group(NamedTuple):
    """RUN instructions that become one, and how each is added to those before it."""

    runs: tuple[Run, ...]
    joins: tuple[Join, ...]


def claims(snapshot: Snapshot, group: Group) -> tuple[Claim, ...]:
    """Return the claims that each RUN of a group but the last goes on in the next."""
    return tuple(claim_end(snapshot, run) for run in group.runs[:-1])


def claim_end(snapshot: Snapshot, run: Run) -> Claim:
    """Return the claim that there is one layer less, as no RUN ends where this one does."""
    stage = snapshot.build.stages[run.stage]
    label = snapshot.graph.stages[run.stage].label
    end = stage.runs[run.ordinal]
    text = stage.events[end - 1].text if end else ""
    return Claim(Effect.LAYERS, frozenset({f"stage {label}", f"after {text}"}))


def neighbours(snapshot: Snapshot) -> Iterator[tuple[Run, ...]]:
    """Yield the RUN instructions, two at least, with nothing but comments and blanks between."""
    runs = {run.instruction.span.start: run for run in snapshot.runs if not run.triggered}
    row: list[Run] = []
    for ins in (*snapshot.dockerfile.instructions, None):
        if ins is not None and ins.keyword == "RUN" and ins.span.start in runs:
            row.append(runs[ins.span.start])
            continue
        if len(row) > 1:
            yield tuple(row)
        row = []


_REGION = re.compile(r"#\s*(?:\[(?:START|END)\b|(?:end)?region\b|(?:tag|end)::|snippet-)", re.I)


def _comments(snapshot: Snapshot, group: Sequence[Run], right: Run) -> Unfit | None:
    """Return what the comments around two RUN instructions have against one."""
    first = group[0].instruction.span.start
    between = snapshot.text[group[-1].instruction.span.end : right.instruction.span.start]
    if crosses_pragmas(snapshot, group, right):
        return Unfit("M109", "ignore comments of both", "write one above both")
    if any(_REGION.match(line.strip()) for line in between.split("\n")):
        return Unfit("M109", "a region of the text ends or begins", "none needed")
    end = right.instruction.span.end
    below = snapshot.text[end : snapshot.text.find("\n", end) + 1 or None].split()
    if between.strip() and below and below[0].upper() not in ("RUN", "#", "FROM", "CMD"):
        return Unfit("M109", "a comment heads more than the second", "insert a blank line")
    line = snapshot.text.rfind("\n", 0, first)
    above = snapshot.text[snapshot.text.rfind("\n", 0, max(line, 0)) + 1 : max(line, 0)]
    if above.lstrip().startswith("#") and not between.strip() and "\n" in between:
        return Unfit("M109", "a comment heads only the first", "delete the blank line, or comment")
    return None


def groups(
    snapshot: Snapshot, row: Sequence[Run], keep_caches: bool = False
) -> Iterator[Group | tuple[Run, Unfit]]:
    """Yield what of a row of neighbours becomes one, and where and why a join is not made.

    `keep_caches`: two expensive steps stay apart, and so does what would be hard to read as one.
    """
    state, runs, joins = Joined.of(row[0]), [row[0]], list[Join]()
    cost, emptied = costs(row[0]), _emptied(row[0])
    for right in row[1:]:
        how = join(state, right)
        more = costs(right)
        if isinstance(how, Join) and keep_caches and cost and more and cost != more:
            how = Unfit("M111", "two expensive steps: each keeps its cache", "none needed")
        if isinstance(how, Join) and keep_caches and _braces_lines(how, runs[-1], right):
            how = Unfit("M112", "braces around several lines", "write it as a chain of &&")
        if isinstance(how, Join) and keep_caches and emptied & _managers(right):
            how = Unfit("M113", "each empties the cache for itself", "join them by hand")
        if isinstance(how, Join):
            how = _comments(snapshot, runs, right) or how
        if isinstance(how, Join):
            state = state.plus(right, how)
            runs.append(right)
            joins.append(how)
            cost = cost or more
            emptied |= _emptied(right)
            continue
        yield right, how
        if joins:
            yield Group(tuple(runs), tuple(joins))
        state, runs, joins, cost = Joined.of(right), [right], [], more
        emptied = _emptied(right)
    if joins:
        yield Group(tuple(runs), tuple(joins))


def _managers(run: Run) -> set[str]:
    """Return the package managers that a RUN calls."""
    found = run.script.commands() if run.script else ()
    return {manager_name(command.argv) for command in found} - {""}


def _emptied(run: Run) -> set[str]:
    """Return those of them whose caches it empties, as far as can be told."""
    cleans = run.script and any(only_cleans(c.argv) for c in run.script.commands())
    return _managers(run) if cleans else set()


def _braces_lines(how: Join, left: Run, right: Run) -> bool:
    sides = ((how.braces_left, left), (how.braces_right, right))
    return any(
        needed and not ins.logical.contiguous(ins.args_start, ins.args_end)
        for needed, ins in ((needed, run.instruction) for needed, run in sides)
    )


def crosses_pragmas(snapshot: Snapshot, group: Sequence[Run], right: Run) -> bool:
    """Whether ignore comments of both would have to become one, or move past other comments."""
    between = snapshot.text[group[-1].instruction.span.end : right.instruction.span.start]
    lines = [line.strip() for line in between.split("\n") if line.strip()]
    if not any(map(PRAGMA.match, lines)):
        return False
    _, local = skips(snapshot)
    if len(group) > 1 or not PRAGMA.match(lines[0]):
        return True
    return bool(group[0].instruction.comments or group[0].instruction.span.start in local)
