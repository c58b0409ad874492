"""The packages that a new stage installs again, without those that only build."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from refactor.effects.artefact_walk import Step, World
from refactor.facts import left_out
from refactor.facts.images import Family, Image
from refactor.facts.installs import Unknown
from refactor.facts.packages import argv_operation, bare_name
from refactor.facts.runtimes import base

UNLOCK = "split by hand"
_UPDATE = {"apt-get": ("apt-get", "update"), "apt": ("apt", "update")}
_LISTS = ("rm", "-rf", "/var/lib/apt/lists/*")
# Alpine's compilers link C to nothing but musl, and C++ to these (package contents of Alpine).
_CXX = ("libgcc", "libstdc++")
_ON_ALPINE: dict[str, tuple[str, ...]] = {
    "gcc": (), "musl-dev": (), "libc-dev": (), "make": (), "linux-headers": (), "git": (),
    "pkgconf": (), "g++": _CXX, "build-base": _CXX, "alpine-sdk": _CXX,
}  # fmt: skip


class Kept(NamedTuple):
    """An instruction of the old stage that the new one has too.

    A RUN has `commands` instead if it does less there; without `step` it is a new one.
    """

    step: Step | None
    commands: tuple[tuple[str, ...], ...] = ()

    @property
    def place(self) -> int:
        """Where it stands in the file."""
        return self.step.instruction.span.start if self.step else -1


def installs(
    built_on: Image,
    world: World,
    found: Image,
    packages: tuple[str, ...],
    linked: bool,
) -> tuple[Kept, ...] | Unknown:
    """Return the commands that install what stays of the packages, and libraries."""
    if found.family is Family.DISTROLESS:
        stays = [n for n, _ in world.packages if not _is_spare(n, built_on, found)]
        if stays:
            return Unknown("S518", f"{stays[0]} is installed, and the base has no package manager",
                           "name the release in the base's tag")  # fmt: skip
        return ()
    runs: list[Kept] = []
    rest = dict.fromkeys(packages)
    for step in {step.instruction.span.start: step for _, step in world.packages}.values():
        slim = slimmer(step, lambda name: _is_spare(name, built_on, found))
        if slim:
            runs.append(Kept(step, slim))
    for name, _ in world.packages if linked else ():
        if not left_out.is_left_out(name, built_on.family):
            continue
        behind = left_behind(name, built_on)
        if behind is None:
            return Unknown("S501", f"which libraries are needed at run time for {name} is not "
                           "known", "install them by name")  # fmt: skip
        rest |= dict.fromkeys(behind)
    if found.family is not built_on.family and runs:
        return Unknown("S518", "packages of another distribution would be installed", UNLOCK)
    more = library_install(rest, found)
    return more if isinstance(more, Unknown) else (*more, *runs)


def left_behind(package: str, built_on: Image) -> tuple[str, ...] | None:
    """Return the libraries that what was built with a package needs; None if not known."""
    name = bare_name(package)
    found = left_out.needed(name, built_on)
    return _ON_ALPINE.get(name) if built_on.family is Family.ALPINE and found is None else found


def library_install(names: Iterable[str], found: Image) -> tuple[Kept, ...] | Unknown:
    """Return the RUN that installs libraries on a base, if there are any."""
    wanted = sorted(set(names))
    if not wanted:
        return ()
    if found.family is Family.ALPINE:
        return (Kept(None, (("apk", "add", "--no-cache", *wanted),)),)
    if found.family is not Family.DEBIAN:
        return Unknown("S501", f"how {wanted[0]} is installed there is not known", UNLOCK)
    install = ("apt-get", "install", "-y", "--no-install-recommends", *wanted)
    return (Kept(None, (_UPDATE["apt-get"], install, _LISTS)),)


def slimmer(step: Step, is_spare: Callable[[str], bool]) -> tuple[tuple[str, ...], ...]:
    """Return the installs of a RUN without packages to spare, lists fetched and deleted."""
    argvs: list[tuple[str, ...]] = []
    update: tuple[str, ...] | None = None
    for event in step.events:
        argv = getattr(event, "argv", ())
        operation = argv_operation(argv)
        if operation is None or operation.action not in ("install", "add"):
            continue
        kept = [a.text for a in operation.arguments if not is_spare(a.text)]
        if not kept:
            continue
        gone = {a.text for a in operation.arguments} - set(kept)
        words = [word for word in argv if word not in gone]
        if operation.manager == "apk" and not operation.has("--no-cache"):
            words.insert(2, "--no-cache")
        update = _UPDATE.get(operation.manager)
        argvs.append(tuple(words))
    return (update, *argvs, _LISTS) if update and argvs else tuple(argvs)


def _is_spare(package: str, built_on: Image, found: Image) -> bool:
    """Whether a package is not needed where the program runs."""
    name = bare_name(package)
    there = base(found)
    if name == "ca-certificates" and there is not None and there.certificates:
        return True
    if name == "tzdata" and found.family in (Family.DISTROLESS, Family.DEBIAN):
        return True
    return left_out.is_left_out(name, built_on.family)
