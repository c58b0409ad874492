"""Which copies bring a file of the build context into a stage; whether rules can leave it out."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

from refactor.effects.events import Build, Copy, Event, Exec, Stage, Verbatim, flat
from refactor.effects.file_reads import Unfit, mounts, told
from refactor.effects.licences import is_plain_source
from refactor.effects.placed import Placed, matches
from refactor.sent import Sent
from refactor.words import Value

PLAIN_PATH = re.compile(r"[\w./-]+", re.ASCII)
_THERE = frozenset(("/", "/root", "/etc", "/tmp"))
# An address that ADD takes one file from: none of a repository.
_FILE_URL = re.compile(r"https?://(?!.*\.git\b)[^?#]+", re.ASCII)
_PLAIN = re.compile(r"[\w@%+=:,./-]*", re.ASCII)


def bringing(stage: Stage, sent: Sent, path: str) -> dict[int, tuple[str, bool]] | Unfit:
    """Return the copies that bring a file into a stage: where to, and whether they name it."""
    placed = Placed(sent)
    found: dict[int, tuple[str, bool]] = {}
    for at, event in enumerate(stage.events):
        if not isinstance(event, Copy) or event.origin is not None:
            continue
        copied = placed.puts(event)
        known = [target for target, _ in found.values()]
        if copied is None:
            if event.inline and not event.sources:
                if any(covers(event.destination.text, target) for target in known):
                    return Unfit("X742", f"a COPY writes another {path}", "copy it once")
                continue
            if not _may_bring(sent, event, path):
                continue
            return Unfit("X742", f"what `{told(event)}` copies is not known", "name the files")
        targets = [target for target, source in copied.items() if source == path]
        if other := next((copied[t] for t in known if copied.get(t, path) != path), None):
            return Unfit("X742", f"{other} takes the place of {path}", "copy one of them")
        if len(targets) > 1:
            return Unfit("X742", f"`{told(event)}` copies {path} twice", "copy it once")
        if targets:
            found[at] = (targets[0], any(posixpath.normpath(s.text) == path for s in event.sources))
        placed.take(copied)
    return found


def _may_bring(sent: Sent, event: Copy, path: str) -> bool:
    """Whether a copy may bring a file, or another one to its place, as far as its sources tell."""
    name = posixpath.basename(path)
    into = event.destination
    if any(flag == "unpack" for flag, _ in event.flags):
        return True
    if not into.text.endswith("/") and (into.raw or posixpath.basename(into.text) == name):
        return True
    for source in event.sources:
        if source.raw or re.search(r"[\[\\]", source.text):
            return True
        if _FILE_URL.fullmatch(source.text) and posixpath.basename(source.text) != name:
            continue
        taken = matches(sent, source.text)
        unpacked = event.keyword == "ADD" and not all(map(is_plain_source, taken))
        if unpacked or not taken:  # what is not there yet may hold anything
            return True
        for folder in taken:
            inside = (f for f in (folder, *sent.below(folder)) if posixpath.basename(f) == name)
            if f"{path}/".startswith(f"{folder}/" if folder else "") or next(inside, None):
                return True
    return False


def makes(events: tuple[Event, ...], sent: Sent, target: str) -> str:
    """Return the highest folder that is there, so far, only because a COPY puts the file in it.

    It is empty if there is none.
    """
    there = {step.text for e in flat(events) for step in _workdir(e) if not step.raw} | _THERE
    if any(covers(posixpath.dirname(target), place) for place in there):
        return ""
    placed = Placed(sent)
    for event in events:
        if isinstance(event, Copy):
            placed.take(placed.puts(event) or {})
    there |= placed.files.keys() - {target}
    made, folder = "", posixpath.dirname(target)
    while not any(covers(folder, place) for place in there):
        made, folder = folder, posixpath.dirname(folder)
    return made


def in_project(stage: Stage, sent: Sent, target: str) -> bool:
    """Whether a file may be in the folder of a .NET project.

    What is published of a project for the web has all its `**\\*.config` (dotnet/websdk 334). In
    doubt it is: no project is known, or another stage or a command may have put one there.
    """
    placed = Placed(sent)
    for event in stage.events:
        if isinstance(event, Copy):
            copied = placed.puts(event)
            if copied is None:
                return True
            placed.take(copied)
    projects = [path for path in placed.files if re.search(r"\.\w+proj\Z", path)]
    near = any(covers(posixpath.dirname(path), target) for path in projects)
    return near or not projects or isinstance(stage.base, int)


def _workdir(event: Event) -> tuple[Value, ...]:
    if isinstance(event, Copy):
        return event.workdir
    return event.setting.workdir if isinstance(event, Exec | Verbatim) else ()


def why_not_left_out(build: Build, sent: Sent, path: str) -> Unfit | None:
    """Return why a rule of .dockerignore cannot keep the file from copies of folders."""
    if not sent.complete or not PLAIN_PATH.fullmatch(path):
        return Unfit("X746", "the files of the build context are not all known", "make it smaller")
    copies = (e for stage in build.stages for e in stage.events if isinstance(e, Copy))
    for event in (copy for copy in copies if copy.origin is None):
        for source in event.sources:
            taken = Placed(sent).puts(replace(event, sources=(source,))) or {}
            if set(taken.values()) == {path} and posixpath.normpath(source.text) != path:
                return Unfit("X746", f"nothing may be left of `{source.text}` without {path}",
                             "copy the folder")  # fmt: skip
    runs = (event for stage in build.stages for event in flat(stage.events))
    if any(_takes_along(value or "", path) for event in runs for value in mounts(event)):
        return Unfit("X746", f"a RUN mounts {path} from the build context",
                     "copy what the RUN needs")  # fmt: skip
    return None


def _takes_along(mount: str, path: str) -> bool:
    """Whether a mount brings a file of the build context into a RUN."""
    fields = dict(part.strip().partition("=")[::2] for part in mount.split(","))
    bound = fields.get("type", "bind") == "bind" and "from" not in fields
    return bound and covers(fields.get("source") or fields.get("src") or ".", f"/{path}")


def covers(source: str, target: str) -> bool:
    """Whether a source of a copy may take a path along."""
    path = posixpath.normpath("/" + source.lstrip("/"))
    return not _PLAIN.fullmatch(source) or f"{target}/".startswith(path.rstrip("/") + "/")
