"""A campaign in bars: how far it is, what changes, what was left alone, what it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from refactor.report.fleet_numbers import LEVELS, TIMES, Numbers, Row
from refactor.report.html import bar, code, folded, prose, table, text
from refactor.report.proof_words import amount, percent

_ROWS, _OUTLIERS = 8, 5
_STATES = {"planned": "new", "skipped": "same", "failed": "risky", "waiting": "suggested"}
_REQUESTS = {"merged": "safe", "open": "new", "closed": "same"}
_CHECKS = {"passing": "safe", "failing": "risky", "pending": "suggested", "none": "same"}


def charts(numbers: Numbers) -> Iterator[str]:
    """Yield the cards."""
    yield '<div class="charts">\n<div>\n'
    yield from _progress(numbers)
    yield from _transforms(numbers)
    yield "</div>\n<div>\n"
    yield from _refusals(numbers)
    yield from _times(numbers)
    yield from _sizes(numbers)
    yield "</div>\n</div>\n"
    yield from _outliers(numbers)
    yield from _reasons(numbers)


def _progress(numbers: Numbers) -> Iterator[str]:
    decided = Counter(
        {"safe": numbers.total("accepted"), "risky": numbers.total("declined"),
         "same": numbers.total("undecided")}
    )  # fmt: skip
    names = {"safe": "accepted", "risky": "declined", "same": "not decided"}
    requests = Counter(row.request for row in numbers.rows if row.request)
    checks = Counter(row.checks or "none" for row in numbers.rows if row.request == "open")
    conflicts = sum(row.conflict for row in numbers.rows)
    yield '<section class="card chart">\n<h2>How far it is</h2>\n'
    yield from _stack("Repositories", numbers.states(), _STATES)
    yield from _stack("Changes", decided, {tone: tone for tone in names}, names)
    yield from _stack("Requests", requests, _REQUESTS)
    yield from _stack("Checks of open requests", checks, _CHECKS)
    if conflicts:
        yield f'<p class="soft">{conflicts:,} open with a conflict</p>\n'
    yield "</section>\n"


def _stack(
    title: str, found: Counter[str], tones: dict[str, str], names: dict[str, str] | None = None
) -> Iterator[str]:
    """Yield one bar of all, with its key."""
    shown = [(name, tone) for name, tone in tones.items() if found[name]]
    said = [f"{found[name]:,} {(names or {}).get(name, name)}" for name, _ in shown]
    yield f"<h3>{title}</h3>\n"
    if not shown:
        yield '<p class="soft">none</p>\n'
        return
    parts = [(tone, found[name]) for name, tone in shown]
    yield bar(parts, sum(found[name] for name, _ in shown), f"{title}: {', '.join(said)}")
    keys = (
        f'<span><i class="swatch {tone}"></i>{one}</span>'
        for (_, tone), one in zip(shown, said, strict=True)
    )
    yield f'\n<div class="key soft">{"".join(keys)}</div>\n'


def _transforms(numbers: Numbers) -> Iterator[str]:
    yield '<section class="card chart">\n<h2>Changes by transform and level</h2>\n'
    keys = (f'<span><i class="swatch {level}"></i>{level}</span>' for level in LEVELS)
    yield f'<div class="key soft">{"".join(keys)}</div>\n'
    found = sorted(numbers.transforms.items(), key=lambda row: (-row[1].total(), row[0]))
    largest = max((levels.total() for _, levels in found), default=0)
    rows = []
    for name, levels in found:
        parts = [(level, levels[level]) for level in LEVELS if levels[level]]
        label = ", ".join(f"{count:,} {level}" for level, count in parts)
        pick = f'<span data-pick="transform" data-value="{text(name)}">{code(name)}</span>'
        rows.append(f"{pick}{bar(parts, largest, label)}{_number(levels.total())}")
    yield from _listed(rows, "no changes")
    yield "</section>\n"


def _refusals(numbers: Numbers) -> Iterator[str]:
    yield '<section class="card chart codes">\n<h2>Left alone, by code</h2>\n'
    largest = max((found.places for found in numbers.refusals), default=0)
    rows = [
        f"{code(found.code)}{bar([('same', found.places)], largest)}{_number(found.places)}"
        f'<small title="{text(found.reason)}">{prose(found.reason)}</small>'
        for found in numbers.refusals
    ]
    yield from _listed(rows, "nothing")
    yield "</section>\n"


def _times(numbers: Numbers) -> Iterator[str]:
    yield '<section class="card chart">\n<h2>Time to plan a repository</h2>\n'
    names = [f"below {limit:g} s" for limit in TIMES] + [f"{TIMES[-1]:g} s and more"]
    counts = numbers.times()
    rows = [
        f"<span>{name}</span>{bar([('new', count)], max(counts))}{_number(count)}"
        for name, count in zip(names, counts, strict=True)
        if count
    ]
    yield from _listed(rows, "nothing is planned yet")
    yield f'<p class="soft">{numbers.total("seconds"):,.0f} s in all</p>\n</section>\n'


def _sizes(numbers: Numbers) -> Iterator[str]:
    proved = [row for row in numbers.rows if row.before]
    if not proved:
        return
    before, after = sum(row.before for row in proved), sum(row.after for row in proved)
    yield '<section class="card chart">\n<h2>Image sizes, where proved</h2>\n<ul>\n'
    for name, tone, size in (("before", "old", before), ("after", "new", after)):
        yield f"<li><span>{name}</span>{bar([(tone, size)], max(before, after))}"
        yield f'<span class="number">{amount(size)}</span></li>\n'
    yield f'</ul>\n<p class="soft">{percent(before, after)} in {len(proved):,} repositories</p>\n'
    yield "</section>\n"


def _outliers(numbers: Numbers) -> Iterator[str]:
    """Yield the repositories that are worth a look: they are unlike the others."""
    failing = [r for r in numbers.rows if r.checks == "failing" or r.conflict]
    closed = [r for r in numbers.rows if r.request == "closed"]
    kinds: list[tuple[str, list[Row], str]] = [
        ("Most changes", _most(numbers.rows, "changes"), "changes"),
        ("Most left alone", _most(numbers.rows, "refusals"), "refusals"),
        ("Slowest", _most(numbers.rows, "seconds"), "seconds"),
        ("Checks failing, or in conflict", failing[:_OUTLIERS], "number"),
        ("Closed without a merge", closed[:_OUTLIERS], "number"),
    ]
    yield '<section class="card outliers">\n<h2>Outliers</h2>\n<div class="columns">\n'
    for title, rows, column in kinds:
        if rows:
            yield f"<div><h3>{title}</h3>\n"
            yield from table(
                ("", ""), ([code(r.repository), _figure(r, column)] for r in rows), frozenset({1})
            )
            yield "</div>\n"
    yield "</div>\n</section>\n"


def _figure(row: Row, column: str) -> str:
    value = getattr(row, column)
    if column == "number":
        return f"#{value}" if value else ""
    return f"{value:,.1f} s" if column == "seconds" else f"{value:,}"


def _most(rows: Iterable[Row], column: str) -> list[Row]:
    found = [row for row in rows if getattr(row, column)]
    return sorted(found, key=lambda row: (-getattr(row, column), row.repository))[:_OUTLIERS]


def _reasons(numbers: Numbers) -> Iterator[str]:
    found = numbers.reasons().most_common(50)
    if found:
        rows = [[text(state), prose(reason), f"{count:,}"] for (state, reason), count in found]
        yield '<section class="card outliers">\n<h2>Not planned</h2>\n'
        yield from table(("State", "Reason", "Repositories"), rows, frozenset({2}))
        yield "</section>\n"


def _number(count: int) -> str:
    return f'<span class="number">{count:,}</span>'


def _listed(rows: Sequence[str], none: str) -> Iterator[str]:
    if not rows:
        yield f'<p class="soft">{none}</p>\n'
        return
    yield from _list(rows[:_ROWS])
    if others := rows[_ROWS:]:
        yield from folded(f"{len(others):,} more", _list(others))


def _list(rows: Sequence[str]) -> Iterator[str]:
    yield "<ul>\n"
    yield from (f"<li>{row}</li>\n" for row in rows)
    yield "</ul>\n"
