"""A run as GitLab's Code Quality report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256

from refactor.engine import WARNING, Failed, Refused, Remark, Result
from refactor.report import remarks
from refactor.report.about import NAME, About
from refactor.report.json_text import written
from refactor.report.proof_words import cut

_DESCRIPTION = 1000
# What may be done at once weighs more than what somebody has to think about.
_SEVERITIES = {"safe": "minor", WARNING: "minor"}


def document(results: Sequence[Result], about: About) -> str:
    """Return one finding for each change and notice, and for each file that was not taken."""
    seen: Counter[str] = Counter()
    return written([_unique(found, seen) for result in results for found in _findings(result)])


def _findings(result: Result) -> Iterator[dict[str, object]]:
    for remark in result.remarks:
        if remark.kind in ("change", "notice", "dropped"):
            yield _finding(
                result.path, remark.transform, _SEVERITIES.get(remark.level, "info"),
                remarks.sentence(remark), remarks.lines(remark), _identity(remark),
            )  # fmt: skip
    if isinstance(result, Refused):
        lines = (result.line, result.line)
        yield _finding(result.path, f"{NAME}-refused", "minor", result.reason, lines)
    if isinstance(result, Failed):
        yield _finding(result.path, f"{NAME}-failed", "major", result.reason, (0, 0))


def _identity(remark: Remark) -> str:
    """Return what a finding is known by; not its line, which other changes move."""
    return remark.detail.site if remark.detail else f"{remark.code} {remark.reason}"


def _finding(
    path: str, name: str, severity: str, text: str, lines: tuple[int, int], identity: str = ""
) -> dict[str, object]:
    first = max(1, lines[0])  # GitLab knows no finding on a whole file
    return {
        "check_name": name,
        "description": cut(text, _DESCRIPTION),
        "fingerprint": "\0".join((path, name, identity)),
        "severity": severity,
        "location": {"path": path, "lines": {"begin": first, "end": max(first, lines[1])}},
    }


def _unique(finding: dict[str, object], seen: Counter[str]) -> dict[str, object]:
    """Return a finding with its fingerprint; findings that say the same are numbered."""
    known = str(finding["fingerprint"])
    seen[known] += 1
    data = f"{known}\0{seen[known]}".encode("utf-8", "surrogatepass")
    return {**finding, "fingerprint": sha256(data).hexdigest()}
