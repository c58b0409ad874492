"""A run as workflow commands of GitHub Actions, which become annotations of a change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from refactor.engine import WARNING, Failed, Refused, Remark, Result
from refactor.report import remarks
from refactor.report.about import About
from refactor.report.proof_words import cut
from refactor.report.text import harmless

# The runner cuts a message of more than 4,096, and a check takes no title of more than 255.
_MESSAGE, _TITLE = 4000, 250
_LEVELS = {"change": "warning", "notice": "notice", "dropped": "warning", WARNING: "warning"}
_MARK = re.compile(r"#(?=#\[)")


def document(results: Sequence[Result], about: About) -> str:
    """Return one command on each line, and nothing else."""
    return "".join(line for result in results for line in _lines(result, about.strict))


def _lines(result: Result, strict: bool) -> Iterator[str]:
    for remark in result.remarks:
        if remark.kind in _LEVELS:
            yield _remark(result.path, remark)
    if isinstance(result, Refused):
        level = "error" if strict else "warning"
        yield _command(level, result.path, (result.line, result.line), "refused", result.reason)
    if isinstance(result, Failed):
        yield _command("error", result.path, (0, 0), "failed", result.reason)


def _remark(path: str, remark: Remark) -> str:
    about = remark.level or remark.code
    title = f"{remark.transform} ({about})" if about else remark.transform
    message = remarks.sentence(remark)
    if remark.detail:
        message = f"{message}\n\n{remark.detail.diff}"
    level = _LEVELS[WARNING if remark.level == WARNING else remark.kind]
    return _command(level, path, remarks.lines(remark), title, message)


def _command(level: str, path: str, lines: tuple[int, int], title: str, message: str) -> str:
    first, last = lines
    place = f",line={first},endLine={max(first, last)}" if first else ""
    properties = f"file={_property(_shown(path))}{place},title={_property(cut(title, _TITLE))}"
    shown = _shown(message)
    if len(shown) > _MESSAGE:
        shown = shown[: _MESSAGE - 3].rstrip() + "..."
    return f"::{level} {properties}::{_data(shown)}\n"


def _shown(text: str) -> str:
    """Return a text without control characters, but for those that can be written."""
    return "\r".join(map(harmless, text.split("\r")))


def _data(text: str) -> str:
    """Return a text as the runner reads it back, on one line whatever is in it.

    A runner that does not know a command looks for `##[`, an older form of one, in all of the line.
    """
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return _MARK.sub("# ", text)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
