"""Packages that a Python project declares for its development, and what would miss them.

The world is closed: a package that is not known to be a tool for those who write the sources, or
for their tests, may be needed to run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from refactor.knowledge import table
from refactor.sent import Sent
from refactor.snapshot import Snapshot

MAX_SCRIPTS = 200
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
# Groups that `--no-dev` of uv leaves out; Poetry and PDM leave out all that are not asked for.
_DEV = ("dev",)
_SCRIPT = re.compile(r"(?:\.(?:sh|bash)|(?:\A|/)(?:[Mm]akefile|justfile|Procfile|[\w-]+))\Z")


class Needed(NamedTuple):
    """Why packages for development have to stay, and what would unlock it."""

    code: str
    reason: str
    unlock: str


def packages(snapshot: Snapshot, manager: str) -> frozenset[str] | Needed:
    """Return the packages that a manager's option leaves out, by their normal names."""
    sent = snapshot.sent
    if sent is None or not sent.complete or snapshot.application is None:
        return Needed("S601", "no complete build context is known", "run it in the repository")
    manifests = [path for path in sent.files if path.rpartition("/")[2] == "pyproject.toml"]
    if len(manifests) != 1:
        return Needed(
            "S601", f"{len(manifests)} `pyproject.toml` are sent", "add the option by hand"
        )
    data = _toml(sent.text(manifests[0]) or "")
    found = frozenset(_normal(name) for name in _declared(data, manager))
    if unknown := sorted(name for name in found if not _modules(name)):
        return Needed(
            "S602", f"{unknown[0]} is no known tool of development, so it may be needed to run",
            "move it to the dependencies, or add the option by hand",
        )  # fmt: skip
    return _used(snapshot, sent, found) or found


def _used(snapshot: Snapshot, sent: Sent, names: frozenset[str]) -> Needed | None:
    """Return what uses one of some packages: a source, a script, or a command."""
    application = snapshot.application
    assert application is not None
    if not application.complete:
        return Needed("S601", "not all sources could be read", "add the option by hand")
    modules = {module for name in names for module in _modules(name)} - {"-"}
    if imported := sorted(modules & {name.partition(".")[0] for name in application.imports}):
        return Needed("S603", f"a source that is sent imports {imported[0]}",
                      "leave the tests out with `.dockerignore`")  # fmt: skip
    if not names:
        return None
    words = "|".join(map(re.escape, sorted(names | modules)))
    used = re.compile(rf"(?<![\w.-])(?:{words})(?![\w-])")
    for what, text in _commands(snapshot, sent):
        if match := used.search(text):
            return Needed("S604", f"{what} names {match[0]}", "install it there by itself")
    return None


def _commands(snapshot: Snapshot, sent: Sent) -> Iterator[tuple[str, str]]:
    """Yield texts of commands that run in the build or later."""
    yield "the Dockerfile", snapshot.text
    if snapshot.invocations is not None:
        for command in snapshot.invocations.commands:
            yield f"{command.path}:{command.line}", f"{command.text} {' '.join(command.argv)}"
    scripts = [path for path in sent.files if _SCRIPT.search(path)]
    for path in scripts[:MAX_SCRIPTS]:
        yield path, sent.text(path) or ""
    if len(scripts) > MAX_SCRIPTS:
        yield "one of too many scripts", " ".join(row["package"] for row in _rows())


def _declared(data: Mapping[str, Any], manager: str) -> Iterator[str]:
    """Yield the packages of the groups that a manager's option leaves out."""
    tool = _map(_map(data.get("tool")).get(manager))
    groups = {name: value for name, value in _map(data.get("dependency-groups")).items()
              if manager != "uv" or name in _DEV}  # fmt: skip
    if manager == "poetry":
        yield from _map(tool.get("dev-dependencies"))
        for group in _map(tool.get("group")).values():
            yield from _map(_map(group).get("dependencies"))
    elif manager == "pdm":
        groups |= {f"tool {name}": v for name, v in _map(tool.get("dev-dependencies")).items()}
    else:
        groups["tool"] = tool.get("dev-dependencies")
    for group in groups.values():
        for requirement in group if isinstance(group, list) else ():
            match = _NAME.match(requirement) if isinstance(requirement, str) else None
            yield match[0] if match else "something included"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _modules(name: str) -> tuple[str, ...]:
    """Return the modules of a tool of development; none if it is not known to be one."""
    row = next((row for row in _rows() if re.fullmatch(row["package"], name)), None)
    return tuple(row["modules"].split()) if row else ()


@lru_cache(maxsize=1)
def _rows() -> tuple[dict[str, str], ...]:
    return tuple(table("development_packages"))


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _toml(text: str) -> Mapping[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {"dependency-groups": {"dev": ["[unreadable"]}}
