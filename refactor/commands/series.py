"""`dfr fix --one-patch-per-change`: a series of patches that `git am` takes, a commit a change."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import NamedTuple

from refactor.batch import Wishes, task
from refactor.commands import options
from refactor.commands.options import DONE, ERROR, fail
from refactor.compose import Outcome, Step, Unstable, everything
from refactor.engine import Failed, Refused, Result, Task, outcome, run, unsound
from refactor.outside import inline_dockerfiles
from refactor.outside.inline_dockerfiles import holder
from refactor.outside.yaml_tree import Unclear
from refactor.patch import unified
from refactor.project import is_holder, referenced
from refactor.report import text
from refactor.source import Unreadable, decode, encode
from refactor.syntax import ParseError, parse


class _Commit(NamedTuple):
    """One change of one file: what the commit says, and its difference."""

    place: str
    step: Step
    diff: str


def write(files: Sequence[Path], wishes: Wishes, folder: Path) -> int:
    """Write the series to a folder that is empty or new; return the exit code.

    The texts of other files that two Dockerfiles write are those of the first.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        fail(f"{folder}: not empty: name a new folder, or empty this one")
    wishes = replace(wishes, references=referenced(filter(os.path.isfile, files)))
    commits: list[_Commit] = []
    roots: set[Path] = set()
    code = DONE
    written: dict[str, str] = {}
    for file in files:
        found = task(file, wishes)
        try:
            if not isinstance(found, Task):
                raise Unreadable(str(getattr(found, "reason", "cannot be read")))
            new = list(_made(found, wishes, written))
        except (Unreadable, ParseError, Unclear, Unstable) as error:
            options.say(text.line(f"{file}: left out: {error}"))
            code = ERROR
            continue
        commits += new
        roots |= {found.root} if new else set()
    if len(roots) > 1:
        both = ", ".join(map(str, sorted(roots)[:2]))
        fail(f"the files are in several repositories ({both}): make a series for each")
    folder.mkdir(parents=True, exist_ok=True)
    author = _author(next(iter(roots), Path()))
    for number, commit in enumerate(commits, 1):
        name = f"{number:04}-{commit.step.transform.id}.patch"
        options.put(folder / name, encode(_mail(commit, author, number, len(commits))))
    flag = "--keep-cr " if any("\r" in commit.diff for commit in commits) else ""
    options.say(f"{len(commits)} patches in {folder}: git am {flag}{folder}/*.patch\n")
    return code


def _made(found: Task, wishes: Wishes, written: dict[str, str]) -> Iterator[_Commit]:
    """Yield the changes of a file; those of all Dockerfiles in it, if it is none itself."""
    if not is_holder(found.name, found.data):
        yield from _commits(found, wishes, written)
        return
    from refactor.inline import refactored

    commits: list[_Commit] = []

    def made(part: Task) -> Result:
        commits.extend(_commits(part, wishes, written))
        return run(part.name, part.data, part.config, part.site, wishes.recall(part.name))

    result = refactored(found, made)
    if isinstance(result, Refused | Failed):
        raise Unreadable(result.reason)
    yield from commits


def _commits(found: Task, wishes: Wishes, written: dict[str, str]) -> Iterator[_Commit]:
    """Yield the changes of a file, in the order in which they are made."""
    dockerfile = parse(decode(found.data))
    if problem := unsound(dockerfile):
        raise Unreadable(problem[0])
    decide = wishes.recall(found.name) or everything
    _, made = outcome(found.name, dockerfile, found.config, found.site, decide)
    for index, step in enumerate(made.steps):
        diff = "".join(_diff(found, made, index, written))
        if diff:
            yield _Commit(found.site.place, step, diff)


def _diff(found: Task, made: Outcome, index: int, written: dict[str, str]) -> Iterator[str]:
    """Yield the difference between the states before and after a step."""
    first = made.steps[0].before
    own, name = holder(found.site.place)
    whole = (first.read(own) or "") if name else ""
    before, after = (
        inline_dockerfiles.written(found.site.place, state.text, state.files, whole)
        for state in (made.state(index), made.state(index + 1))
    )
    yield from unified(own, before.pop(own), after.pop(own))
    for path, new in sorted(after.items()):
        old = written.get(path, before.get(path, first.read(path)))
        if before.get(path) != new and path not in written:
            yield from unified(path, old, new)
        if index == len(made.steps) - 1:
            written.setdefault(path, new)


def _mail(commit: _Commit, author: str, number: int, total: int) -> str:
    """Return a patch as `git format-patch` writes it."""
    transform, change = commit.step.transform, commit.step.change
    subject = text.flat(f"{commit.place}: {transform.id}: {change.reason}")
    lines = [
        "From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001",
        f"From: {author}",
        f"Date: {formatdate(localtime=True)}",
        f"Subject: [PATCH {number}/{total}] {subject}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=UTF-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        transform.title,
        "",
        f"Level: {change.effective_level.name.lower()}",
        *(f"Assumes: {text.flat(sentence)}" for sentence in change.assumes),
        *(f"Because of: {text.flat(found)}" for found in change.evidence),
        "---",
        "",
    ]
    return "\n".join(lines) + "\n" + commit.diff + "-- \ndockerfile-refactor\n\n"


def _author(root: Path) -> str:
    """Return who makes the commits: whom git would name, or this program."""
    try:
        ended = subprocess.run(
            ["git", "var", "GIT_AUTHOR_IDENT"], cwd=root, capture_output=True, text=True,
            timeout=10, check=True,
        )  # fmt: skip
        found = re.match(r"[^<>\n]+<[^<>\n]+>", ended.stdout)
    except (OSError, subprocess.SubprocessError):
        found = None
    return found[0] if found else "dockerfile-refactor <dockerfile-refactor@example.invalid>"
