"""How two images differ, less what two builds of the same text differ in.

When something was written is never compared, nor are layers: no two builds agree in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from refactor.proof.differences import Comparison, FileDifference, How, SettingDifference
from refactor.proof.groups import Groups
from refactor.proof.images import Defect, Image, Kind, Node, Package, Settings
from refactor.proof.paths import parent

# Their contents are the time, or numbers of the disk.
_VOLATILE = re.compile(r"/var/log/|/var/cache/ldconfig/aux-cache\Z")
_WHOLE = frozenset({"added", "gone"})
_MIN_CHANCE = 4  # characters of a name that can be taken for chosen by chance
_MAX_BEGINNING = 3
_MAX_NAMES = 50  # of a folder that are compared with each other


@dataclass(frozen=True)
class Noise:
    """What two builds of the same text differ in.

    `paths` says what of a path (`added` or `gone`: the whole of it), `made_up` holds patterns of
    names that were different in each: a name that fits, and what is below it, is noise.
    """

    paths: Mapping[str, frozenset[str]] = field(default_factory=dict)
    made_up: Mapping[str, tuple[re.Pattern[str], ...]] = field(default_factory=dict)
    settings: frozenset[str] = frozenset()
    packages: frozenset[tuple[str, str]] = frozenset()
    defects: frozenset[Defect] = frozenset()


class _Difference(NamedTuple):
    """A path with what differs of it."""

    path: str
    how: How
    size: int
    what: tuple[str, ...]


def compare(before: Image, after: Image, noise: Noise | None = None) -> Comparison:
    """Compare two images."""
    known = noise or Noise()
    groups = Groups((before, after))
    files: list[FileDifference] = []
    left_out = 0
    for path, how, size, what in _differences(before.tree, after.tree):
        kept = _kept(path, how, what, known)
        if kept is None:
            left_out += 1
        else:
            files.append(FileDifference(path, how, groups.of(path), size, kept))
    added, gone = after.packages - before.packages, before.packages - after.packages
    return Comparison(
        before=before,
        after=after,
        settings=tuple(
            one
            for one in _settings(before.settings, after.settings)
            if one.name not in known.settings
        ),
        files=tuple(files),
        packages_added=_steady(added, known),
        packages_gone=_steady(gone, known),
        defects_added=_new(after.defects, before.defects) - known.defects,
        defects_gone=_new(before.defects, after.defects) - known.defects,
        privileged_added=after.privileged - before.privileged,
        privileged_gone=before.privileged - after.privileged,
        noise=left_out,
    )


def noise(first: Image, second: Image) -> Noise:
    """Return what two images that were built from the same text differ in."""
    found = list(_differences(first.tree, second.tree))
    packages = first.packages ^ second.packages
    return Noise(
        paths={
            one.path: frozenset(one.what) if one.how is How.CHANGED else _WHOLE for one in found
        },
        made_up=_made_up(found),
        settings=frozenset(one.name for one in _settings(first.settings, second.settings)),
        packages=frozenset((one.kind, one.name) for one in packages),
        defects=first.defects ^ second.defects,
    )


def _differences(before: Mapping[str, Node], after: Mapping[str, Node]) -> Iterator[_Difference]:
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old is None and new is not None:
            yield _Difference(path, How.ADDED, new.size, ())
        elif new is None and old is not None:
            yield _Difference(path, How.GONE, -old.size, ())
        elif old and new and old != new:
            yield _Difference(path, How.CHANGED, new.size - old.size, tuple(_what(old, new)))


def _what(old: Node, new: Node) -> Iterator[str]:
    if old.kind is not new.kind:
        yield "kind"
    elif (old.digest, old.size) != (new.digest, new.size):
        yield "content"
    if old.mode != new.mode and Kind.LINK not in (old.kind, new.kind):
        yield "mode"
    if (old.uid, old.gid) != (new.uid, new.gid):
        yield "owner"
    if old.target != new.target and old.kind is new.kind:
        yield "target"
    if old.capability != new.capability:
        yield "capability"


def _kept(path: str, how: How, what: tuple[str, ...], known: Noise) -> tuple[str, ...] | None:
    """Return what remains of a difference, or None if nothing does."""
    usual = known.paths.get(path, frozenset())
    if how is not How.CHANGED:
        return None if usual == _WHOLE or _is_made_up(path, known) else ()
    if _VOLATILE.match(path):
        usual |= {"content"}
    if usual >= _WHOLE:
        return None
    return tuple(one for one in what if one not in usual) or None


def _is_made_up(path: str, known: Noise) -> bool:
    while known.made_up and path:
        folder, _, name = path.rpartition("/")
        if any(pattern.fullmatch(name) for pattern in known.made_up.get(folder, ())):
            return True
        path = folder
    return False


def _made_up(found: list[_Difference]) -> dict[str, tuple[re.Pattern[str], ...]]:
    """Return the patterns of names that each of two builds has one of: `/tmp/tmpab12cd34`."""
    names: dict[str, dict[How, list[str]]] = {}
    for path, how, _, _ in found:
        if how is not How.CHANGED:
            names.setdefault(parent(path), {}).setdefault(how, []).append(path.rpartition("/")[2])
    patterns: dict[str, tuple[re.Pattern[str], ...]] = {}
    for folder, both in names.items():
        added, gone = both.get(How.ADDED, []), both.get(How.GONE, [])
        some = {
            pattern
            for one in gone[:_MAX_NAMES]
            for other in added[:_MAX_NAMES]
            if (pattern := _pattern(one, other))
        }
        if some:
            patterns[folder] = tuple(re.compile(pattern) for pattern in sorted(some))
    return patterns


def _pattern(one: str, other: str) -> str:
    """Return what two names of the same length have in common, empty if that is nothing."""
    if len(one) != len(other) or one == other:
        return ""
    start = next(at for at in range(len(one)) if one[at] != other[at])
    end = next(at for at in range(len(one)) if one[-1 - at] != other[-1 - at])
    # Two names made by chance may agree in letters beside those that differ: all that a word has,
    # but for how it begins (`tmp`), is taken for made up.
    word = re.search(r"[^\W_]*\Z", one[:start])
    shared = word[0] if word else ""
    start += min(_MAX_BEGINNING, len(shared)) * shared[:3].isalpha() - len(shared)
    while end and one[-end].isalnum():
        end -= 1
    length = len(one) - start - end
    middle = one[start : start + length], other[start : start + length]
    if length < _MIN_CHANCE or not all(re.fullmatch(r"\w+", part) for part in middle):
        return ""
    return re.escape(one[:start]) + rf"\w{{{length}}}" + re.escape(one[len(one) - end :])


def _steady(packages: Iterable[Package], known: Noise) -> frozenset[Package]:
    return frozenset(one for one in packages if (one.kind, one.name) not in known.packages)


def _new(found: frozenset[Defect], there: frozenset[Defect]) -> frozenset[Defect]:
    """Return the defects that were not there: one that only moved to another folder was."""
    known = {_defect(one) for one in there}
    return frozenset(one for one in found if _defect(one) not in known)


def _defect(one: Defect) -> tuple[str, str, str]:
    return one.kind, one.path.rpartition("/")[2], one.what


def _settings(before: Settings, after: Settings) -> Iterator[SettingDifference]:
    old, new = _flat(before), _flat(after)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield SettingDifference(name, old.get(name), new.get(name))


def _flat(settings: Settings) -> dict[str, str]:
    """Return each setting that is set, as text."""
    words = {
        "entrypoint": settings.entrypoint, "cmd": settings.cmd, "shell": settings.shell,
        "healthcheck": settings.healthcheck, "onbuild": settings.onbuild,
    }  # fmt: skip
    single = {
        "user": settings.user, "workdir": settings.workdir, "stop_signal": settings.stop_signal,
        "platform": settings.platform, "ports": " ".join(sorted(settings.ports)),
        "volumes": " ".join(sorted(settings.volumes)), "probing": " ".join(settings.probing),
    }  # fmt: skip
    found = {name: json.dumps(value) for name, value in words.items() if value}
    found |= {name: value for name, value in single.items() if value}
    found |= {f"env {name}": value for name, value in settings.env.items()}
    return found | {f"label {name}": value for name, value in (settings.labels or {}).items()}
