"""What the reports of a run ask of results and remarks."""

from __future__ import annotations

from collections.abc import Iterator

from refactor.engine import Changed, Failed, Refused, Remark, Result


def status(result: Result) -> str:
    """Return what became of a file, in a word."""
    if isinstance(result, Changed):
        return "changed"
    if isinstance(result, Refused):
        return "refused"
    return "failed" if isinstance(result, Failed) else "unchanged"


def of(result: Result, kind: str) -> Iterator[Remark]:
    """Yield the remarks of a kind: change, refusal, notice, dropped."""
    return (remark for remark in result.remarks if remark.kind == kind)


def lines(remark: Remark) -> tuple[int, int]:
    """Return the first and the last line of what is said; 0 is the file as a whole."""
    return remark.detail.lines if remark.detail else (remark.line, remark.line)


def sentence(remark: Remark) -> str:
    """Return a remark without its place, on one line unless a repository's text has more."""
    if remark.kind == "dropped":
        return f"dropped, as it does not verify ({remark.reason}); please report it"
    parts = [remark.reason, *(f"assumes: {sentence}" for sentence in remark.assumes)]
    return "; ".join([*parts, f"unlock: {remark.unlock}"] if remark.unlock else parts)
