"""Findings -> what a reader who points at them is told, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from refactor.docs import page
from refactor.engine import Remark
from refactor.registry import select
from refactor.report.markdown import code, prose

_MOST = 5
_ROWS = 20


def hover(remarks: Sequence[Remark]) -> str:
    """Return the pages of what is said of a place: each transform's once."""
    groups: dict[str, list[Remark]] = {}
    for remark in remarks:
        groups.setdefault(remark.transform, []).append(remark)
    shown = [_page(id, found) for id, found in list(groups.items())[:_MOST]]
    if len(groups) > _MOST:
        shown.append(f"{len(groups) - _MOST} more are not shown.\n")
    return "\n---\n\n".join(shown)


def _page(id: str, remarks: Iterable[Remark]) -> str:
    heading, _, rest = page(select((id,), ())[0].transform).partition("\n")
    parts = [f"##{heading}\n"]
    for remark in remarks:
        parts += _said(remark)
    return "\n".join((*parts, rest.lstrip()))


def _said(remark: Remark) -> Iterator[str]:
    kind = remark.level or f"{remark.kind} {remark.code}"
    yield f"**{kind}**: {prose(remark.reason)}\n"
    evidence = remark.detail.evidence if remark.detail else ()
    rows = [f"- assumes: {prose(sentence)}" for sentence in remark.assumes]
    rows += [f"- evidence: {code(found)}" for found in evidence]
    if remark.unlock:
        rows.append(f"- unlock: {prose(remark.unlock)}")
    if rows:
        yield "\n".join(rows[:_ROWS]) + "\n"
