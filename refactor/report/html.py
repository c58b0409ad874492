"""Untrusted text in HTML, and tables of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from refactor.report.proof_words import cut

_WIDTH = 400


def text(value: str, limit: int = _WIDTH) -> str:
    """Return a text that is neither a tag nor the end of an attribute."""
    return escape(cut(value, limit))


def code(value: str, limit: int = _WIDTH) -> str:
    """Return a text as code."""
    return f"<code>{text(value, limit)}</code>" if value else '<span class="soft">empty</span>'


def prose(value: str) -> str:
    """Return a sentence, in which what stands between backticks is code."""
    parts = value[: 4 * _WIDTH].split("`")
    if len(parts) % 2 == 0:
        return text(value, 2 * _WIDTH)
    return "".join(
        (code(part) if number % 2 else text(part)) if part else ""
        for number, part in enumerate(parts)
    )


def pair(before: str, after: str) -> str:
    """Return two values that are written already, or one if they are the same."""
    if before == after:
        return before
    return f'{before}<span class="arrow"> → </span>{after}'


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], numbers: frozenset[int] = frozenset()
) -> Iterator[str]:
    """Yield a table of cells that are written already; `numbers` are columns of figures."""
    yield '<div class="scroll"><table>\n'
    classes = [' class="number"' if n in numbers else "" for n in range(len(header))]
    if any(header):
        heads = (f"<th{c}>{name}</th>" for c, name in zip(classes, header, strict=True))
        yield f"<thead><tr>{''.join(heads)}</tr></thead>\n"
    yield "<tbody>\n"
    for row in rows:
        cells = (f"<td{c}>{cell}</td>" for c, cell in zip(classes, row, strict=True))
        yield f"<tr>{''.join(cells)}</tr>\n"
    yield "</tbody></table></div>\n"


def listed(items: Sequence[str]) -> Iterator[str]:
    """Yield a list of items that are written already."""
    yield "<ul>\n"
    yield from (f"<li>{item}</li>\n" for item in items)
    yield "</ul>\n"


def folded(title: str, rows: Iterable[str]) -> Iterator[str]:
    """Yield a part that is opened by a click."""
    yield f'<details class="more"><summary>{title}</summary>\n'
    yield from rows
    yield "</details>\n"
