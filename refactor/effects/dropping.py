"""Events that a stage can do without where it only runs: what they install, fetch or empty."""

from __future__ import annotations

import re

from refactor.effects.events import Copy, Event, Exec
from refactor.facts import left_out
from refactor.facts.environments import installs
from refactor.facts.images import Image
from refactor.facts.packages import argv_operation, only_cleans

ADDS = {"apt": "install", "apt-get": "install", "apk": "add"}
_UPDATES = frozenset({("apt", "update"), ("apt-get", "update"), ("apk", "update")})
_CACHES = re.compile(
    r"(?:(?:/root|~|\$HOME)/\.cache(?:/pip)?|/tmp|/var/tmp|/var/lib/apt/lists|/var/cache/apt"
    r"|/var/cache/apk)(?:/\*)?/?\Z"
)


def is_cleanup(event: Event) -> bool:
    """Whether an event only empties caches, or sets an option of its shell."""
    if not isinstance(event, Exec) or event.redirects:
        return False
    words = [word for word in event.argv[1:] if not word.startswith("-")]
    caches = event.argv[:1] == ("rm",) and words and all(map(_CACHES.match, words))
    return bool(caches) or only_cleans(event.argv) or event.argv[:1] == ("set",)


def is_update(event: Event) -> bool:
    """Whether an event only fetches the lists of packages."""
    found = argv_operation(event.argv) if isinstance(event, Exec) else None
    return found is not None and (found.manager, found.action) in _UPDATES


def all_dropped(event: Event, image: Image, dropped: list[str]) -> bool:
    """Whether an event installs nothing but packages that only build; add these to `dropped`."""
    names = packages_of(event)
    if not names or not all(left_out.is_left_out(name, image.family) for name in names):
        return False
    if any(left_out.needed(name, image) is None for name in names):
        return False
    dropped += names
    return True


def packages_of(event: Event) -> list[str]:
    found = argv_operation(event.argv) if isinstance(event, Exec) and event.must else None
    if found is None or ADDS.get(found.manager) != found.action:
        return []
    return [argument.text for argument in found.arguments]


def named_in(event: Event) -> set[str]:
    """Return the names of programs that may be meant in a command."""
    if isinstance(event, Copy) or packages_of(event):
        return set()
    return {word.rpartition("/")[2] for word in re.findall(r"[\w.+/-]+", event.text)}


def assumption(event: Event, dropped: list[str]) -> str:
    """Return what is assumed of a command that runs where packages are left out."""
    return f"`{event.text[:120]}` needs none of {', '.join(dropped)}"


def is_install(event: Event) -> bool:
    """Whether an event installs with pip into the interpreter's own place."""
    return isinstance(event, Exec) and installs(event.argv)
