"""What changes declare, matched with what was found in the images."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from refactor.model import Change, Effect
from refactor.proof.differences import Comparison, FileDifference, Group, How
from refactor.proof.groups import Groups
from refactor.proof.images import Defect
from refactor.proof.results import Match

# What may become of the files of a group, and of an image's settings, by the effect declared.
_GONE: Mapping[Effect, frozenset[Group]] = {
    Effect.CACHES: frozenset({Group.CACHE}),
    Effect.PACKAGES: frozenset(Group) - {Group.APPLICATION},
    Effect.STAGES: frozenset(Group),
    Effect.BASE: frozenset(Group),
    Effect.FILES: frozenset({Group.APPLICATION, Group.CACHE, Group.DOCUMENTATION, Group.MODULE}),
    Effect.USER: frozenset({Group.ACCOUNT}),
}
_ADDED: Mapping[Effect, frozenset[Group]] = {
    Effect.CACHES: frozenset({Group.CACHE}),
    Effect.PACKAGES: frozenset({Group.SYSTEM, Group.CACHE, Group.ACCOUNT}),
    Effect.STAGES: frozenset(Group),
    Effect.BASE: frozenset(Group),
    Effect.USER: frozenset({Group.ACCOUNT, Group.APPLICATION, Group.SYSTEM}),
}
_SETTINGS: Mapping[Effect, tuple[str, ...]] = {
    Effect.USER: ("user",),
    Effect.METADATA: ("label ",),
    Effect.ENV: ("env ",),
    Effect.ENTRY: ("entrypoint", "cmd", "healthcheck"),
    Effect.COMMANDS: ("shell",),
    Effect.STAGES: ("env ", "entrypoint"),  # what only the builder's image brought
    Effect.BASE: ("env ", "entrypoint", "cmd", "healthcheck", "user", "label "),
}
# A difference that several effects may bring is put down to the first of these that is declared.
_SPECIFIC = (
    Effect.METADATA, Effect.ENV, Effect.ENTRY, Effect.COMMANDS, Effect.USER, Effect.CACHES,
    Effect.PACKAGES, Effect.STAGES, Effect.BASE, Effect.FILES,
)  # fmt: skip
_ARCHIVE = re.compile(r"\.(?:tar(?:\.\w+)?|tgz|tbz2?|txz|zip|jar|gz|bz2|xz|zst|deb|rpm)\Z")
_COMPILED = re.compile(r"/__pycache__(?:/[^/]+\.pyc)?\Z")
_OWNED = frozenset({"owner", "mode"})
_INSTALLS = frozenset({Effect.STAGES, Effect.BASE})
_REMOVES = _INSTALLS | {Effect.PACKAGES}


class Found(NamedTuple):
    """Differences of one kind: a sentence, and the effects that may bring them."""

    sentence: str
    effects: frozenset[Effect]


def match(
    changes: Iterable[tuple[str, Change]], comparison: Comparison
) -> tuple[tuple[Match, ...], tuple[str, ...]]:
    """Return what each change (its transform first) declares that was found, and what none does."""
    changes = list(changes)
    declared = effects_of(changes)
    found = [(f.sentence, next((e for e in _SPECIFIC if e in f.effects & declared), None))
             for f in _found(comparison, declared)]  # fmt: skip
    matches = []
    for transform, change in changes:
        effects = effects_of([(transform, change)])
        own = tuple(sentence for sentence, effect in found if effect in effects)
        matches.append(Match(transform, change.reason, own))
    return tuple(matches), tuple(sentence for sentence, effect in found if effect is None)


def without_ours(comparison: Comparison, rewritten: Mapping[str, str]) -> Comparison:
    """Leave out the files that are in both images because they are copied, and that we rewrote.

    `rewritten` maps the digest of each file's bytes (empty if there was none) to that of the new
    ones: a Dockerfile that `COPY . .` takes differs, and that is no news.
    """

    def is_ours(file: FileDifference) -> bool:
        old, new = (image.tree.get(file.path) for image in (comparison.before, comparison.after))
        if new is None or (old is not None and file.what != ("content",)):
            return False
        return rewritten.get(old.digest if old is not None else "") == new.digest

    return replace(comparison, files=tuple(f for f in comparison.files if not is_ours(f)))


def _found(comparison: Comparison, declared: Collection[Effect]) -> Iterator[Found]:
    for setting in comparison.settings:
        name = setting.name
        effects = frozenset(e for e, names in _SETTINGS.items() if name.startswith(names))
        before, after = (v if v is not None else "unset" for v in (setting.before, setting.after))
        yield Found(f"{name}: {before} becomes {after}", effects)
    yield from _files(comparison.files)
    for count, verb, packages, effects in (
        ("package", "added", comparison.packages_added, _INSTALLS),
        ("package", "gone", comparison.packages_gone, _REMOVES),
    ):
        if packages:
            names = ", ".join(sorted(package.name for package in packages)[:5])
            yield Found(f"{len(packages)} {count}s {verb}: {names}", effects)
    for path in sorted(comparison.privileged_added):
        yield Found(f"{path} runs as its owner", _INSTALLS)
    harm = harmful(comparison, declared)
    for defect in sorted(comparison.defects_added):
        # A link into what is gone goes with it; what cannot work any more nobody may declare.
        effects = frozenset() if defect in harm else _REMOVES | {Effect.CACHES}
        yield Found(f"{defect.kind} {defect.path}: {defect.what}", effects)


def harmful(comparison: Comparison, declared: Collection[Effect]) -> frozenset[Defect]:
    """Return the new defects that show that something is lost.

    Distributions ship programs whose optional needs are not installed. So a system file that lacks
    a library or an interpreter lost nothing if it is new, with another base image, or if a change
    declares that packages go which are only recommended. What the application or its modules need
    always counts.
    """
    own = (Group.APPLICATION, Group.MODULE)
    groups = Groups((comparison.before, comparison.after))
    new = comparison.after.tree.keys() - comparison.before.tree.keys()

    def is_optional(defect: Defect) -> bool:
        if defect.kind not in ("library", "script") or groups.of(defect.path) in own:
            return False
        return defect.path in new or Effect.PACKAGES in declared

    return frozenset(
        defect for defect in comparison.defects_added
        if defect.kind != "link" and not is_optional(defect)
    )  # fmt: skip


def effects_of(changes: Iterable[tuple[str, Change]]) -> frozenset[Effect]:
    """Return all effects that changes declare; that on commands, where it is on their shell."""
    claims = (claim for _, change in changes for claim in change.claims)
    return frozenset(
        claim.effect for claim in claims
        if claim.effect is not Effect.COMMANDS
        or any(line.startswith("shell ") for line in claim.footprint)
    )  # fmt: skip


def _files(files: Iterable[FileDifference]) -> Iterator[Found]:
    """Yield what became of files: a sentence for each group and kind of difference."""
    kinds: defaultdict[tuple[str, Group, frozenset[Effect]], list[FileDifference]]
    kinds = defaultdict(list)
    for file in files:
        kinds[_verb(file), file.group, _effects(file)].append(file)
    for (verb, group, effects), found in kinds.items():
        size = sum(file.size for file in found) / 1e6
        first = max(found, key=lambda file: abs(file.size)).path
        count = f"{len(found)} files" if len(found) > 1 else "1 file"
        yield Found(f"{count} of {group} {verb} ({size:+.1f} MB), such as {first}", effects)


def _verb(file: FileDifference) -> str:
    return f"with another {' and '.join(file.what)}" if file.how is How.CHANGED else str(file.how)


def _effects(file: FileDifference) -> frozenset[Effect]:
    """Return the effects that may bring a difference."""
    if file.how is How.GONE:
        found = {effect for effect, groups in _GONE.items() if file.group in groups}
        return frozenset(found | ({Effect.FILES} if _ARCHIVE.search(file.path) else set()))
    if file.how is How.ADDED:
        found = {effect for effect, groups in _ADDED.items() if file.group in groups}
        return frozenset(found | ({Effect.FILES} if _COMPILED.search(file.path) else set()))
    found = {Effect.STAGES, Effect.BASE}
    if set(file.what) <= _OWNED:
        found.add(Effect.USER)
    if file.group not in (Group.APPLICATION, Group.MODULE):
        found.add(Effect.PACKAGES)
    if file.group is Group.CACHE:
        found.add(Effect.CACHES)
    if file.group is Group.ACCOUNT:
        found.add(Effect.USER)
    return frozenset(found)
