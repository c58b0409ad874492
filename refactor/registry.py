"""Finds transforms by entry point; imports those of a package only when a trigger word occurs.

An entry point of the group `dockerfile_refactor.transforms` names a package (each module of it is
a transform) or a single module. `triggers=(...)` is read from the source text, so that a
transform whose words do not occur costs no import.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.metadata import entry_points
from pathlib import Path

from refactor.model import Safety, Transform, occurs

GROUP = "dockerfile_refactor.transforms"
OWN = "transforms"
_TRIGGERS = re.compile(r"^ +triggers=\(([^)]*)\),$", re.MULTILINE)
_DEFAULT = re.compile(r"^ +default=False,$", re.MULTILINE)
_HIGHEST = re.compile(r"^ +highest=Safety\.(\w+),$", re.MULTILINE)
_DOUBTFUL = re.compile(r"\bdefault\s*=\s*(?!True\b)")


class Unusable(ValueError):
    """A transform cannot be loaded, or the selection contradicts itself."""


@dataclass(frozen=True)
class Entry:
    """A transform that may not be imported yet."""

    id: str
    module: str
    triggers: tuple[str, ...]
    default: bool
    highest: Safety = Safety.SAFE

    @cached_property
    def transform(self) -> Transform:
        """The transform itself."""
        try:
            found = importlib.import_module(self.module)
        except Exception as error:  # whatever a stranger's module does
            raise Unusable(f"{self.module} cannot be imported: {error!r}") from error
        value = next((v for v in vars(found).values() if isinstance(v, Transform)), None)
        if value is None:
            raise Unusable(f"{self.module} defines no transform")
        return value

    def concerns(self, lowered: str) -> bool:
        """Whether one of the trigger words occurs in a lower-case text."""
        return occurs(self.triggers, lowered)


@lru_cache(maxsize=1)
def entries() -> tuple[Entry, ...]:
    """Return every transform that is installed, sorted by id."""
    modules = {point.value.partition(":")[0] for point in entry_points(group=GROUP)} | {OWN}
    found: dict[str, Entry] = {}
    for module in sorted(modules, key=lambda m: (m != OWN, m)):
        for entry in _entries(module):
            if entry.id in found:
                raise Unusable(f"two transforms are called {entry.id}: {entry.module}, "
                               f"{found[entry.id].module}")  # fmt: skip
            found[entry.id] = entry
    return tuple(found[key] for key in sorted(found))


def _entries(module: str) -> Iterable[Entry]:
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:  # of the package around it
        spec = None
    if spec is None:
        raise Unusable(f"the transforms of {module} cannot be imported")
    if not spec.submodule_search_locations:
        transform = Entry("", module, (), True).transform
        yield Entry(transform.id, module, transform.triggers, transform.default, transform.highest)
        return
    for folder in spec.submodule_search_locations:
        for path in sorted(Path(folder).glob("*.py")):
            if not path.stem.startswith("_"):
                yield _unimported(f"{module}.{path.stem}", path)


def _unimported(module: str, path: Path) -> Entry:
    text = path.read_text(encoding="utf-8")
    match = _TRIGGERS.search(text)
    words = tuple(ast.literal_eval(f"[{match[1]}]")) if match and match[1] else ("",)
    level = _HIGHEST.search(text)
    highest = Safety[level[1]] if level else Safety.SAFE
    entry = Entry(path.stem.replace("_", "-"), module, words, not _DEFAULT.search(text), highest)
    if entry.default and _DOUBTFUL.search(text):  # in another layout: ask the transform itself
        return replace(entry, default=entry.transform.default)
    return entry


def near(name: str, known: Iterable[str]) -> str:
    """Return the question which names somebody may have meant; empty if none is like it."""
    from difflib import get_close_matches

    by_lower = {each.lower(): each for each in known}
    found = get_close_matches(name.replace("_", "-").lower(), by_lower)
    return f"is it {' or '.join(by_lower[each] for each in found)}? " if found else ""


def select(select: Sequence[str], ignore: Sequence[str]) -> tuple[Entry, ...]:
    """Return the entries asked for: the defaults, or `select` (`all` for everything)."""
    found = {entry.id: entry for entry in entries()}
    for name in (*select, *ignore):
        if name not in found and name != "all":
            meant = near(name, found)
            told = f"{meant}`dfr list` names all" if meant else f"there are: {', '.join(found)}"
            raise Unusable(f"no transform is called {name!r}; {told}")
    wanted = [
        e for e in found.values()
        if e.id not in ignore and (e.id in select or "all" in select or (not select and e.default))
    ]  # fmt: skip
    if "all" in select:  # what has to be asked for by name gives way to what it excludes
        ids = {e.id for e in wanted}
        wanted = [
            e for e in wanted if e.default or e.id in select or not e.transform.excludes & ids
        ]
    return tuple(wanted)


def ordered(chosen: Iterable[Entry]) -> list[Transform]:
    """Import the entries and sort them: by phase, then by id; fail on a contradiction."""
    found = sorted((entry.transform for entry in chosen), key=lambda t: (t.phase, t.id))
    ids = {transform.id for transform in found}
    for transform in found:
        if clash := transform.excludes & ids:
            raise Unusable(
                f"{transform.id} excludes {', '.join(sorted(clash))}: ignore one of them"
            )
    return found
