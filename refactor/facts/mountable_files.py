"""Files of the build context that hold a secret, and what it takes to mount them in their RUNs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.context import clean
from refactor.effects.events import Copy, Exec
from refactor.effects.file_reads import Unfit, kind, told
from refactor.effects.file_secrets import (
    Scope,
    assumptions,
    footprint,
    ignored,
    ignored_footprint,
    scopes,
    secret_id,
)
from refactor.facts import lines, secret_files, sources
from refactor.facts.stages import is_windows
from refactor.model import Claim, Effect, FileEdits, Refusal
from refactor.outside.survey import survey
from refactor.outside.unseen_builds import unseen_builds
from refactor.shell import Command
from refactor.snapshot import Run, Snapshot
from refactor.source import Edit, Span
from refactor.syntax import Instruction

# The releases of Docker's frontend that know `--mount=type=secret`: 1.2 and later.
_FRONTEND = re.compile(
    r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?"
    r"(?::(?:1|latest|master|labs|1-labs|1\.(?:[2-9]|[1-9]\d)(?:\.\d+)?(?:-\w+)*))?(?:@sha256:\w+)?\Z"
)


class Plan(NamedTuple):
    """How a file becomes a secret: the COPYs that name it, the RUNs, the `rm`, and the rules.

    `words` are where the file's name stands in COPYs of several files, with the gap in front;
    `whole` are COPYs that go. `gone` are the commands that go: an `rm`, a `chmod` of the file.
    """

    path: str
    what: str
    scopes: tuple[Scope, ...]
    words: tuple[tuple[Instruction, int, int], ...]
    whole: tuple[Instruction, ...]
    runs: tuple[tuple[Run, str], ...]
    gone: tuple[tuple[Run, tuple[Command, ...]], ...]
    files: tuple[FileEdits, ...]
    claims: tuple[Claim, ...]
    assumes: tuple[str, ...]

    @property
    def id(self) -> str:
        """The name of the secret."""
        return secret_id(self.path)


def plans(snapshot: Snapshot) -> Iterator[Plan | Refusal]:
    """Yield what is to be done for each file with a secret that a copy takes, or why it stays."""
    sent = snapshot.sent
    if sent is None:
        return
    for path, what, offset in secret_files.all_held(snapshot):
        if kind(path) is not None:
            yield _plan(snapshot, path, what, offset)


def _plan(snapshot: Snapshot, path: str, what: str, at: int) -> Plan | Refusal:
    syntax = snapshot.dockerfile.directives.get("syntax", "")
    if snapshot.engine != "buildkit" or (syntax and not _FRONTEND.match(syntax)):
        return Refusal("X741", "the builder, or its frontend, may not know secret mounts",
                       "build with BuildKit, and name docker/dockerfile:1", at)  # fmt: skip
    if any(is_windows(stage) for stage in snapshot.graph.stages):
        return Refusal("X741", "a stage of Windows has no secret mounts", "copy the file", at)
    known = snapshot.invocations.builds if snapshot.invocations else ()
    if build := next((build for build in known if build.kind != "docs"), None):
        return Refusal("X749", f"{build.path}, line {build.line} builds it, without the secret",
                       f"pass it there: `--secret id={secret_id(path)},src={path}` or `secrets:` "
                       "of the build, and mount it", at)  # fmt: skip
    found = scopes(snapshot.build, snapshot.graph, snapshot, path)
    if isinstance(found, Unfit):
        return Refusal(found.code, found.reason, found.unlock, at)
    if unseen := next(
        iter(unseen_builds(snapshot.repository) if snapshot.repository else ()), None
    ):
        return Refusal("X749", f"{unseen.path}, line {unseen.line} may build it ({unseen.value}), "
                       "without the secret", "mount it by hand, and pass it there", at)  # fmt: skip
    files = _rules(snapshot, path) if any(scope.brought for scope in found) else ()
    if isinstance(files, Unfit):
        return Refusal(files.code, files.reason, files.unlock, at)
    words, whole = [], []
    for ins in _named(snapshot, found):
        place = _word(snapshot, ins, path)
        if isinstance(place, Unfit):
            return Refusal(place.code, place.reason, place.unlock, ins.span.start)
        whole += [ins] if place is None else []
        words += [(ins, *place)] if place is not None else []
    runs = [
        (run, scope.flag[1])
        for scope in found for run in snapshot.runs
        if run.stage == scope.stage and run.ordinal in scope.mounts
    ]  # fmt: skip
    gone = _gone(snapshot, found)
    claims = [
        Claim(Effect.SECRETS, footprint(snapshot.graph.stages[index].label, path))
        for index in dict.fromkeys(scope.stage for scope in found)
    ]
    claims += [Claim(Effect.SECRETS, ignored_footprint(path))] if files else []
    return Plan(
        path, what, found, tuple(words), tuple(whole), tuple(runs), tuple(gone), files,
        tuple(claims), assumptions(found, path),
    )  # fmt: skip


def _rules(snapshot: Snapshot, path: str) -> tuple[FileEdits, ...] | Unfit:
    """Return the .dockerignore with one more rule; no other Dockerfile may need the file."""
    sent, home = snapshot.sent, clean(snapshot.home)
    assert sent is not None
    assert snapshot.repository is not None
    others = [name for name in survey(snapshot.repository).dockerfiles if name != snapshot.place]
    own = sent.source != ".dockerignore"
    if others and not own:
        return Unfit("X746", f"{others[0]} may need {path}, which .dockerignore would leave out",
                     "give this Dockerfile a .dockerignore of its own")  # fmt: skip
    target = posixpath.join(home, sent.source)
    text = snapshot.read(target) or ""
    end = len(text)
    return (FileEdits(target, (Edit(Span(end, end), ignored(text, path)[end:]),)),)


def _named(snapshot: Snapshot, found: tuple[Scope, ...]) -> Iterator[Instruction]:
    """Yield the instructions that copy the file by its name."""
    named = {
        id(snapshot.build.stages[scope.stage].events[at]) for scope in found for at in scope.named
    }
    events = sources.events(snapshot)
    for ins in snapshot.dockerfile.instructions:
        if id(events.get(ins.span.start)) in named:
            yield ins


def _word(snapshot: Snapshot, ins: Instruction, path: str) -> tuple[int, int] | Unfit | None:
    """Return where the file's name stands in a COPY; None if that copies nothing else."""
    event = sources.events(snapshot)[ins.span.start]
    assert isinstance(event, Copy)
    if ins.heredocs or any(flag.name not in ("chown", "chmod") for flag in ins.flags):
        return Unfit("X742", f"`{told(event)}` has options", "copy the file on its own")
    if len(event.sources) == 1:
        if ins.comments or lines.heading(snapshot, ins):
            return Unfit("X748", f"a comment is about the COPY of {path}", "delete the comment")
        return None
    words = re.finditer(r"\S+" if ins.json is None else r'"[^"\\]*"', ins.args)
    places = [match.span() for match in words]
    names = [ins.args[slice(*place)].strip('"') for place in places]
    last = names.pop()
    into = last in (".", "..") or last.endswith("/")
    found = [at for at, name in enumerate(names) if posixpath.normpath(name) == path]
    if len(found) != 1 or len(names) != len(event.sources) or not into:
        return Unfit("X742", f"`{told(event)}` copies several files in a form that is not "
                     "edited", "copy the file on its own")  # fmt: skip
    at = found[0]
    start, end = (places[at - 1][1], places[at][1]) if at else (places[0][0], places[1][0])
    start, end = ins.args_start + start, ins.args_start + end
    span = ins.logical.span(start, end)
    if any(span.start <= comment.start < span.end for comment in ins.comments):
        return Unfit("X748", f"a comment is about {path}", "delete the comment")
    return start, end


def _gone(
    snapshot: Snapshot, found: tuple[Scope, ...]
) -> Iterator[tuple[Run, tuple[Command, ...]]]:
    """Yield the RUNs with commands that go, and those."""
    for run in snapshot.runs:
        if run.triggered or run.script is None:
            continue
        stage = snapshot.build.stages[run.stage]
        own = range((0, *stage.runs)[run.ordinal], stage.runs[run.ordinal])
        events = {at for scope in found if scope.stage == run.stage for at in scope.gone}
        gone = [
            event.argv for at in own if at in events and isinstance(event := stage.events[at], Exec)
        ]
        if gone:
            yield run, tuple(c for c in run.script.commands() if c.argv in gone)
