"""The users of a base image: which one it ships, which one it starts as, how others are made."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from refactor.facts.images import Family, Image
from refactor.facts.releases import codename
from refactor.knowledge import fits, table

_UNKNOWN, _NOTHING = "?", "-"
_SHADOW = frozenset({"useradd", "groupadd"})
_ADDUSER = frozenset({"adduser", "addgroup"})
# Of busybox; its options are not those of Debian's adduser.
_BUSYBOX = (Family.ALPINE, Family.BUSYBOX, Family.WOLFI)
_WITH_SHADOW = (Family.DEBIAN, Family.UBUNTU, Family.SUSE, Family.ARCH)
# Releases whose apt depends on adduser; trixie's images have it only by chance.
_WITH_ADDUSER = frozenset({"buster", "bullseye", "bookworm"})
_SMALL = ("minimal", "micro", "slim", "nano", "busybox")


class User(NamedTuple):
    """A user that an image ships; `uid` and `gid` are empty if not known."""

    name: str
    uid: str
    gid: str


def shipped(image: Image) -> User | None:
    """Return the user other than root that an image has for its application."""
    row = _row(image)
    if row is None or row["user"] == _NOTHING:
        return None
    return User(row["user"], _known(row["uid"]), _known(row["gid"]))


def drops_privileges(image: Image) -> bool:
    """Whether an image starts as root to prepare its files, and then becomes another user."""
    row = _row(image)
    return row is not None and row["drops"] == "yes"


def default_user(image: Image) -> str:
    """Return the user that an image starts as; empty if that is not known."""
    row = _row(image)
    return _known(row["starts_as"] if row else image.user)


def needs_root(image: Image) -> str:
    """Return for what an image must start as root; empty if nothing is known that needs it."""
    row = _row(image)
    return "" if row is None or row["needs_root"] == "no" else row["needs_root"]


def ports(image: Image) -> tuple[str, ...]:
    """Return the ports on which an image's own program listens."""
    row = _row(image)
    return () if row is None or row["ports"] == _NOTHING else tuple(row["ports"].split())


def user_commands(image: Image) -> frozenset[str]:
    """Return the commands that an image surely has to create users and groups."""
    if not image.known:
        return frozenset()
    if image.family in _BUSYBOX:
        return _ADDUSER
    if image.family in _WITH_SHADOW:
        return _SHADOW | (_ADDUSER if codename(image) in _WITH_ADDUSER else frozenset())
    small = any(word in f"{image.name}:{image.tag}" for word in (*_SMALL, "amazonlinux", "lambda"))
    return _SHADOW if image.family is Family.RHEL and not small else frozenset()


def _known(cell: str) -> str:
    return "" if cell == _UNKNOWN else cell


@lru_cache(maxsize=1024)
def _row(image: Image) -> dict[str, str] | None:
    """Return the first row whose name and tag fit; a digest alone tells no tag."""
    for row in table("shipped_users"):
        if fits(image.name, row["image"]):
            if row["tags"] == "*" or (image.tag and fits(image.tag, row["tags"])):
                return row
            if not image.tag:
                return None
    return None
