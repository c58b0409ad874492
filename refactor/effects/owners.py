"""Whose the paths of an image are when its last event has run, as far as events tell."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from refactor.effects.events import Copy, Event, Exec, flat
from refactor.effects.placed import Placed
from refactor.facts.accounts import creates_user

EVERYBODY = "*"
_ALL_WRITE = re.compile(r"[01]?[0-7][0-7][2367]\Z|(?:[ugo]*[ao][ugo]*)?\+[rxX]*w")


@dataclass(frozen=True)
class Grant:
    """A path that gets an owner; all below it too if `deep`, and then `path` itself if `whole`."""

    path: str
    owner: str
    deep: bool
    whole: bool = True

    def covers(self, path: str) -> bool:
        """Whether a path gets this owner."""
        if path == self.path:
            return self.whole
        return self.deep and (path.startswith(self.path.rstrip("/") + "/"))


class Placing(NamedTuple):
    """What a copy puts there, files and folders, with its owner."""

    paths: set[str]
    owner: str

    def covers(self, path: str) -> bool:
        """Whether a path gets this owner."""
        return path in self.paths


@dataclass
class Owners:
    """`names` maps names of users to numbers, where these are known."""

    names: Mapping[str, str]
    grants: list[Grant | Placing] = field(default_factory=list)

    def take(self, events: Iterable[Event], placed: Placed | None) -> None:
        """Let events take effect; `placed` is what copies from the context put in the image."""
        for event in flat(tuple(events)):
            if isinstance(event, Copy):
                self.copied(event, placed)
            elif isinstance(event, Exec):
                self.ran(event)

    def give(self, folder: str, owner: str) -> None:
        """Let a folder and all below it belong to a user."""
        self.grants.append(Grant(folder, self.number(owner), True))

    def is_writable(self, path: str, owner: str) -> bool:
        """Whether a user may write to a path: the last event that says whose it is counts."""
        for grant in reversed(self.grants):
            if grant.covers(path):
                return grant.owner in (self.number(owner), EVERYBODY)
        return False

    def number(self, owner: str) -> str:
        """Return a user by number, where it is known."""
        name = owner.partition(":")[0]
        return self.names.get(name, name)

    def copied(self, event: Copy, placed: Placed | None) -> None:
        """A copy owns what it puts there; the folder that it is put in may have been there."""
        owner = self.number(dict(event.flags).get("chown") or "0")
        target = posixpath.normpath(event.destination.text)
        files = placed.puts(event) if placed is not None else None
        if event.destination.raw or not target.startswith("/"):
            self.grants.append(Grant("/", "?", True))
        elif files is None:
            self.grants.append(Grant(target, "0", True))  # what is there, and what not
        else:
            inside = target.rstrip("/") + "/"
            paths = set(files)
            for folder in {file.rpartition("/")[0] or "/" for file in files}:
                while folder not in paths and folder.startswith(inside):
                    paths.add(folder)
                    folder = folder.rpartition("/")[0] or "/"
            self.grants.append(Placing(paths, owner))

    def ran(self, event: Exec) -> None:
        """Look at a command that changes owners or modes, or creates a user with a home."""
        name, *words = event.argv or ("",)
        account = creates_user(event.argv)
        if account is not None and account.settled:
            self.give(account.home, account.user)
        if name not in ("chown", "chmod") or not event.must:
            return
        options = [w for w in words if w.startswith("-")]
        what, *paths = [w for w in words if not w.startswith("-")] or [""]
        deep = any(re.match(r"-\w*R|--recursive", o) for o in options)
        if name == "chmod" and not _ALL_WRITE.match(what):
            return
        owner = EVERYBODY if name == "chmod" else self.number(what)
        for path in paths:
            whole = _absolute(path.removesuffix("/*"), event)
            if whole and (name == "chown" or not path.endswith("/*")):
                self.grants.append(Grant(whole, owner, deep, not path.endswith("/*")))


def _absolute(path: str, event: Exec) -> str:
    """Return where a path is; empty if that cannot be told."""
    steps = event.setting.workdir
    if re.search(r"[$`*?\[{~]", path) or event.shell_state:
        return ""
    if not path.startswith("/"):
        if len(steps) != 1 or steps[0].raw or not steps[0].text.startswith("/"):
            return ""
        path = posixpath.join(steps[0].text, path)
    return posixpath.normpath(path)
