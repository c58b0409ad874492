"""Runs a scanner that is installed, on files or on a saved image, for as long as it may take.

Only where a user asks for it. Files are scanned as copies in a folder of their own, so that a
repository's settings cannot tell the scanner what to do; its list of what is accepted, as
`.trivyignore` is one, holds where the scanner reads it from the current folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from refactor.engine import Changed, Result
from refactor.proof import processes
from refactor.scan import findings
from refactor.scan.findings import Finding, Scan, ScanError, compared

FILE_SECONDS, IMAGE_SECONDS = 300.0, 900.0
MAX_REPORT = 64 * 1024 * 1024  # bytes
_QUIET = {"TRIVY_DISABLE_TELEMETRY": "true", "TRIVY_SKIP_VERSION_CHECK": "true",
          "GRYPE_CHECK_FOR_APP_UPDATE": "false"}  # fmt: skip
_FILES = (
    "trivy", "fs", "--scanners", "misconfig,secret", "--misconfig-scanners",
    "dockerfile,kubernetes", "--skip-check-update", "--offline-scan",
)  # fmt: skip
_IMAGES: Mapping[str, tuple[str, ...]] = {
    "trivy": ("trivy", "image", "--scanners", "vuln,secret", "--quiet", "--format", "json",
              "--output", "@OUT@", "--input", "@TAR@"),
    "grype": ("grype", "--quiet", "--output", "json", "--file", "@OUT@", "docker-archive:@TAR@"),
    "scout": ("docker", "scout", "cves", "--format", "sarif", "--output", "@OUT@",
              "archive://@TAR@"),
}  # fmt: skip
_READERS: Mapping[str, Callable[[Any], list[Finding]]] = {
    "trivy": findings.trivy, "grype": findings.grype, "scout": findings.scout,
}  # fmt: skip
SCANNERS = tuple(_READERS)


def absent(scanner: str) -> str:
    """Return why a scanner cannot be run, empty if it can."""
    program = _IMAGES[scanner][0]
    return "" if shutil.which(program) else f"{program} is not installed"


def of_files(scanner: str, results: Sequence[Result]) -> Scan:
    """Scan what changes of the files of a run, as it was and as it is."""
    changed = [result for result in results if isinstance(result, Changed)]
    if not changed:
        return Scan(scanner, "files")
    sides: list[list[Finding]] = []
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="dfr-scan-") as folder:
        for name in ("before", "after"):
            laid = _lay(Path(folder, name), changed, name == "after")
            try:
                sides.append(_scanned(Path(folder), name, laid))
            except ScanError as error:
                problems.append(f"the files {name}: {error}")
    if problems:
        return Scan(scanner, "files", problems=tuple(problems))
    return compared(scanner, "files", sides[0], sides[1])


def _lay(folder: Path, changed: Sequence[Changed], after: bool) -> dict[str, str]:
    """Copy files into a folder, each under a name that a scanner knows; return what they are.

    Their folders are counted: a scanner passes over some by their names, as it does `test`.
    """
    names = {}
    for number, result in enumerate(changed):
        files = {"Dockerfile": (result.path, result.after if after else result.before)}
        for other in result.others:
            content = other.after if after else other.before
            if content is not None:
                files[PurePosixPath(other.path).name] = (other.name or other.path, content)
        for at, (name, (shown, content)) in enumerate(files.items()):
            place = f"{number}/{at}/{name}"
            (folder / place).parent.mkdir(parents=True)
            (folder / place).write_bytes(content)
            names[place] = shown
    return names


def _scanned(folder: Path, name: str, laid: Mapping[str, str]) -> list[Finding]:
    out = folder / f"{name}.json"
    options = ("--quiet", "--format", "json", "--output", str(out), "--config", os.devnull,
               "--secret-config", str(folder / "none"), str(folder / name))  # fmt: skip
    report = _run((*_FILES, *options), FILE_SECONDS, out)
    found = findings.trivy(report)
    checked = findings.checked_by_trivy(report)
    if missed := [laid[p] for p in laid if p.endswith("/0/Dockerfile") and p not in checked]:
        raise ScanError(f"{missed[0]} was not checked")
    return [finding._replace(target=laid.get(finding.target, "")) for finding in found]


def _run(command: Sequence[str], seconds: float, out: Path) -> Any:
    """Run a scanner and return its report. Raises ScanError."""
    try:
        ended = processes.run(command, seconds, {**os.environ, **_QUIET})
    except processes.Absent as error:
        raise ScanError(str(error)) from None
    if ended.code is None:
        raise ScanError(f"{command[0]} was not done after {seconds:.0f} s")
    if ended.code:
        said = next((row for row in reversed(ended.text.splitlines()) if row.strip()), "")
        raise ScanError(f"{command[0]} ended with {ended.code}: {' '.join(said.split())[:300]}")
    try:
        with out.open("rb") as stream:
            data = stream.read(MAX_REPORT + 1)
    except OSError:
        raise ScanError(f"{command[0]} wrote no report") from None
    if len(data) > MAX_REPORT:
        raise ScanError(f"the report is larger than {MAX_REPORT // 1024**2} MB")
    return findings.read(data)


@dataclass
class Images:
    """Scans the images of a proof, before and after; a later build of one counts."""

    scanner: str
    found: dict[tuple[str, str], list[Finding]] = field(default_factory=dict)
    problems: dict[tuple[str, str], str] = field(default_factory=dict)

    def look(self, path: str, when: str, archive: Path) -> None:
        """Scan the saved image of a Dockerfile; `when` is before or after."""
        out = archive.with_suffix(".json")
        words = [w.replace("@OUT@", str(out)).replace("@TAR@", str(archive))
                 for w in _IMAGES[self.scanner]]  # fmt: skip
        self.found.pop((path, when), None)
        self.problems.pop((path, when), None)
        try:
            found = _READERS[self.scanner](_run(words, IMAGE_SECONDS, out))
            if self.scanner == "trivy":
                _sure_of_database()
            # A target in an image may hold the name that the image has for the time of a proof.
            self.found[path, when] = [f._replace(target=path) for f in found]
        except ScanError as error:
            self.problems[path, when] = f"{path}, the image {when}: {error}"
        finally:
            out.unlink(missing_ok=True)

    def scan(self) -> Scan:
        """Return what differs, over the images that could be scanned both before and after."""
        paths = sorted({path for path, _ in (*self.found, *self.problems)})
        sides: tuple[list[Finding], list[Finding]] = ([], [])
        problems = list(self.problems.values())
        for path in paths:
            both = [self.found.get((path, when)) for when in ("before", "after")]
            for side, found in zip(sides, both, strict=True):
                side += found if found is not None and None not in both else []
            if None in both and not any(key[0] == path for key in self.problems):
                problems.append(f"{path}: there is no image after: it does not build")
        return compared(self.scanner, "images", *sides, problems)


def _sure_of_database() -> None:
    """Raise ScanError where Trivy has no database: then it finds nothing, and says so nowhere."""
    ended = processes.run(("trivy", "version", "--format", "json"), 60, {**os.environ, **_QUIET})
    if ended.code or not isinstance(found := findings.read(ended.text.encode()), dict):
        raise ScanError("trivy does not say which database it has")
    if not found.get("VulnerabilityDB"):
        raise ScanError("trivy has no vulnerability database: that it found nothing says nothing")
