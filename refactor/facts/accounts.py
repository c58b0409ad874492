"""Users and groups that commands of a build create, by the manuals of shadow and busybox."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from refactor.facts.images import Family, Image
from refactor.facts.packages import command_of, unwrap
from refactor.facts.users import User, user_commands

NAMES, NUMBER = ("app", "appuser", "runner"), 10001
_BUSYBOX = frozenset({Family.ALPINE, Family.BUSYBOX, Family.WOLFI})
# Users of base images that are created with a home: the images' own Dockerfiles say so.
_WITH_HOME = frozenset({"node", "bun", "gradle", "app", "nonroot", "ubuntu", "jovyan", "mambauser"})
# Made of Amazon Linux, which has no shadow-utils.
_WITHOUT = frozenset({"amazoncorretto"})
# Options that take a value. -s and -g mean one thing to useradd and another to busybox's adduser.
_USERADD = frozenset(
    "-b --base-dir -c --comment -d --home-dir --home -e --expiredate -f --inactive -g --gid -G "
    "--groups -k --skel -K --key -p --password -s --shell -u --uid -R --root -P --prefix -Z "
    "--selinux-user -F --add-subids-for-system".split()
)
_ADDUSER = frozenset(
    "-h --home -g --gecos --comment -s --shell -G --ingroup -u --uid -k --skel --gid --firstuid "
    "--lastuid --conf --firstgid --lastgid".split()
)
_NUMBER = re.compile(r"\d+\Z")
_PLAIN = re.compile(r"[a-z_][a-z0-9_.-]*\Z", re.IGNORECASE)


class Account(NamedTuple):
    """A user; `number` and `home` are empty if they are not known.

    `settled`: the home is there, and belongs to the user.
    """

    name: str
    number: str
    home: str
    settled: bool = True

    @property
    def user(self) -> str:
        """What USER names it by: the number, for that is what orchestrators can check."""
        return self.number or self.name


@lru_cache(maxsize=8192)
def creates_user(argv: tuple[str, ...]) -> Account | None:
    """Return the user that a command creates, if its name is known."""
    words = unwrap(command_of(argv).words)[0]
    program, *rest = [word.text for word in words] or [""]
    program = program.rpartition("/")[2]
    if program not in ("useradd", "adduser"):
        return None
    options, names = _split(rest, _USERADD if program == "useradd" else _ADDUSER)
    only_group = program == "adduser" and "--group" in options and "--system" not in options
    if len(names) != 1 or not _PLAIN.match(names[0]) or only_group:
        return None  # with two names, adduser only adds a user to a group
    number = options.get("-u", options.get("--uid", ""))
    homes = ("-d", "--home-dir", "--home") if program == "useradd" else ("-h", "--home")
    home = next((options[o] for o in homes if o in options), f"/home/{names[0]}")
    if "--system" in options and program == "adduser" and home == f"/home/{names[0]}":
        home = ""  # which it is differs between versions
    makes = _makes_home(options) if program == "useradd" else not _without_home(options)
    number = number if _NUMBER.match(number) else ""
    return Account(names[0], number, home, makes and bool(home))


def creates_group(argv: tuple[str, ...]) -> str:
    """Return the group that a command creates; empty if it creates none, or its name is unknown."""
    words = unwrap(command_of(argv).words)[0]
    program, *rest = [word.text for word in words] or [""]
    if program.rpartition("/")[2] not in ("groupadd", "addgroup"):
        return ""
    values = frozenset({"-g", "--gid", "-K", "--key", "-p", "--password", "-R", "-P"})
    names = _split(rest, values)[1]
    return names[0] if len(names) == 1 else ""


def _makes_home(options: dict[str, str]) -> bool:
    clusters = [o for o in options if re.match(r"-[a-zA-Z]+\Z", o)]
    return "--create-home" in options or any("m" in o for o in clusters)


def _without_home(options: dict[str, str]) -> bool:
    letters = "".join(o[1:] for o in options if re.match(r"-[a-zA-Z]+\Z", o))
    return "--no-create-home" in options or "H" in letters


def _split(words: list[str], values: frozenset[str]) -> tuple[dict[str, str], list[str]]:
    """Return the options with their values, and the other words."""
    options: dict[str, str] = {}
    names: list[str] = []
    todo = list(reversed(words))
    while todo:
        word = todo.pop()
        if word.startswith("--"):
            name, sign, value = word.partition("=")
            takes = not sign and name in values and todo
            options[name] = todo.pop() if takes else value
        elif word.startswith("-") and len(word) > 1:
            _cluster(word, values, todo, options)
        else:
            names.append(word)
    return options, names


def _cluster(word: str, values: frozenset[str], todo: list[str], options: dict[str, str]) -> None:
    """Read `-rm`, `-u1000` and `-mu 1000`."""
    for index, letter in enumerate(word[1:], 1):
        option = f"-{letter}"
        if option in values:
            value = word[index + 1 :]
            options[option] = value or (todo.pop() if todo else "")
            return
        options[option] = ""


def creation(image: Image, name: str = NAMES[0], number: int = NUMBER) -> tuple[str, ...]:
    """Return the commands that create a user with a group and a home; none if there are none."""
    have = frozenset() if image.name in _WITHOUT else user_commands(image)
    if "useradd" in have:
        return (
            f"groupadd --gid {number} {name}",
            f"useradd --no-log-init --uid {number} --gid {name} --create-home "
            f"--shell /usr/sbin/nologin {name}",
        )
    if "adduser" in have and image.family in _BUSYBOX:
        return (
            f"addgroup -S -g {number} {name}",
            f"adduser -S -D -u {number} -G {name} -h /home/{name} -s /sbin/nologin {name}",
        )
    return ()


def has_shell(image: Image) -> bool:
    """Whether a RUN can work in an image."""
    return image.family not in (Family.SCRATCH, Family.DISTROLESS)


def shipped_home(user: User) -> str:
    """Return the home that a user of a base image has and may write to; empty if none."""
    return f"/home/{user.name}" if user.name in _WITH_HOME else ""


def mentions(texts: Iterable[str], word: str) -> bool:
    """Whether a name, or a number, stands in texts as a word of its own."""
    wanted = re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w.-])")
    return any(wanted.search(text) for text in texts)
