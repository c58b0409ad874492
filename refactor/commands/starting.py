"""`dfr init`: what a repository needs so that its Dockerfiles are checked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refactor.batch import repository
from refactor.commands import options
from refactor.commands.options import fail
from refactor.config import ConfigError, level
from refactor.report import text

if TYPE_CHECKING:
    from refactor.init.detected import Detected
    from refactor.init.pieces import Image
    from refactor.init.plan import Step, Wanted

DONE, BY_HAND = 0, 1
SCANS = ("none", "trivy", "grype", "scout")
LEVELS = ("safe", "suggested", "risky")

INIT_HELP = """Write what a repository needs so that its Dockerfiles are checked.

It asks what is wanted: a hook for pre-commit, a workflow for GitHub Actions, a job for GitLab CI,
with or without a scan of the images that the Dockerfiles make, and a configuration. What an option
says is not asked. The answer that is proposed is what the repository has already.

Files are never overwritten: a hook or job is added at the end of what is there, and all else in the
file stays as it is, comments too. Where that is not possible, what to add is printed. A second run
changes nothing.

What is pending when the checks are set up is accepted: it is written to .dfr-baseline.json, so that
only what is new fails.

A scan builds each image and looks for vulnerabilities that have been mended upstream. It fails only
once there is a list of what is accepted (.trivyignore, .grype.yaml, .scout-accepted), which its
first run prints. With --into, a workflow that is there scans what it builds, behind each build, and
nothing else is written; where it is not sure that the image is there, the step is printed.

Exit code: 0 all is there, 1 something is left to add by hand, 2 an error.

\b
  dfr init                           ask, show what would be written, and write it
  dfr init --yes                     ask nothing: what the repository has already
  dfr init --yes --dry-run           show it as a patch
  dfr init --github --no-gitlab --no-pre-commit --scan trivy --level suggested
  dfr init --scan trivy --into .github/workflows/image.yml
"""

app = typer.Typer(rich_markup_mode=None)


@app.callback()
def commands() -> None:
    """Keep the one command a command with a name."""


@app.command(help=INIT_HELP)
def init(
    folder: Annotated[Path, typer.Argument(help="The top folder of the repository.")] = Path(),
    pre_commit: Annotated[
        bool | None, typer.Option("--pre-commit/--no-pre-commit", help="A hook for pre-commit.")
    ] = None,
    github: Annotated[
        bool | None, typer.Option("--github/--no-github", help="A workflow for GitHub Actions.")
    ] = None,
    gitlab: Annotated[
        bool | None, typer.Option("--gitlab/--no-gitlab", help="A job for GitLab CI.")
    ] = None,
    scan: Annotated[
        str | None, typer.Option("--scan", metavar="|".join(SCANS), help="Scan the images in CI.")
    ] = None,
    into: Annotated[
        list[Path] | None,
        typer.Option("--into", help="Scan in this workflow, behind each build; may be repeated."),
    ] = None,
    level_name: Annotated[
        str | None,
        typer.Option("--level", metavar="|".join(LEVELS), help="How far changes may go."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: take what is proposed.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; print a patch for `git apply`.")
    ] = False,
) -> None:
    """Write what a repository needs."""
    from refactor.init.detected import detected

    _check(folder, scan, level_name)
    try:
        found = detected(folder)
    except ConfigError as error:
        fail(str(error))
    ask = _Asking(yes)
    if into:
        if pre_commit or github or gitlab or level_name:
            fail("--into stands alone: --scan says with what")
        wanted = _into(folder, found, ask, scan, into)
    else:
        wanted = _wanted(folder, found, ask, pre_commit, github, gitlab, scan, level_name)
    raise typer.Exit(_carried_out(folder, wanted, ask, dry_run))


def _carried_out(folder: Path, wanted: Wanted, ask: _Asking, dry_run: bool) -> int:
    """Show what would be written, write it where that is wanted, and return the exit code."""
    from refactor.init.pieces import BASELINE
    from refactor.init.plan import plan

    steps = plan(folder, wanted)
    _show(steps)
    pending = [step for step in steps if step.changes]
    checked = wanted.pre_commit or wanted.github or wanted.gitlab
    fresh = checked and not os.path.lexists(folder / BASELINE)
    if dry_run:
        return _by_hand(steps)
    if (pending or fresh) and ask.asked and not typer.confirm("Write this?", True, err=True):
        return DONE
    if pending:
        _write(folder, pending)
    if fresh:
        _accept(folder)
    return _by_hand(steps)


def _check(folder: Path, scan: str | None, level_name: str | None) -> None:
    if not folder.is_dir():
        fail(f"{folder}: no such folder")
    top, _ = repository(folder / "Dockerfile")
    if top != Path(os.path.abspath(folder)):
        fail(f"{folder} is in the repository {top}: name its top folder")
    if scan is not None and scan not in SCANS:
        fail(f"--scan {scan}: there are {', '.join(SCANS)}")
    if level_name is not None:
        try:
            level(level_name, "--level")
        except ConfigError as error:
            fail(str(error))


def _into(
    folder: Path, found: Detected, ask: _Asking, scan: str | None, into: Sequence[Path]
) -> Wanted:
    """Return what is asked for of workflows that are there."""
    from refactor.init.plan import Wanted

    names, proposed = SCANS[1:], "trivy" if found.scan == "none" else found.scan
    scanner = ask.which("--scan", scan, proposed, "Scan them with?", names)
    if scanner == "none":
        fail(f"--into wants a scanner: --scan {'|'.join(names)}")
    top = folder.absolute()
    paths = []
    for path in into:
        file = path.absolute() if path.exists() else top / path
        if not file.is_relative_to(top):
            fail(f"{path} is not in {folder}")
        paths.append(file.relative_to(top).as_posix())
    return Wanted(scan=scanner, into=paths)


class _Asking:
    """Asks what no option says, where that can be asked."""

    def __init__(self, yes: bool) -> None:
        self.yes = yes
        self.asked = False

    def whether(self, option: str, given: bool | None, proposed: bool, question: str) -> bool:
        """Return yes or no."""
        if given is not None or self.yes:
            return proposed if given is None else given
        self._start(f"{option} or {option.replace('--', '--no-')}")
        return typer.confirm(question, proposed, err=True)

    def which(
        self, option: str, given: str | None, proposed: str, question: str, names: Sequence[str]
    ) -> str:
        """Return one of some names."""
        if given is not None or self.yes:
            return proposed if given is None else given
        self._start(f"{option} {'|'.join(names)}")
        while True:
            answer: str = typer.prompt(f"{question} ({', '.join(names)})", proposed, err=True)
            if answer.strip().lower() in names:
                return answer.strip().lower()

    def _start(self, option: str) -> None:
        if not sys.stdin.isatty():
            fail(f"there is no terminal to ask on: give {option}, or --yes for what is proposed")
        self.asked = True


def _wanted(
    folder: Path, found: Detected, ask: _Asking, pre_commit: bool | None, github: bool | None,
    gitlab: bool | None, scan: str | None, level_name: str | None,
) -> Wanted:  # fmt: skip
    from refactor.init.plan import Wanted

    hook = ask.whether("--pre-commit", pre_commit, found.pre_commit, "A hook for pre-commit?")
    actions = ask.whether("--github", github, found.github, "A workflow for GitHub Actions?")
    job = ask.whether("--gitlab", gitlab, found.gitlab, "A job for GitLab CI?")
    scanner = "none"
    if actions or job:
        scanner = ask.which("--scan", scan, found.scan, "Scan the images there?", SCANS)
    elif scan not in (None, "none"):
        fail(f"--scan {scan} is a part of --github and --gitlab: one of them is needed")
    how_far = None
    if not found.configured:
        how_far = ask.which("--level", level_name, "safe", "How far may changes go?", LEVELS)
    elif level_name is not None:
        _say(f"there is a configuration already: --level {level_name} is not written")
    return Wanted(hook, actions, job, scanner, how_far, _images(folder, scanner))


def _images(folder: Path, scanner: str) -> list[Image]:
    """Return what is to be scanned, and say what is not."""
    if scanner == "none":
        return []
    from refactor.init.detected import images
    from refactor.init.pieces import MAX_IMAGES

    found = list(images(folder))
    plain = [image for image in found if image.is_plain]
    for image in (*(i for i in found if not i.is_plain), *plain[MAX_IMAGES:]):
        _say(f"{image.dockerfile}: not scanned: add it to the jobs by hand")
    if not plain:
        _say("there is no Dockerfile to build an image of: no scan is written")
    for image in plain[:MAX_IMAGES]:
        _say(f"{image.dockerfile}: built in {image.context} to be scanned")
    return plain[:MAX_IMAGES]


def _show(steps: Sequence[Step]) -> None:
    """Print the steps as a patch, and say of the others that there is nothing to do."""
    from refactor.patch import unified

    colour = options.colour()
    for step in steps:
        if step.changes:
            patch = "".join(unified(step.path, step.before, step.after or ""))
            sys.stdout.writelines(text.coloured(patch, colour))
        elif step.after is not None:
            _say(f"{step.path}: nothing to do")
        for place in step.left:
            _say(f"{step.path}, {place}: no scan is added there")
    sys.stdout.flush()


def _write(folder: Path, steps: Sequence[Step]) -> None:
    """Write all files, or none."""
    from refactor.write import Unwritable, write

    files = []
    try:
        for step in steps:
            path = folder / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            before = None if step.before is None else step.before.encode()
            files.append((path, before, (step.after or "").encode()))
        write(folder, b"", b"", files)
    except (Unwritable, OSError) as error:
        fail(f"nothing is written: {error}")
    for step in steps:
        _say(f"{step.path}: {'written' if step.before is None else 'added to'}")


def _accept(folder: Path) -> None:
    """Write what is pending now to the baseline: from then on, only what is new fails.

    By a process of its own, which finds the configuration that has just been written; it is safe
    from modules that lie in the folder.
    """
    from refactor.init.pieces import BASELINE

    words = ["fix", "--quiet", "--baseline", BASELINE, "--update-baseline", "."]
    command = [sys.executable, "-P", "-m", "refactor.cli", *words]
    if subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False).returncode:
        fail(
            f"{BASELINE} is not written; mend what is named above, and run `dfr {' '.join(words)}`"
        )
    _say(f"{BASELINE}: written: what is pending now is accepted, and what is new will fail")


def _by_hand(steps: Sequence[Step]) -> int:
    """Say what is left to do by hand; return the exit code."""
    left = [step for step in steps if step.after is None or step.left]
    for step in steps:
        if step.after is not None:
            continue
        _say(f"{step.path} is left alone, for {step.reason}. Add to it:")
        sys.stderr.write(f"\n{text.harmless(step.snippet)}\n")
    return BY_HAND if left else DONE


def _say(line: str) -> None:
    sys.stderr.write(text.line(line))
