"""A campaign as CSV, a repository a line, and as JSON; docs/fleet.schema.json describes that."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from refactor.fleet.reviewing import Group
from refactor.report.about import NAME
from refactor.report.fleet_numbers import LEVELS, TIMES, Numbers, Row
from refactor.report.json_text import written
from refactor.report.text import flat

VERSION = 1
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def table(numbers: Numbers) -> str:
    """Return the repositories as CSV. What a sheet would take for a formula is a text there."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*Row._fields, "undecided"])
    for row in numbers.rows:
        writer.writerow([*map(_cell, row), row.undecided])
    return file.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else ""
    if not isinstance(value, str):
        return value
    return f"'{flat(value)}" if value.startswith(_FORMULAS) else flat(value)


def document(numbers: Numbers, groups: Sequence[Group], campaign: str, version: str) -> str:
    """Return all figures, some groups and all repositories as JSON."""
    sizes = [(row.before, row.after) for row in numbers.rows if row.before]
    return written(
        {
            "version": VERSION,
            "tool": f"{NAME} {version}",
            "campaign": campaign,
            "repositories": [{**row._asdict(), "undecided": row.undecided} for row in numbers.rows],
            "states": numbers.states(),
            "reasons": [
                {"state": state, "reason": reason, "count": count}
                for (state, reason), count in numbers.reasons().most_common()
            ],
            "files": numbers.statuses,
            "transforms": {
                name: {level: found[level] for level in LEVELS}
                for name, found in numbers.transforms.items()
            },
            "refusals": [code._asdict() for code in numbers.refusals],
            "decisions": {
                name: numbers.total(name) for name in ("accepted", "declined", "undecided")
            },
            "times": [*_times(numbers)],
            "sizes": {
                "proved": len(sizes),
                "before": sum(before for before, _ in sizes),
                "after": sum(after for _, after in sizes),
            },
            "groups": [group._asdict() for group in groups],
        }
    )


def _times(numbers: Numbers) -> Iterator[dict[str, object]]:
    for limit, count in zip((*TIMES, None), numbers.times(), strict=True):
        yield {"below": limit, "count": count}
