"""How many findings of hadolint and of BuildKit's checks are gone after `dfr fix`.

    python -m bench.findings CORPUS [--files N] [--check] [--list RULE]

CORPUS holds `dev/manifest.tsv`. Its Dockerfiles that BuildKit reads are linted, rewritten by
`dfr fix --select all --level risky`, and linted again. For each finding of a rule that can be
mended mechanically, `bench.preconditions` decides by a reading of its own whether it can be
here; the share of those that are gone is the figure. Findings of the same rule are counted a
file, as lines move and joined RUN lines make one finding of several (so each that remains
counts as often as it names commands). With `--check`, the exit code is 1 if less than 95 % are
gone, or if a rule has more findings than before.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.compare import corpus_files, names, tool
from bench.preconditions import PRECONDITIONS, Dockerfile, verdict, weight
from refactor.model import Safety
from refactor.registry import entries

MIN_SHARE = 0.95
PROCESSES, BATCH = 2, 60
PINS = "DL3008 DL3013 DL3016 DL3018 DL3028 DL3033 DL3037 DL3041 DL3062".split()
DISPUTED = "DL3015 DL3059".split()
LATER = "DL3002 DL3064 SecretsUsedInArgOrEnv".split()
UNREADABLE = "DL1000"
_STOP = re.compile(r"(?m)(?:failed to lint |^Error: )(\d+\.Dockerfile)\b")
_REFUSAL = re.compile(r"(\d+\.Dockerfile)(?::\d+)?: (?:([\w-]+): refusal (\w+)|(refused|error)): ?")


@dataclass(frozen=True)
class Finding:
    """What a linter says of a line."""

    file: str
    line: int
    rule: str


@dataclass(frozen=True)
class Judged:
    """A finding with the verdict on it ("" if it can be mended) and its number of commands."""

    finding: Finding
    reason: str
    weight: int


def _batches(files: Sequence[str]) -> list[Sequence[str]]:
    return [files[at : at + BATCH] for at in range(0, len(files), BATCH)]


def _run(folder: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8", errors="replace"
    )


def hadolint(folder: Path) -> list[Finding]:
    """Return hadolint's findings with its defaults."""

    def lint(batch: Sequence[str]) -> list[Finding]:
        result = _run(folder, [tool("hadolint"), "-f", "json", "--no-fail", *batch])
        if result.returncode:
            sys.exit(f"bench: hadolint: {result.stderr[-300:]}")
        found: list[dict[str, Any]] = json.loads(result.stdout)
        return [Finding(one["file"], one["line"], one["code"]) for one in found]

    with ThreadPoolExecutor(PROCESSES) as pool:
        return [one for part in pool.map(lint, _batches(names(folder))) for one in part]


def buildkit(folder: Path) -> tuple[list[Finding], list[str]]:
    """Return the findings of BuildKit's checks as tally makes them, and what it cannot read."""

    def lint(batch: Sequence[str]) -> tuple[list[Finding], list[str]]:
        options = ["--no-config", "--slow-checks", "off", "--hide-source", "--format", "json"]
        command = [tool("tally"), "lint", "--ignore", "*", "--select", "buildkit/*", *options]
        bad: list[str] = []
        while batch:
            result = _run(folder, [*command, *batch])
            stop = _STOP.search(result.stderr)
            if stop is None:
                return list(_violations(result)), bad
            bad.append(stop[1])  # it stops at the first file that it cannot read
            batch = [name for name in batch if name != stop[1]]
        return [], bad

    with ThreadPoolExecutor(PROCESSES) as pool:
        parts = list(pool.map(lint, _batches(names(folder))))
    return [one for found, _ in parts for one in found], [one for _, bad in parts for one in bad]


def _violations(result: subprocess.CompletedProcess[str]) -> Iterator[Finding]:
    try:
        found: dict[str, Any] = json.loads(result.stdout)
    except ValueError:
        sys.exit(f"bench: tally: {result.stderr[-300:]}")
    for file in found["files"]:
        for one in file["violations"]:
            yield Finding(
                file["file"], one["location"]["start"]["line"], one["rule"].split("/")[-1]
            )


def prepare(corpus: Path, folder: Path, limit: int | None) -> dict[str, Path]:
    """Copy the corpus's Dockerfiles as N.Dockerfile, and return where each comes from."""
    files = corpus_files(corpus)
    random.Random(1).shuffle(files)
    origins: dict[str, Path] = {}
    for number, path in enumerate(files[:limit]):
        name = f"{number}.Dockerfile"
        shutil.copyfile(path, folder / name)
        (folder / name).chmod(0o644)
        origins[name] = path
    return origins


def read(folder: Path) -> dict[str, Dockerfile]:
    """Return the files of a folder by name, as the preconditions read them."""
    return {
        name: Dockerfile((folder / name).read_bytes().decode("utf-8", "replace"))
        for name in names(folder)
    }


def judge(findings: Iterable[Finding], files: dict[str, Dockerfile]) -> list[Judged]:
    """Return the findings that can be mended in principle, each with its verdict."""
    return [
        Judged(one, verdict(files[one.file], one.rule, one.line),
               weight(files[one.file], one.rule, one.line))
        for one in findings
        if one.rule in PRECONDITIONS
    ]  # fmt: skip


def answers() -> dict[str, set[str]]:
    """Return the rules that each transform answers."""
    listed = _run(Path.cwd(), [tool("dfr"), "list"]).stdout
    found: dict[str, set[str]] = {}
    for line in listed.splitlines():
        name = line.split()[0]
        text = _run(Path.cwd(), [tool("dfr"), "explain", name]).stdout
        answered = re.search(r"(?m)^Answers: (.*)$", text)
        found[name] = set(re.findall(r"\w+", answered[1])) if answered else set()
    return found


def everything() -> list[str]:
    """Return the options for all transforms but those that read the build context.

    The files stand here without theirs, and beside files that are not: what they copy is not known.
    """
    outside = [entry.id for entry in entries() if entry.highest is not Safety.SAFE]
    return ["--select", "all", "--ignore", ",".join(outside), "--level", "risky"]


def refusals(folder: Path) -> dict[str, set[str]]:
    """Return the rules of which `dfr` says why it left them alone, by file."""
    command = [tool("dfr"), "fix", "--check", "--verbose", *everything()]
    output = _run(folder, [*command, *names(folder)]).stderr
    rules = answers()
    found: dict[str, set[str]] = defaultdict(set)
    for line in output.splitlines():
        if match := _REFUSAL.match(line):
            found[match[1]] |= rules.get(match[2], set()) if match[2] else {"all"}
    return found


@dataclass
class Measured:
    """Findings before and after, judged; what remains is explained by a refusal or is not."""

    before: list[Finding]
    after: list[Finding]
    judged_before: list[Judged]
    judged_after: list[Judged]
    refused: dict[str, set[str]]

    def counts(self, rule: str) -> tuple[int, int]:
        """Return the numbers of findings of a rule before and after."""
        return sum(f.rule == rule for f in self.before), sum(f.rule == rule for f in self.after)

    def more(self, rule: str) -> int:
        """Return how many findings of a rule are new, file by file."""
        before = Counter(f.file for f in self.before if f.rule == rule)
        after = Counter(f.file for f in self.after if f.rule == rule)
        return (after - before).total()

    def share(self, rule: str) -> tuple[int, int]:
        """Return how many findings of a rule can be mended, and how many of them are gone."""
        holding = Counter(
            j.finding.file for j in self.judged_before if j.finding.rule == rule and not j.reason
        )
        remaining: Counter[str] = Counter()
        for one in self.judged_after:
            if one.finding.rule == rule and not one.reason:
                remaining[one.finding.file] += one.weight
        return holding.total(), (holding - remaining).total()

    def odd(self, rule: str) -> Counter[str]:
        """Return, by file, how many findings are gone of which the verdict was that they cannot."""
        unfit = Counter(
            j.finding.file for j in self.judged_before if j.finding.rule == rule and j.reason
        )
        return unfit - Counter(f.file for f in self.after if f.rule == rule)

    def unexplained(self, rule: str) -> int:
        """Return how many findings remain in files where no refusal answers the rule."""
        return sum(
            f.rule == rule and not self.refused.get(f.file, set()) & {rule, "all"}
            for f in self.after
        )


def measure(corpus: Path, scratch: Path, limit: int | None) -> tuple[Measured, dict[str, Path]]:
    """Lint, rewrite and lint again."""
    old, new = scratch / "before", scratch / "after"
    old.mkdir()
    origins = prepare(corpus, old, limit)
    checks, bad = buildkit(old)
    for name in bad:
        (old / name).unlink()
    shutil.copytree(old, new)
    fixed = _run(new, [tool("dfr"), "fix", "--quiet", *everything(),
                       *names(new)])  # fmt: skip
    sys.stderr.write(fixed.stderr)
    checks_after, broken = buildkit(new)
    before, after = hadolint(old) + checks, hadolint(new) + checks_after
    after += [Finding(name, 0, UNREADABLE) for name in broken]
    silent = {f.file for f in before + after if f.rule == UNREADABLE}  # hadolint says nothing else
    print(
        f"{len(names(old))} files; {len(bad)} that BuildKit does not read are left out, "
        f"{len(silent)} that hadolint does not read have findings of BuildKit's checks only"
    )
    files, files_after = read(old), read(new)
    before = [f for f in before if _counts(f, silent, files)]
    after = [f for f in after if _counts(f, silent, files_after)]
    judged = judge(before, files), judge(after, files_after)
    return Measured(before, after, *judged, refusals(new)), origins


def _counts(finding: Finding, silent: set[str], files: dict[str, Dockerfile]) -> bool:
    """Return whether a finding is comparable, and not one that tally alone would make.

    BuildKit's InvalidDefinitionDescription is about a comment directly above; tally looks
    further up.
    """
    if finding.rule == "InvalidDefinitionDescription":
        above = files[finding.file].lines[finding.line - 2] if finding.line > 1 else ""
        return above.lstrip().startswith("#")
    comparable = finding.rule == UNREADABLE or not re.match(r"DL|SC", finding.rule)
    return comparable or finding.file not in silent


def report(measured: Measured) -> list[str]:
    """Print the tables, and return what misses its bound."""
    missed: list[str] = []
    total = Counter[str]()
    print(
        f"\n{'rule':<31}{'before':>7}{'holds':>7}{'gone':>7}{'share':>8}{'after':>7}{'more':>6}"
        f"{'no code':>9}{'odd':>5}"
    )
    for rule in PRECONDITIONS:
        (before, after), (holds, gone) = measured.counts(rule), measured.share(rule)
        row = {"before": before, "holds": holds, "gone": gone, "after": after}
        row |= {"more": measured.more(rule), "no code": measured.unexplained(rule)}
        row["odd"] = measured.odd(rule).total()
        total.update(row)
        print(_row(rule, row))
    print(_row("all", total))
    share = total["gone"] / total["holds"] if total["holds"] else 1.0
    if share < MIN_SHARE:
        missed.append(f"{share:.1%} of the findings that can be mended are gone")
    rules = {f.rule for f in measured.before + measured.after}
    groups = {"disputed": DISPUTED, "later": LATER, "version pins": PINS}
    groups["others"] = sorted(rules - {*DISPUTED, *LATER, *PINS, *PRECONDITIONS})
    for title, group in groups.items():
        print(f"\n{title + ' (not scored)':<38}{'before':>7}{'after':>7}{'more':>6}")
        for rule in group:
            before, after = measured.counts(rule)
            print(f"  {rule:<36}{before:>7}{after:>7}{measured.more(rule):>6}")
    for rule in sorted(rules - {*PINS}):
        before, after = measured.counts(rule)
        if after > before:
            missed.append(f"{rule} has {after} findings, before {before}")
    return missed


def _row(rule: str, row: dict[str, int] | Counter[str]) -> str:
    share = f"{row['gone'] / row['holds']:.1%}" if row["holds"] else "-"
    return (
        f"{rule:<31}{row['before']:>7}{row['holds']:>7}{row['gone']:>7}{share:>8}"
        f"{row['after']:>7}{row['more']:>6}{row['no code']:>9}{row['odd']:>5}"
    )


def show(measured: Measured, rule: str, origins: dict[str, Path], scratch: Path) -> None:
    """Print the findings of a rule that could have been mended, are new, or cannot be mended."""
    old, new = scratch / "before", scratch / "after"
    print(f"\n{rule}: can be mended, and is still there (lines of the file as rewritten)")
    for one in measured.judged_after:
        if one.finding.rule == rule and not one.reason:
            _show(one.finding, new, origins, "holds")
    gone = measured.odd(rule)
    print(f"\n{rule}: cannot be mended (lines of the original)")
    for one in measured.judged_before:
        if one.finding.rule == rule and one.reason:
            odd = ", yet gone (or another one of the file is)" if one.finding.file in gone else ""
            _show(one.finding, old, origins, one.reason + odd)
    print(f"\n{rule}: files with more findings than before (lines of the file as rewritten)")
    before = Counter(f.file for f in measured.before if f.rule == rule)
    after = Counter(f.file for f in measured.after if f.rule == rule)
    for finding in measured.after:
        if finding.rule == rule and after[finding.file] > before[finding.file]:
            _show(finding, new, origins, "more")


def _show(finding: Finding, folder: Path, origins: dict[str, Path], why: str) -> None:
    lines = (folder / finding.file).read_text(encoding="utf-8", errors="replace").split("\n")
    source = lines[finding.line - 1].strip()[:100] if 0 < finding.line <= len(lines) else ""
    print(f"{origins[finding.file]}:{finding.line} [{finding.file}] {why}: {source}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Count the linters' findings before and after.")
    parser.add_argument("corpus", type=Path, help="a folder that holds dev/manifest.tsv")
    parser.add_argument("--files", type=int, help="take this many files only")
    parser.add_argument("--check", action="store_true", help="fail if a bound is missed")
    parser.add_argument("--list", action="append", default=[], metavar="RULE", dest="rules")
    parser.add_argument("--keep", type=Path, help="leave the files before and after in this folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch: Path = arguments.keep or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        measured, origins = measure(arguments.corpus.resolve(), scratch, arguments.files)
        missed = report(measured)
        for rule in arguments.rules:
            show(measured, rule, origins, scratch)
    if missed:
        print("\nbench: " + "\nbench: ".join(missed))
    if arguments.check and missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
