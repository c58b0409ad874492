"""How the image of a Dockerfile is built, started, probed and mounted on, outside the Dockerfile.

A survey of the repository says what is built and used; here it is decided what of it is about this
Dockerfile. What cannot be told counts, and is named among the unknown.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from typing import TypeVar

from refactor.context import Context
from refactor.facts.image_names import LIKELY, POSSIBLE, Names, has_gaps, is_public
from refactor.outside.records import Build, Found, Invocation, Mount, Use
from refactor.outside.survey import Survey, survey

MAX_TOKENS = 16
T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Invocations:
    """What is said of an image outside its Dockerfile.

    `targets` are the stages that builds ask for by name, `arguments` the names of the build
    arguments that they pass, `passed` the same with where, `ports` those in the container, `*` if
    not known, `rights` those over the host that only root has in the container. `unknown` holds
    what could not be read, and what was counted in doubt. `uses` are the containers that are surely
    this image's, by the build or by a name that no other build gives; `builds` are those that are
    surely of this Dockerfile, and of no other.
    """

    commands: tuple[Invocation, ...] = ()
    targets: frozenset[str] = frozenset()
    arguments: frozenset[str] = frozenset()
    users: tuple[Found, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Found, ...] = ()
    rights: tuple[Found, ...] = ()
    unknown: tuple[Found, ...] = ()
    uses: tuple[Use, ...] = ()
    passed: tuple[Found, ...] = ()
    builds: tuple[Build, ...] = ()


def invocations(repository: Context, home: str, place: str) -> Invocations:
    """Return what a repository says of the image of one of its Dockerfiles.

    `home` is the folder of its build context, `place` its own path.
    """
    return about(survey(repository), home, place)


def about(found: Survey, home: str, place: str) -> Invocations:
    """Return what a survey says of the image of a Dockerfile."""
    decider = _Decider(found, home, place)
    uses = [use for use in found.uses if decider.is_ours(use)]
    builds = [*decider.builds, *(use.build for use in uses if use.build)]
    targets = frozenset(target for build in builds for target in build.targets)
    unclear = [Found(use.unclear, use.path, use.line) for use in uses if use.unclear]
    unclear += [
        Found("a target that is not known", b.path, b.line) for b in builds if "*" in b.targets
    ]
    return Invocations(
        _once(said for use in uses for said in use.commands),
        targets - {"*"},
        frozenset(name for build in builds for name in build.arguments),
        _once(user for use in uses for user in use.users),
        _once(mount for use in uses for mount in use.mounts),
        _once(port for use in uses for port in use.ports),
        _once(right for use in uses for right in use.rights),
        _once((*found.unknown, *unclear, *decider.doubts.values())),
        tuple(use for use in uses if decider.is_surely_ours(use)),
        _once(Found(name, b.path, b.line) for b in builds for name in b.arguments),
        _once(build for build in builds if decider.is_surely_built(build)),
    )


def _once(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))


class _Decider:
    """Tells which records are about a Dockerfile."""

    def __init__(self, found: Survey, home: str, place: str) -> None:
        self.survey = found
        self.home = home
        self.place = place
        self.dockerfiles = tuple(dict.fromkeys((place, *found.dockerfiles)))
        self.doubts: dict[str, Found] = {}
        self.memo: dict[int, set[str]] = {}
        all_builds = [*found.builds, *(use.build for use in found.uses if use.build)]
        self.builds = [build for build in found.builds if place in self.built_by(build)]
        ours = [build for build in all_builds if place in self.built_by(build)]
        others = [build for build in all_builds if place not in self.built_by(build)]
        self.names = Names(image for build in ours for image in build.images)
        self.other_names = Names(image for build in others for image in build.images)
        sure = [build for build in ours if self.built_by(build) == {place}]
        unsure = [build for build in all_builds if self.built_by(build) != {place}]
        self.sure_names = Names(image for build in sure for image in build.images)
        self.unsure_names = Names(image for build in unsure for image in build.images)
        self.groups: dict[str, list[Use]] = {}
        for use in found.uses:
            if use.group:
                self.groups.setdefault(use.group, []).append(use)
        self.named: dict[str, list[Use]] = {}
        for use in found.uses:
            if any(part.build or part.image for part in self.parts(use)):
                for name in use.names:
                    self.named.setdefault(name, []).append(use)

    def built_by(self, build: Build) -> set[str]:
        """Return the Dockerfiles that a build may be of."""
        if id(build) not in self.memo:
            self.memo[id(build)] = self._built_by(build)
        return self.memo[id(build)]

    def _built_by(self, build: Build) -> set[str]:
        if build.kind == "procfile" and build.context == self.home:
            return {self.place}
        there = [file for file in build.files if file in self.dockerfiles]
        if there:  # a document speaks of the folder that it is in, if there is a Dockerfile
            return set(there[:1] if build.kind == "docs" else there)
        open_ = [file for file in build.files if "*" in file]
        names = set() if build.exact else {posixpath.basename(file) for file in build.files}
        return {
            file
            for file in self.dockerfiles
            if posixpath.basename(file) in names
            or any(fnmatchcase(file, name) or fnmatchcase(f"./{file}", name) for name in open_)
        }

    def parts(self, use: Use) -> list[Use]:
        """Return all that is said of the container that a use is of."""
        return self.groups[use.group] if use.group else [use]

    def is_ours(self, use: Use) -> bool:
        """Whether a use is, or may be, of this Dockerfile's image."""
        parts = self.parts(use)
        built = [self.place in self.built_by(part.build) for part in parts if part.build]
        if built:
            return any(built)
        images = [part.image for part in parts if part.image]
        if images:
            return any(self.is_our_image(image, use) for image in images)
        names = [part.of for part in parts if part.of] or list(use.names)
        return self.is_our_name(names[0] if names else "", use)

    def is_surely_ours(self, use: Use) -> bool:
        """Whether a use is of this image beyond doubt."""
        builds = [part.build for part in self.parts(use) if part.build]
        if builds:
            return all(build.exact and build.files == (self.place,) for build in builds)
        known = self.sure_names.agreement(use.image) >= LIKELY
        return known and self.unsure_names.agreement(use.image) < LIKELY

    def is_surely_built(self, build: Build) -> bool:
        """Whether a build is of this Dockerfile beyond doubt."""
        return self.place in build.files and self.built_by(build) == {self.place}

    def is_our_image(self, image: str, use: Use) -> bool:
        """Whether an image is this one: by the names that builds give, as far as they tell."""
        ours, other = self.names.agreement(image), self.other_names.agreement(image)
        if ours < other or (not ours and is_public(image)):
            return False
        told = self.is_told or (use.group and self.is_composed)
        if not ours and told and not has_gaps(image):
            return False
        if ours <= POSSIBLE or ours == other:
            self._doubt(f"{image} may be another image", use)
        return True

    @cached_property
    def is_told(self) -> bool:
        """Whether some use names this image, so that other names are those of others."""
        images = {use.image for use in self.survey.uses if use.image and not use.build}
        return any(self.names.agreement(image) >= LIKELY for image in images)

    @cached_property
    def is_composed(self) -> bool:
        """Whether a compose file builds this Dockerfile, so that its images are others'."""
        return any(
            use.group and use.build and self.place in self.built_by(use.build)
            for use in self.survey.uses
        )

    def is_our_name(self, name: str, use: Use) -> bool:
        """Whether a service, container or pod of a name is one of this image."""
        for known in _runs(name):
            if known in self.named:
                return any(self.is_ours(other) for other in self.named[known])
        self._doubt(f"{name or 'this'} may be another container", use)
        return True

    def _doubt(self, reason: str, use: Use) -> None:
        self.doubts.setdefault(reason, Found(reason, use.path, use.line))


def _runs(name: str) -> Iterator[str]:
    """Yield the parts of a name between its separators, the longest first."""
    tokens = list(islice(re.finditer(r"[A-Za-z0-9]+", name), MAX_TOKENS))
    for length in range(len(tokens), 0, -1):
        for first, last in zip(tokens, tokens[length - 1 :], strict=False):
            yield name[first.start() : last.end()]
