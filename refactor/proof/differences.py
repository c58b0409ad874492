"""How two images differ, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from refactor.proof.images import Defect, Image, Package


class Group(StrEnum):
    """What a file is to an image."""

    CACHE = "package caches"
    TOOL = "build tools"
    DOCUMENTATION = "documentation"
    ACCOUNT = "accounts"  # /etc/passwd and the like
    SYSTEM = "system"  # of the distribution's packages, and their databases
    MODULE = "modules"  # of Python, Node and other languages' packages
    APPLICATION = "application"


class How(StrEnum):
    """What became of a path."""

    ADDED = "added"
    GONE = "gone"
    CHANGED = "changed"


class FileDifference(NamedTuple):
    """One path. `what` says what of it changed: kind, content, mode, owner, target.

    `size` is in bytes: what is added, or taken away (then it is negative).
    """

    path: str
    how: How
    group: Group
    size: int
    what: tuple[str, ...] = ()


class SettingDifference(NamedTuple):
    """One setting, such as `user` or `env PATH`; None where it is not set."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Comparison:
    """How `after` differs from `before`; what two builds of the same text differ in is left out.

    `noise` counts the paths that were left out for that.
    """

    before: Image
    after: Image
    settings: tuple[SettingDifference, ...]
    files: tuple[FileDifference, ...]
    packages_added: frozenset[Package]
    packages_gone: frozenset[Package]
    defects_added: frozenset[Defect]
    defects_gone: frozenset[Defect]
    privileged_added: frozenset[str]
    privileged_gone: frozenset[str]
    noise: int = 0

    @property
    def unread(self) -> tuple[str, ...]:
        """What of either image could not be read, and so was not compared: a sentence each."""
        return tuple(dict.fromkeys((*self.before.unread, *self.after.unread)))

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs but layers and sizes."""
        return not (
            self.settings or self.files or self.packages_added or self.packages_gone
            or self.defects_added or self.privileged_added or self.privileged_gone
        )  # fmt: skip
