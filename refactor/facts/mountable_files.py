"""Files of the build context that hold a secret, and what it takes to mount them in their RUNs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.context import clean
from refactor.effects.events import Copy
from refactor.effects.file_reads import Unfit, kind
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

    `words` are the places of the file's name in COPYs of several files; `whole` are COPYs that
    go. `removed` has the RUN of each `rm`.
    """

    path: str
    what: str
    scopes: tuple[Scope, ...]
    words: tuple[tuple[Instruction, int, int], ...]
    whole: tuple[Instruction, ...]
    runs: tuple[tuple[Run, str], ...]
    removed: tuple[Run, ...]
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
    removed = [run for scope in found for run in _removing(snapshot, scope)]
    claims = [
        Claim(Effect.SECRETS, footprint(snapshot.graph.stages[scope.stage].label, path))
        for scope in found
    ]
    claims += [Claim(Effect.SECRETS, ignored_footprint(path))] if files else []
    return Plan(
        path, what, found, tuple(words), tuple(whole), tuple(runs), tuple(removed), files,
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
    if ins.keyword != "COPY" or ins.flags or ins.heredocs:
        return Unfit("X742", f"`{event.text[:60]}` has options", "copy the file on its own")
    if len(event.sources) == 1:
        if ins.comments or lines.heading(snapshot, ins):
            return Unfit("X748", f"a comment is about the COPY of {path}", "delete the comment")
        return None
    written = snapshot.text[ins.span.start : ins.code_end].rstrip("\r\n")
    places = [
        (match.start(), match.end())
        for match in re.finditer(r"(?<=\s)(\S+)[ \t]+", ins.args)
        if posixpath.normpath(match[1]) == path
    ]
    into = event.destination.text.endswith("/") or ins.args.split()[-1] in (".", "..")
    if ins.json is not None or "\n" in written or len(places) > 1 or not into:
        return Unfit("X742", f"`{event.text[:60]}` copies several files in a form that is not "
                     "edited", "copy the file on its own")  # fmt: skip
    if not places:
        match = re.match(r"(\S+)[ \t]+", ins.args)
        if match is None or posixpath.normpath(match[1]) != path:
            return Unfit("X742", f"{path} is not found in the COPY", "copy the file on its own")
        places = [(0, match.end())]
    return ins.args_start + places[0][0], ins.args_start + places[0][1]


def _removing(snapshot: Snapshot, scope: Scope) -> Iterator[Run]:
    """Yield the RUNs that end with an `rm` of the file."""
    ends = {at + 1 for at in scope.gone}
    stage = snapshot.build.stages[scope.stage]
    for run in snapshot.runs:
        if run.stage == scope.stage and not run.triggered and stage.runs[run.ordinal] in ends:
            yield run
