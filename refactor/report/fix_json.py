"""A run as JSON, with all that was found; docs/report.schema.json describes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from refactor.details import Replacement
from refactor.engine import Changed, Failed, Refused, Remark, Result, Unchanged
from refactor.report import remarks
from refactor.report.about import NAME, About
from refactor.report.json_text import is_plain, written
from refactor.scan.findings import Scan

VERSION = 1


def document(results: Sequence[Result], about: About) -> str:
    """Return a run as a JSON document, the files in the order of the run."""
    return written({
        "version": VERSION,
        "tool": {"name": NAME, "version": about.version},
        "level": about.level or None,
        "written": about.written,
        "files": [_file(result) for result in results],
        "scans": [_scan(scan) for scan in about.scans],
        "summary": _summary(results),
    })  # fmt: skip


def _scan(scan: Scan) -> dict[str, object]:
    return {
        **vars(scan),
        "gone": [finding._asdict() for finding in scan.gone],
        "new": [finding._asdict() for finding in scan.new],
    }


def _file(result: Result) -> dict[str, object]:
    return {
        "path": result.path,
        "status": remarks.status(result),
        "reason": result.reason if isinstance(result, Refused | Failed) else "",
        "line": result.line if isinstance(result, Refused) else 0,
        "changes": [_change(remark) for remark in remarks.of(result, "change")],
        "dropped": [_dropped(remark) for remark in remarks.of(result, "dropped")],
        "refusals": [_refusal(remark) for remark in remarks.of(result, "refusal")],
        "notices": [_notice(remark) for remark in remarks.of(result, "notice")],
        "pending": dict(_pending(result)),
        "patch": result.patch if isinstance(result, Changed) else "",
        "others": [other.path for other in result.others] if isinstance(result, Changed) else [],
    }


def _change(remark: Remark) -> dict[str, object]:
    detail = remark.detail
    return {
        "transform": remark.transform,
        "level": remark.level,
        "lines": remarks.lines(remark),
        "reason": remark.reason,
        "assumes": remark.assumes,
        "claims": detail.claims if detail else (),
        "evidence": detail.evidence if detail else (),
        "site": detail.site if detail else "",
        "key": detail.key if detail else "",
        "diff": detail.diff if detail else "",
        "fixes": _fixes(detail.fix) if detail else [],
    }


def _fixes(fix: Sequence[Replacement]) -> list[dict[str, object]]:
    """Return replacements, all or none: what is spelled out cannot be put into a file."""
    if not all(is_plain(replacement.text) for replacement in fix):
        return []
    return [replacement._asdict() for replacement in fix]


def _dropped(remark: Remark) -> dict[str, object]:
    return {"transform": remark.transform, "reason": remark.reason}


def _refusal(remark: Remark) -> dict[str, object]:
    return {**_notice(remark), "unlock": remark.unlock}


def _notice(remark: Remark) -> dict[str, object]:
    return {
        "transform": remark.transform,
        "code": remark.code,
        "line": remark.line,
        "reason": remark.reason,
    }


def _pending(result: Result) -> Mapping[str, int]:
    return result.pending if isinstance(result, Changed | Unchanged) else {}


def _summary(results: Sequence[Result]) -> dict[str, object]:
    files = Counter(remarks.status(result) for result in results)
    kinds = Counter(remark.kind for result in results for remark in result.remarks)
    levels = Counter(r.level for result in results for r in remarks.of(result, "change"))
    transforms = Counter(r.transform for result in results for r in remarks.of(result, "change"))
    pending: Counter[str] = Counter()
    for result in results:
        pending.update(_pending(result))
    return {
        "files": {word: files[word] for word in ("changed", "unchanged", "refused", "failed")},
        "changes": kinds["change"],
        "levels": levels,
        "transforms": transforms,
        "dropped": kinds["dropped"],
        "refusals": kinds["refusal"],
        "notices": kinds["notice"],
        "pending": pending,
    }
