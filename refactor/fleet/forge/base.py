"""What a forge is asked for, whichever it is, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit


class ForgeError(Exception):
    """A forge did not do what it was asked; the message says what, and holds no token."""


class Unsure(ForgeError):
    """Whether a request was carried out is not known: the answer was lost. Look before asking."""


class Listed(NamedTuple):
    """A repository of an organisation: where git finds it, and why it is left out, if it is."""

    address: str
    skipped: str = ""


class Pull(NamedTuple):
    """A pull or merge request as the forge has it; `state` is open, merged or closed.

    `head` is the commit that it would merge; `conflict` whether that is impossible for conflicts.
    """

    number: int
    address: str
    state: str
    head: str
    body: str = ""
    draft: bool = False
    conflict: bool = False


class Wanted(NamedTuple):
    """A request that is to be opened: the branch `head` into the branch `base`."""

    title: str
    body: str
    head: str
    base: str
    draft: bool = False


class Forge(Protocol):
    """A forge's API, as far as it is needed.

    `place` is the name of a repository there: its owner and name, or its groups and name. All
    methods raise ForgeError.
    """

    # whether the forge asks those whom CODEOWNERS names by itself
    asks_owners: bool

    def repositories(self, owner: str) -> Iterator[Listed]:
        """Yield all repositories of an organisation or group, those that are left out too."""

    def find(self, place: str, branch: str) -> Pull | None:
        """Return the request from a branch: the open one, or else the latest."""

    def look(self, place: str, number: int) -> Pull:
        """Return a request as it is now."""

    def open(self, place: str, wanted: Wanted) -> Pull:
        """Open a request, unless there is one from this branch: then that is returned."""

    def describe(self, place: str, number: int, body: str) -> None:
        """Give a request another body."""

    def label(self, place: str, number: int, labels: tuple[str, ...]) -> None:
        """Add labels to a request."""

    def ask(self, place: str, number: int, reviewers: tuple[str, ...]) -> None:
        """Ask people for a review; `organisation/team` is a team, where there are any."""

    def close(self, place: str, number: int, words: str) -> None:
        """Say why in a comment, unless that has been said, and close the request."""

    def checks(self, place: str, pull: Pull) -> str:
        """Return what CI says of a request: passing, failing, pending, or none."""


@contextmanager
def understood(forge: str) -> Iterator[None]:
    """Say that an answer is not as it is documented, where something is missing in it."""
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ForgeError(f"{forge}: an answer of another shape than is documented") from error


def place(address: str) -> str:
    """Return what a forge calls the repository of an address, such as `acme/shop`.

    Both forms of git are read: `https://host/acme/shop.git` and `git@host:acme/shop.git`.
    """
    path = urlsplit(address).path if "://" in address else address.partition(":")[2]
    return path.strip("/").removesuffix(".git")


def left_out(**reasons: object) -> str:
    """Return the first of some reasons that holds; empty for none."""
    return next((name for name, holds in reasons.items() if holds), "")


def opened(pull: Pull | None) -> Pull | None:
    """Return a request if it is open."""
    return pull if pull is not None and pull.state == "open" else None


def latest(pulls: Iterable[Pull]) -> Pull | None:
    """Return the open one of the requests from a branch, or else the last."""
    return min(pulls, key=lambda one: (one.state != "open", -one.number), default=None)


def said(comments: Iterable[Any], words: str) -> bool | None:
    """Return whether one of the comments says just this; None for no, as `once` has it."""
    return any(item.get("body") == words for item in comments) or None
