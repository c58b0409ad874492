"""Whether two names of images may name the same one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache

from refactor.facts.images import image
from refactor.outside.records import blur

MAX_NAMES = 200
SAME, LIKELY, POSSIBLE, NOT = 3, 2, 1, 0
_TAG = re.compile(r"@.*\Z|:[^/]*\Z")
# Names are in small letters: capitals are there to be replaced, as in gcr.io/PROJECT_ID/app.
_CAPITALS = re.compile(r"[A-Z][A-Z0-9_-]*")
_DEFAULT_REGISTRY = re.compile(r"\A(?:index\.)?docker\.io/|\Alibrary/")


@lru_cache(maxsize=4096)
def plain(reference: str) -> str:
    """Return the name in a reference without its tag, `*` for what is filled in later."""
    name = re.sub(r"\*+", "*", _CAPITALS.sub("*", blur(reference.strip("\"' "))))
    for _ in range(2):  # a digest behind a tag; a library on the default registry
        name = _DEFAULT_REGISTRY.sub("", _TAG.sub("", name))
    return name


def has_gaps(reference: str) -> bool:
    """Whether a part of a name is filled in later: nobody writes so the name of others' images."""
    return "*" in plain(reference)


def is_public(reference: str) -> bool:
    """Whether a name is that of an image which others publish."""
    return image(plain(reference), {}).known


@lru_cache(maxsize=65536)
def agreement(one: str, other: str) -> int:
    """Return how far two references may name one image; registries are not compared.

    An image may be pushed under many names, so the last part tells; but a public image is not what
    somebody else has made of it, although both are called `redis`.
    """
    one, other = plain(one), plain(other)
    last, its = one.rpartition("/")[2], other.rpartition("/")[2]
    if not last.strip("*-_.") or not its.strip("*-_."):
        return NOT  # nothing is known of one of them
    if "*" in last or "*" in its:
        return POSSIBLE if fnmatchcase(last, its) or fnmatchcase(its, last) else NOT
    if last != its:
        return NOT
    if one == other:
        return SAME
    return NOT if is_public(one) != is_public(other) else LIKELY


class Names:
    """The names that builds give to images."""

    def __init__(self, names: Iterable[str]) -> None:
        self.all = tuple(dict.fromkeys(name for name in names if name))
        self.patterns = tuple(name for name in self.all if has_gaps(_last(name)))
        self.by_last: dict[str, list[str]] = {}
        for name in self.all:
            self.by_last.setdefault(_last(name), []).append(name)

    def agreement(self, image: str) -> int:
        """Return how far an image may be one of these."""
        last = _last(image)
        found = self.all if "*" in last else (*self.by_last.get(last, ()), *self.patterns)
        if len(found) > MAX_NAMES:
            return POSSIBLE
        return max((agreement(image, name) for name in found), default=NOT)


def _last(reference: str) -> str:
    return plain(reference).rpartition("/")[2]
