"""A run as one HTML page, on which changes are read, filtered, and accepted or declined.

All that there is to read is in the page itself. Its script adds the filter and the review: what is
decided is saved as a file for `dfr fix --decisions`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256

from refactor.engine import Changed, Failed, Refused, Remark, Result, Unchanged
from refactor.report import remarks, scan_words
from refactor.report.about import NAME, About
from refactor.report.diff_html import diff, heading, patch
from refactor.report.fix_charts import LEVELS, charts
from refactor.report.html import badge, code, folded, listed, page, part, prose, table, text
from refactor.report.proof_words import counted

_TONES = {"safe": "good", "suggested": "warn", "risky": "bad"}
_NOTES = (("refusal",), ("notice",), ("left", "undecided", "stale"))
_OPEN = 30  # so many changes can be read from the start
_FINDINGS = 200
_PATCH, _REASON = 2000, 2000  # lines; characters


def document(results: Sequence[Result], about: About) -> str:
    """Return the page."""
    changes = sum(1 for result in results for _ in remarks.of(result, "change"))
    title = f"{counted(changes, 'change')} in {counted(len(results), 'Dockerfile')}"
    return "".join(
        page(title, ("page.css", "fix.css"), _body(results, about, changes), ("page.js", "fix.js"))
    )


def _body(results: Sequence[Result], about: About, changes: int) -> Iterator[str]:
    told = [result for result in results if _is_told(result)]
    told.sort(key=lambda result: not isinstance(result, Changed))
    yield "<main>\n"
    yield from _heading(results, about, changes)
    if results:
        yield from charts(results, about.written)
    yield from _scans(about)
    yield part("fix.html")
    yield '<div id="files">\n'
    yield from _unread(results)
    opened = 0
    for result in told:
        yield from _file(result, opened < _OPEN and isinstance(result, Changed))
        opened += sum(1 for _ in remarks.of(result, "change"))
    yield from _silent(results)
    yield "</div>\n"
    yield (
        "<footer>Each difference is the one that its change makes alone, on what the changes "
        f"above it left. Made by {NAME} {text(about.version)}.</footer>\n</main>\n"
    )
    yield f'<script type="application/json" id="data">{_data(told, about)}</script>\n'


def _is_told(result: Result) -> bool:
    return isinstance(result, Changed | Unchanged) and bool(result.remarks)


def _notes_of(result: Result) -> list[list[Remark]]:
    return [[r for r in result.remarks if r.kind in kinds] for kinds in _NOTES]


def _data(told: Sequence[Result], about: About) -> str:
    """Return what is told, in the order of the page, as JSON that can stand in it.

    Of each file its changes, and the transforms of its other remarks; a change without a key is
    none to decide on.
    """
    files = []
    for result in told:
        changes = [
            [
                r.transform,
                r.level,
                *(r.detail[:2] if r.detail else ("", "")),
                r.reason[:_REASON],
                r.part,
            ]
            for r in remarks.of(result, "change")
        ]
        notes = [remark.transform for found in _notes_of(result) for remark in found]
        before = result.before if isinstance(result, Changed) else b""
        files.append([result.path, sha256(before).hexdigest(), changes, notes])
    written = json.dumps(files, separators=(",", ":"))
    digest = sha256(f"{about.level}\n{written}".encode()).hexdigest()[:16]
    data = json.dumps({"tool": f"{NAME} {about.version}", "digest": digest})
    return f'{data[:-1]}, "files": {written}}}'.replace("<", "\\u003c")


def _heading(results: Sequence[Result], about: About, changes: int) -> Iterator[str]:
    files = sum(isinstance(result, Changed) for result in results)
    done = "were made" if about.written else "to review"
    yield f"<h1>{counted(changes, 'change')} {done}</h1>\n"
    level = f" at level {code(about.level)}" if about.level else ""
    verb = ("was" if files == 1 else "were") if about.written else "would be"
    sentence = f"{files:,} of {counted(len(results), 'file')} {verb} changed{level}."
    if about.written:
        sentence += " What is decided here holds for the next run on the files as they were."
    open_ended = [result for result in results if isinstance(result, Changed | Unchanged)]
    for name in LEVELS[1:]:
        if more := sum(result.pending.get(name, 0) for result in open_ended):
            sentence += f" {more:,} more at level {code(name)}."
    yield f'<p class="lead">{sentence}</p>\n'


def _file(result: Result, is_open: bool) -> Iterator[str]:
    made = [*remarks.of(result, "change")]
    left, advice, missing = _notes_of(result)
    notes = {
        f"{len(left):,} left alone": left,
        counted(len(advice), "notice"): advice,
        f"{len(missing):,} not made": missing,
    }
    yield f'<details class="card file"{" open" if is_open else ""}>\n'
    yield f"<summary><h2>{code(result.path)}</h2>"
    parts = [counted(len(made), "change")] if made else []
    parts += [title for title, found in notes.items() if found]
    yield f'<span class="done"></span><span class="soft">{", ".join(parts)}</span></summary>\n'
    yield '<noscript><div class="inside">\n'
    for remark in remarks.of(result, "dropped"):
        yield f'<div class="box warn"><b>{code(remark.transform)}</b> '
        yield f"{prose(remarks.sentence(remark))}</div>\n"
    if made:
        yield '<ol class="changes">\n'
        own = heading(result.path)
        for remark in made:
            yield from _change(remark, own)
        yield "</ol>\n"
    for title, found in notes.items():
        if found:
            yield from _notes(title, found, not made)
    if isinstance(result, Changed):
        yield from folded("Whole patch", patch(result.patch, _PATCH))
    yield "</div></noscript>\n</details>\n"


def _change(remark: Remark, own: str) -> Iterator[str]:
    first, last = remarks.lines(remark)
    where = f"line {first}" if first == last else f"lines {first} to {last}"
    yield (
        '<li class="change"><details open><summary>'
        f'<span class="name">{code(remark.transform)}</span>'
        f"{badge(text(remark.level), _TONES.get(remark.level, 'calm'))}"
        f'<span class="soft">{where if first else "whole file"}</span><span class="state"></span>'
        f'<span class="why">{prose(remark.reason)}</span></summary>\n'
    )
    if remark.assumes:
        yield '<div class="assumes"><b>Assumes</b>\n'
        yield from listed([prose(sentence) for sentence in remark.assumes])
        yield "</div>\n"
    if detail := remark.detail:
        yield from diff(detail.diff, own)
        grounds = {"What may differ": detail.claims, "What was found": detail.evidence}
        for title, found in grounds.items():
            if found:
                yield from folded(title, listed([code(sentence) for sentence in found]))
    yield "</details>\n</li>\n"


def _notes(title: str, found: Sequence[Remark], is_open: bool) -> Iterator[str]:
    yield f'<details class="more"{" open" if is_open else ""}><summary>{title}</summary>\n'
    yield '<ul class="notes">\n'
    for remark in found:
        where = f", line {remark.line}" if remark.line else ""
        unlock = f'<span class="unlock">{prose(remark.unlock)}</span>' if remark.unlock else ""
        yield (
            f'<li class="note">{code(remark.transform)} '
            f'<span class="soft">{text(remark.code or remark.kind)}{where}</span> '
            f"{prose(remark.reason)}{unlock}</li>\n"
        )
    yield "</ul>\n</details>\n"


def _scans(about: About) -> Iterator[str]:
    """Yield what a scanner found before and after."""
    for scan in about.scans:
        yield f'<div class="card scan"><h2>{text(scan_words.title(scan))}</h2>\n'
        rows = [
            (badge(side, "good" if side == "gone" else "bad"), text(severity), code(name),
             code(place), prose(what))
            for side in scan_words.SIDES
            for severity, name, place, what in map(scan_words.told, getattr(scan, side))
        ]  # fmt: skip
        if rows:
            header = ("", "Severity", "Finding", "Where", "What")
            yield from table(header, rows[:_FINDINGS])
        if len(rows) > _FINDINGS:
            yield f"<p>and {len(rows) - _FINDINGS:,} more</p>\n"
        for problem in scan.problems:
            yield f'<p class="box warn">not scanned: {prose(problem)}</p>\n'
        yield "</div>\n"


def _unread(results: Sequence[Result]) -> Iterator[str]:
    rows = [
        f"{badge(remarks.status(r), 'bad' if isinstance(r, Failed) else 'warn')} {code(r.path)}"
        f"{f', line {r.line}' if isinstance(r, Refused) and r.line else ''}: {prose(r.reason)}"
        for r in results
        if isinstance(r, Refused | Failed)
    ]
    failed = any(isinstance(result, Failed) for result in results)
    yield from _aside(f"{counted(len(rows), 'file')} not refactored", rows, failed)


def _silent(results: Sequence[Result]) -> Iterator[str]:
    rows = [code(r.path) for r in results if isinstance(r, Unchanged) and not r.remarks]
    yield from _aside(f"{counted(len(rows), 'file')} without a remark", rows, False)


def _aside(title: str, rows: Sequence[str], is_open: bool) -> Iterator[str]:
    """Yield files that there is nothing to decide on."""
    if rows:
        yield f'<details class="card file aside"{" open" if is_open else ""}>\n'
        yield f'<summary><h2>{title}</h2></summary>\n<div class="inside">\n'
        yield from listed(rows)
        yield "</div>\n</details>\n"
