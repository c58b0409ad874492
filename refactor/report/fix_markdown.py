"""A run as the body of a pull request, in GitHub's Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from refactor.engine import Changed, Failed, Refused, Remark, Result
from refactor.report import remarks, scan_words
from refactor.report.about import NAME, About
from refactor.report.markdown import block, code, html_code, prose, table
from refactor.report.proof_words import counted, cut

# GitHub takes 65,536 characters; what does not fit is left out from the end, and it says so.
LIMIT = 60_000
_ROWS, _CHANGES, _WIDTH = 20, 100, 500

_PARTS = ("the details", "the diff")


def document(results: Sequence[Result], about: About) -> str:
    """Return a pull request's body: what is done by transform, then each file's part."""
    parts = [_title(results, about), *_overview(results), *_left_out(results), *_scans(about)]
    room = LIMIT - sum(map(_size, parts))
    cut_off: Counter[str] = Counter()
    for result in sorted(results, key=lambda result: not isinstance(result, Changed)):
        part, missing = _fitting(result, room)
        parts.append(part)
        room -= _size(part)
        cut_off[missing] += 1
    cuts = [f"{what} of {counted(cut_off[what], 'file')}" for what in _PARTS if cut_off[what]]
    if cuts:
        parts.append(f"**Cut**, as a body may not be longer: {' and '.join(cuts)}.\n")
    return "".join(parts)


def _fitting(result: Result, room: int) -> tuple[str, str]:
    """Return a file's part as far as there is room for it, and what is missing."""
    told = "".join(_details(result))
    if not told:
        return "", ""
    whole = _folded(result, told + _diff(result))
    if _size(whole) <= room:
        return whole, ""
    short = _folded(result, told)
    return (short, _PARTS[1]) if _size(short) <= room else ("", _PARTS[0])


def _size(text: str) -> int:
    """Return a length as GitHub may count it: a character outside the BMP is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _title(results: Sequence[Result], about: About) -> str:
    files = Counter(map(remarks.status, results))
    changes = sum(1 for result in results for _ in remarks.of(result, "change"))
    verb = "refactored" if about.written else "would be refactored"
    level = f" at level {code(about.level)}" if about.level else ""
    rest = [f"{files[word]:,} {word}" for word in ("unchanged", "refused", "failed") if files[word]]
    boxes = any(remark.assumes for result in results for remark in result.remarks)
    told = " A box is what a change assumes: tick it when it is checked." if boxes else ""
    return (
        f"**{counted(files['changed'], 'Dockerfile')} {verb}** by {code(NAME)} "
        f"{code(about.version)}{level}: {', '.join([counted(changes, 'change'), *rest])}.{told}\n\n"
    )


def _overview(results: Sequence[Result]) -> Iterator[str]:
    """Yield a table of the changes by transform and level."""
    changes: Counter[tuple[str, str]] = Counter()
    files: Counter[tuple[str, str]] = Counter()
    for result in results:
        found = Counter((r.transform, r.level) for r in remarks.of(result, "change"))
        changes.update(found)
        files.update(found.keys())
    if not changes:
        return
    order = sorted(changes, key=lambda at: (-changes[at], at))
    rows = [(code(at[0]), at[1], f"{changes[at]:,}", f"{files[at]:,}") for at in order]
    yield from table(("Transform", "Level", "Changes", "Files"), rows[:_CHANGES], "  rr")
    if len(rows) > _CHANGES:
        yield f"and {len(rows) - _CHANGES:,} more.\n\n"


def _scans(about: About) -> Iterator[str]:
    """Yield what a scanner found before and after."""
    for scan in about.scans:
        yield f"**{_prose(scan_words.title(scan))}**\n\n"
        rows = [
            (side, *(_prose(cell) if cell else "" for cell in scan_words.told(finding)))
            for side in scan_words.SIDES
            for finding in getattr(scan, side)
        ]
        if rows:
            yield from table(("", "Severity", "Finding", "Where", "What"), rows[:_ROWS])
        if len(rows) > _ROWS:
            yield f"and {len(rows) - _ROWS:,} more.\n\n"
        yield from _section("Not scanned", [_prose(problem) for problem in scan.problems])


def _left_out(results: Sequence[Result]) -> Iterator[str]:
    """Yield the files that were not taken, with the reasons."""
    found = []
    for result in results:
        if isinstance(result, Refused | Failed):
            line = f", line {result.line}" if isinstance(result, Refused) and result.line else ""
            word = remarks.status(result)
            found.append(f"{code(result.path)}{line}: {word}: {_prose(result.reason)}")
    yield from _section("Files that were left as they are", found)


def _details(result: Result) -> Iterator[str]:
    """Yield what there is to say on one file, but for its diff."""
    yield from _section("Changes", _each(result, "change", _change), _CHANGES)
    yield from _section("Left alone, and what would unlock it", _each(result, "refusal", _refusal))
    yield from _section("Notices", _each(result, "notice", _notice))
    yield from _section("Dropped", _each(result, "dropped", _dropped))


def _each(result: Result, kind: str, written: Callable[[Remark], str]) -> list[str]:
    return [written(remark) for remark in remarks.of(result, kind)]


def _change(remark: Remark) -> str:
    """Return a change; what it assumes is there to be ticked off."""
    said = f"{code(remark.transform)} ({remark.level}){_line(remark)}: {_prose(remark.reason)}"
    return "".join([said, *(f"\n  - [ ] {_prose(sentence)}" for sentence in remark.assumes)])


def _refusal(remark: Remark) -> str:
    """Return what was left alone; what unlocks it is a setting or a sentence."""
    unlock = (code if "=" in remark.unlock else _prose)(remark.unlock)
    return f"{_notice(remark)}; unlock: {unlock}" if remark.unlock else _notice(remark)


def _notice(remark: Remark) -> str:
    said = f"{code(remark.transform)} {code(remark.code)}{_line(remark)}"
    return f"{said}: {_prose(remark.reason)}"


def _dropped(remark: Remark) -> str:
    return f"{code(remark.transform)}: {_prose(remarks.sentence(remark))}"


def _prose(text: str) -> str:
    return prose(cut(text, _WIDTH))


def _line(remark: Remark) -> str:
    return f", line {remark.line}" if remark.line else ""


def _section(title: str, items: Sequence[str], limit: int = _ROWS) -> Iterator[str]:
    """Yield a list below a title, or nothing if it is empty."""
    if not items:
        return
    yield f"**{title}**\n\n"
    yield from (f"- {item}\n" for item in items[:limit])
    if len(items) > limit:
        yield f"- and {len(items) - limit:,} more\n"
    yield "\n"


def _diff(result: Result) -> str:
    if not isinstance(result, Changed):
        return ""
    rows = (cut(row, _WIDTH) for row in result.patch.split("\n")[:-1])
    return _details_element("Diff", block(rows, "diff") + "\n")


def _folded(result: Result, inside: str) -> str:
    changes = sum(1 for _ in remarks.of(result, "change"))
    said = counted(changes, "change") if changes else "left alone"
    return _details_element(f"{html_code(result.path)}: {said}", inside)


def _details_element(title: str, inside: str) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{inside}</details>\n\n"
