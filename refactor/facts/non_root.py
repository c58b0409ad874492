"""Which stages can run as a user other than root, as whom, and what that user must be given."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from refactor.effects import Copy, Exec
from refactor.effects.containers import lineage, needs
from refactor.effects.needs import HOME, Needs, is_of_system
from refactor.effects.placed import Placed
from refactor.effects.started import directory
from refactor.effects.users import (
    KEPT,
    NO_ENTRY,
    created,
    home_is_taken,
    is_root,
    known_users,
    named,
    ownership,
    unwritable,
)
from refactor.facts import accounts
from refactor.facts.images import Family
from refactor.facts.stages import Stage
from refactor.facts.users import drops_privileges, needs_root, shipped
from refactor.snapshot import Snapshot
from refactor.syntax import Instruction

# They make files or name a directory: the user comes behind the last of them.
_MAKERS = frozenset({"RUN", "COPY", "ADD", "WORKDIR"})
_STARTS = frozenset({"ENTRYPOINT", "CMD", "HEALTHCHECK"})
# Stages that are no image to run: to develop or test in.
_TOOLS = re.compile(
    r"(?:\A|[-_])(?:dev|devel|development|devcontainer|tests?|testing|debug|ci|lint)(?:[-_]|\Z)"
)
_NOBODY = "65532"  # of an image without a shell, by the custom of distroless
_MAKES_USERS = re.compile(r"\b(?:useradd|adduser|newusers)\b")


class Obstacle(NamedTuple):
    """Why a stage goes on as root, and where that shows."""

    code: str
    reason: str
    unlock: str
    at: Instruction


@dataclass(frozen=True)
class Plan:
    """What is written: `commands` in a RUN at one place, USER with `user` at another.

    A place is an instruction that what is written stands in front of; None is the stage's end.
    """

    stage: Stage
    user: str
    why: str
    commands: tuple[str, ...]
    folders: tuple[str, ...]
    run_at: Instruction | None
    user_at: Instruction | None
    needs: Needs
    assumes: tuple[str, ...]
    unclear: bool


def plans(snapshot: Snapshot) -> Iterator[Plan | Obstacle]:
    """Yield how the stages that are run can do without root, or why they cannot."""
    wanted = snapshot.invocations.targets if snapshot.invocations is not None else frozenset()
    for stage in snapshot.graph.stages:
        last = stage.index == len(snapshot.graph.stages) - 1
        if last or (stage.name in wanted and _is_run(stage)):
            found = _plan(snapshot, stage)
            if found is not None:
                yield found


def _is_run(stage: Stage) -> bool:
    """Whether a stage that is asked for is an image to run."""
    starts = any(ins.keyword in ("CMD", "ENTRYPOINT") for ins in stage.instructions)
    return starts and not _TOOLS.search(stage.name)


def _plan(snapshot: Snapshot, stage: Stage) -> Plan | Obstacle | None:
    model, image = snapshot.build.stages[stage.index], stage.image
    root = is_root(model, image)
    if root is False:
        return None
    stop = _first_obstacle(snapshot, stage, root)
    if stop is not None:
        return stop
    chosen = _chosen(snapshot, stage)
    if isinstance(chosen, Obstacle):
        return chosen
    user, why, commands, assumes = chosen
    found = needs(snapshot.build, stage.index, image, snapshot, named(user))
    if found.stops:
        return Obstacle(*found.stops[0], stage.start)
    folders = _folders(snapshot, stage, found, user, bool(commands))
    if isinstance(folders, Obstacle):
        return folders
    commands += _given(snapshot, stage, folders, user)
    if commands and not accounts.has_shell(image):
        return Obstacle(
            "U305", f"{folders[0]} must be writable, and the image has no shell to make it",
            "copy it from another stage with --chown", stage.start,
        )  # fmt: skip
    user_at, run_at = _places(stage, folders, snapshot)
    if any(_is_below(f, v) for f in folders for v in _volumes(snapshot, stage, run_at)):
        assumes += (KEPT,)
    unknown = NO_ENTRY.format(named(user)) in assumes and accounts.has_shell(image)
    return Plan(stage, user, why, commands, tuple(folders), run_at, user_at, found,
                (*assumes, *found.assumes), found.unclear or unknown)  # fmt: skip


def _first_obstacle(snapshot: Snapshot, stage: Stage, root: bool | None) -> Obstacle | None:
    """Look at what has nothing to do with the application."""
    image, start = stage.image, stage.start
    if image.family is Family.WINDOWS:
        return Obstacle("U310", "Windows images have other users", "", start)
    if root is None:
        return Obstacle("U307", f"as whom {image.reference or 'the base image'} starts is not "
                        "known", "name a public image, or an alias for one", start)  # fmt: skip
    asked = next((i for i in reversed(stage.instructions) if i.keyword == "USER"), None)
    if _TOOLS.search(stage.name):
        return Obstacle("U313", f"{stage.name} is a stage to develop or test in",
                        "name it otherwise if it is run", start)  # fmt: skip
    if asked is not None:
        return Obstacle("U311", "the Dockerfile itself asks for root", "leave USER out", asked)
    if drops_privileges(image):
        return Obstacle("U301", f"{image.name} starts as root to prepare its files, and then "
                        "becomes another user itself", "", start)  # fmt: skip
    if reason := needs_root(image):
        code = "U304" if reason.startswith("port") else "U303"
        return Obstacle(code, f"{image.name} needs root: {reason}",
                        "start from a variant without root, where there is one", start)  # fmt: skip
    triggers = any(ins.trigger for ins in stage.instructions)
    if snapshot.graph.children(stage.index) or triggers or snapshot.published:
        return Obstacle("U309", "what starts from it would inherit the user, and may need root",
                        "give the user to the last image", start)  # fmt: skip
    if snapshot.sent is None or not snapshot.sent.complete:
        return Obstacle("U308", "what the application writes is not known without the build "
                        "context", "run where the build context is", start)  # fmt: skip
    return None


Choice = tuple[str, str, tuple[str, ...], tuple[str, ...]]


def _chosen(snapshot: Snapshot, stage: Stage) -> Choice | Obstacle:
    """Return the user, why this one, the commands that create it, and what is assumed."""
    image = stage.image
    own = created(snapshot.build, stage.index)
    unread = [
        event for model in lineage(snapshot.build, stage.index) for event in model.events
        if not isinstance(event, Copy) and _MAKES_USERS.search(event.text)
        and not (isinstance(event, Exec) and accounts.creates_user(event.argv))
        and not (isinstance(event, Exec) and event.argv[:1] == ("adduser",))
    ]  # fmt: skip
    if len({account.name for account in own}) > 1 or (unread and not own):
        return Obstacle("U312", "which user of those that are created is meant is not known",
                        "write USER", stage.start)  # fmt: skip
    if own:
        return own[0].user, f"user {own[0].name} is created, and never used", (), ()
    there = shipped(image)
    if there is not None and there.uid and there.gid and image.name not in ("ubuntu", "debian"):
        return (f"{there.uid}:{there.gid}", f"{image.name} has a user {there.name} for it", (), ())
    if not accounts.has_shell(image):
        user = f"{_NOBODY}:{_NOBODY}"
        return user, "no file of it needs root", (), (NO_ENTRY.format(_NOBODY),)
    user = f"{accounts.NUMBER}:{accounts.NUMBER}"
    texts = [e.text for s in snapshot.build.stages for e in s.events]
    taken = [n for n in accounts.NAMES if home_is_taken(snapshot.build, stage.index, f"/home/{n}")]
    names = [n for n in accounts.NAMES if not accounts.mentions(_makers(texts), n)]
    name = next((n for n in names if n not in taken), "")
    commands = accounts.creation(image, name) if name else ()
    if commands:
        return user, "nothing in it needs root", commands, ()
    return user, "nothing in it needs root", (), (NO_ENTRY.format(accounts.NUMBER),)


def _makers(texts: list[str]) -> list[str]:
    return [text for text in texts if "user" in text or "group" in text]


def _folders(
    snapshot: Snapshot, stage: Stage, found: Needs, user: str, new: bool
) -> list[str] | Obstacle:
    """Return the paths that the user must be given."""
    missing = list(unwritable(snapshot.build, stage.index, stage.image, snapshot, found, user))
    paths: list[str] = []
    account = known_users(snapshot.build, stage.index, stage.image).get(named(user))
    for path, where in missing:
        if path != HOME:
            paths.append(path)
        elif not new:
            if account is None or not account.home:
                return Obstacle("U305", f"{where} needs a home, and user {named(user)} has none",
                                "create the user with a home", stage.start)  # fmt: skip
            if is_of_system(account.home):
                return Obstacle("U305", f"{where} needs a home, and {account.home} stays root's",
                                "create the user with a home", stage.start)  # fmt: skip
            paths.append(account.home)
    return [p for p in paths if not any(p != q and _is_below(p, q) and _is_deep(snapshot, stage, q)
                                        for q in paths)]  # fmt: skip


def _given(snapshot: Snapshot, stage: Stage, paths: list[str], user: str) -> tuple[str, ...]:
    """Return the commands that make folders and give them, and files, to a user."""
    placed = ownership(snapshot.build, stage.index, stage.image, snapshot)[1]
    files = [p for p in paths if placed is not None and placed.kind(p) == "file"]
    folders = [p for p in paths if p not in files]
    home = directory(snapshot.build.stages[stage.index])
    deep = list(
        dict.fromkeys(_top(p, home, placed) for p in folders if _is_deep(snapshot, stage, p))
    )
    flat = [p for p in paths if p in files or not _is_deep(snapshot, stage, p)]
    commands = []
    made = list(dict.fromkeys((*(p for p in deep if p not in folders), *folders)))
    if new := [p for p in made if placed is None or placed.kind(p) != "dir"]:
        commands.append(f"mkdir -p {' '.join(new)}")
    if deep:
        commands.append(f"chown -R {user} {' '.join(deep)}")
    if flat:
        commands.append(f"chown {user} {' '.join(flat)}")
    return tuple(commands)


def _top(path: str, home: str, placed: Placed | None) -> str:
    """Return the uppermost folder that `mkdir -p` makes for a path, below the working directory."""
    parent = posixpath.dirname(path)
    if home in ("", "/") or parent == home or not _is_below(parent, home):
        return path
    there = placed is not None and placed.kind(parent) == "dir"
    return path if there else _top(parent, home, placed)


def _is_deep(snapshot: Snapshot, stage: Stage, folder: str) -> bool:
    """Whether all in a folder goes to the user: not if the application's own files are there."""
    model = snapshot.build.stages[stage.index]
    return not _is_below(directory(model) or "/", folder)


def _is_below(path: str, parent: str) -> bool:
    return path == parent or path.startswith(parent.rstrip("/") + "/")


def _volumes(snapshot: Snapshot, stage: Stage, at: Instruction | None) -> frozenset[str]:
    """Return the volumes that may be declared in front of a place in a stage."""
    models = snapshot.build.stages
    body = stage.instructions
    before = [i for i in body if at is None or i.span.start < at.span.start]
    number = stage.index if any(i.keyword == "VOLUME" for i in before) else stage.parent
    found = dict(models[number].config)["volumes"] if number is not None else frozenset()
    assert isinstance(found, frozenset)
    return found


def _places(
    stage: Stage, folders: list[str], snapshot: Snapshot
) -> tuple[Instruction | None, Instruction | None]:
    """Return what USER, and what the RUN, stand in front of.

    The RUN goes in front of the copies behind the last RUN, so that a changed source does not
    run it again, unless they put something where the folders are.
    """
    body = stage.instructions
    last = max((i for i, ins in enumerate(body) if ins.keyword in _MAKERS), default=0)
    rest = body[last + 1 :]
    user_at = next((ins for ins in rest if ins.keyword in _STARTS), None)
    volume = next((ins for ins in rest if ins.keyword == "VOLUME"), None)
    late = user_at
    if volume is not None and (user_at is None or volume.span.start < user_at.span.start):
        late = volume
    run = max((i for i, ins in enumerate(body) if ins.keyword == "RUN"), default=0)
    copies = [ins for ins in body[run + 1 :] if ins.keyword in ("COPY", "ADD")]
    events = [e for e in snapshot.build.stages[stage.index].events if isinstance(e, Copy)]
    targets = [posixpath.normpath(e.destination.text) for e in events[len(events) - len(copies) :]]
    meets = any(_is_below(f, t) or _is_below(t, f) for f in folders for t in targets)
    raw = any(not t.startswith("/") for t in targets)
    early = copies and not (meets or (raw and folders))
    return user_at, copies[0] if early else late
