"""What is known of each package manager: its options, what fills its caches, what empties them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from refactor.knowledge import table


class Manager(NamedTuple):
    """A row of the table.

    `values`: options whose value is a word of its own. `yes` answers the question that the
    actions `asks` ask, unless one of `answered` is given. `no_cache` keeps what the actions
    `fills` put into the caches `paths` out of them, unless one of `cache_off` is given.
    `cleanup` are the commands that empty the caches, `cleaned` the actions that do so too.
    `mount` is where a cache mount keeps them between builds.
    """

    name: str
    values: frozenset[str]
    yes: str
    asks: frozenset[str]
    answered: tuple[str, ...]
    no_cache: str
    fills: frozenset[str]
    cache_off: tuple[str, ...]
    cleanup: tuple[str, ...]
    cleaned: frozenset[str]
    paths: tuple[str, ...]
    mount: str


@lru_cache(maxsize=1)
def managers() -> dict[str, Manager]:
    """Return every manager by its name."""
    return {row["manager"]: _manager(row) for row in table("managers")}


def manager_of(program: str) -> Manager | None:
    """Return the manager that a program, without its folder, is."""
    return _programs().get(program)


@lru_cache(maxsize=1)
def _programs() -> dict[str, Manager]:
    return {
        program: managers()[row["manager"]]
        for row in table("managers")
        for program in row["programs"].split()
    }


@lru_cache(maxsize=1)
def cleanups() -> dict[str, Manager]:
    """Return the manager whose caches each cleanup command empties."""
    return {text: manager for manager in managers().values() for text in manager.cleanup}


def _manager(row: dict[str, str]) -> Manager:
    words = {key: () if value == "-" else tuple(value.split()) for key, value in row.items()}
    cleanup = "" if row["cleanup"] == "-" else row["cleanup"]
    return Manager(
        row["manager"], frozenset(words["values"]), "".join(words["yes"]),
        frozenset(words["asks"]), words["answered"], "".join(words["no_cache"]),
        frozenset(words["fills"]), words["cache_off"],
        tuple(text.strip() for text in cleanup.split(";") if text),
        frozenset(words["cleaned"]), words["paths"], "".join(words["mount"]),
    )  # fmt: skip


def mount_value(manager: Manager) -> str:
    """Return the value of the `--mount` that keeps a manager's caches out of the layer.

    The managers of distributions do not take turns by themselves: one build waits for the other.
    """
    sharing = ",sharing=locked" if manager.mount.startswith("/var/") else ""
    return f"type=cache,target={manager.mount}{sharing}"
