"""What a client sets: the level, the transforms, and how much is said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from refactor.batch import Wishes
from refactor.config import ConfigError, level
from refactor.registry import select

SECTION = "dfr"
KEYS = ("level", "select", "ignore", "refusals")


@dataclass(frozen=True)
class Settings:
    """`wishes` are as on the command line; `refusals` is whether they are shown."""

    wishes: Wishes = field(default_factory=Wishes)
    refusals: bool = False


def settings(table: Mapping[str, Any]) -> Settings:
    """Check what a client sent; raise ConfigError and Unusable, which name what there is."""
    for key in table:
        if key not in KEYS:
            raise ConfigError(f"unknown setting {key!r}; there are: {', '.join(KEYS)}")
    name, refusals = table.get("level"), table.get("refusals") or False
    if not isinstance(refusals, bool):
        raise ConfigError("refusals is true or false")
    chosen, ignored = _ids("select", table), _ids("ignore", table)
    select(chosen, ignored)
    wanted = level(name, "settings") if name else None
    return Settings(Wishes(wanted, chosen, ignored), refusals)


def _ids(key: str, table: Mapping[str, Any]) -> tuple[str, ...]:
    found = table.get(key) or []
    if not isinstance(found, list) or not all(isinstance(id, str) for id in found):
        raise ConfigError(f"{key} is a list of strings")
    return tuple(found)
