"""`dfr apply`: the changes that a reviewer left in a patch are made, and no others."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from refactor.batch import Wishes, shown, task
from refactor.commands import fix_options as given
from refactor.commands import options
from refactor.commands.fixing import Mode, Session
from refactor.commands.options import DONE, ERROR, PENDING, fail
from refactor.config import ConfigError
from refactor.decisions import Decided, document
from refactor.discover import Found, discover
from refactor.engine import Changed, Failed, Refused, Result, Task, run, unsound
from refactor.inline import refactored
from refactor.outside.inline_dockerfiles import blocks, holder, replaced
from refactor.outside.yaml_tree import Unclear
from refactor.patch_reader import Part, PatchError, patched, read
from refactor.project import is_holder, referenced
from refactor.registry import Unusable
from refactor.report import text
from refactor.reviewed import BY_HAND, Match, Target, applied, matched
from refactor.source import MAX_BYTES, Unreadable, decode, encode
from refactor.syntax import ParseError, parse

app = typer.Typer(rich_markup_mode=None, add_completion=False)

APPLY_HELP = """Make the changes that a reviewer left in a patch.

PATCH is what `dfr fix --diff` printed, edited: hunks, lines and whole files may be deleted, and
what is added may be changed. What is left is found among the changes of `dfr fix`; what is none of
them counts as written by hand, and is made if it does no more than the file's changes may do.

Exit code: 0 all of it is made, 1 some of it is not, with the reason, 2 an error.

\b
  dfr fix --diff --level suggested . > review.patch
  $EDITOR review.patch
  dfr apply review.patch
  dfr apply --check review.patch   write nothing
"""


@app.command(help=APPLY_HELP)
def apply(
    patch: Annotated[Path, typer.Argument(help="The patch; - reads standard input.")],
    check: Annotated[bool, typer.Option("--check", help="Write nothing.")] = False,
    level_name: options.Level = "risky",
    select: options.Select = "",
    ignore: options.Ignore = "",
    decisions: Annotated[
        Path | None, typer.Option("--decisions", help="Write what the patch decides to this file.")
    ] = None,
    context: options.ContextFolder = None,
    config: options.ConfigFile = None,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Apply a reviewed patch."""
    try:
        data = sys.stdin.buffer.read() if patch == Path("-") else patch.read_bytes()
        parts = read(decode(data))
        wishes = options.wishes(None, level_name, select, ignore, context, config)
        found = _Patched(parts, wishes)
        if decisions is not None and not decisions.absolute().parent.is_dir():
            fail(f"{decisions}: no such folder")
        mode = Mode(check=check, quiet=quiet, verbose=verbose)
        session = Session(mode, wishes)
        code = session.run(Found(found.files), found.results())
        for sentence in found.left:
            session.talk(text.line(sentence), always=True)
        if decisions is not None:
            options.put(decisions, document(found.decisions, options.version()).encode())
    except OSError as error:
        fail(f"{patch}: {error.strerror or error}")
    except (ConfigError, Unusable, PatchError, Unreadable) as error:
        fail(str(error))
    raise typer.Exit(ERROR if code == ERROR else PENDING if found.left else DONE)


@dataclass
class _Job:
    """A Dockerfile of the patch, with what it and its repository's other files shall be."""

    task: Task
    target: Target
    written: dict[str, str]  # names in the patch, by the path in the repository


class _Patched:
    """The Dockerfiles of a patch; `left` says what of it cannot be made."""

    def __init__(self, parts: Sequence[Part], wishes: Wishes) -> None:
        if not parts:
            raise PatchError("nothing is left in the patch")
        if twice := [path for path, n in Counter(part.path for part in parts).items() if n > 1]:
            raise PatchError(f"{twice[0]}: twice in the patch; a series is for `git am`")
        for part in parts:
            if Path(part.path).is_absolute() or ".." in Path(part.path).parts:
                raise PatchError(f"{part.path}: leads out of this folder")
        self.left: list[str] = []
        self.decisions: dict[str, Decided] = {}
        own = [part for part in parts if _is_dockerfile(part)]
        named = [Path(part.path) for part in own]
        self.wishes = replace(wishes, references=referenced(named))
        others = {part.path: part for part in parts if part not in own}
        self.jobs = [self._job(Path(part.path), part, others) for part in own]
        if others:
            for file in discover([Path()]).files:
                if shown(file) not in {part.path for part in own} and others:
                    job = self._job(file, None, others)
                    self.jobs += [job] if job.written else []
        for name in others:
            self.left.append(f"{name}: not applied: no change of a Dockerfile here writes it")

    def _job(self, file: Path, part: Part | None, others: dict[str, Part]) -> _Job:
        """Return what a patch wants of a Dockerfile; take from `others` what its changes write."""
        found = task(file, self.wishes)
        if not isinstance(found, Task):
            reason = found.reason if isinstance(found, Refused | Failed) else "cannot be read"
            raise PatchError(f"{found.path}: {reason}")
        before = decode(found.data)
        target: dict[str, str] = {}
        written = {}
        full = _full(found)
        for other in full.others if isinstance(full, Changed) else ():
            if other.name in others:
                part_of_it = others.pop(other.name)
                target[other.path] = patched(decode(other.before or b""), part_of_it)
                written[other.path] = other.name
        return _Job(found, Target(patched(before, part) if part else before, target), written)

    @property
    def files(self) -> list[Path]:
        """The Dockerfiles, as the results come."""
        return [Path(job.task.name) for job in self.jobs]

    def results(self) -> Iterator[Result]:
        """Yield what becomes of each Dockerfile."""
        for job in self.jobs:
            if not is_holder(job.task.name, job.task.data):
                yield _without_bugs(self._result(job))
                continue
            result = refactored(job.task, partial(self._part, job))
            made = result.after if isinstance(result, Changed) else job.task.data
            if isinstance(result, Refused | Failed):
                self.left.append(f"{result.path}: not applied: {result.reason}")
            elif made != encode(job.target.text) and not self._said(result.path):
                what = "what is written beside the Dockerfiles in it, or by hand, is left out"
                self.left.append(f"{result.path}: not all of it is applied: {what}")
            yield _without_bugs(result)

    def _said(self, path: str) -> bool:
        """Whether it is told of a Dockerfile in a file that not all of it is made."""
        return any(holder(sentence.partition(":")[0])[0] == path for sentence in self.left)

    def _result(self, job: _Job) -> Result:
        """Return what becomes of a Dockerfile."""
        match = matched(job.task, job.target)
        if match.distance and not self.wishes.select:
            everything = job.task.config
            wider = job.task._replace(config=replace(everything, select=("all",)))
            found = matched(wider, job.target)
            if found.distance < match.distance:
                job, match = replace(job, task=wider), found
        result = applied(job.task, job.target, match)
        self._note(job, match, result)
        return result

    def _part(self, job: _Job, part: Task) -> Result:
        """Return what becomes of a Dockerfile in another file, as that file is so far."""
        own, name = holder(part.site.place)
        now = decode(part.site.repository.head(own, MAX_BYTES))
        try:
            wanted = {block.name: block.text for block in blocks(own, job.target.text)}
            beside = job.target.text
            for block in blocks(own, now):
                beside = replaced(own, beside, block.name, block.text)
        except Unclear as error:
            return Refused(part.name, reason=f"with the patch, {error}")
        full = _full(part)
        writes = {other.path for other in full.others} if isinstance(full, Changed) else set()
        others = {own: beside, **job.target.others}
        names = {own: job.task.name, **job.written}
        target = Target(wanted[name], {path: others[path] for path in writes & set(others)})
        if target.others.get(own) == now:
            target = replace(target, others={p: t for p, t in target.others.items() if p != own})
        return self._result(_Job(part, target, names))

    def _note(self, job: _Job, match: Match, result: Result) -> None:
        """Note what is decided by a patch, and what of it is not made."""
        name = job.task.name
        for remark in result.remarks:
            if remark.transform == BY_HAND and remark.kind == "unverified":
                said = f"{name}:{remark.line}: not applied: written by hand, and {remark.reason}"
                self.left += [said] if said not in self.left else []
        for decision in match.decisions:
            if decision.site in match.halves:
                what = "a line of it is deleted or edited, and the rest is no change that verifies"
                self.left.append(f"{name}: {decision.transform}: not made: {what}")
        made = {} if not isinstance(result, Changed) else {o.path: o.after for o in result.others}
        for path, wanted in job.target.others.items():
            if made.get(path) != encode(wanted):
                what = "no change writes just that; edit the file itself"
                self.left.append(f"{job.written[path]}: not applied: {what}")
        self.decisions[name] = Decided(sha256(job.task.data).hexdigest(), match.decisions)


def _full(found: Task) -> Result:
    """Return what all changes of a file make of it."""
    if is_holder(found.name, found.data):
        return refactored(found, _full)
    return run(found.name, found.data, found.config, found.site)


def _is_dockerfile(part: Part) -> bool:
    """Whether a part is of a Dockerfile that is there; others are files that changes write, too."""
    try:
        data = Path(part.path).read_bytes()
        return is_holder(part.path, data) or unsound(parse(decode(data))) is None
    except OSError as error:
        if part.new:
            return False
        raise PatchError(
            f"{part.path}: {error.strerror or error}; run this where the patch was made"
        ) from None
    except (Unreadable, ParseError):
        return False


def _without_bugs(result: Result) -> Result:
    """Return a result without what is said of edits by hand that do not verify."""
    kept = (r for r in result.remarks if r.transform != BY_HAND or r.kind != "unverified")
    return replace(result, remarks=tuple(r for r in kept if r.kind != "left"))
