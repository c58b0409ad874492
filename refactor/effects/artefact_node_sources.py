"""A Node project: what its package.json says, what its sources import, and what they run."""

from __future__ import annotations

import json
import posixpath
import re
from typing import Any, NamedTuple

from refactor.effects.artefact_data import texts
from refactor.effects.placed import Placed
from refactor.facts.installs import Unknown

_SOURCE = re.compile(r".+\.(?:[cm]?[jt]sx?|vue|svelte)\Z")
_COMMENTS = re.compile(r"//[^\n\"'`]*$|/\*.*?\*/", re.DOTALL | re.MULTILINE)
_IMPORT = re.compile(
    r"\b(?:require|import)\s*\(\s*[\"'`]([^\"'`\n]+)[\"'`]"
    r"|\bimport\s+(?!type\b)(?:[^;'\"`()]{0,400}?\bfrom\s*)?[\"']([^\"'\n]+)[\"']"
    r"|\bexport\s+(?!type\b)[^;'\"`()]{0,400}?\bfrom\s*[\"']([^\"'\n]+)[\"']"
)
_SPAWNS = re.compile(r"child_process|\bexeca\b|\bshelljs\b|cross-spawn|\bzx\b|node-pty|\bspawn\(")
_CALLS = re.compile(
    r"\b(?:spawn|spawnSync|exec|execSync|execFile|execFileSync|execa|execaSync)\(\s*([^\s,)])"
)
_STRINGS = re.compile(r"\"([^\"\n]{1,200})\"|'([^'\n]{1,200})'|`([^`]{1,400})`")
_WORD = re.compile(r"[\w.+-]+")
# They are for tests and tools of the repository; a program does not load them.
_ASIDE = re.compile(
    r"(?:^|/)(?:tests?|__tests__|__mocks__|spec|e2e|cypress|playwright|\.storybook|stories|scripts|"
    r"tools|benchmarks?)/|[.-](?:test|spec|stories|e2e|cy)\.\w+\Z"
    r"|(?:^|/)(?:webpack|vite|vitest|rollup|babel|jest|karma|gulpfile|Gruntfile|postcss|tailwind|"
    r"eslint|prettier|commitlint|lint-staged|tsup|esbuild|cypress|playwright|protractor|wallaby|"
    r"stylelint|\.\w+rc)[\w.-]*\.[cm]?[jt]s\Z"
)


class Package(NamedTuple):
    """A package.json; `outside`: a dependency is a folder beside the project."""

    scripts: dict[str, str]
    dependencies: frozenset[str]
    development: frozenset[str]
    workspaces: bool
    outside: bool


def package(placed: Placed, folder: str) -> Package | None:
    """Return what the package.json of a folder says; None if it is not read."""
    try:
        data: Any = json.loads(placed.text(posixpath.join(folder, "package.json")) or "null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict):
        return None
    scripts = data.get("scripts") or {}
    groups = [
        data.get(k) or {} for k in ("dependencies", "optionalDependencies", "devDependencies")
    ]
    if not all(isinstance(group, dict) for group in (scripts, *groups)):
        return None
    commands = {str(k): v for k, v in scripts.items() if isinstance(v, str)}
    runtime, optional, development = map(frozenset, groups)
    return Package(
        commands,
        runtime | optional,
        development - runtime - optional,
        "workspaces" in data,
        any(re.match(r"(?:file|link|portal):\.\.", str(v)) for g in groups for v in g.values()),
    )


class Script(NamedTuple):
    """A source that a program may load: its path and its text without comments."""

    path: str
    text: str


def sources(placed: Placed, folder: str) -> list[Script] | Unknown:
    """Return the sources of a project that a program may load."""
    paths = []
    for path in sorted(placed.below(folder)):
        inside = posixpath.relpath(path, folder)
        aside = _ASIDE.search(inside) or "node_modules/" in inside or ".min." in path
        if _SOURCE.match(path) and not aside and not path.endswith(".d.ts"):
            paths.append(path)
    read = texts(placed, paths)
    if isinstance(read, Unknown):
        return read
    return [Script(path, _COMMENTS.sub(" ", text)) for path, text in read.items()]


def imports(script: Script) -> set[str]:
    """Return the packages that a source imports, other than for their types."""
    found = (next(filter(None, match), "") for match in _IMPORT.findall(script.text))
    return {_package(name) for name in found if name and name[0] not in "./#~"}


def _package(specifier: str) -> str:
    parts = specifier.removeprefix("node:").split("/")
    return "/".join(parts[:2]) if specifier.startswith("@") else parts[0]


def spawned(script: Script) -> tuple[set[str], bool]:
    """Return the words of strings in a source that runs programs, and whether all are literal."""
    if not _SPAWNS.search(script.text):
        return set(), True
    strings = (next(filter(None, match), "") for match in _STRINGS.findall(script.text))
    words = {word for text in strings for word in _WORD.findall(text)}
    return words, all(first in "\"'`" for first in _CALLS.findall(script.text))
