"""USER by number instead of by name: whether the number is known, and the same user.

For a number that /etc/passwd has, engines look up the group, the other groups and HOME as they do
for its name (runc: libcontainer/user; BuildKit: executor/oci/user.go). Only a folder that WORKDIR
makes is another's: BuildKit gives it to the number as user and group (convert.go).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from refactor.effects.build import with_user
from refactor.effects.events import Build, Copy, Event, Exec, Verbatim, flat
from refactor.facts.images import Image
from refactor.words import Value

_NAME = re.compile(r"[a-z_][\w.-]*(?::[\w.-]+)?\Z", re.IGNORECASE)
_CHANGES = re.compile(
    r"\b(?:usermod|userdel|deluser|groupmod|vipw|chpasswd|newusers)\b|/etc/passwd|--non-unique"
    r"|\buseradd\b.*\s-[a-zA-Z]*o"
)


class Kept(NamedTuple):
    """Why USER keeps its name."""

    code: str
    reason: str
    unlock: str


def number(build: Build, index: int, image: Image, user: str) -> str | Kept:
    """Return what a USER names, by number; `:group` stays as it is."""
    from refactor.effects.users import created, known_users

    name, colon, group = user.partition(":")
    if not _NAME.match(user):
        return Kept("U401", "the user is not a plain name", "write the number by hand")
    accounts = [account for account in created(build, index) if account.name == name]
    known = known_users(build, index, image).get(name)
    if known is None or not known.number or len(accounts) > 1:
        unlock = f"create {name} with a number: useradd --uid"
        return Kept("U401", f"the number of {name} is not known", unlock)
    same = [a for a in created(build, index) if a.number == known.number and a.name != name]
    if same or any(_CHANGES.search(event.text) for event in _events(build, index)):
        return Kept("U402", f"{name} may get another number", "write the number by hand")
    return f"{known.number}{colon}{group}"


def makes_folder(build: Build, index: int, image: Image, user: str) -> str:
    """Return a folder that a user of this name surely or perhaps gets from a WORKDIR."""
    from refactor.effects.containers import lineage
    from refactor.effects.users import known_users

    if ":" in user:
        return ""  # the group is given
    account = known_users(build, index, image).get(user)
    there = {account.home} if account is not None and account.settled else set()
    for stage in list(lineage(build, index))[::-1]:
        there |= {e.destination.text.rstrip("/") for e in stage.events if isinstance(e, Copy)}
        made = dict(stage.config)["directories"]
        assert isinstance(made, tuple)
        for path, owner in made:
            if owner.text == user and (path.raw or path.text.rstrip("/") not in there):
                return str(path.text)
            there.add(path.text.rstrip("/"))
    return ""


def renumbered(before: Build, after: Build, index: int, image: Image, names: tuple[str, str]
               ) -> Build | str:  # fmt: skip
    """Return a build with a number where another one has it instead of a name, or why not."""
    from refactor.effects.containers import lineage

    old, new = names
    if number(before, index, image, old) != new:
        return f"{old} is not known to be {new}"
    stages = list(before.stages)
    for at, stage in enumerate(before.stages):
        if at != index and all(s is not before.stages[index] for s in lineage(before, at)):
            continue
        if makes_folder(before, at, image, old):
            return "a folder that WORKDIR makes would be another's"
        other = after.stages[at]
        events = tuple(
            with_user(b, Value(new)) if (_user(b), _user(a)) == (old, new) else b
            for b, a in zip(stage.events, other.events, strict=False)
        )
        config = dict(stage.config) | {
            key: _again(dict(stage.config)[key], dict(other.config)[key], old, new)
            for key in ("user", "directories")
        }
        stages[at] = replace(
            stage, events=events + stage.events[len(events) :], config=tuple(sorted(config.items()))
        )
    return before._replace(stages=tuple(stages))


def _again(before: object, after: object, old: str, new: str) -> object:
    if isinstance(before, Value) and isinstance(after, Value):
        return after if (before, after) == (Value(old), Value(new)) else before
    if isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after):
        return tuple(_again(b, a, old, new) for b, a in zip(before, after, strict=True))
    return before


def _user(event: Event) -> str:
    if isinstance(event, Copy):
        return event.user.text
    found = (e.setting.user.text for e in flat((event,)) if isinstance(e, Exec | Verbatim))
    return next(found, "")


def _events(build: Build, index: int) -> Iterator[Event]:
    from refactor.effects.containers import lineage

    for stage in lineage(build, index):
        yield from flat(stage.events)
