"""`dfr fix`: many files refactored; reported, written, or both."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from refactor.batch import Wishes, many, others
from refactor.commands import fix_options as given
from refactor.commands import options
from refactor.commands.options import DONE, ERROR, PENDING, REFUSED, fail
from refactor.config import ConfigError
from refactor.discover import Found, discover
from refactor.engine import WARNING, Changed, Failed, Result
from refactor.registry import Unusable
from refactor.report import text
from refactor.source import encode
from refactor.write import Unwritable, write

if TYPE_CHECKING:
    from refactor.scan.findings import Scan
    from refactor.scan.scanners import Images

app = typer.Typer(rich_markup_mode=None, add_completion=False)

FIX_HELP = """Refactor Dockerfiles in place, and print the difference.

PATHS are files, folders (searched for Dockerfiles), or - for standard input.

Exit code: 0 nothing left to do, 1 changes pending (--check), 2 an error of the tool or its use,
3 input that is refused (only with --strict).

\b
  dfr fix                      the current folder, safe changes only
  dfr fix --check .            write nothing; exit with 1 if anything would change
  dfr fix --diff . | git apply the same changes as a patch
  dfr fix --level suggested .  also what rests on an assumption, which is named
  dfr fix -i .                 ask for each change
  dfr fix --check --format sarif -o dfr.sarif .
  dfr fix --check --scan trivy .   what a scanner finds before and after
"""


@dataclass(frozen=True)
class Mode:
    """What is to be done with the results; without any of it, files are written."""

    check: bool = False
    diff: bool = False
    patch: Path | None = None
    series: Path | None = None
    interactive: bool = False
    update: bool = False
    format: str = "text"
    output: Path | None = None
    prove: bool = False
    quiet: bool = False
    verbose: bool = False
    strict: bool = False
    baseline: Path | None = None
    answers: Path | None = None
    scan: str = ""

    @property
    def writes(self) -> bool:
        """Whether Dockerfiles are written."""
        return not (self.check or self.diff or self.patch or self.series or self.update)

    @property
    def shows(self) -> bool:
        """Whether differences are printed, for people to read."""
        silent = self.diff or self.patch or self.update or self.quiet or self.interactive
        return self.format == "text" and not silent

    @property
    def piped(self) -> Mode:
        """What of it can be had for standard input."""
        return Mode(
            self.check, self.diff, quiet=self.quiet, verbose=self.verbose, strict=self.strict
        )

    def contradiction(self) -> str:
        """Return what cannot be had together, empty if all can."""
        if self.format != "text":
            from refactor.report.formats import FORMATS

            if self.format not in FORMATS:
                return f"--format {self.format}: there are text, {', '.join(FORMATS)}"
        reported = self.format != "text"
        if self.output is not None and not reported:
            return "--output takes a report: add --format, or write the patch with --patch"
        ways = {
            "--diff": self.diff, "--patch": self.patch is not None, "--prove": self.prove,
            "--one-patch-per-change": self.series is not None, "--update-baseline": self.update,
        }  # fmt: skip
        chosen = [name for name, wanted in ways.items() if wanted]
        if len(chosen) > 1:
            return f"{chosen[0]} and {chosen[1]} exclude each other"
        if self.update and self.check:
            return "--check writes nothing: leave it out with --update-baseline"
        if self.interactive and (self.check or (chosen and chosen != ["--patch"])):
            return f"--interactive does not go with {'--check' if self.check else chosen[0]}"
        if reported and self.diff:
            return "--diff prints the patch itself: write it with --patch to have a report, too"
        if reported and (self.series or self.update):
            return f"{chosen[0]} makes no report: leave --format out"
        return self._cannot_scan() if self.scan else ""

    def _cannot_scan(self) -> str:
        """Return why what a scanner finds cannot be told, empty if it can."""
        from refactor.scan.scanners import SCANNERS, absent

        if self.scan not in SCANNERS:
            return f"--scan {self.scan}: there are {', '.join(SCANNERS)}"
        if self.series or self.update:
            return "--scan is told with the changes: leave it out here"
        if self.scan != "trivy" and not self.prove:
            return f"{self.scan} scans images: --prove builds them"
        return absent(self.scan)


@app.command(help=FIX_HELP)
def fix(
    paths: given.Paths = None,
    check: given.Check = False,
    diff: given.Diff = False,
    patch: given.Patch = None,
    series: given.Series = None,
    interactive: given.Interactive = False,
    level_name: options.Level = None,
    select: options.Select = "",
    ignore: options.Ignore = "",
    decisions: given.Decisions = None,
    baseline: given.Baseline = None,
    update_baseline: given.UpdateBaseline = False,
    format: given.Format = "text",
    output: given.Output = None,
    context: options.ContextFolder = None,
    config: options.ConfigFile = None,
    since: options.Since = None,
    jobs: given.Jobs = 0,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    strict: given.Strict = False,
    prove: given.Prove = False,
    scan: given.Scan = "",
) -> None:
    """Refactor Dockerfiles."""
    mode = Mode(
        check, diff, patch, series, interactive, update_baseline, format, output, prove, quiet,
        verbose, strict, baseline, decisions[-1] if decisions else None, scan,
    )  # fmt: skip
    if problem := mode.contradiction():
        fail(problem)
    try:
        wishes = options.wishes(paths, level_name, select, ignore, context, config)
        if paths and Path("-") in paths:
            from refactor.commands import piped

            if len(paths) > 1 or decisions or since or mode != mode.piped:
                fail(
                    "- stands alone: with no other path, and no option that reads or writes a file"
                )
            raise typer.Exit(piped.fix(wishes, mode))
        wishes = _with_decisions(wishes, decisions or [], mode)
        found = discover(paths or [Path()])
        wishes = options.since(found, wishes, since)
        raise typer.Exit(_fixed(found, wishes, mode, jobs or os.cpu_count() or 1))
    except (ConfigError, Unusable) as error:
        fail(str(error))


def _with_decisions(wishes: Wishes, files: Sequence[Path], mode: Mode) -> Wishes:
    """Return the wishes with what was decided before."""
    detail, baseline = mode.format != "text", mode.baseline
    if not files and baseline is None and not mode.interactive and not mode.update:
        return replace(wishes, detail=detail)
    from refactor.decisions import merged, read

    if mode.update and baseline is None:
        fail("--update-baseline needs to know which: add --baseline FILE")
    if baseline is not None and not baseline.exists() and not mode.update:
        fail(f"{baseline}: no such file; write it with --baseline {baseline} --update-baseline")
    known = read(baseline) if baseline is not None and baseline.exists() else {}
    found = merged(read(file) for file in files if file.exists() or not mode.interactive)
    if mode.update:
        return replace(wishes, decisions={}, baseline=known)
    if mode.interactive:
        return replace(wishes, detail=detail, decisions=found, baseline=known)
    if files:
        return replace(wishes, detail=detail, decisions=merged([known, found]))
    return replace(wishes, detail=detail, baseline=known)


def _fixed(found: Found, wishes: Wishes, mode: Mode, jobs: int) -> int:
    """Refactor what was found and return the exit code."""
    session = Session(mode, wishes)
    session.complain(found)
    if mode.series is not None:
        from refactor.commands import series

        return series.write(found.files, wishes, mode.series)
    if mode.interactive:
        from refactor.commands import reviewing

        wishes = reviewing.asked(found.files, wishes, jobs, mode.answers)
        session.wishes = wishes
    if mode.prove:
        from refactor.commands import proofs

        session.images = _images(mode.scan)
        look = session.images.look if session.images else None
        with proofs.kept(found.files, wishes, mode.quiet, mode.verbose, look) as results:
            return session.run(found, results)
    return session.run(found, many(found.files, wishes, jobs))


def _images(scanner: str) -> Images | None:
    if not scanner:
        return None
    from refactor.scan.scanners import Images

    return Images(scanner)


class Session:
    """One run over many files: says, writes and counts."""

    def __init__(self, mode: Mode, wishes: Wishes) -> None:
        self.mode = mode
        self.wishes = wishes
        self.errors = 0
        self.accepted = 0
        self.images: Images | None = None
        self.colour = options.colour()

    def complain(self, found: Found) -> None:
        """Say which paths are not there."""
        for path in found.missing:
            self.talk(text.line(f"dfr: {path}: no such file or folder"), always=True)
            self.errors += 1

    def run(self, found: Found, results: Iterator[Result]) -> int:
        """Take the files' results in turn and return the exit code."""
        mode = self.mode
        why = "" if mode.verbose else "--verbose says why"
        why = "the report says why" if mode.format != "text" else why
        summary = text.Summary(found.passed_over, not mode.writes, why)
        patches: list[str] = []
        done: list[Result] = []
        for path, result in zip(found.files, self.progress(results, len(found.files)), strict=True):
            summary.add(result)
            if mode.format == "text" and not mode.update:
                self.say(result)
            if mode.format != "text" or mode.update or mode.scan:
                done.append(result)
            if isinstance(result, Changed):
                patches.append(result.patch if mode.patch else "")
                self.show(path, result)
            self.errors += isinstance(result, Failed)
        if mode.patch is not None:
            options.put(mode.patch, encode("".join(patches)))
        scans = self.scanned(done) if mode.scan else ()
        if mode.format != "text":
            self.report(done, scans)
        if mode.update:
            self.update(done)
        if not found.files and not found.missing:
            self.talk("no Dockerfile was found\n")
        if mode.update:
            self.talk(f"{mode.baseline}: {self.accepted} changes of {len(done)} files are known\n")
        else:
            self.talk(f"{summary}\n")
        return self.exit_code(summary)

    def scanned(self, results: Sequence[Result]) -> tuple[Scan, ...]:
        """Return what a scanner finds before and after, and say it; no result is an error."""
        from refactor.report import scan_words
        from refactor.scan import scanners

        found = [scanners.of_files(self.mode.scan, results)] if self.mode.scan == "trivy" else []
        if self.images is not None:
            found.append(self.images.scan())
        for scan in found:
            self.errors += bool(scan.problems)
            for row in scan_words.lines(scan):
                self.talk(row, always=bool(scan.problems))
        return tuple(found)

    def report(self, results: Sequence[Result], scans: tuple[Scan, ...]) -> None:
        """Print the report, or write it."""
        from refactor.report import about, formats

        level = self.wishes.level
        words = about.About(
            options.version(),
            level.name.lower() if level else "",
            self.mode.writes,
            scans,
            self.mode.strict,
        )
        options.put(self.mode.output, encode(formats.report(self.mode.format, results, words)))

    def update(self, results: Sequence[Result]) -> None:
        """Write the baseline: what is pending now in these files, and what was known of others."""
        from refactor.decisions import Decided, Decision, document
        from refactor.outside.inline_dockerfiles import holder, place

        found = dict(self.wishes.baseline or {})
        for result in results:
            for name in [name for name in found if holder(name)[0] == result.path]:
                del found[name]
            for remark in result.remarks:
                if remark.kind == "undecided" and remark.identity:
                    name = place(result.path, remark.part) if remark.part else result.path
                    new = Decision(False, remark.transform, *remark.identity[:2], remark.reason)
                    known = found.get(name, Decided())
                    found[name] = Decided("", (*known.decisions, new))
                    self.accepted += 1
        kept = {path: decided for path, decided in found.items() if decided.decisions}
        options.put(self.mode.baseline, document(kept, options.version()).encode())

    def exit_code(self, summary: text.Summary) -> int:
        """Return 2 over 3 over 1 over 0."""
        if self.errors:
            return ERROR
        if self.mode.strict and summary.kinds["Refused"]:
            return REFUSED
        pending = summary.kinds["Changed"] or summary.undecided
        return PENDING if self.mode.check and pending else DONE

    def show(self, path: Path, result: Changed) -> None:
        """Print a difference, and write the file where that is asked for."""
        if self.mode.diff:
            self.exact_patch(result.patch)
        if self.mode.writes:
            try:
                write(path, result.before, result.after, others(path, result, self.wishes.roots))
            except Unwritable as error:
                self.talk(text.line(f"{result.path}: not written: {error}"), always=True)
                self.errors += 1
                return
        if self.mode.shows:
            sys.stdout.writelines(text.coloured(result.patch, self.colour))

    def exact_patch(self, patch: str) -> None:
        """Print a patch byte for byte; on a terminal, harmless and in colour."""
        if sys.stdout.isatty():
            sys.stdout.writelines(text.coloured(patch, self.colour))
        else:
            options.put(None, encode(patch))

    def say(self, result: Result) -> None:
        """Say what was done and what was not, on standard error."""
        important = isinstance(result, Failed)
        if self.mode.interactive:  # it was all on the screen
            result = replace(
                result,
                remarks=tuple(
                    r for r in result.remarks if r.kind == "dropped" or r.level == WARNING
                ),
            )
        for line in text.remarks(result, self.mode.verbose):
            self.talk(line, always=important)

    def talk(self, message: str, always: bool = False) -> None:
        """Write to standard error."""
        if always or not self.mode.quiet:
            options.say(message)

    def progress(self, results: Iterator[Result], total: int) -> Iterator[Result]:
        """Show a bar while there is much to do and somebody looks on."""
        if self.mode.quiet or total < 50 or not sys.stderr.isatty() or sys.stdout.isatty():
            yield from results
            return
        from rich.console import Console
        from rich.progress import track

        yield from track(
            results, "Refactoring", total=total, console=Console(stderr=True), transient=True
        )
