"""What scanners found, as they write it in JSON. All of it is untrusted text, and bounded."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

MAX_FINDINGS = 20_000
SEVERITIES = ("critical", "high", "medium", "low", "unknown")
_WIDTH = 300
_KINDS = {"Misconfigurations": "misconfiguration", "Secrets": "secret",
          "Vulnerabilities": "vulnerability"}  # fmt: skip


class ScanError(RuntimeError):
    """There is no result that could be relied on; the message says why."""


class Finding(NamedTuple):
    """One finding. `kind` is misconfiguration, secret or vulnerability.

    `target` is the file as reports name it, empty for an image; `package` what is vulnerable.
    `line` counts from 1, 0 if it is of the file as a whole. A secret's value is never kept.
    """

    kind: str
    id: str
    severity: str
    title: str
    target: str = ""
    package: str = ""
    line: int = 0

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two findings the same, wherever it is in the file."""
        return (self.kind, self.id, self.target, self.package)


@dataclass(frozen=True)
class Scan:
    """What differs between before and after.

    `of` is what was scanned: files or images. `problems` are sentences on what was not: where there
    is one, that nothing was found says nothing.
    """

    scanner: str
    of: str
    before: int = 0
    after: int = 0
    gone: tuple[Finding, ...] = ()
    new: tuple[Finding, ...] = ()
    problems: tuple[str, ...] = ()


def compared(
    scanner: str, of: str, before: Sequence[Finding], after: Sequence[Finding],
    problems: Sequence[str] = (),
) -> Scan:  # fmt: skip
    """Return the difference; of equal findings, each counts."""
    return Scan(
        scanner, of, len(before), len(after), tuple(_without(before, after)),
        tuple(_without(after, before)), tuple(problems),
    )  # fmt: skip


def _without(found: Sequence[Finding], other: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are not among others, the worst first."""
    known = Counter(finding.identity for finding in other)
    left = []
    for finding in found:
        if known[finding.identity]:
            known[finding.identity] -= 1
        else:
            left.append(finding)
    return sorted(left, key=lambda f: (SEVERITIES.index(f.severity), f.identity, f.line))


def read(data: bytes) -> Any:
    """Return JSON. Raises ScanError."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ScanError("what it wrote is no JSON") from None


def trivy(report: Any) -> list[Finding]:
    """Return what Trivy found. Raises ScanError for what is no report of it."""
    if not isinstance(report, dict) or "SchemaVersion" not in report:
        raise ScanError("what it wrote is no report of Trivy")
    return _bounded(_of_trivy(report))


def _of_trivy(report: Mapping[str, Any]) -> Iterator[Finding]:
    for result in _maps(report.get("Results")):
        for key, kind in _KINDS.items():
            for found in _maps(result.get(key)):
                if found.get("Status") in ("PASS", "EXCEPTION"):
                    continue
                cause = found.get("CauseMetadata")
                line = found.get("StartLine") or (_map(cause).get("StartLine") if cause else 0)
                package = f"{_text(found, 'PkgName')} {_text(found, 'InstalledVersion')}"
                yield Finding(
                    kind, _text(found, "ID", "RuleID", "VulnerabilityID"),
                    _severity(found.get("Severity")),
                    _text(found, "Title"),  # its `Message` quotes the file, which may hold a secret
                    _text(result, "Target"), package.strip(), line if isinstance(line, int) else 0,
                )  # fmt: skip


def checked_by_trivy(report: Any) -> set[str]:
    """Return the files whose configuration Trivy has checked, whatever it found."""
    results = _maps(report.get("Results"))
    return {_text(result, "Target") for result in results if result.get("MisconfSummary")}


def grype(report: Any) -> list[Finding]:
    """Return what Grype found. Raises ScanError, also where it had no database."""
    if not isinstance(report, dict) or not isinstance(report.get("matches"), list):
        raise ScanError("what it wrote is no report of Grype")
    database = _map(_map(report.get("descriptor")).get("db"))
    database = _map(database.get("status")) or database
    if not database.get("built") or database.get("valid") is False:
        raise ScanError("it names no vulnerability database: that it found nothing says nothing")
    return _bounded(
        Finding(
            "vulnerability", _text(_map(match.get("vulnerability")), "id"),
            _severity(_map(match.get("vulnerability")).get("severity")), "",
            package=f"{_text(artifact, 'name')} {_text(artifact, 'version')}".strip(),
        )
        for match in _maps(report["matches"])
        for artifact in [_map(match.get("artifact"))]
    )  # fmt: skip


def scout(report: Any) -> list[Finding]:
    """Return what Docker Scout found, from its SARIF. Raises ScanError."""
    runs = _maps(report.get("runs")) if isinstance(report, dict) else []
    if not runs:
        raise ScanError("what it wrote is no report of Docker Scout")
    return _bounded(finding for run in runs for finding in _of_scout(run))


def _of_scout(run: Mapping[str, Any]) -> Iterator[Finding]:
    driver = _map(_map(run.get("tool")).get("driver"))
    rules = {_text(rule, "id"): rule for rule in _maps(driver.get("rules"))}
    for result in _maps(run.get("results")):
        properties = _map(rules.get(_text(result, "ruleId"), {}).get("properties"))
        packages = properties.get("purls")
        first = packages[0] if isinstance(packages, list) and packages else ""
        yield Finding(
            "vulnerability", _text(result, "ruleId"), _severity(properties.get("cvssV3_severity")),
            "", package=str(first)[:_WIDTH],
        )  # fmt: skip


def _bounded(found: Iterator[Finding]) -> list[Finding]:
    kept: list[Finding] = []
    for finding in found:
        if len(kept) == MAX_FINDINGS:
            raise ScanError(f"it found more than {MAX_FINDINGS:,} things")
        kept.append(finding)
    return kept


def _maps(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(item: Mapping[str, Any], *keys: str) -> str:
    value = next((item[key] for key in keys if item.get(key)), "")
    return " ".join(value.split())[:_WIDTH] if isinstance(value, str) else ""


def _severity(value: Any) -> str:
    word = value.lower() if isinstance(value, str) else ""
    return {"negligible": "low"}.get(word, word if word in SEVERITIES else "unknown")
