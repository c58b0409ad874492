"""A campaign as one HTML page, to be looked at: figures, bars, and groups to accept or decline.

However many repositories there are, the page holds the largest groups and a few samples of each.
Its script takes down what is decided, for `dfr fleet review --decisions`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from refactor.fleet.records import Ruling
from refactor.fleet.reviewing import Group, Sample
from refactor.report.about import NAME
from refactor.report.diff_html import diff, heading
from refactor.report.fleet_charts import charts
from refactor.report.fleet_numbers import Numbers
from refactor.report.html import badge, code, listed, page, part, prose, text
from refactor.report.proof_words import counted

_TONES = {"safe": "good", "suggested": "warn", "risky": "bad"}
_LINES, _REASON = 60, 300  # lines of a sample; characters


class Shown(NamedTuple):
    """A group of the page, some of its changes, its largest repositories, and what is decided."""

    group: Group
    samples: Sequence[Sample]
    repositories: Sequence[tuple[str, int]]
    ruling: Ruling | None


class Left(NamedTuple):
    """Groups that are not on the page, and their changes."""

    groups: int
    changes: int


def document(
    numbers: Numbers, shown: Sequence[Shown], left: Left, campaign: str, version: str
) -> str:
    """Return the page."""
    title = f"Campaign {campaign}"
    sheets, scripts = ("page.css", "fix.css", "fleet.css"), ("page.js", "fleet.js")
    body = _body(numbers, shown, left, campaign, version)
    return "".join(page(title, sheets, body, scripts))


def _body(
    numbers: Numbers, shown: Sequence[Shown], left: Left, campaign: str, version: str
) -> Iterator[str]:
    yield "<main>\n"
    yield from _heading(numbers, campaign)
    yield from charts(numbers)
    yield from _groups(shown, left)
    yield f"<footer>Made by {NAME} {text(version)} from the campaign's ledger.</footer>\n</main>\n"
    yield f'<script type="application/json" id="data">{_data(shown, campaign, version)}</script>\n'


def _heading(numbers: Numbers, campaign: str) -> Iterator[str]:
    yield f"<h1>Campaign {text(campaign)}</h1>\n"
    changes = numbers.total("changes")
    files = counted(numbers.total("changed"), "file")
    places = _repositories(sum(1 for row in numbers.rows if row.changes))
    yield f'<p class="lead">{counted(changes, "change")} in {files} of {places}.</p>\n'
    states = numbers.states()
    requests = sum(1 for row in numbers.rows if row.request)
    merged = sum(1 for row in numbers.rows if row.request == "merged")
    accepted, declined = numbers.total("accepted"), numbers.total("declined")
    figures = (
        ("Repositories", len(numbers.rows), f"{states['planned']:,} planned"),
        ("Dockerfiles", numbers.total("files"), f"{numbers.total('changed'):,} would change"),
        ("Accepted", accepted, f"{_share(accepted, changes)} of the changes"),
        ("Declined", declined, f"{_share(declined, changes)}"),
        ("Not decided", numbers.total("undecided"), _share(numbers.total("undecided"), changes)),
        ("Requests", requests, f"{merged:,} merged"),
    )
    yield '<dl class="figures">\n'
    for name, number, more in figures:
        yield f"<div><dt>{name}</dt><dd>{number:,}<small>{more}</small></dd></div>\n"
    yield "</dl>\n"


def _share(part_of: int, whole: int) -> str:
    return f"{100 * part_of / whole:.0f} %" if whole else "none"


def _groups(shown: Sequence[Shown], left: Left) -> Iterator[str]:
    yield '<h2 id="groups">Groups of equal changes</h2>\n'
    if left.groups:
        rest = f"{counted(left.groups, 'smaller group')} with {counted(left.changes, 'change')}"
        asks = code("dfr fleet review")
        yield f'<p class="soft">The {len(shown):,} largest, without {rest}: '
        yield f"{asks} asks for all.</p>\n"
    yield part("fleet.html")
    yield '<ol class="changes" id="list">\n'
    for one in shown:
        yield from _group(one)
    yield "</ol>\n"
    if not shown:
        yield '<p class="soft">There is nothing to decide.</p>\n'


def _group(shown: Shown) -> Iterator[str]:
    group = shown.group
    where = f" in {code(group.repository)}" if group.repository else ""
    yield (
        '<li class="change"><details><summary>'
        f'<span class="name">{code(group.transform)}</span>'
        f"{badge(text(group.level), _TONES.get(group.level, 'calm'))}"
        f'<span class="soft">{group.counts}{where}</span><span class="state"></span>'
        f'<span class="why">{prose(group.why)}</span></summary>\n'
    )
    if group.kind == "shape":
        yield (
            f'<p class="soft kind">{counted(group.exacts, "exact group")}, alike but for packages, '
            "paths, versions or names. Look at the samples before you accept.</p>\n"
        )
    yield '<noscript><div class="samples">\n'
    for sample in shown.samples:
        yield from _sample(sample)
    yield "</div></noscript>\n"
    if not group.repository:
        rest = group.repositories - len(shown.repositories)
        rows = [f"{code(name)} {count:,}" for name, count in shown.repositories]
        yield f'<details class="more"><summary>{_repositories(group.repositories)}</summary>\n'
        yield from listed([*rows, f"and {rest:,} more"] if rest else rows)
        yield "</details>\n"
    yield "</details>\n</li>\n"


def _repositories(count: int) -> str:
    return f"{count:,} repositor{'y' if count == 1 else 'ies'}"


def _sample(sample: Sample) -> Iterator[str]:
    repository, change = sample
    yield f'<div class="sample"><p class="place">{code(repository)} {code(change.path)}'
    yield f"{f', line {change.line:,}' if change.line else ''}</p>\n"
    if change.assumes:
        yield '<div class="assumes"><b>Assumes</b>\n'
        yield from listed([prose(sentence) for sentence in change.assumes[:20]])
        yield "</div>\n"
    rows = change.diff.split("\n")
    yield from diff("\n".join(rows[:_LINES]) + "\n", heading(change.path))
    if len(rows) > _LINES:
        yield f'<p class="soft">and {counted(len(rows) - _LINES, "more line")}</p>\n'
    yield "</div>\n"


def _data(shown: Sequence[Shown], campaign: str, version: str) -> str:
    """Return the groups in the order of the page, as JSON that can stand in it."""
    rows = [
        [
            g.kind, g.subject, g.repository, g.transform, g.level, g.changes, g.wanted,
            ruling.decision if ruling else "", f"{g.transform}: {g.reason}"[:_REASON],
        ]
        for g, _, _, ruling in shown
    ]  # fmt: skip
    written = json.dumps(rows, separators=(",", ":"))
    digest = sha256(f"{campaign}\n{written}".encode()).hexdigest()[:16]
    data = json.dumps({"tool": f"{NAME} {version}", "campaign": campaign, "digest": digest})
    return f'{data[:-1]}, "groups": {written}}}'.replace("<", "\\u003c")
