"""Pages that need nothing else: untrusted text in HTML, tables of it, and what is around them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path

from refactor.report.proof_words import cut

_WIDTH = 400


def part(name: str) -> str:
    """Return a file beside this one: a sheet, a script, a piece of a page."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def page(
    title: str, sheets: Sequence[str], body: Iterable[str], scripts: Sequence[str] = ()
) -> Iterator[str]:
    """Yield a page of a body that is written already.

    Should an escape ever be forgotten: it loads nothing, and runs and styles by nothing but the
    parts that are named here, which its policy knows by their digests.
    """
    style = "".join(map(part, sheets))
    script = "".join(map(part, scripts))
    allowed = f"default-src 'none'; style-src {_digest(style)}; base-uri 'none'; form-action 'none'"
    if script:
        allowed += f"; script-src {_digest(script)}"
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{allowed}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )
    yield from body
    yield f"<script>{script}</script>\n" if script else ""
    yield "</body>\n</html>\n"


def _digest(content: str) -> str:
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


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


def badge(name: str, tone: str) -> str:
    """Return a word that stands out."""
    return f'<span class="badge {tone}">{name}</span>'


def bar(parts: Iterable[tuple[str, float]], whole: float, label: str = "") -> str:
    """Return a bar whose parts, each of a tone, are as long as they are of the whole.

    What there is can be seen, little as it may be. Without a label it only repeats what is said.
    """
    left, drawn = 0.0, []
    for tone, value in parts:
        if value and whole:
            width = min(max(100 * value / whole, 0.4), 100)
            drawn.append(f'<rect class="{tone}" x="{left:.2f}%" width="{width:.2f}%"/>')
            left += width
    spoken = f'role="img" aria-label="{text(label)}"' if label else 'aria-hidden="true"'
    return f'<svg class="bar" {spoken}>{"".join(drawn)}</svg>'


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
