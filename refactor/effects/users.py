"""A stage whose containers run as another user: all else is as it was, and the user can do it.

The stage has at most one RUN more, which creates the user and gives it folders. Nothing runs in
the build as that user, so nothing but a container's own process has less rights than before.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from refactor.effects.containers import lineage, needs
from refactor.effects.events import Build, Copy, Event, Exec, Stage
from refactor.effects.needs import HOME, Needs, is_of_system
from refactor.effects.owners import Owners
from refactor.effects.placed import Placed
from refactor.effects.stages import Surroundings
from refactor.effects.started import image_files
from refactor.facts import accounts
from refactor.facts.images import Image
from refactor.facts.stages import Graph
from refactor.facts.users import default_user, drops_privileges, needs_root, shipped
from refactor.words import Value

ROOT = frozenset({"root", "0", "root:root", "0:0", "root:0", "0:root"})
NO_ENTRY = "the program asks nothing about user {}, who is not in /etc/passwd"
KEPT = "the builder keeps what a RUN changes below a VOLUME, as BuildKit does"
_SPEC = re.compile(r"(?P<user>\d+|[a-z_][\w.-]*)(?::(?P<group>\d+|[a-z_][\w.-]*))?\Z", re.I)
_PATH = re.compile(r"/[\w@+=.,/-]+\Z", re.ASCII)


class Switch(NamedTuple):
    """Two builds, the stage that gets a user, what is claimed, and what is known."""

    before: Build
    after: Build
    number: int
    footprint: frozenset[str]
    around: Surroundings
    assumes: frozenset[str]
    graph: Graph

    @property
    def image(self) -> Image:
        """The base image of the stage."""
        return self.graph.stages[self.number].image

    @property
    def user(self) -> str:
        """What USER says in the end."""
        value = dict(self.after.stages[self.number].config)["user"]
        assert isinstance(value, Value)
        return "" if value.raw else value.text


def is_root(stage: Stage, image: Image) -> bool | None:
    """Whether a stage's containers run as root; None if that is not known.

    A user that a variable names is taken for another one.
    """
    value = dict(stage.config)["user"]
    assert isinstance(value, Value)
    user = value.text or (default_user(image) if value.raw == FROM_BASE else "")
    return user in ROOT if user else None


FROM_BASE = "the base image's user"


def user_set(switch: Switch) -> str | None:
    """Return why a stage is not what it was but for its user, or the user not one that will do."""
    old, new = switch.before.stages[switch.number], switch.after.stages[switch.number]
    inserted = _difference(old, new)
    if isinstance(inserted, str):
        return inserted
    label = new.name or str(switch.number)
    claimed = {f"stage {label}", f"user {switch.user}", *(f"+ {e.text}" for e in inserted)}
    if switch.footprint != claimed or len(claimed) != len(inserted) + 2:
        return "what is claimed is not what is done"
    if is_root(old, switch.image) is not True:
        return "it is not known to have run as root"
    if drops_privileges(switch.image) or needs_root(switch.image):
        return "the base image starts as root to become another user"
    if dict(new.config)["onbuild"] or switch.graph.children(switch.number):
        return "what starts from the stage inherits the user"
    return _unlicensed(switch, inserted) or _identity(switch, inserted) or _unmet(switch, inserted)


def _difference(old: Stage, new: Stage) -> tuple[Exec, ...] | str:
    """Return the commands of the one RUN that is new, or what else differs."""
    count = len(new.events) - len(old.events)
    pairs = zip(old.events, new.events, strict=False)
    start = next((i for i, (b, a) in enumerate(pairs) if b != a), len(old.events))
    end = start + count
    if count < 0 or old.events != (*new.events[:start], *new.events[end:]):
        return "a command or copy differs"
    runs = tuple(e + count if e > start else e for e in old.runs)
    if count:
        at_start = not start or start in old.runs or isinstance(new.events[start - 1], Copy)
        if not at_start:
            return "it does not start a RUN"
        runs = tuple(sorted((*runs, end)))
    config = dict(old.config) | {"user": dict(new.config)["user"]}
    same = replace(old, events=new.events, runs=runs, layers=old.layers + bool(count),
                   config=tuple(sorted(config.items())))  # fmt: skip
    if same != new:
        return "more than the user differs"
    inserted = new.events[start:end]
    found = tuple(e for e in inserted if isinstance(e, Exec))
    return found if len(found) == count else "what is new is not plain"


def _unlicensed(switch: Switch, inserted: tuple[Exec, ...]) -> str | None:
    """Return which of the new commands may not be there."""
    for event in inserted:
        plain = event.must and not (event.assignments or event.redirects or event.shell_state)
        if not plain or event.setting.flags or any(event.quoted):
            return f"`{event.text}` is more than one plain command"
        if event.setting.user.text not in ("", *ROOT):
            return f"`{event.text}` does not run as root"
    rest = list(inserted)
    account = accounts.creates_user(rest[1].argv) if len(rest) > 1 else None
    if account is not None and account.number:
        wanted = accounts.creation(switch.image, account.name, int(account.number))
        if tuple(event.text for event in rest[:2]) == wanted:
            if clash := _clash(switch, account):
                return clash
            rest = rest[2:]
    return _ungiven(switch, rest)


def _ungiven(switch: Switch, events: list[Exec]) -> str | None:
    """Return which commands do more than to make folders, and to give paths to the user."""
    placed = (
        image_files(switch.after, switch.number, switch.around.sent)
        if switch.around.sent is not None
        else None
    )
    there: set[str] = set()
    for number, event in enumerate(events):
        argv = event.argv
        if argv[:2] == ("mkdir", "-p") and not number:
            paths = argv[2:]
            there |= set(paths)
        elif argv[:1] == ("chown",):
            paths = argv[3:] if argv[1:2] == ("-R",) else argv[2:]
            if argv[-len(paths) - 1] != switch.user:
                return f"`{event.text}` gives to somebody else"
        else:
            return f"`{event.text}` is no way to let a user run this image"
        for path in paths:
            if not _PATH.match(path) or posixpath.normpath(path) != path:
                return f"{path} is no plain path"
            if argv[0] == "chown" and is_of_system(path):
                return f"{path} stays root's"
            if path not in there and not (placed is not None and placed.kind(path)):
                return f"{path} may not be there"
            below = any(_is_below(path, volume) for volume in event.setting.volumes)
            if below and KEPT not in switch.assumes:
                return f"not assumed: {KEPT}"
    return None


def _is_below(path: str, parent: str) -> bool:
    return path == parent or path.startswith(parent.rstrip("/") + "/")


def _clash(switch: Switch, account: accounts.Account) -> str | None:
    """Return why a user cannot be created beside those that are there."""
    there = shipped(switch.image)
    if int(account.number) < 1000:
        return "a number below 1000 may be one of the base image's"
    if there is not None and account.number in (there.uid, there.gid):
        return f"the base image has a user {account.number} already"
    if there is not None and account.name == there.name:
        return f"the base image has a user {account.name} already"
    if home_is_taken(switch.before, switch.number, account.home):
        return f"{account.home} is there already"
    texts = [e.text for s in lineage(switch.before, switch.number) for e in s.events]
    for word in (account.name, account.number):
        makers = [t for t in texts if re.search(r"user(?:add|mod)|adduser|group", t)]
        if accounts.mentions(makers, word):
            return f"{word} may be there already"
    return None


def home_is_taken(build: Build, index: int, home: str) -> bool:
    """Whether a stage may have a folder already that is to be a new user's home."""
    for stage in lineage(build, index):
        made = dict(stage.config)["directories"]
        assert isinstance(made, tuple)
        texts = [*(event.text for event in stage.events), *(path.text for path, _ in made)]
        own = re.compile(rf"{re.escape(home)}(?![\w.-])")
        if any(home in text and own.search(text) for text in texts):
            return True
    return False


def known_users(build: Build, index: int, image: Image) -> dict[str, accounts.Account]:
    """Return the users that a stage surely has, by name and by number."""
    found: dict[str, accounts.Account] = {}
    there = shipped(image)
    if there is not None:
        own = accounts.Account(there.name, there.uid, accounts.shipped_home(there))
        found |= {there.name: own, there.uid: own}
    for account in created(build, index):
        found |= {account.name: account, account.number: account}
    found.pop("", None)
    return found


def created(build: Build, index: int) -> list[accounts.Account]:
    """Return the users that a stage's commands create, in order."""
    stages = list(lineage(build, index))[::-1]
    events = (e for s in stages for e in s.events if isinstance(e, Exec) and e.must)
    return [a for a in map(accounts.creates_user, (e.argv for e in events)) if a]


def _identity(switch: Switch, inserted: tuple[Exec, ...]) -> str | None:
    """Return why USER names nobody who is there, or somebody whose group is not."""
    match = _SPEC.match(switch.user)
    if match is None or switch.user in ROOT:
        return f"USER {switch.user} is no user"
    user, group = match["user"], match["group"]
    account = known_users(switch.after, switch.number, switch.image).get(user)
    if account is None:
        if not user.isdecimal() or int(user) < 1000 or group not in (None, user):
            return f"there is no user {user}"
        if accounts.creation(switch.image):
            return f"user {user} is not created"
        assumed = NO_ENTRY.format(user)
        return None if assumed in switch.assumes else f"not assumed: {assumed}"
    if group is None:
        return None
    there = shipped(switch.image)
    groups = {there.gid} if there is not None and there.name == account.name else set()
    if any(accounts.creates_user(e.argv) == account for e in inserted):
        groups |= {account.number}
    return None if group in groups else f"group {group} is not that of user {user}"


def _unmet(switch: Switch, inserted: tuple[Exec, ...]) -> str | None:
    """Return what the process needs and the user cannot do."""
    found = needs(switch.after, switch.number, switch.image, switch.around, named(switch.user))
    if found.stops:
        return f"{found.stops[0].code}: {found.stops[0].reason}"
    if missing := [text for text in found.assumes if text not in switch.assumes]:
        return f"not assumed: {missing[0]}"
    unowned = next(unwritable(switch.after, switch.number, switch.image, switch.around, found,
                              switch.user), None)  # fmt: skip
    if unowned is not None:
        return f"user {switch.user} cannot write to {unowned[0]}: {unowned[1]}"
    return None


def named(user: str) -> str:
    """Return the user of a USER, without the group."""
    return user.partition(":")[0]


def unwritable(
    build: Build, index: int, image: Image, around: Surroundings, found: Needs, user: str
) -> Iterator[tuple[str, str]]:
    """Yield the paths that a user must write to and may not: each with where that shows."""
    owners, placed = ownership(build, index, image, around)
    account = known_users(build, index, image).get(named(user))
    home = account.home if account is not None else ""
    for path, where in found.folders.items():
        place = home if path == HOME else path
        if not place or not owners.is_writable(place, user):
            yield path, where
    for path, where in found.files.items():
        there = placed is not None and placed.kind(path) == "file"
        if there and not owners.is_writable(path, user):
            yield path, where


def ownership(
    build: Build, index: int, image: Image, around: Surroundings
) -> tuple[Owners, Placed | None]:
    """Return whose the paths of a stage's image are, and the context's files that are in it."""
    users = known_users(build, index, image)
    owners = Owners({name: a.number or name for name, a in users.items()})
    there = shipped(image)
    if there is not None and (home := accounts.shipped_home(there)):
        owners.give(home, there.uid)
    placed = image_files(build, index, around.sent) if around.sent is not None else None
    events: list[Event] = []
    for stage in list(lineage(build, index))[::-1]:
        events += stage.events
    owners.take(events, placed)
    return owners, placed
