"""Results -> diagnostics.

A safe change is a warning: nothing speaks against it, and `dfr fix --check` fails for it. What
rests on an assumption or is risky is information, as it is the reader's to weigh; so is a text that
no engine would build, as most are while one types. Notices and refusals are hints: they ask for
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lsprotocol.types import Diagnostic, DiagnosticSeverity

from refactor.engine import WARNING, Failed, Refused, Remark, Result
from refactor.report.text import flat
from refactor.server.texts import Text

SOURCE = "dfr"
_MOST = 500
_LONGEST = 2000
_SEVERITIES = {"safe": DiagnosticSeverity.Warning, WARNING: DiagnosticSeverity.Warning}


class Finding(NamedTuple):
    """What is shown at a place; `remark` is None where the document as a whole is no use."""

    diagnostic: Diagnostic
    remark: Remark | None = None


def findings(result: Result, text: Text, refusals: bool) -> list[Finding]:
    """Return what is to be shown of a result."""
    if isinstance(result, Refused | Failed):
        return [*_whole(result, text)]
    kinds = ("change", "notice", "refusal") if refusals else ("change", "notice")
    shown = [remark for remark in result.remarks if remark.kind in kinds]
    return [Finding(_diagnostic(remark, text), remark) for remark in shown[:_MOST]]


def _whole(result: Refused | Failed, text: Text) -> Iterator[Finding]:
    if not text.text.strip():
        return
    refused = isinstance(result, Refused)
    line = result.line if isinstance(result, Refused) else 0
    yield Finding(
        Diagnostic(
            text.rows(line, line), cut(flat(result.reason)), code="refused" if refused else "error",
            severity=DiagnosticSeverity.Information if refused else DiagnosticSeverity.Error,
            source=SOURCE,
        )
    )  # fmt: skip


def _diagnostic(remark: Remark, text: Text) -> Diagnostic:
    lines = remark.detail.lines if remark.detail else (remark.line, remark.line)
    severity = DiagnosticSeverity.Hint
    if remark.kind == "change" or remark.level == WARNING:
        severity = _SEVERITIES.get(remark.level, DiagnosticSeverity.Information)
    return Diagnostic(
        text.rows(*lines), cut("\n".join(map(flat, _message(remark)))), severity=severity,
        code=remark.transform, source=SOURCE,
    )  # fmt: skip


def _message(remark: Remark) -> Iterator[str]:
    if remark.kind == "change":
        yield remark.reason if remark.level == "safe" else f"{remark.reason} ({remark.level})"
    else:
        yield f"{remark.reason} ({remark.code})" if remark.code else remark.reason
    yield from (f"assumes: {sentence}" for sentence in remark.assumes)
    if remark.unlock:
        yield f"unlock: {remark.unlock}"


def cut(text: str) -> str:
    """Return a text as long as a client can show."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
