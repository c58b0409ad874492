"""A RUN that enters a folder first, and does the same if WORKDIR has entered it.

    RUN cd /x && a   ->   WORKDIR /x; RUN a; WORKDIR what was in force

A `cd` into a folder that is not there fails, where WORKDIR makes it: so that a build which works
must find it when the RUN starts. WORKDIR leaves the owner of a folder that is there as it is.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from refactor.effects.events import Block, Build, Copy, Event, Exec, Stage, Verbatim, flat
from refactor.facts import paths
from refactor.model import Unfit as Unfit
from refactor.words import Value

_PLAIN = re.compile(r"/|/?[\w@%+=,.-]+(?:/[\w@%+=,.-]+)*/?", re.ASCII)
_CD = re.compile(r"(?:^|[\s;&|({])(?:cd|pushd)\s")
_TELLS = re.compile(r"(?<![\w-])(?:cd|pushd|popd|pwd|(?:OLD)?PWD)(?![\w-])|~[-+]")
_REMOVES = re.compile(r"(?:.*/)?(?:rm|rmdir|mv|unlink)\Z")
_MOUNTED = ("/proc", "/sys", "/dev")  # there while a RUN runs, and in no layer
_DEFAULT_TARGETS = {"secret": "/run/secrets", "ssh": "/run/buildkit"}


class Entry(NamedTuple):
    """A RUN's first event is a `cd`: where, its folder as it is written and as it is.

    `back` is the directory in force, empty if it is not known; `kept` is whether no command of
    the RUN is known to delete that.
    """

    start: int
    end: int
    written: str
    path: str
    back: str
    kept: bool

    def footprint(self, label: str, stage: Stage) -> frozenset[str]:
        """Return what is claimed of it."""
        behind = f"in front of {stage.events[self.start + 1].text}"
        return frozenset(
            {f"stage {label}", f"- cd {self.written}", f"+ WORKDIR {self.path}", behind}
        )


def is_there(path: str) -> str:
    """Return what is assumed where WORKDIR enters a folder."""
    return f"{path} is there when its RUN starts: else `cd` fails, and WORKDIR makes it"


def stays(path: str) -> str:
    """Return what is assumed where WORKDIR goes back to a folder."""
    return f"{path} is still there behind the RUN: else WORKDIR makes it anew"


def entries(stage: Stage) -> list[Entry | Unfit | None]:
    """Return of each RUN how it enters a folder, or why its `cd` stays; None if it has none."""
    return [_entry(stage, start, end) for start, end in _ranges(stage)]


def _ranges(stage: Stage) -> Iterator[tuple[int, int]]:
    for start, end in zip((0, *stage.runs), stage.runs, strict=False):
        copies = (at for at in range(start, end) if not isinstance(stage.events[at], Copy))
        yield next(copies, end), end


def _entry(stage: Stage, start: int, end: int) -> Entry | Unfit | None:
    events = stage.events[start:end]
    if not any(map(_changes_folder, events)):
        return None
    first, rest = events[0], events[1:]
    if isinstance(first, Verbatim):
        return Unfit("W301", "the script is not read", "write it in plain POSIX shell")
    if not isinstance(first, Exec) or not _is_plain(first) or not _all_inside(first, rest):
        return Unfit("W302", "`cd` is not the first of commands that all must succeed",
                     "write `cd folder &&` first")  # fmt: skip
    written = first.argv[1]
    back = _known(first.setting.workdir)
    path = written if written.startswith("/") else back and paths.join(back, written)
    if not path:
        return Unfit("W303", "what it is relative to is not known", "set WORKDIR before it")
    if not rest or rest[0].text.startswith("["):  # what might be read as the exec form
        return Unfit("W304", "nothing, or a test, follows", "write WORKDIR by hand")
    if any(_TELLS.search(text) for event in rest for text in _texts(event)):
        return Unfit("W305", "the RUN changes its folder again, or asks for it",
                     "write paths that start with /")  # fmt: skip
    path = posixpath.normpath(path).replace("//", "/")
    if not all(is_apart(path, value) for name, value in first.setting.flags if name == "mount"):
        return Unfit("W306", "a mount may be what it enters", "none: it is there in the RUN only")
    if path.startswith(tuple(f"{folder}/" for folder in _MOUNTED)) or path in _MOUNTED:
        return Unfit("W306", f"{path} is mounted in each RUN", "none")
    kept = not any(_removes(e, path, back) for e in flat(rest) if isinstance(e, Exec))
    return Entry(start, end, written, path, back, kept)


def _changes_folder(event: Event) -> bool:
    if isinstance(event, Verbatim):
        return bool(_CD.search(event.content))
    scripted = (e for e in flat((event,)) if isinstance(e, Exec) and e.setting.shell != ("none",))
    return any(e.argv[:1] in (("cd",), ("pushd",)) for e in scripted)


def _is_plain(event: Exec) -> bool:
    """Whether a `cd` names a folder as it is, and all that follows waits for it to succeed."""
    if event.argv[:1] != ("cd",) or len(event.argv) != 2 or not event.must:
        return False
    path = event.argv[1]
    simple = not (event.assignments or event.redirects or any(event.quoted))
    known = all(state.startswith("set ") for state in event.shell_state)
    named = _PLAIN.fullmatch(path) and not path.startswith("-")
    return bool(named) and simple and known and not {".", ".."} & {*path.split("/")}


def _all_inside(cd: Exec, rest: tuple[Event, ...]) -> bool:
    """Whether a folder is that of all events behind a `cd`, not only of those in parentheses."""
    state = (*cd.shell_state, cd.text)
    return all(isinstance(e, Exec) and e.shell_state[: len(state)] == state for e in flat(rest))


def _known(workdir: tuple[Value, ...]) -> str:
    known = len(workdir) == 1 and not workdir[0].raw and workdir[0].text.startswith("/")
    return workdir[0].text if known and _PLAIN.fullmatch(workdir[0].text) else ""


def _texts(event: Event | str) -> Iterator[str]:
    """Yield all that a script says, word lists and redirections too."""
    if isinstance(event, str):
        yield event
    elif isinstance(event, Block):
        for part in event.parts:
            yield from _texts(part)
    elif isinstance(event, Exec):
        yield f"{event.text} {' '.join(event.redirects)}"
    elif isinstance(event, Verbatim):
        yield event.content


def is_apart(path: str, mount: str | None) -> bool:
    """Whether a mount is neither what a path is in, nor in it, and not relative."""
    fields = dict(part.strip().partition("=")[::2] for part in (mount or "").split(","))
    target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
    target = posixpath.normpath(target or _DEFAULT_TARGETS.get(fields.get("type", ""), "."))
    if path == "/":
        return target.startswith("/")
    inside = f"{target}/".startswith(f"{path}/") or f"{path}/".startswith(f"{target}/")
    return target.startswith("/") and target != "/" and "$" not in target and not inside


def _removes(event: Exec, cwd: str, folder: str) -> bool:
    """Whether a command may delete a folder, as far as can be told from its words."""
    if folder in ("", "/") or not any(map(_REMOVES.match, event.argv)):
        return False
    for word in event.argv[1:]:
        plain = re.match(r"[^$`*?\[{~\"'\\]*", word)
        start = plain[0] if plain else ""
        path = posixpath.normpath(posixpath.join(cwd, start)).rstrip("/")
        above = f"{folder}/".startswith(f"{path}/")
        if above or (start != word and (not start or folder.startswith(path))):
            return True
    return False


def entered(stage: Stage, chosen: list[Entry]) -> Stage:
    """Return a stage as it is if WORKDIR enters folders for some RUNs, and leaves them."""
    events: list[Event] = []
    at = 0
    for entry in chosen:
        cd = stage.events[entry.start]
        assert isinstance(cd, Exec)
        events += stage.events[at : entry.start]
        own = stage.events[entry.start + 1 : entry.end]
        events += (_inside(event, entry, len(cd.shell_state)) for event in own)
        at = entry.end
    events += stage.events[at:]
    gone = [entry.start for entry in chosen]
    runs = tuple(end - bisect_left(gone, end) for end in stage.runs)
    return replace(stage, events=tuple(events), runs=runs)


def _inside(event: Event, entry: Entry, at: int) -> Event:
    if isinstance(event, Block):
        parts = (p if isinstance(p, str) else _inside(p, entry, at) for p in event.parts)
        return replace(event, parts=tuple(parts))
    assert isinstance(event, Exec)
    state = (*event.shell_state[:at], *event.shell_state[at + 1 :])
    setting = replace(event.setting, workdir=(Value(entry.path),))
    return replace(event, setting=setting, shell_state=state)


def entered_again(
    before: Build, after: Build, labels: list[str], use: Callable[[frozenset[str]], bool],
    assumes: frozenset[str],
) -> Build:  # fmt: skip
    """Return a build as it is if WORKDIR enters the folders that `use` takes claims for."""
    stages = list(before.stages)
    for index, (stage, now) in enumerate(zip(before.stages, after.stages, strict=True)):
        chosen = [
            entry
            for entry, left in zip(entries(stage), entries(now), strict=False)
            if isinstance(entry, Entry)
            and not isinstance(left, Entry)
            and use(entry.footprint(labels[index], stage))
        ]
        if not chosen:
            continue
        folders = {path for entry in chosen for path in (entry.path, entry.back)}
        known = {p for p in folders if p == "/" or {is_there(p), stays(p)} & assumes}
        stages[index] = _with_folders(entered(stage, chosen), now, known)
    return before._replace(stages=tuple(stages))


def _with_folders(stage: Stage, now: Stage, folders: set[str]) -> Stage:
    """Return a stage as it is if WORKDIR enters some folders besides, as often as it does now."""
    config = dict(stage.config)
    old, new = (dict(one.config)["directories"] for one in (stage, now))
    assert isinstance(old, tuple)
    assert isinstance(new, tuple)
    more = Counter(new) - Counter(old)
    if Counter(old) - Counter(new) or not {path.text for path, _ in more} <= folders:
        return stage
    config["directories"] = new
    layers = stage.layers + sum(more.values())
    return replace(stage, config=tuple(sorted(config.items())), layers=layers)
