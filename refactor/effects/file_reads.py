"""What commands do with a file of the build context that is a secret, by a table of programs.

Each command is one of three: a program that is known to read the file, which gets it mounted; one
that is known not to; or the end of it, `rm`. Anything else is a reason to leave the file. A mount
cannot be deleted, renamed or given to another owner: a RUN that tries would fail.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import lru_cache

from refactor.effects.events import Event, Exec, Stage, Verbatim, flat
from refactor.facts.images import Image
from refactor.facts.packages import command_of, unwrap
from refactor.knowledge import table
from refactor.model import Unfit as Unfit

_WRITES = frozenset("config c set get login logout adduser add-user token profile".split())
_NAMES = ("--userconfig=", "--netrc-file=")  # options that read the file they name
_OTHERS = frozenset("su sudo gosu su-exec runuser setpriv".split())
_ATTRIBUTES = frozenset({"chown", "chmod", "chgrp"})
_HARMLESS = frozenset({"cd", "mkdir", "echo"})
_PLAIN = re.compile(r"[\w@%+=:,./-]*", re.ASCII)


def readers_of(path: str) -> frozenset[str]:
    """Return the programs that read a file of this name."""
    row = kind(path)
    return frozenset(row["readers"].split()) if row else frozenset()


def kind(path: str) -> dict[str, str] | None:
    """Return the table's row for a file; None if it is of no kind that can be mounted."""
    return _kinds().get(posixpath.basename(path))


@lru_cache(maxsize=1)
def _kinds() -> dict[str, dict[str, str]]:
    return {row["file"]: row for row in table("secret_files")}


@lru_cache(maxsize=1)
def _reads() -> dict[str, frozenset[str]]:
    return {row["command"]: frozenset(row["reads"].split()) for row in table("commands")}


class Walk:
    """Tells what the commands of a stage do with a file; `mode` is how the mount has to be."""

    def __init__(self, stage: Stage, image: Image, target: str, path: str) -> None:
        row = kind(path)
        assert row is not None
        self.readers = readers_of(path)
        self.places = row["places"].split()
        self.image, self.stage = image, stage
        self.target, self.name = target, posixpath.basename(path)
        self.mode = ""

    def removes(self, event: Event) -> bool:
        """Whether a command deletes the file, and does nothing else."""
        plain = isinstance(event, Exec) and event.must and not (
            event.redirects or event.assignments or event.shell_state
        )  # fmt: skip
        if not plain or not isinstance(event, Exec) or event.argv[:1] != ("rm",):
            return False
        words = [word for word in event.argv[1:] if word not in ("-f", "-rf", "-r", "-fr", "--")]
        return len(words) == 1 and self.path(words[0], event) == self.target

    def run(self, events: list[Event]) -> bool | Unfit:
        """Return whether a RUN reads the file, or why that is not known."""
        flags = {value or "" for event in flat(tuple(events)) for value in mounts(event)}
        if any(f"target={self.target}" in value or "type=bind" in value for value in flags):
            return Unfit("X747", f"another mount may meet {self.target}", "mount the file by hand")
        readers = [event for event in flat(tuple(events)) if self.reads(event)]
        for event in flat(tuple(events)):
            known = event in readers
            refusal = self._reader(event) if known else self._other(event, bool(readers))
            if refusal is not None:
                return refusal
        return bool(readers)

    def reads(self, event: Event) -> bool:
        """Whether a program is known to read the file."""
        words = _words(event)
        if words[1:2] == ("-m",) and re.fullmatch(r"python[\d.]*", words[0]):
            words = words[2:]
        return words[:1] != () and words[0] in self.readers

    def _reader(self, event: Event) -> Unfit | None:
        assert isinstance(event, Exec)
        named = any(self.name in w and not w.startswith(_NAMES) for w in event.argv)
        if _WRITES.intersection(event.argv) or event.redirects or named:
            return Unfit("X747", f"`{event.text[:60]}` may write {self.target}",
                         "write settings to another file")  # fmt: skip
        if not self._found(event):
            return Unfit("X745", f"`{event.text[:60]}` does not look for {self.target}",
                         "copy it to where the program looks")  # fmt: skip
        user = event.setting.user.text or self.image.user
        if user not in ("root", "0") or event.argv[0] in _OTHERS:
            self.mode = ",mode=0444"
        return None

    def _other(self, event: Event, mounted: bool) -> Unfit | None:
        """Return why a command may read or write the file, None if it does not."""
        text = event.text[:60]
        if not isinstance(event, Exec):
            return Unfit("X744", f"`{text}` may read {self.target}", "give the file to one command")
        words = _words(event)
        if not words:
            return None
        reads = _reads().get(words[0])
        if reads is None or reads & {"any", "cwd", "home", "node", "python"}:
            return Unfit("X744", f"`{text}` may read {self.target}", "give the file to one command")
        near = [word for word in event.argv[1:] if self.meets(word, event)]
        written = any(self.meets(word, event) for word in event.redirects)
        attributes = words[0] in _ATTRIBUTES and not any(self.name in word for word in near)
        named = near and (mounted or not attributes) and words[0] not in _HARMLESS
        if named or written:
            return Unfit("X747", f"`{text}` may change {self.target}", "leave the file out")
        return None

    def meets(self, word: str, event: Exec) -> bool:
        """Whether a word may name the file, or a folder that it is in."""
        if self.name in word or not _PLAIN.fullmatch(word.lstrip("<>& ")):
            return True
        path = self.path(word.lstrip("<>& "), event)
        return not path or self.target.startswith(path.rstrip("/") + "/")

    def path(self, word: str, event: Exec) -> str:
        """Return a word as an absolute path; empty if that is not known."""
        place = event.setting.workdir
        known = len(place) == 1 and not place[0].raw and not event.shell_state
        if not _PLAIN.fullmatch(word) or not (word.startswith("/") or known):
            return ""
        return posixpath.normpath(posixpath.join(place[0].text if known else "/", word))

    def _found(self, event: Exec) -> bool:
        """Whether a program looks for the file where it is."""
        folder = posixpath.dirname(self.target)
        user = event.setting.user.text or self.image.user
        home = "/root" if user in ("root", "0") else f"/home/{user}"
        there = {posixpath.normpath(place.replace("~", home)) for place in self.places}
        if "HOME" in dict(_environment(self.stage)):
            there = {place for place in there if not place.startswith(home)}
        here = self.path(".", event)
        return folder in there or ("cwd" in self.places and here == folder)


def _environment(stage: Stage) -> tuple[tuple[str, object], ...]:
    found = dict(stage.config)["env"]
    assert isinstance(found, tuple)
    return found


def _words(event: Event) -> tuple[str, ...]:
    """Return the words of a command, behind sudo and the like."""
    if not isinstance(event, Exec):
        return ()
    words, _ = unwrap(command_of(event.argv).words)
    return tuple(word.text for word in words)


def mounts(event: Event) -> Iterator[str | None]:
    if isinstance(event, Exec | Verbatim):
        yield from (value for name, value in event.setting.flags if name == "mount")
