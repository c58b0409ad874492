"""A chmod or chown of a file that the COPY in front of it can make so itself.

`--chmod` and `--chown` hold for the files of a COPY, not for a folder that is there already. With
`--chown` BuildKit also owns the folders that it makes for them: those must be there.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from refactor.effects.events import Copy, Exec, Stage
from refactor.facts import paths
from refactor.model import Unfit as Unfit

_OCTAL = re.compile(r"0?[0-7]{3}\Z")
_EXECUTABLE = frozenset({"+x", "a+x", "ugo+x", "+rx", "a+rx", "ugo+rx"})
_OWNER = re.compile(r"[a-z_0-9][\w.-]*:[a-z_0-9][\w.-]*\Z", re.IGNORECASE)
_THERE = frozenset(
    {"/", "/usr/local/bin", "/usr/bin", "/bin", "/etc", "/opt", "/tmp", "/usr/local"}
)


class Fold(NamedTuple):
    """The flag that a COPY gets, and what is assumed of its file."""

    flag: tuple[str, str]
    assumes: tuple[str, ...]


def fold(copy: Copy, command: Exec) -> Fold | Unfit | None:
    """Return the flag that does what a command does, or why none does; None if it is another."""
    if command.argv[:1] not in (("chmod",), ("chown",)) or len(command.argv) < 3:
        return None
    name, value, *files = command.argv
    target = _target(copy, files[-1], command)
    if len(files) != 1 or not target:
        return None
    plain = command.must and not (command.redirects or command.assignments or command.shell_state)
    if copy.keyword != "COPY" or not plain or any(command.quoted):
        return Unfit("F101", "it is no plain command behind a COPY", "write the flag by hand")
    if any(flag == name for flag, _ in copy.flags):
        return Unfit("F102", f"the COPY has --{name} already", "put both into one")
    source = copy.sources[0].text
    assumes = [f"{source} is a file"]
    if name == "chmod":
        assumes.append("it is built by BuildKit or Buildah: no other builder knows --chmod")
    if name == "chown":
        there = posixpath.dirname(target) in {*_THERE, copy.workdir[-1].text}
        if not _OWNER.match(value) or not there:
            return Unfit("F103", "the group, or the folder around it, would be another's",
                         "write the flag by hand")  # fmt: skip
    elif value in _EXECUTABLE and copy.origin is None:
        value = "755"
        assumes.append(f"{source} has mode 644 or 755 in the build context")
    elif not _OCTAL.match(value):
        return Unfit("F104", f"what mode `{value}` makes is not known", "write it in octal")
    return Fold((name, value), tuple(assumes))


def _target(copy: Copy, path: str, command: Exec) -> str:
    """Return a path if it is surely that of the one file that is copied."""
    source, place = copy.sources[0], copy.destination
    if len(copy.sources) != 1 or source.raw or place.raw or re.search(r"[*?\[$]", source.text):
        return ""
    name = posixpath.basename(source.text)
    base = command.setting.workdir
    if not path.startswith("/"):
        known = len(base) == 1 and not base[0].raw and base[0].text.startswith("/")
        if not known or not paths.is_joinable(path):
            return ""
        path = paths.join(base[0].text, path)
    inside = posixpath.join(place.text, name)
    itself = name in ("", ".", "..") or source.text.endswith("/")
    if itself or not place.text.startswith("/"):
        return ""
    if path == inside:
        return path
    named = posixpath.basename(place.text) == name or "." in posixpath.basename(place.text)[1:]
    return path if path == place.text and named else ""


def folds(stage: Stage) -> Iterator[tuple[int, Fold | Unfit]]:
    """Yield where a chmod or chown stands behind a COPY of its file, by the event's index."""
    for at, (copy, command) in enumerate(zip(stage.events, stage.events[1:], strict=False), 1):
        if isinstance(copy, Copy) and isinstance(command, Exec):
            found = fold(copy, command)
            if found is not None:
                yield at, found


def footprint(label: str, stage: Stage, at: int, found: Fold) -> frozenset[str]:
    """Return what a change claims that does it; `label` is the stage's in its graph."""
    name, value = found.flag
    copy, command = stage.events[at - 1], stage.events[at]
    said = f"- {command.text}", f"+ --{name}={value}", f"in {copy.text}"
    return frozenset({f"stage {label}", *said})


def folded(stage: Stage, at: int, found: Fold) -> Stage:
    """Return a stage with the flag instead of the command; a RUN that is then empty goes."""
    copy = stage.events[at - 1]
    assert isinstance(copy, Copy)
    flagged = replace(copy, flags=tuple(sorted((*copy.flags, found.flag))))
    alone = at + 1 in stage.runs
    runs = tuple(end - (end > at) for end in stage.runs if not (alone and end == at + 1))
    return replace(
        stage,
        events=(*stage.events[: at - 1], flagged, *stage.events[at + 1 :]),
        runs=runs,
        layers=stage.layers - alone,
    )
