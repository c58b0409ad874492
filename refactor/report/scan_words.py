"""What reports say of a scan before and after."""

from __future__ import annotations

from collections.abc import Iterator

from refactor.report.proof_words import counted
from refactor.report.text import line
from refactor.scan.findings import Finding, Scan

ROWS = 50
SIDES = ("gone", "new")


def title(scan: Scan) -> str:
    """Return a scan in a sentence."""
    if not (scan.before or scan.after or scan.problems):
        return f"{scan.scanner} found nothing in the {scan.of}, neither before nor after"
    if scan.problems and not (scan.before or scan.after):
        return f"{scan.scanner} has no result for the {scan.of}"
    return (
        f"{scan.scanner} found {counted(scan.before, 'thing')} in the {scan.of} before, "
        f"{scan.after:,} after: {len(scan.gone):,} gone, {len(scan.new):,} new"
    )


def told(finding: Finding) -> tuple[str, str, str, str]:
    """Return a finding's severity, its name, where it is and what it is about."""
    place = f"{finding.target}:{finding.line}" if finding.line else finding.target
    what = ": ".join(filter(None, (finding.package, finding.title)))
    return finding.severity, finding.id, place, what or finding.kind


def lines(scan: Scan) -> Iterator[str]:
    """Yield a scan as lines of text."""
    yield line(f"{title(scan)}")
    for side in SIDES:
        found: tuple[Finding, ...] = getattr(scan, side)
        for finding in found[:ROWS]:
            severity, name, place, what = told(finding)
            yield line(f"    {side}: {severity} {name}, {place}: {what}")
        if len(found) > ROWS:
            yield line(f"    {side}: and {len(found) - ROWS:,} more")
    for problem in scan.problems:
        yield line(f"    not scanned: {problem}")
