"""Untrusted text in GitHub's Markdown: it makes no markup, no link, no mention, no other row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from refactor.report.proof_words import cut
from refactor.report.text import harmless

_WIDTH = 300
# Words that no reader of Markdown takes for anything else; all others are shown as code.
_WORD = re.compile(r"""["'(]?[^\W_][^\W_"'.,:;()%-]*(?:[-'.][^\W_]+)*[)"']?[.,:;]?["')]?|%|->""")
_REFERENCE = re.compile(r"(?i)www\.|\bgh-[0-9]|\b[0-9a-f]{7,}\b|\b(?:https?|ftp)\b")
_BAR = re.compile(r"(\\?)\|")
_TICKS = re.compile("`+")


def code(text: str) -> str:
    """Return a text as code in one line."""
    shown = cut(text, _WIDTH)
    if not shown.strip():
        return "*empty*" if not shown else "*spaces*"
    ticks = "`" * _fence_size(shown, 1)
    gap = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{gap}{shown}{gap}{ticks}"


def html_code(text: str) -> str:
    """Return a text as code for places where Markdown is not read, such as a summary."""
    shown = cut(text, _WIDTH)
    spelled = (c if c.isalnum() or c in " /.,-" else f"&#{ord(c)};" for c in shown)
    return f"<code>{''.join(spelled)}</code>"


def prose(text: str) -> str:
    """Return a sentence, in which what is not a plain word is shown as code."""
    parts: list[str] = []
    text = harmless(text[: 4 * _WIDTH])
    # a sentence of ours names commands between backticks
    between = [text] if text.count("`") % 2 else text.split("`")
    for number, part in enumerate(between):
        if number % 2:
            parts.append(code(part))
            continue
        strange: list[str] = []
        for word in part.replace("\n", " \\n ").split():
            if _WORD.fullmatch(word) and not _REFERENCE.search(word):
                if strange:
                    parts.append(code(" ".join(strange)))
                    strange = []
                parts.append(word)
            else:
                strange.append(word)
        if strange:
            parts.append(code(" ".join(strange)))
    return re.sub(r"` ([.,:;])(?= |$)", r"`\1", " ".join(parts))


def block(rows: Iterable[str], language: str = "text") -> str:
    """Return rows of a log between fences that none of them can close."""
    text = "\n".join(harmless(row) for row in rows)
    fence = "`" * _fence_size(text, 3)
    return f"{fence}{language}\n{text}\n{fence}\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: str = "") -> Iterator[str]:
    """Yield a table of cells that are written already; `right` has an r for each number."""
    yield f"| {' | '.join(header)} |\n"
    marks = ("---:" if mark == "r" else "---" for mark in f"{right:<{len(header)}}")
    yield f"|{'|'.join(marks)}|\n"
    yield from (f"| {' | '.join(map(_cell, row))} |\n" for row in rows)
    yield "\n"


def _cell(text: str) -> str:
    """Return a text without a bar that ends its cell, as it does even in code.

    Behind a backslash a bar cannot be escaped in all versions; there it is spelled out.
    """
    return _BAR.sub(lambda match: f"{match[1]}\\x7c" if match[1] else "\\|", text)


def _fence_size(text: str, least: int) -> int:
    return max(least, 1 + max((len(run) for run in _TICKS.findall(text)), default=0))
