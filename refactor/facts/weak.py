"""Weak dependencies of RPM packages: how they are left out, and which packages rely on them."""

from __future__ import annotations

import re

from refactor.facts.packages import Operation
from refactor.knowledge import table

_OPTIONS = {
    "dnf": "--setopt=install_weak_deps=False",
    "dnf5": "--setopt=install_weak_deps=False",
    "microdnf": "--setopt=install_weak_deps=0",
    "zypper": "--no-recommends",
}


def option(found: Operation) -> str:
    """Return the option that leaves weak dependencies out; empty if the manager has none."""
    return _OPTIONS.get(found.manager, "")


def relying(names: list[str]) -> list[str]:
    """Return the packages that are known to rely on their weak dependencies."""
    patterns = [row["package"] for row in table("weak_dependencies")]
    return [name for name in names if any(re.match(rf"{p}\Z", name) for p in patterns)]
