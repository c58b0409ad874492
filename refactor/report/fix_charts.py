"""What was changed and what was left alone, in figures and bars."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from refactor.engine import Result
from refactor.report import remarks
from refactor.report.html import bar, code, folded, prose, text

LEVELS = ("safe", "suggested", "risky")
_STATES = {"changed": "new", "unchanged": "same", "refused": "suggested", "failed": "risky"}
_ROWS = 8  # the others are folded


def charts(results: Sequence[Result], written: bool) -> Iterator[str]:
    """Yield a card for the changes, one for the files and one for what was left alone."""
    yield '<div class="charts">\n<div>\n'
    yield from _changes(results)
    yield from _files(results, written)
    yield "</div>\n"
    yield from _refusals(results)
    yield "</div>\n"


def _files(results: Sequence[Result], written: bool) -> Iterator[str]:
    found = Counter(map(remarks.status, results))
    names = {"changed": "changed" if written else "would be changed"}
    shown = [(state, tone) for state, tone in _STATES.items() if found[state]]
    label = ", ".join(f"{found[state]:,} {names.get(state, state)}" for state, _ in shown)
    yield '<section class="card chart">\n<h2>Files</h2>\n'
    yield bar([(tone, found[state]) for state, tone in shown], len(results), label)
    keys = (
        f'<span><i class="swatch {tone}"></i>{found[state]:,} {names.get(state, state)}</span>'
        for state, tone in shown
    )
    yield f'\n<div class="key soft">{"".join(keys)}</div>\n</section>\n'


def _changes(results: Sequence[Result]) -> Iterator[str]:
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for remark in (r for result in results for r in remarks.of(result, "change")):
        found[remark.transform][remark.level] += 1
    yield '<section class="card chart">\n<h2>Changes by transform and level</h2>\n'
    keys = (f'<span><i class="swatch {level}"></i>{level}</span>' for level in LEVELS)
    yield f'<div class="key soft">{"".join(keys)}</div>\n'
    largest = max((levels.total() for levels in found.values()), default=0)
    rows = []
    for name, levels in sorted(found.items(), key=lambda row: (-row[1].total(), row[0])):
        shown = [(level, levels[level]) for level in LEVELS if levels[level]]
        label = ", ".join(f"{count:,} {level}" for level, count in shown)
        pick = f'<span data-pick="transform" data-value="{text(name)}">{code(name)}</span>'
        rows.append(f"{pick}{bar(shown, largest, label)}{_number(levels.total())}")
    yield from _rows(rows, "no changes")
    yield "</section>\n"


def _refusals(results: Sequence[Result]) -> Iterator[str]:
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for remark in (r for result in results for r in remarks.of(result, "refusal")):
        found[remark.code][f"{remark.transform}: {remark.reason}"] += 1
    largest = max((reasons.total() for reasons in found.values()), default=0)
    rows = []
    for name, reasons in sorted(found.items(), key=lambda row: (-row[1].total(), row[0])):
        usual = reasons.most_common(1)[0][0]
        pick = f'<span data-pick="text" data-value="{text(name)}">{code(name)}</span>'
        size = bar([("same", reasons.total())], largest)
        reason = f'<small title="{text(usual)}">{prose(usual)}</small>'
        rows.append(f"{pick}{size}{_number(reasons.total())}{reason}")
    yield '<section class="card chart codes">\n<h2>Left alone, by code</h2>\n'
    yield from _rows(rows, "nothing")
    yield "</section>\n"


def _number(count: int) -> str:
    return f'<span class="number">{count:,}</span>'


def _rows(rows: Sequence[str], none: str) -> Iterator[str]:
    if not rows:
        yield f'<p class="soft">{none}</p>\n'
    yield from _list(rows[:_ROWS])
    if others := rows[_ROWS:]:
        yield from folded(f"{len(others):,} more", _list(others))


def _list(rows: Sequence[str]) -> Iterator[str]:
    if rows:
        yield "<ul>\n"
        yield from (f"<li>{row}</li>\n" for row in rows)
        yield "</ul>\n"
