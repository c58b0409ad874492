"""A copy that stands behind an install, with copies of what the install reads in front of it.

    COPY S d; E   ->   COPY M d; E; COPY S d

is the same if every file of S that E reads is in M, and E writes nothing that S puts at d.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from refactor.effects.events import Copy, Event, Exec, Stage
from refactor.effects.lowering import KNOWN_PROGRAM
from refactor.effects.placed import Placed
from refactor.effects.provenance import TOP, footprint
from refactor.facts.installs import Unknown, install
from refactor.facts.packages import argv_operation, only_cleans
from refactor.sent import Sent

# Where programs look for configuration and libraries: what a copy puts here, an install may read.
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib64", "/etc", "/usr/bin", "/usr/sbin", "/usr/lib",
           "/usr/include", "/usr/local", "/var/lib")  # fmt: skip
_HOMES = ("/root/", "/home/")  # only what is hidden there configures programs
# They look at what is installed, and change nothing.
_LOOKS = {"pip": {"check", "freeze", "list", "show", "debug", "cache"}, "npm": {"ls", "list"}}
_HARMLESS = frozenset({"set -e", "set pipefail", "set u", "set pipefail u", KNOWN_PROGRAM})
# An install may write these anew, as they are; what else it writes it is there to write.
_LOCK = re.compile(r"/(?:[\w.-]*lock[\w.-]*|npm-shrinkwrap\.json|go\.mod|go\.sum)\Z")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_CD = re.compile(r"cd ([\w@%+=:,./-]+)\Z")


class Reading(NamedTuple):
    """What an event reads and writes among the files of copies; `assumes` says on what condition.

    `reads` and `writes` are paths; a folder in `reads` ends in a slash.
    """

    reads: frozenset[str]
    writes: frozenset[str]
    assumes: tuple[str, ...] = ()
    installs: bool = False


def reading(event: Event, placed: Placed, env: Mapping[str, str]) -> Reading | Unknown:
    """Return what an event reads of the files of copies, and what it writes."""
    if isinstance(event, Copy):
        files = placed.puts(event)
        if event.origin is not None and not event.destination.raw:
            return Reading(frozenset(), frozenset({event.destination.text}))
        if files is None:
            return Unknown("C401", f"`{event.text}` copies what is not known", _KNOWN)
        return Reading(frozenset(), frozenset(files))
    if isinstance(event, Exec):
        if where := directory(event):
            known = install(event.argv, event.assignments, where, env, placed)
            if isinstance(known, Unknown):
                return known
            if known is not None:
                return Reading(known.reads, known.writes, known.assumes, True)
        if only_cleans(event.argv) or _only_looks(event.argv):
            return Reading(frozenset(), frozenset())
        if _makes_environment(event):  # PEP 405: it reads no more
            made = _VARIABLE.sub(lambda name: env.get(name[1], name[0]), event.argv[3])
            if "$" not in made:
                return Reading(frozenset(), frozenset({posixpath.join(where or TOP, made)}))
    reads, writes = footprint(event)
    if TOP in reads | writes:
        return Unknown("C403", f"`{event.text[:80]}` may read what is copied", _MOVE)
    return Reading(frozenset(f"{path}/" for path in reads), writes)


def _makes_environment(event: Exec) -> bool:
    return event.argv[1:3] == ("-m", "venv") and len(event.argv) == 4


_KNOWN = "name sources that are in the build context"
_MOVE = "move it behind the COPY of the sources, or into a RUN of its own"


def _only_looks(argv: tuple[str, ...]) -> bool:
    found = argv_operation(argv)
    return found is not None and found.action in _LOOKS.get(found.manager, ())


def directory(event: Exec) -> str:
    """Return the directory that a command runs in; empty if it is not known."""
    steps = event.setting.workdir
    if len(steps) != 1 or steps[0].raw or not steps[0].text.startswith("/"):
        return ""
    path = steps[0].text
    for state in event.shell_state:
        match = _CD.match(state)
        if match:
            path = posixpath.normpath(posixpath.join(path, match[1]))
        elif state not in _HARMLESS:
            return ""
    return path


def wanted(known: Reading, files: Mapping[str, str]) -> dict[str, str]:
    """Return those files of a copy that an event reads."""
    folders = tuple(path for path in known.reads if path.endswith("/"))
    return {p: s for p, s in files.items() if p in known.reads or p.startswith(folders)}


def _above(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path


def passes(
    event: Event, copy: Copy, placed: Placed, env: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]] | Unknown:
    """Return what a copy must leave in front of an event to stand behind it, and the assumptions.

    `placed` is what stands there before the event, the copy's files included.
    """
    files = placed.puts(copy)
    known = reading(event, placed, env)
    if isinstance(known, Unknown):
        return known
    if files is None:
        return Unknown("C401", f"what `{copy.text}` copies is not known", _KNOWN)
    needed = wanted(known, files)
    assumes = list(known.assumes)
    folders = {folder for parent in {p.rpartition("/")[0] for p in files}
               for folder in (parent, *_above(parent))}  # fmt: skip
    if isinstance(event, Exec) and _makes_environment(event):  # git has none, and a developer may
        assumes += (f"the build context has no {made.rpartition('/')[2]}, which `{copy.text}` "
                    f"would put over {made}" for made in known.writes
                    if made.rpartition("/")[0] in folders)  # fmt: skip
    for path in sorted(known.writes):
        if path.rstrip("/") not in folders and files.keys().isdisjoint((path, *_above(path))):
            continue
        met = [p for p in files if p == path or p.startswith(path.rstrip("/") + "/")
               or path.startswith(p + "/")]  # fmt: skip
        if met == [path] and path in needed and _LOCK.search(path):
            assumes.append(f"`{event.text}` leaves {path} as it is in the build context")
        elif met and not (isinstance(event, Copy) and _same(event, copy, placed, met)):
            return Unknown(
                "C402",
                f"`{copy.text}` would put {files[met[0]]} over what `{event.text[:60]}` writes",
                f"add {files[met[0]]} to .dockerignore",
            )
    return needed, tuple(assumes)


def _same(one: Copy, two: Copy, placed: Placed, paths: list[str]) -> bool:
    """Whether two copies put the same files at paths, in the same way."""
    a, b = placed.puts(one) or {}, placed.puts(two) or {}
    return one.flags == two.flags and all(a.get(path) == b.get(path) for path in paths)


def in_system(files: Mapping[str, str]) -> str:
    """Return a file that stands where programs look for their own, if there is one."""
    folders = tuple(f"{folder}/" for folder in _SYSTEM)
    return next(
        (p for p in sorted(files)
         if p.startswith(folders) or (p.startswith(_HOMES) and "/." in p)), "",
    )  # fmt: skip


class Reordered(NamedTuple):
    """How events differ: a copy at `start` stands behind `passed`, and `ahead` in its place."""

    start: int
    copy: Copy
    ahead: tuple[Copy, ...]
    passed: tuple[Event, ...]


def difference(before: tuple[Event, ...], after: tuple[Event, ...]) -> Reordered | None:
    """Return how two sequences of events differ, if it is in this way alone."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    tail = 0
    while tail < min(len(before), len(after)) - start and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = before[start : len(before) - tail], after[start : len(after) - tail]
    if not old or not isinstance(old[0], Copy):
        return None
    passed = old[1:]
    ahead = new[: len(new) - len(passed) - 1]
    if not passed or not new or new[len(ahead) : -1] != passed:
        return None
    last, copies = new[-1], [event for event in ahead if isinstance(event, Copy)]
    if not isinstance(last, Copy) or len(copies) != len(ahead):
        return None
    there = passed[-1].setting.workdir if isinstance(passed[-1], Exec) else last.workdir
    if not moved(old[0], last) or last.workdir != there:
        return None
    return Reordered(start, old[0], tuple(copies), passed)


def moved(old: Copy, new: Copy) -> bool:
    """Whether a copy elsewhere in its stage does the same: its destination is absolute."""
    if not old.destination.text.startswith("/") or old.destination.raw:
        return old == new
    return replace(old, workdir=new.workdir) == new


def reordered(
    before: Stage, after: Stage, sent: Sent | None, assumes: frozenset[str]
) -> str | None:
    """Return why a stage whose copy moved behind an install is not the same."""
    found = difference(before.events, after.events)
    if found is None:
        return "the events differ in more than the place of a copy"
    if sent is None or not sent.complete:
        return "the build context is not known"
    if not _same_runs(before, after, found):
        return "a RUN ends elsewhere"
    env = environment(before)
    placed, seen = Placed(sent), Placed(sent)
    for event in before.events[: found.start]:
        take(placed, event, env)
    seen = placed.copy()
    files = placed.puts(found.copy)
    if files is None or in_system(files):
        return "the copy's files are not known, or are the system's own"
    for copy in found.ahead:
        part = seen.puts(copy)
        alike = (copy.flags, copy.workdir) == (found.copy.flags, found.copy.workdir)
        if part is None or not alike or not _part(part, files):
            return f"`{copy.text}` does not put a part of `{found.copy.text}` there"
        seen.take(part)
    placed.take(files)
    for event in found.passed:
        step = passes(event, found.copy, placed, env)
        if isinstance(step, Unknown):
            return step.reason
        needed, conditions = step
        for path, source in needed.items():
            if seen.files.get(path) != source:
                return f"`{event.text}` reads {source}, which is not there yet"
        if missing := set(conditions) - assumes:
            return f"not assumed: {min(missing)}"
        take(placed, event, env)
        take(seen, event, env)
    return None


def _same_runs(before: Stage, after: Stage, found: Reordered) -> bool:
    """Whether RUNs end where they did; one may be cut where the copy stands now."""
    more, last = len(found.ahead), found.start + 1 + len(found.passed)
    ends = [
        end if end <= found.start else end + more - (end <= last) for end in before.runs
    ]  # fmt: skip
    extra = Counter(after.runs) - Counter(ends)
    return not Counter(ends) - Counter(after.runs) and set(extra) <= {last + more - 1}


def _part(part: Mapping[str, str], whole: Mapping[str, str]) -> bool:
    return all(whole.get(path) == source for path, source in part.items())


def environment(stage: Stage) -> dict[str, str]:
    """Return the variables of a stage's end whose value is known."""
    pairs = dict(stage.config)["env"]
    assert isinstance(pairs, tuple)
    return {name: value.text if not value.raw else "$" for name, value in pairs}


def take(placed: Placed, event: Event, env: Mapping[str, str]) -> None:
    """Let an event change what stands in the image."""
    if isinstance(event, Copy):
        files = placed.puts(event)
        if files is not None:
            placed.take(files)
            return
        placed.drop(event.destination.text)
        return
    known = reading(event, placed, env)
    for path in (TOP,) if isinstance(known, Unknown) else known.writes:
        placed.drop(path)
